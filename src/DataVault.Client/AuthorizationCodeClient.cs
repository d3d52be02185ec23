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

/// <summary>An OpenID Connect provider of somebody else, in the place of the vault's own issuer.</summary>
/// <param name="Issuer">Its issuer, word for word; discovery is found below it.</param>
/// <param name="Scopes">What is asked for.</param>
public sealed record SignInServer(string Issuer, string Scopes)
{
    /// <summary>Whom the access token is for (RFC 8707), for providers that want to be told.</summary>
    public string? Resource { get; init; }

    /// <summary>Makes a fresh proof of who the client is (RFC 7523 2.2), in the place of a secret.</summary>
    public Func<string>? Assertion { get; init; }
}

/// <summary>Authorization code with PKCE (RFC 6749 4.1, RFC 7636, OpenID Connect Core).</summary>
/// <param name="http">With the issuer's address as base address; follows no redirects.</param>
/// <param name="clientId">The registered client.</param>
/// <param name="clientSecret">Its secret; null for a program that has none (<see cref="CommandLineClient"/>).</param>
/// <param name="redirectUri">Where the issuer sends the browser back; registered.</param>
/// <param name="server">Where people sign in; the vault's own issuer by default.</param>
/// <param name="time">The clock; the system's by default.</param>
public sealed class AuthorizationCodeClient(
    HttpClient http, string clientId, string? clientSecret, string redirectUri, SignInServer? server = null, TimeProvider? time = null)
{
    private static readonly TimeSpan s_skew = TimeSpan.FromSeconds(30);
    private Endpoints? _endpoints;

    /// <summary>
    /// Where to send the browser to sign in; <paramref name="again"/> asks for the password even of who is signed in, <paramref name="staff"/> for a
    /// sign-in of staff and not of a customer.
    /// </summary>
    public async Task<string> AuthorizeUrlAsync(SignInAttempt attempt, bool again = false, bool staff = false, CancellationToken cancellation = default)
    {
        var challenge = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(attempt.Verifier)));
        return new Query((await DiscoverAsync(cancellation)).Authorize)
            .Add("response_type", "code").Add("client_id", clientId).Add("redirect_uri", redirectUri).Add("scope", server?.Scopes ?? "openid profile offline_access")
            .Add("resource", server?.Resource).Add("state", attempt.State).Add("nonce", attempt.Nonce).Add("code_challenge", challenge).Add("code_challenge_method", "S256")
            .Add("prompt", again ? "login" : null).Add("acr_values", staff ? "realm:staff" : null).ToString();
    }

    /// <summary>Trades the code for tokens.</summary>
    /// <exception cref="VaultProblemException">Refused, or the identity token is not of this sign-in.</exception>
    public async Task<TokenAnswer> ExchangeAsync(string code, SignInAttempt attempt, CancellationToken cancellation = default)
    {
        var answer = await AskAsync(
            [new("grant_type", "authorization_code"), new("code", code), new("redirect_uri", redirectUri), new("code_verifier", attempt.Verifier)], cancellation);
        if (!IsOfThisSignIn(answer.IdToken, (await DiscoverAsync(cancellation)).Issuer, attempt.Nonce))
            throw new VaultProblemException(
                new Problem("/problems/unauthenticated", "unauthenticated", 401, "The identity token is not of this sign-in."), System.Net.HttpStatusCode.Unauthorized);
        return answer;
    }

    /// <summary>
    /// Whether an answer that a browser brought is this provider's (RFC 9207 2.4): one that says whose it is by <c>iss</c> must always say it, and nobody else's is taken.
    /// </summary>
    public async Task<bool> IsOurAnswerAsync(string? issuer, CancellationToken cancellation = default)
    {
        var endpoints = await DiscoverAsync(cancellation);
        return issuer is null ? !endpoints.NamesItself : issuer == endpoints.Issuer;
    }

    /// <summary>Trades a refresh token for new tokens; the old refresh token is spent.</summary>
    public Task<TokenAnswer> RefreshAsync(string refreshToken, CancellationToken cancellation = default) =>
        AskAsync([new("grant_type", "refresh_token"), new("refresh_token", refreshToken)], cancellation);

    /// <summary>Ends a refresh token and every token of its sign-in (RFC 7009).</summary>
    public async Task RevokeAsync(string refreshToken, CancellationToken cancellation = default) => await TokenEndpoint.EndAsync(
        http, (await DiscoverAsync(cancellation)).Revocation, Secret, Proven([new("token", refreshToken)]), cancellation);

    /// <summary>Where to send the browser to end the issuer's session, or null when the issuer offers none.</summary>
    public async Task<string?> EndSessionUrlAsync(string? idToken, string returnTo, CancellationToken cancellation = default) =>
        (await DiscoverAsync(cancellation)).EndSession is { } end
            ? new Query(end).Add("id_token_hint", idToken).Add("client_id", clientId).Add("post_logout_redirect_uri", returnTo).ToString()
            : null;

    private System.Net.Http.Headers.AuthenticationHeaderValue? Secret => clientSecret is null ? null : TokenEndpoint.Basic(clientId, clientSecret);

    private async Task<TokenAnswer> AskAsync(IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancellation) =>
        await TokenEndpoint.AskAsync(http, (await DiscoverAsync(cancellation)).Token, Secret, Proven(form), cancellation);

    private IEnumerable<KeyValuePair<string, string>> Proven(IEnumerable<KeyValuePair<string, string>> form)
    {
        if (server?.Resource is { } resource) form = form.Append(new("resource", resource));
        if (clientSecret is null) form = form.Append(new("client_id", clientId));
        return server?.Assertion is { } assertion
            ? [.. form, new("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), new("client_assertion", assertion())]
            : form;
    }

    // OpenID Connect Core 3.1.3.7: a token straight from the token endpoint is vouched for by the connection; what it says is still ours to check.
    private bool IsOfThisSignIn(string? idToken, string issuer, string nonce)
    {
        if (idToken?.Split('.') is not [_, var payload, _]) return false;
        try
        {
            using var document = JsonDocument.Parse(Base64Url.DecodeFromChars(payload));
            var claims = document.RootElement;
            return Text(claims, "iss") == issuer && IsForUs(claims) && Text(claims, "azp") is var party && (party is null || party == clientId)
                && claims.TryGetProperty("exp", out var expiry) && expiry.TryGetInt64(out var seconds)
                && DateTimeOffset.FromUnixTimeSeconds(seconds) + s_skew > (time ?? TimeProvider.System).GetUtcNow()
                && Text(claims, "nonce") is { } held && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(held), Encoding.UTF8.GetBytes(nonce));
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            return false;
        }
    }

    private bool IsForUs(JsonElement claims) => claims.TryGetProperty("aud", out var audience) && audience.ValueKind switch
    {
        JsonValueKind.String => audience.GetString() == clientId,
        JsonValueKind.Array => audience.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.GetString() == clientId),
        _ => false,
    };

    private static string? Text(JsonElement claims, string name) =>
        claims.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private async Task<Endpoints> DiscoverAsync(CancellationToken cancellation)
    {
        if (_endpoints is { } known) return known;
        var wire = new VaultTransport(http, null, new VaultClientOptions());
        var document = await wire.AskAsync<JsonElement>(VaultCall.Get((server?.Issuer.TrimEnd('/') ?? "") + "/.well-known/openid-configuration"), cancellation);
        var found = new Endpoints(
            document.GetProperty("issuer").GetString()!,
            document.GetProperty("authorization_endpoint").GetString()!,
            Reach(document.GetProperty("token_endpoint").GetString()!),
            document.TryGetProperty("revocation_endpoint", out var revocation) ? Reach(revocation.GetString()!) : "/connect/revocation",
            document.TryGetProperty("end_session_endpoint", out var end) ? end.GetString() : null,
            document.TryGetProperty("authorization_response_iss_parameter_supported", out var names) && names.ValueKind == JsonValueKind.True);
        // OpenID Connect Discovery 4.3: what speaks for another issuer speaks for nobody here.
        if (server is not null && (found.Issuer != server.Issuer || !IsSafe(found.Authorize) || !IsSafe(found.Token)))
            throw new VaultProblemException(
                new Problem("/problems/unavailable", "unavailable", 503, "The identity provider's discovery document is not its own, or not safe."), System.Net.HttpStatusCode.ServiceUnavailable);
        return _endpoints = found;
    }

    // The browser goes to the public address that the vault's issuer names; this process asks for tokens on its own way to it. Another provider is where it says.
    private string Reach(string address) => server is null ? new Uri(address).PathAndQuery : address;

    private static bool IsSafe(string address) => Uri.TryCreate(address, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttps || uri is { Scheme: "http", IsLoopback: true });

    private sealed record Endpoints(string Issuer, string Authorize, string Token, string Revocation, string? EndSession, bool NamesItself);
}
