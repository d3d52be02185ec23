using System.Net;
using System.Text.Json;
using DataVault.Issuer;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Tokens that are bound to a key (RFC 9449), and proofs that are not quite right.</summary>
public sealed class DpopTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private const string Redirect = "http://127.0.0.1:49152/signed-in";

    private DateTimeOffset Now => host.Clock.GetUtcNow();
    private string TokenAddress => host.Address + "/connect/token";
    private string UserInfo => host.Address + "/connect/userinfo";

    [Fact]
    public async Task A_token_that_was_asked_for_with_a_proof_is_bound_to_its_key()
    {
        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();

        var (status, body, _) = await host.TokenAsync(key, ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));

        Assert.Equal((HttpStatusCode.OK, "DPoP"), (status, body.GetProperty("token_type").GetString()));
        Assert.Equal(key.Thumbprint, (await host.Validator.ValidateAsync(body.GetProperty("access_token").GetString()!, default))!.KeyThumbprint);
    }

    [Fact]
    public async Task A_client_that_is_registered_as_bound_gets_no_token_without_a_proof()
    {
        using var key = Signing.Elliptic();
        var id = "bound-" + Guid.NewGuid().ToString("N")[..8];
        var secret = await host.Clients.RegisterAsync(
            ClientRegistration.Application(id, "Bound", ["marketing"], ["marketing"]) with { IsKeyBound = true }, IssuerHost.Administrator);
        (string, string)[] form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];

        var without = await host.TokenAsync(form);
        Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (without.Status, without.Body.GetProperty("error").GetString()));
        Assert.Equal(HttpStatusCode.OK, (await host.TokenAsync(key, form)).Status);
    }

    [Fact]
    public async Task A_proof_without_a_fresh_nonce_is_sent_back_with_one()
    {
        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();
        (string, string)[] form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];

        var first = await host.PostAsync("/connect/token", key.Proof("POST", TokenAddress, Now), form);
        var nonce = ProvenCalls.Nonce(first.Headers)!;
        Assert.Equal((HttpStatusCode.BadRequest, "use_dpop_nonce"), (first.Status, first.Body.GetProperty("error").GetString()));
        Assert.Equal(HttpStatusCode.OK, (await host.PostAsync("/connect/token", key.Proof("POST", TokenAddress, Now, nonce), form)).Status);
        host.Clock.Advance(TimeSpan.FromMinutes(2));
        var aged = await host.PostAsync("/connect/token", key.Proof("POST", TokenAddress, Now, nonce), form);
        Assert.Equal(HttpStatusCode.OK, aged.Status);
        Assert.NotEqual(nonce, ProvenCalls.Nonce(aged.Headers));
        host.Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal("use_dpop_nonce", (await host.PostAsync("/connect/token", key.Proof("POST", TokenAddress, Now, nonce), form)).Body.GetProperty("error").GetString());
        var forged = nonce[..^1] + (nonce[^1] == 'A' ? 'B' : 'A');
        Assert.Equal("use_dpop_nonce", (await host.PostAsync("/connect/token", key.Proof("POST", TokenAddress, Now, forged), form)).Body.GetProperty("error").GetString());
    }

    [Theory]
    [InlineData("htm", "\"GET\"")]
    [InlineData("htm", null)]
    [InlineData("htu", "\"https://evil.example/connect/token\"")]
    [InlineData("htu", "\"/connect/token\"")]
    [InlineData("htu", null)]
    [InlineData("iat", null)]
    [InlineData("iat", "\"now\"")]
    [InlineData("iat", "1000000000")]
    [InlineData("iat", "9999999999")]
    [InlineData("jti", null)]
    [InlineData("jti", "\"\"")]
    [InlineData("jti", "{\"a\":1}")]
    [InlineData("x\":1,\"htm\":\"GET\",\"y", "1")]
    [InlineData("header:typ", "\"JWT\"")]
    [InlineData("header:typ", null)]
    [InlineData("header:alg", "\"none\"")]
    [InlineData("header:alg", "\"HS256\"")]
    [InlineData("header:alg", "\"RS256\"")]
    [InlineData("header:crit", "[\"exp\"]")]
    [InlineData("header:jwk", null)]
    [InlineData("header:jwk", "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}")]
    [InlineData("header:jwk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}")]
    [InlineData("header:jwk", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}")]
    public async Task A_proof_that_is_not_quite_right_is_refused(string name, string? value)
    {
        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();
        var nonce = await host.NonceAsync(key);

        var (status, body, _) = await host.PostAsync(
            "/connect/token", key.Proof("POST", TokenAddress, Now, nonce, null, (name, value)), ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));

        Assert.Equal((HttpStatusCode.BadRequest, "invalid_dpop_proof"), (status, body.GetProperty("error").GetString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a.b")]
    [InlineData("...")]
    [InlineData("a.b.c.d")]
    public async Task Nonsense_is_no_proof(string proof)
    {
        var (id, secret) = await host.ApplicationAsync();

        var answer = await host.PostAsync("/connect/token", proof, ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));

        Assert.Equal("invalid_dpop_proof", answer.Body.GetProperty("error").GetString());
    }

    [Fact]
    public async Task The_address_of_a_proof_is_compared_after_normalisation_and_without_its_query()
    {
        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();
        var nonce = await host.NonceAsync(key);

        foreach (var same in new[] { TokenAddress + "?x=1#y", TokenAddress.Replace("http:", "HTTP:", StringComparison.Ordinal), host.Address + "/connect/./token" })
            Assert.Equal(
                HttpStatusCode.OK,
                (await host.PostAsync("/connect/token", key.Proof("POST", same, Now, nonce), ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret))).Status);
    }

    [Fact]
    public async Task A_proof_is_taken_once()
    {
        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();
        var proof = key.Proof("POST", TokenAddress, Now, await host.NonceAsync(key));
        (string, string)[] form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];

        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => host.PostAsync("/connect/token", proof, form)));
        Assert.Single(answers, a => a.Status == HttpStatusCode.OK);
        host.Clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal("invalid_dpop_proof", (await host.PostAsync("/connect/token", proof, form)).Body.GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_bound_token_is_worth_nothing_without_a_proof_with_anothers_or_with_one_for_another_call()
    {
        using Signing key = Signing.Elliptic(), foreign = Signing.Elliptic();
        var token = (await SignInAsync(key)).AccessToken;
        var nonce = await host.NonceAsync(key);
        var proof = key.Proof("GET", UserInfo, Now, nonce, token);

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("Bearer", token, null));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("Bearer", token, key.Proof("GET", UserInfo, Now, nonce, token)));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, null));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, foreign.Proof("GET", UserInfo, Now, nonce, token)));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, key.Proof("GET", UserInfo, Now, nonce)));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, key.Proof("GET", UserInfo, Now, nonce, token + "x")));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, key.Proof("POST", UserInfo, Now, nonce, token)));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, key.Proof("GET", TokenAddress, Now, nonce, token)));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync("DPoP", token, proof));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, proof));
    }

    [Fact]
    public async Task A_bearer_token_is_not_taken_under_the_other_scheme()
    {
        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();
        var token = (await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret))).Body.GetProperty("access_token").GetString()!;

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync("DPoP", token, key.Proof("GET", UserInfo, Now, await host.NonceAsync(key), token)));
    }

    [Fact]
    public async Task The_challenge_says_what_was_wrong()
    {
        using var key = Signing.Elliptic();
        var token = (await SignInAsync(key)).AccessToken;

        using var none = await host.GetAsync("/connect/userinfo", "DPoP", token, null);
        using var stale = await host.GetAsync("/connect/userinfo", "DPoP", token, key.Proof("GET", UserInfo, Now, null, token));

        Assert.Equal("DPoP error=\"invalid_dpop_proof\", algs=\"ES256\"", none.Headers.WwwAuthenticate.ToString());
        Assert.Equal("DPoP error=\"use_dpop_nonce\", algs=\"ES256\"", stale.Headers.WwwAuthenticate.ToString());
        Assert.NotNull(ProvenCalls.Nonce(stale.Headers));
    }

    [Fact]
    public async Task A_programs_refresh_token_is_worth_nothing_without_the_key_of_its_sign_in_and_is_not_used_up_by_whoever_lacks_it()
    {
        using Signing key = Signing.Elliptic(), foreign = Signing.Elliptic();
        var refresh = (await SignInAsync(key)).RefreshToken;
        (string, string)[] form = [("client_id", "bound-tool"), ("grant_type", "refresh_token"), ("refresh_token", refresh)];

        Assert.Equal("invalid_grant", (await host.TokenAsync(form)).Body.GetProperty("error").GetString());
        Assert.Equal("invalid_grant", (await host.TokenAsync(foreign, form)).Body.GetProperty("error").GetString());
        var renewed = await host.TokenAsync(key, form);
        Assert.Equal((HttpStatusCode.OK, "DPoP"), (renewed.Status, renewed.Body.GetProperty("token_type").GetString()));
        Assert.Equal("invalid_grant", (await host.TokenAsync(foreign, ("client_id", "bound-tool"), ("grant_type", "refresh_token"), ("refresh_token", renewed.Body.GetProperty("refresh_token").GetString()!))).Body.GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_code_that_was_asked_for_with_a_key_is_for_that_key()
    {
        using Signing key = Signing.Elliptic(), foreign = Signing.Elliptic();

        var (attempt, code) = await CodeAsync(("dpop_jkt", key.Thumbprint));
        Assert.Equal("invalid_grant", (await host.TokenAsync(foreign, Exchange(attempt, code))).Body.GetProperty("error").GetString());
        (attempt, code) = await CodeAsync(("dpop_jkt", key.Thumbprint));
        Assert.Equal("invalid_grant", (await host.TokenAsync(Exchange(attempt, code))).Body.GetProperty("error").GetString());
        (attempt, code) = await CodeAsync(("dpop_jkt", key.Thumbprint));
        Assert.Equal(HttpStatusCode.OK, (await host.TokenAsync(key, Exchange(attempt, code))).Status);
    }

    private async Task<HttpStatusCode> StatusAsync(string scheme, string token, string? proof)
    {
        using var answer = await host.GetAsync("/connect/userinfo", scheme, token, proof);
        return answer.StatusCode;
    }

    private async Task<(string AccessToken, string RefreshToken)> SignInAsync(Signing key)
    {
        var (attempt, code) = await CodeAsync();
        var (status, body, _) = await host.TokenAsync(key, Exchange(attempt, code));
        Assert.True(status == HttpStatusCode.OK, body.GetRawText());
        return (body.GetProperty("access_token").GetString()!, body.GetProperty("refresh_token").GetString()!);
    }

    private static (string, string)[] Exchange(SignInAttempt attempt, string code) =>
        [("client_id", "bound-tool"), ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Redirect), ("code_verifier", attempt.Verifier)];

    private async Task<(SignInAttempt Attempt, string Code)> CodeAsync(params (string Name, string? Value)[] more)
    {
        await host.Clients.EnsureAsync(ClientRegistration.Program("bound-tool", "Tool", "/signed-in"), null);
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        using var toLogin = await browser.GetAsync(attempt.Address([("client_id", "bound-tool"), ("redirect_uri", Redirect), .. more]));
        var answer = await browser.SubmitAsync(toLogin.Headers.Location!.OriginalString, ("email", person.Email), ("password", person.Password));
        while (answer.Headers.Location is { } next && next.OriginalString.StartsWith('/')) answer = await browser.GetAsync(next.OriginalString);
        return (attempt, Browser.Query(answer)["code"]);
    }
}
