using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault.Tests.Keys;

/// <summary>
/// A key service that speaks the wire protocol of AWS KMS (JSON 1.1 over HTTP): it checks the signature of every request (Signature Version 4) and the
/// encryption context, and fails as the service does when told to.
/// </summary>
internal sealed class KmsStandIn : IAsyncDisposable
{
    public const string Region = "eu-central-1";
    public const string AccessKeyId = "AKIATESTTESTTESTTEST";

    private readonly WebApplication app;
    private readonly ConcurrentDictionary<string, byte[]> keys = new();
    private readonly ConcurrentQueue<(string Target, JsonObject Body)> calls = new();
    private int throttles;

    private KmsStandIn(WebApplication app) => this.app = app;

    public string SecretAccessKey { get; } = "secret/of+the+test/" + Guid.NewGuid().ToString("N");

    public Uri Endpoint => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    /// <summary>Requests that were answered, without their prefix <c>TrentService.</c></summary>
    public IReadOnlyList<(string Operation, JsonObject Body)> Calls => [.. calls];

    /// <summary>The state that DescribeKey reports, and in which the key works or not.</summary>
    public string State { get; set; } = "Enabled";

    public string Spec { get; set; } = "SYMMETRIC_DEFAULT";

    /// <summary>Operations that these credentials may not do.</summary>
    public HashSet<string> Denied { get; } = [];

    /// <summary>No answer at all until the caller gives up.</summary>
    public bool Hangs { get; set; }

