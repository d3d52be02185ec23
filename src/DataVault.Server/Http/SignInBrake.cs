using System.Net;
using System.Net.Sockets;

namespace DataVault.Server.Http;

/// <summary>
/// Slows down who tries many secrets from one place, whatever accounts and clients they try: failures are counted by network (24 bits of an IPv4 address, 64 of an
/// IPv6 one), and a network that has used up its room waits, twice as long each time. Lock-outs by account (the issuer's own) do not see somebody who tries one password
/// at each of a million accounts. Counts are of this process, in bounded memory.
/// </summary>
internal sealed class SignInBrake(LimitOptions options, TimeProvider clock)
{
    public static readonly TimeSpan Window = TimeSpan.FromMinutes(10);
    public static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(15);

    private const int Generation = 10_000;
    private const int AttackShare = 10;
    private static readonly string[] Guarded = ["/account", "/connect"];

    private readonly Lock gate = new();
    private Dictionary<string, Count> young = [];
    private Dictionary<string, Count> old = [];
    private (int Failures, DateTimeOffset Since) overall;

    /// <summary>How many networks are remembered.</summary>
    public int Remembered
    {
        get
        {
            lock (gate)
                return young.Count + old.Count;
        }
    }

    /// <summary>Refuses what a network that has to wait sends to the door: before a password is hashed or a secret looked up.</summary>
    public async Task GuardAsync(HttpContext context, RequestDelegate next)
    {
        if (HttpMethods.IsPost(context.Request.Method) && Guarded.Any(path => context.Request.Path.StartsWithSegments(path)) && WaitOf(context.Connection.RemoteIpAddress) is { } wait)
            await Problems.WriteAsync(context, "rate-limited", retryAfter: wait);
        else
            await next(context);
    }

    /// <summary>How long a network has yet to wait; null when it need not.</summary>
    public TimeSpan? WaitOf(IPAddress? from)
    {
        lock (gate)
            return Find(NetworkOf(from)) is { } count && count.Until > clock.GetUtcNow() ? count.Until - clock.GetUtcNow() : null;
    }

    /// <summary>Counts a failure. True when it is the one after which the network has to wait.</summary>
    public bool Failed(IPAddress? from)
    {
        var now = clock.GetUtcNow();
        lock (gate)
        {
            overall = now - overall.Since > Window ? (1, now) : (overall.Failures + 1, overall.Since);
            var network = NetworkOf(from);
            var room = Math.Max(1, overall.Failures > options.FailedSignInsOverall ? options.FailedSignIns / AttackShare : options.FailedSignIns);
            var count = Find(network) is { } known && (now - known.Since <= Window || now - known.Until <= Window) ? known : new Count(0, now, DateTimeOffset.MinValue, 0);
            count = count with { Failures = count.Failures + 1 };
            var full = count.Failures >= room;
            // A fifth of the room is left after a wait.
            if (full) count = new Count(room - Math.Max(1, room / 5), now, now + Wait(count.Waits), count.Waits + 1);
            Keep(network, count);
            return full;
        }
    }

    public static string NetworkOf(IPAddress? from)
    {
        if (from is null) return "";
        var address = from.IsIPv4MappedToIPv6 ? from.MapToIPv4() : from;
        return Convert.ToHexString(address.GetAddressBytes().AsSpan(0, address.AddressFamily == AddressFamily.InterNetwork ? 3 : 8));
    }

    private static TimeSpan Wait(int waits) =>
        FirstWait * Math.Pow(2, Math.Min(waits, 10)) is var wait && wait < LongestWait ? wait : LongestWait;

    private Count? Find(string network) => young.GetValueOrDefault(network) ?? old.GetValueOrDefault(network);

    // Two generations: when the young one is full it becomes the old one, and what was older is forgotten.
    private void Keep(string network, Count count)
    {
        young[network] = count;
        if (young.Count < Generation) return;
        (old, young) = (young, []);
    }

    private sealed record Count(int Failures, DateTimeOffset Since, DateTimeOffset Until, int Waits);
}
