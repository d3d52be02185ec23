using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>A recipient as the configuration file names it.</summary>
internal sealed record RecipientSetting(ErasureRecipient Recipient, Uri Url, string Secret);

/// <summary>
/// Tells recipients over HTTPS, signed as the Standard Webhooks convention has it: HMAC-SHA-256 over <c>id.timestamp.body</c> under a secret that both sides
/// have. Any answer of 200 to 299 counts as received; redirects are not followed, and nothing of the answer is read.
/// </summary>
internal sealed class RecipientCalls(IReadOnlyList<RecipientSetting> recipients, TimeProvider clock) : IRecipientCalls, IDisposable
{
    private const string SecretPrefix = "whsec_";

    // SPEC Standard Webhooks: between 24 and 64 bytes.
    private const int LeastSecretBytes = 24;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly HttpClient http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { Timeout = Patience };

    public async Task CallAsync(RecipientCall call, CancellationToken cancellation)
    {
        var recipient = recipients.FirstOrDefault(one => one.Recipient.Name == call.Recipient) ?? throw new RecipientCallException("not-configured");
        var id = call.Id.ToString("D");
        var timestamp = clock.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        using var request = new HttpRequestMessage(HttpMethod.Post, recipient.Url) { Content = new ReadOnlyMemoryContent(call.Body) };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.Add("webhook-id", id);
        request.Headers.Add("webhook-timestamp", timestamp);
        request.Headers.Add("webhook-signature", "v1," + Signature(recipient.Secret, $"{id}.{timestamp}.", call.Body));
        try
        {
            using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
            if (!answer.IsSuccessStatusCode) throw new RecipientCallException(string.Create(CultureInfo.InvariantCulture, $"status-{(int)answer.StatusCode}"));
        }
        catch (HttpRequestException)
        {
            throw new RecipientCallException("unreachable");
        }
        catch (TaskCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new RecipientCallException("timeout");
        }
    }

    public void Dispose() => http.Dispose();

    /// <summary>False for <c>whsec_</c> with anything after it but the base64 of at least 24 bytes.</summary>
    internal static bool IsSecret(string secret) =>
        !secret.StartsWith(SecretPrefix, StringComparison.Ordinal)
        || Convert.TryFromBase64String(secret[SecretPrefix.Length..], new byte[secret.Length], out var length) && length >= LeastSecretBytes;

    internal static string Signature(string secret, string head, ReadOnlyMemory<byte> body) =>
        Convert.ToBase64String(HMACSHA256.HashData(KeyOf(secret), (byte[])[.. Encoding.UTF8.GetBytes(head), .. body.Span]));

    /// <summary>Of <c>whsec_…</c> the bytes that the base64 after it stands for, as every library of the convention takes it; of any other text its UTF-8.</summary>
    private static byte[] KeyOf(string secret) =>
        secret.StartsWith(SecretPrefix, StringComparison.Ordinal) ? Convert.FromBase64String(secret[SecretPrefix.Length..]) : Encoding.UTF8.GetBytes(secret);
}