    public static async Task<KmsStandIn> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        var standIn = new KmsStandIn(app);
        app.Run(standIn.AnswerAsync);
        await app.StartAsync();
        return standIn;
    }

    public static string ArnOf(string keyId) => $"arn:aws:kms:{Region}:111122223333:key/{keyId}";

    public RootKeySource.AwsKms Key(string keyId)
    {
        keys.TryAdd(ArnOf(keyId), RandomNumberGenerator.GetBytes(32));
        return new()
        {
            KeyId = keyId,
            Region = Region,
            Endpoint = Endpoint,
            AccessKeyId = AccessKeyId,
            SecretAccessKey = SecretAccessKey,
            Timeout = TimeSpan.FromSeconds(2),
            Retries = 2,
        };
    }

    /// <summary>The next so many requests are too many.</summary>
    public void Throttle(int requests) => throttles = requests;

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        if (Hangs) await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        using var buffer = new MemoryStream();
        await http.Request.Body.CopyToAsync(buffer);
        var (status, answer) = Answer(http.Request, buffer.ToArray());
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/x-amz-json-1.1";
        await http.Response.WriteAsync(answer.ToJsonString());
    }

    private (int Status, JsonObject Answer) Answer(HttpRequest request, byte[] payload)
    {
        if (!SignatureHolds(request, payload)) return Error("InvalidSignatureException");
        if (Interlocked.Decrement(ref throttles) >= 0) return Error("ThrottlingException");
        var operation = request.Headers["X-Amz-Target"].ToString().Replace("TrentService.", "", StringComparison.Ordinal);
        var body = JsonNode.Parse(payload)!.AsObject();
        calls.Enqueue((operation, body));
        if (Denied.Contains(operation)) return Error("AccessDeniedException");
        var id = (string)body["KeyId"]!;
        var arn = id.StartsWith("arn:", StringComparison.Ordinal) ? id : ArnOf(id);
        if (!keys.TryGetValue(arn, out var key)) return Error("NotFoundException");
        if (operation == "DescribeKey") return (200, Description(arn));
        if (State != "Enabled") return Error(State == "Disabled" ? "DisabledException" : "KMSInvalidStateException");
        return operation switch
        {
            "Encrypt" => Encrypt(arn, key, body),
            "Decrypt" => Decrypt(arn, key, body),
            _ => Error("UnsupportedOperationException"),
        };
    }

    private JsonObject Description(string arn) => new()
    {
        ["KeyMetadata"] = new JsonObject { ["Arn"] = arn, ["KeyId"] = arn[^4..], ["KeyState"] = State, ["Enabled"] = State == "Enabled", ["KeySpec"] = Spec, ["KeyUsage"] = Spec == "SYMMETRIC_DEFAULT" ? "ENCRYPT_DECRYPT" : "SIGN_VERIFY" },
    };

    // As the service's, a blob names its key: arn ‖ 00 ‖ nonce ‖ ciphertext ‖ tag.
    private static (int Status, JsonObject Answer) Encrypt(string arn, byte[] key, JsonObject body)
    {
        var plaintext = Convert.FromBase64String((string)body["Plaintext"]!);
        var (nonce, ciphertext, tag) = (RandomNumberGenerator.GetBytes(12), new byte[plaintext.Length], new byte[16]);
        using var aes = new AesGcm(key, 16);
        aes.Encrypt(nonce, plaintext, ciphertext, tag, Context(body));
        byte[] blob = [.. Encoding.ASCII.GetBytes(arn), 0, .. nonce, .. ciphertext, .. tag];
        return (200, new JsonObject { ["CiphertextBlob"] = Convert.ToBase64String(blob), ["KeyId"] = arn, ["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT" });
    }

    private static (int Status, JsonObject Answer) Decrypt(string arn, byte[] key, JsonObject body)
    {
        var blob = Convert.FromBase64String((string)body["CiphertextBlob"]!);
        var end = Array.IndexOf(blob, (byte)0);
        if (end < 0 || blob.Length < end + 29) return Error("InvalidCiphertextException");
        if (Encoding.ASCII.GetString(blob, 0, end) != arn) return Error("IncorrectKeyException");
        var plaintext = new byte[blob.Length - end - 29];
        try
        {
            using var aes = new AesGcm(key, 16);
            aes.Decrypt(blob.AsSpan(end + 1, 12), blob.AsSpan(end + 13, plaintext.Length), blob.AsSpan(^16..), plaintext, Context(body));
            return (200, new JsonObject { ["Plaintext"] = Convert.ToBase64String(plaintext), ["KeyId"] = arn, ["EncryptionAlgorithm"] = "SYMMETRIC_DEFAULT" });
        }
        catch (CryptographicException)
        {
            return Error("InvalidCiphertextException");
        }
    }

    private static byte[] Context(JsonObject body) => JsonSerializer.SerializeToUtf8Bytes(
        new SortedDictionary<string, string?>((body["EncryptionContext"]?.AsObject() ?? []).ToDictionary(p => p.Key, p => (string?)p.Value), StringComparer.Ordinal));

    private static (int Status, JsonObject Answer) Error(string type) => (400, new JsonObject { ["__type"] = type, ["message"] = "as told" });

    // Signature Version 4 as the service computes it, from the request as it arrived.
    private bool SignatureHolds(HttpRequest request, byte[] payload)
    {
        var fields = request.Headers.Authorization.ToString().Split(' ', 2);
        if (fields is not ["AWS4-HMAC-SHA256", var rest]) return false;
        var parts = rest.Split(',', StringSplitOptions.TrimEntries).Select(part => part.Split('=', 2)).ToDictionary(part => part[0], part => part[1]);
        var scope = parts["Credential"].Split('/');
        if (scope is not [AccessKeyId, var day, Region, "kms", "aws4_request"]) return false;
        var names = parts["SignedHeaders"].Split(';');
        if (!names.Contains("host") || !names.Contains("x-amz-target")) return false;
        var canonical = string.Join('\n',
            [request.Method, request.Path.Value, request.QueryString.Value?.TrimStart('?'),
            .. names.Select(name => $"{name}:{request.Headers[name].ToString().Trim()}"), "", parts["SignedHeaders"], Hex(SHA256.HashData(payload))]);
        var stamp = request.Headers["X-Amz-Date"].ToString();
        var toSign = string.Create(CultureInfo.InvariantCulture, $"AWS4-HMAC-SHA256\n{stamp}\n{string.Join('/', scope.Skip(1))}\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}");
        var key = new[] { day, Region, "kms", "aws4_request" }.Aggregate(Encoding.UTF8.GetBytes("AWS4" + SecretAccessKey), (k, part) => HMACSHA256.HashData(k, Encoding.UTF8.GetBytes(part)));
        return stamp.StartsWith(day, StringComparison.Ordinal) && Hex(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign))) == parts["Signature"];
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
