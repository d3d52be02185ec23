using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Server.Tests.Outbound;
using DataVault.Testing;
using Microsoft.AspNetCore.Http;

namespace DataVault.Server.Tests.Plaintext;

/// <summary>A notice as a recipient received it.</summary>
/// <param name="Verified">Its signature and time are as the recipient demands.</param>
internal sealed record ReceivedNotice(string Id, string Timestamp, string Signature, string Body, bool Verified);

/// <summary>A server with two recipients of erasure notices: one that answers at the third attempt, and one that never does.</summary>
public sealed class RecipientServer : IAsyncLifetime
{
    // Signatures may be this old.
    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    private readonly ConcurrentQueue<ReceivedNotice> _received = [];
    private StandIn? _recipient;

    public RunningServer Server { get; } = new();

    internal static byte[] Key { get; } = RandomNumberGenerator.GetBytes(32);

    public async ValueTask InitializeAsync()
    {
        _recipient = await StandIn.StartAsync(AnswerAsync);
        var secret = "whsec_" + Convert.ToBase64String(Key);
        Server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string>
        {
            ["Erasure__Recipients__billing__Url"] = _recipient.Address + "/billing", ["Erasure__Recipients__billing__Secret"] = secret,
            ["Erasure__Recipients__gone__Url"] = _recipient.Address + "/gone", ["Erasure__Recipients__gone__Secret"] = secret,
        }));
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        if (_recipient is not null) await _recipient.DisposeAsync();
    }

    internal IReadOnlyList<ReceivedNotice> About(Guid customer) => [.. _received.Where(one => one.Body.Contains(customer.ToString("D"), StringComparison.Ordinal))];

    // SPEC Standard Webhooks: base64 of HMAC-SHA-256 over id, time and body, joined by dots.
    internal static bool Verifies(byte[] key, ReceivedNotice notice)
    {
        var expected = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{notice.Id}.{notice.Timestamp}.{notice.Body}")));
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(expected), Encoding.ASCII.GetBytes(notice.Signature))
            && (DateTimeOffset.UtcNow - DateTimeOffset.FromUnixTimeSeconds(long.Parse(notice.Timestamp, CultureInfo.InvariantCulture))).Duration() < Tolerance;
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        var body = Encoding.UTF8.GetString(await StandIn.BodyAsync(context));
        var notice = new ReceivedNotice(headers["webhook-id"].ToString(), headers["webhook-timestamp"].ToString(), headers["webhook-signature"].ToString(), body, Verified: false);
        if (context.Request.Path == "/gone")
        {
            context.Response.StatusCode = 503;
            return;
        }
        var before = _received.Count(one => one.Id == notice.Id);
        _received.Enqueue(notice with { Verified = Verifies(Key, notice) && context.Request.ContentType == "application/json" });
        if (before == 1) context.Abort();
        else context.Response.StatusCode = before == 0 ? 500 : 204;
    }
}
