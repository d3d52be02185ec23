using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>What a sign-in must remember between the two redirects. Keep it where the browser cannot read it.</summary>
/// <param name="State">Ties the answer to this browser (RFC 6749 10.12).</param>
/// <param name="Nonce">Ties the identity token to this sign-in (OpenID Connect Core 3.1.2.1).</param>
/// <param name="Verifier">The PKCE secret (RFC 7636).</param>
public sealed record SignInAttempt(string State, string Nonce, string Verifier)
{
    /// <summary>Makes a fresh one.</summary>
    /// <param name="random">Fills a buffer with unpredictable bytes.</param>
    public static SignInAttempt Make(Action<Span<byte>> random) => new(Token(random), Token(random), Token(random));

    private static string Token(Action<Span<byte>> random)
    {
        Span<byte> bytes = stackalloc byte[32];
        random(bytes);
        return Base64Url.EncodeToString(bytes);
    }
}

/// <summary>The client as which programs on people's own machines sign them in (RFC 8252): every vault knows it.</summary>
public static class CommandLineClient
{
    /// <summary>Its id. It has no secret.</summary>
    public const string Id = "command-line";

    /// <summary>Where it listens on 127.0.0.1, on any port.</summary>
    public const string Path = "/signed-in";
}

/// <summary>Authorization code with PKCE (RFC 6749 4.1, RFC 7636, OpenID Connect Core).</summary>
/// <param name="http">With the issuer's address as base address.</param>
/// <param name="clientId">The registered client.</param>
/// <param name="clientSecret">Its secret; null for a program that has none (<see cref="CommandLineClient"/>).</param>
/// <param name="redirectUri">Where the issuer sends the browser back; registered.</param>
public sealed class AuthorizationCodeClient(HttpClient http, string clientId, string? clientSecret, string redirectUri)
{
    private Endpoints? _endpoints;

    /// <summary>
    /// Where to send the browser to sign in; <paramref name="again"/> asks for the password even of who is signed in, <paramref name="staff"/> for a
    /// sign-in of staff and not of a customer.
    /// </summary>
    public async Task<string> AuthorizeUrlAsync(SignInAttempt attempt, bool again = false, bool staff = false, CancellationToken cancellation = default)
    {
        var challenge = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(attempt.Verifier)));
        return new Query((await DiscoverAsync(cancellation)).Authorize)
            .Add("response_type", "code").Add("client_id", clientId).Add("redirect_uri", redirectUri).Add("scope", "openid profile offline_access")
            .Add("state", attempt.State).Add("nonce", attempt.Nonce).Add("code_challenge", challenge).Add("code_challenge_method", "S256")
            .Add("prompt", again ? "login" : null).Add("acr_values", staff ? "realm:staff" : null).ToString();
    }

    /// <summary>Trades the code for tokens.</summary>
    /// <exception cref="VaultProblemException">Refused, or the identity token is not of this sign-in.</exception>
    public async Task<TokenAnswer> ExchangeAsync(string code, SignInAttempt attempt, CancellationToken cancellation = default)
    {
        var answer = await AskAsync(
            [new("grant_type", "authorization_code"), new("code", code), new("redirect_uri", redirectUri), new("code_verifier", attempt.Verifier)], cancellation);
        if (!HasNonce(answer.IdToken, attempt.Nonce))
            throw new VaultProblemException(
                new Problem("/problems/unauthenticated", "unauthenticated", 401, "The identity token is not of this sign-in."), System.Net.HttpStatusCode.Unauthorized);
        return answer;
    }

    /// <summary>Trades a refresh token for new tokens; the old refresh token is spent.</summary>
    public Task<TokenAnswer> RefreshAsync(string refreshToken, CancellationToken cancellation = default) =>
        AskAsync([new("grant_type", "refresh_token"), new("refresh_token", refreshToken)], cancellation);

    /// <summary>Ends a refresh token and every token of its sign-in (RFC 7009).</summary>
    public async Task RevokeAsync(string refreshToken, CancellationToken cancellation = default) => await TokenEndpoint.EndAsync(
        http, (await DiscoverAsync(cancellation)).Revocation, clientSecret is null ? null : TokenEndpoint.Basic(clientId, clientSecret),
        Named([new("token", refreshToken)]), cancellation);

    /// <summary>Where to send the browser to end the issuer's session, or null when the issuer offers none.</summary>
    public async Task<string?> EndSessionUrlAsync(string? idToken, string returnTo, CancellationToken cancellation = default) =>
        (await DiscoverAsync(cancellation)).EndSession is { } end
            ? new Query(end).Add("id_token_hint", idToken).Add("client_id", clientId).Add("post_logout_redirect_uri", returnTo).ToString()
            : null;

    private async Task<TokenAnswer> AskAsync(IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancellation) =>
        await TokenEndpoint.AskAsync(
            http, (await DiscoverAsync(cancellation)).Token, clientSecret is null ? null : TokenEndpoint.Basic(clientId, clientSecret), Named(form), cancellation);

    private IEnumerable<KeyValuePair<string, string>> Named(IEnumerable<KeyValuePair<string, string>> form) =>
        clientSecret is null ? form.Append(new("client_id", clientId)) : form;

    // OpenID Connect Core 3.1.3.7: a token straight from the token endpoint is vouched for by the connection; the nonce is still ours to check.
    private static bool HasNonce(string? idToken, string nonce)
    {
        if (idToken?.Split('.') is not [_, var payload, _]) return false;
        try
        {
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(payload));
            return claims.RootElement.TryGetProperty("nonce", out var held) && held.ValueKind == JsonValueKind.String
                && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(held.GetString()!), Encoding.UTF8.GetBytes(nonce));
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            return false;
        }
    }

    private async Task<Endpoints> DiscoverAsync(CancellationToken cancellation)
    {
        if (_endpoints is { } known) return known;
        var wire = new VaultTransport(http, null, new VaultClientOptions());
        var document = await wire.AskAsync<JsonElement>(VaultCall.Get("/.well-known/openid-configuration"), cancellation);
        // The browser goes to the public address that the issuer names; this process asks for tokens on its own way to the issuer.
        return _endpoints = new Endpoints(
            document.GetProperty("authorization_endpoint").GetString()!,
            new Uri(document.GetProperty("token_endpoint").GetString()!).PathAndQuery,
            document.TryGetProperty("revocation_endpoint", out var revocation) ? new Uri(revocation.GetString()!).PathAndQuery : "/connect/revocation",
            document.TryGetProperty("end_session_endpoint", out var end) ? end.GetString() : null);
    }

    private sealed record Endpoints(string Authorize, string Token, string Revocation, string? EndSession);
}
