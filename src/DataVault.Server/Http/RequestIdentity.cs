using System.Diagnostics;
using System.Runtime.InteropServices;

namespace DataVault.Server.Http;

/// <summary>
/// The id of a request: the caller's <c>X-Request-Id</c> when that is a UUID, else the trace id. It stands in the answer, the
/// problem, the server's log and the audit entry.
/// </summary>
internal static class RequestIdentity
{
    private const string Header = "X-Request-Id";
    private static readonly object Key = new();

    public static Guid Of(HttpContext context)
    {
        if (context.Items.TryGetValue(Key, out var known))
            return (Guid)known!;
        var id = Guid.TryParseExact(context.Request.Headers[Header], "D", out var sent) && sent != Guid.Empty ? sent : FromTrace();
        context.Items[Key] = id;
        return id;
    }

    private static Guid FromTrace()
    {
        var trace = Activity.Current?.TraceId ?? default;
        Span<byte> bytes = stackalloc byte[16];
        (trace == default ? ActivityTraceId.CreateRandom() : trace).CopyTo(bytes);
        return new Guid(bytes, bigEndian: true);
    }
}
