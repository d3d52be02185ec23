using System.Net.Http.Headers;
using System.Text;
using DataVault.Client.Wire;

namespace DataVault.Client;

/// <summary>Where a client's access token comes from. Implementations may be shared between threads.</summary>
public abstract class TokenSource
{
    /// <summary>A token that is valid now, as far as known.</summary>
    /// <exception cref="VaultProblemException">The issuer refused, or cannot be reached.</exception>
    public abstract ValueTask<string> GetAsync(CancellationToken cancellation = default);

    /// <summary>Says that the vault refused <paramref name="token"/>. True when asking again may give another one.</summary>
    public virtual bool Renounce(string token) => false;

    /// <summary>A token that somebody else obtained and renews.</summary>
    public static TokenSource Fixed(string token) => new FixedTokenSource(token);

    private sealed class FixedTokenSource(string token) : TokenSource
    {
        public override ValueTask<string> GetAsync(CancellationToken cancellation = default) => ValueTask.FromResult(token);
    }
}

/// <summary>
/// OAuth 2.0 client credentials (RFC 6749 4.4). One token serves all threads; it is renewed in its last fifth of life, and whoever
/// comes while it is being renewed waits for the same answer.
/// </summary>
public sealed class ClientCredentials : TokenSource, IDisposable
{
    private readonly HttpClient _http;
    private readonly AuthenticationHeaderValue _credentials;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _renewal = new(1, 1);
    private volatile Held? _held;

    /// <param name="http">With the vault's address as base address.</param>
    /// <param name="clientId">The registered application.</param>
    /// <param name="clientSecret">Its secret, sent by HTTP basic authentication (RFC 6749 2.3.1).</param>
    /// <param name="time">The clock; the system's by default.</param>
    public ClientCredentials(HttpClient http, string clientId, string clientSecret, TimeProvider? time = null)
    {
        _http = http;
        _credentials = TokenEndpoint.Basic(clientId, clientSecret);
        _time = time ?? TimeProvider.System;
    }

    /// <inheritdoc/>
    public override ValueTask<string> GetAsync(CancellationToken cancellation = default) =>
        _held is { } held && held.RenewAt > _time.GetUtcNow() ? ValueTask.FromResult(held.Token) : new(RenewAsync(cancellation));

    /// <inheritdoc/>
    public override bool Renounce(string token)
    {
        if (_held is { } held && held.Token == token) _held = null;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() => _renewal.Dispose();

    private async Task<string> RenewAsync(CancellationToken cancellation)
    {
        await _renewal.WaitAsync(cancellation);
        try
        {
            if (_held is { } held && held.RenewAt > _time.GetUtcNow()) return held.Token;
            var answer = await TokenEndpoint.AskAsync(_http, "/connect/token", _credentials, [new("grant_type", "client_credentials")], cancellation);
            _held = new Held(answer.AccessToken, _time.GetUtcNow() + (TimeSpan.FromSeconds(answer.ExpiresIn) * 0.8));
            return answer.AccessToken;
        }
        finally
        {
            _renewal.Release();
        }
    }

    private sealed record Held(string Token, DateTimeOffset RenewAt);
}

/// <summary>The token endpoint's form post and its two kinds of answer.</summary>
internal static class TokenEndpoint
{
    // SPEC rfc6749 §2.3.1: id and secret are form-encoded before they are joined.
    public static AuthenticationHeaderValue Basic(string clientId, string clientSecret) =>
        new("Basic", Convert.ToBase64String(Encoding.ASCII.GetBytes($"{Uri.EscapeDataString(clientId)}:{Uri.EscapeDataString(clientSecret)}")));

    public static async Task<TokenAnswer> AskAsync(
        HttpClient http, string path, AuthenticationHeaderValue? credentials, IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancellation)
    {
        using var response = await SendAsync(http, path, credentials, form, cancellation);
        return await ProblemReader.ReadAnswerAsync<TokenAnswer>(response, cancellation);
    }

    public static async Task EndAsync(
        HttpClient http, string path, AuthenticationHeaderValue? credentials, IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancellation) =>
        (await SendAsync(http, path, credentials, form, cancellation)).Dispose();

    private static async Task<HttpResponseMessage> SendAsync(
        HttpClient http, string path, AuthenticationHeaderValue? credentials, IEnumerable<KeyValuePair<string, string>> form, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new FormUrlEncodedContent(form) };
        request.Headers.Authorization = credentials;
        try
        {
            var response = await http.SendAsync(request, cancellation);
            if (response.IsSuccessStatusCode) return response;
            using (response) throw await ProblemReader.ReadAsync(response, cancellation);
        }
        catch (HttpRequestException e)
        {
            throw VaultProblemException.Unreachable(e);
        }
    }
}
