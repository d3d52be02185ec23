using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Server.Outbound;
using DataVault.Vault;

namespace DataVault.Server.OpenDsr;

/// <summary>
/// Calls controllers back, signed over exactly the bytes that are sent. Where the call goes stands in the body, for the receiver to compare, and is held once more
/// against what an administrator registered and against what may be called at all; redirects are not followed, and nothing of the answer is read.
/// </summary>
internal sealed class OpenDsrCallbacks(OpenDsrControllers controllers, ProcessorCertificates certificates, OpenDsrSettings settings) : IDisposable
{
    /// <summary>Before a controller's name among the recipients of calls.</summary>
    public const string RecipientPrefix = "opendsr:";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly HttpMessageInvoker _http = OutboundHttp.Connect(PublicAddresses.System(settings.CallbackNetworks), settings.CallbackRoots);

    /// <exception cref="RecipientCallException">It was not delivered, or nobody knows whether it was.</exception>
    public async Task CallAsync(RecipientCall call, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        try
        {
            using var request = await RequestAsync(call, limit.Token);
            using var answer = await _http.SendAsync(request, limit.Token);
            if (!answer.IsSuccessStatusCode) throw new RecipientCallException(string.Create(CultureInfo.InvariantCulture, $"status-{(int)answer.StatusCode}"));
        }
        catch (HttpRequestException e)
        {
            throw new RecipientCallException(e.InnerException is AddressRefusedException ? "address-refused" : "unreachable");
        }
        catch (CryptographicException)
        {
            throw new RecipientCallException("no-certificate");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new RecipientCallException("timeout");
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpRequestMessage> RequestAsync(RecipientCall call, CancellationToken cancellation)
    {
        var address = AddressIn(call.Body);
        if (!await controllers.AllowsAsync(call.Recipient[RecipientPrefix.Length..], address, cancellation)) throw new RecipientCallException("not-allowed");
        var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ReadOnlyMemoryContent(call.Body) };
        request.Content.Headers.ContentType = new("application/json");
        foreach (var (name, value) in OpenDsrSignature.Headers(settings.Domain, certificates.Sign(call.Body.Span))) request.Headers.Add(name, value);
        return request;
    }

    private static Uri AddressIn(ReadOnlyMemory<byte> body)
    {
        using var document = JsonDocument.Parse(body);
        return new Uri(document.RootElement.GetProperty("status_callback_url").GetString()!);
    }
}

/// <summary>Recipients of the configuration, and controllers by OpenDSR: each is called in its own way.</summary>
internal sealed class CallsOfEither(RecipientCalls recipients, OpenDsrCallbacks controllers) : IRecipientCalls
{
    public Task CallAsync(RecipientCall call, CancellationToken cancellation) =>
        call.Recipient.StartsWith(OpenDsrCallbacks.RecipientPrefix, StringComparison.Ordinal) ? controllers.CallAsync(call, cancellation) : recipients.CallAsync(call, cancellation);
}

/// <summary>The headers that say who speaks, and prove it. Those of OpenGDPR, which came before, are sent too.</summary>
// SPEC OpenDSR §10.1
internal static class OpenDsrSignature
{
    public static IEnumerable<(string Name, string Value)> Headers(string domain, string signature) =>
        [("X-OpenDSR-Processor-Domain", domain), ("X-OpenDSR-Signature", signature), ("X-OpenGDPR-Processor-Domain", domain), ("X-OpenGDPR-Signature", signature)];
}
