using System.Text;
using DataVault.Issuer.Clients;
using Microsoft.AspNetCore.Http;

namespace DataVault.Issuer.Protocol;

/// <summary>
/// <c>client_secret_basic</c> and <c>client_secret_post</c> (RFC 6749 §2.3.1), <c>private_key_jwt</c> (<see cref="ClientAssertions"/>), and <c>none</c> for programs,
/// which prove themselves by PKCE. One at a time, and the one that the client is registered with.
/// </summary>
internal sealed class ClientAuthentication(ClientRegistry clients, ClientAssertions assertions, ISignInAudit audit, TimeProvider clock)
{
    private const int LongestCredential = 256;

    /// <summary>
    /// Null when the client did not show who it is, or may not come now or from there: who showed it is told why (<see cref="ClientRefusal"/>), and nobody else.
    /// An unknown client and a wrong secret look and cost the same.
    /// </summary>
    public async Task<Client?> AuthenticateAsync(HttpContext context, OAuthRequest request)
    {
        if (await ShownAsync(context, request) is not { } client) return null;
        if (client.RefusalAt(clock.GetUtcNow(), context.Connection.RemoteIpAddress) is not { } refusal) return client;
        context.Features.Set(new ClientRefusal(refusal));
        await RecordAsync(client, refusal, context.RequestAborted);
        return null;
    }

    private async Task<Client?> ShownAsync(HttpContext context, OAuthRequest request)
    {
        if (request["client_assertion"] is not null || request["client_assertion_type"] is not null) return await ByAssertionAsync(context, request);
        if (NamedOnly(context, request) is { } named) return await clients.FindAsync(named, context.RequestAborted) is { IsProgram: true } program ? program : null;
        if (Credentials(context, request) is not var (id, secret, method)) return null;
        var client = await clients.FindAsync(id, context.RequestAborted);
        if (Client.Verify(client, secret, clock.GetUtcNow()) && client!.Public.Registration.AuthenticationMethod is var registered && (registered ?? method) == method) return client;
        await RecordAsync(client, "wrong-secret", context.RequestAborted);
        return null;
    }

    // RFC 7521 §4.2: client_id is optional beside the assertion, and then the same as its subject.
    private async Task<Client?> ByAssertionAsync(HttpContext context, OAuthRequest request)
    {
        if (request["client_assertion_type"] != ClientAssertions.Type || request["client_assertion"] is not { } assertion) return null;
        if (context.Request.Headers.Authorization.Count > 0 || request["client_secret"] is not null) return null;
        if (ClientAssertions.ClientOf(assertion) is not { Length: <= LongestCredential } id || (request["client_id"] is { } named && named != id)) return null;
        var client = await clients.FindAsync(id, context.RequestAborted);
        var refusal = client?.Public.Registration.KeySet is null ? "no-such-key" : await assertions.RefusalAsync(client, assertion, context.RequestAborted);
        if (refusal is null) return client;
        await RecordAsync(client, refusal, context.RequestAborted);
        return null;
    }

    private Task RecordAsync(Client? client, string reason, CancellationToken cancellationToken) => audit.RecordAsync(
        new SignInEvent(false, SignInKinds.ClientSecret, client?.Id ?? "unknown", Realm.Application, client?.Name ?? "unknown", Reason: reason), cancellationToken);

    private static string? NamedOnly(HttpContext context, OAuthRequest request) =>
        context.Request.Headers.Authorization.Count == 0 && request["client_secret"] is null && request["client_id"] is { Length: <= LongestCredential } id ? id : null;

    private static (string Id, string Secret, string Method)? Credentials(HttpContext context, OAuthRequest request)
    {
        var header = context.Request.Headers.Authorization.ToString();
        if (header.Length == 0) return Bounded(request["client_id"], request["client_secret"], AuthenticationMethods.SecretPost);
        if (request["client_secret"] is not null || Basic(header) is not var (id, secret)) return null;
        return request["client_id"] is { } named && named != id ? null : Bounded(id, secret, AuthenticationMethods.SecretBasic);
    }

    private static (string Id, string Secret, string Method)? Bounded(string? id, string? secret, string method) =>
        id is { Length: <= LongestCredential } && secret is { Length: > 0 and <= LongestCredential } ? (id, secret, method) : null;

    // Both parts are form-encoded before they are joined (RFC 6749 §2.3.1).
    private static (string? Id, string? Secret)? Basic(string header)
    {
        if (header.Length > 1024 || !header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)) return null;
        var bytes = new byte[header.Length];
        if (!Convert.TryFromBase64String(header[6..].Trim(), bytes, out var length)) return null;
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon < 1 ? null : (Decode(text[..colon]), Decode(text[(colon + 1)..]));
    }

    private static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));
}

/// <summary>Why a client that showed who it is gets nothing.</summary>
/// <param name="Reason">As the log has it.</param>
internal sealed record ClientRefusal(string Reason)
{
    public string Description => Reason == "expired" ? "The registration of this client has expired." : "This client is not registered for the network that it calls from.";
}
