using System.Buffers.Text;
using System.Net;
using System.Text;
using DataVault.Client;
using Xunit;

namespace DataVault.Pure.Tests.Client;

public sealed class TokenSourceTests : IDisposable
{
    private readonly ScriptedVault _vault = new();
    private readonly JumpingTime _time = new();

    public void Dispose() => _vault.Dispose();

    [Fact]
    public async Task One_token_serves_all_threads_until_the_last_fifth_of_its_life()
    {
        _vault.Token("one", lifetime: 100).Token("two");
        using var tokens = new ClientCredentials(_vault.Http(), "crm ingest", "s:ecret", _time);

        var first = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(async () => await tokens.GetAsync())));
        _time.Advance(TimeSpan.FromSeconds(79));
        var late = await tokens.GetAsync();
        _time.Advance(TimeSpan.FromSeconds(2));
        var renewed = await tokens.GetAsync();

        Assert.All(first, t => Assert.Equal("one", t));
        Assert.Equal("one", late);
        Assert.Equal("two", renewed);
        Assert.Equal(2, _vault.Calls.Count);
        Assert.Equal("grant_type=client_credentials", _vault.Calls[0].Body);
        Assert.Contains(Convert.ToBase64String(Encoding.ASCII.GetBytes("crm%20ingest:s%3Aecret")), _vault.Calls[0].Headers, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refused_token_is_renewed_once()
    {
        _vault.Token("stale").Answer(HttpStatusCode.Unauthorized, "").Token("fresh").Answer(HttpStatusCode.OK, """{"items":[]}""");
        using var tokens = new ClientCredentials(_vault.Http(), "crm", "s", _time);

        await new VaultClient(_vault.Http(), tokens).RequestsAsync();

        Assert.Contains("Bearer fresh", _vault.Calls[^1].Headers, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_that_is_refused_twice_is_an_error()
    {
        _vault.Token("a").Answer(HttpStatusCode.Unauthorized, "").Token("b").Answer(HttpStatusCode.Unauthorized, "");
        using var tokens = new ClientCredentials(_vault.Http(), "crm", "s", _time);

        var refused = await Assert.ThrowsAsync<VaultProblemException>(() => new VaultClient(_vault.Http(), tokens).RequestsAsync());

        Assert.Equal("unauthenticated", refused.Problem.Slug);
    }

    [Fact]
    public async Task Wrong_credentials_are_said_in_the_issuers_word()
    {
        _vault.Answer(HttpStatusCode.Unauthorized, """{"error":"invalid_client"}""");
        using var tokens = new ClientCredentials(_vault.Http(), "crm", "s", _time);

        var refused = await Assert.ThrowsAsync<VaultProblemException>(async () => await tokens.GetAsync());

        Assert.Equal("401 unauthenticated: invalid_client", refused.Message);
    }

    [Fact]
    public async Task The_authorize_address_carries_the_challenge_and_never_the_verifier()
    {
        Discovery();
        // SPEC rfc7636 appendix B: the published pair of verifier and challenge.
        var attempt = new SignInAttempt("state-1", "nonce-1", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

        var url = await Console().AuthorizeUrlAsync(attempt);

        Assert.StartsWith("https://public.example/connect/authorize?response_type=code&client_id=console", url, StringComparison.Ordinal);
        Assert.Contains("code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256", url, StringComparison.Ordinal);
        Assert.DoesNotContain(attempt.Verifier, url, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_code_is_traded_with_the_verifier_and_the_nonce_must_match()
    {
        Discovery();
        _vault.Answer(HttpStatusCode.OK, Tokens("nonce-1")).Answer(HttpStatusCode.OK, Tokens("another"));
        var attempt = new SignInAttempt("state-1", "nonce-1", "verifier-1");
        var console = Console();

        var answer = await console.ExchangeAsync("code-1", attempt);
        await Assert.ThrowsAsync<VaultProblemException>(() => console.ExchangeAsync("code-2", attempt));

        Assert.Equal("at", answer.AccessToken);
        Assert.Equal("/connect/token", _vault.Calls[1].Path);
        Assert.Contains("code_verifier=verifier-1", _vault.Calls[1].Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://public.example", "https://other.example")]
    [InlineData("[\"console\"]", "\"other\"")]
    [InlineData("[\"console\"]", "[7]")]
    [InlineData("\"aud\"", "\"azp\":\"other\",\"aud\"")]
    [InlineData("\"exp\":", "\"exp\":1,\"was\":")]
    [InlineData("\"exp\":", "\"was\":")]
    public async Task An_identity_token_of_another_issuer_for_another_client_or_of_before_is_none(string text, string with)
    {
        Discovery();
        _vault.Answer(HttpStatusCode.OK, Answer(Identity("nonce-1").Replace(text, with, StringComparison.Ordinal)));

        await Assert.ThrowsAsync<VaultProblemException>(() => Console().ExchangeAsync("code-1", new SignInAttempt("state-1", "nonce-1", "verifier-1")));
    }

    [Theory]
    [InlineData(true, null, false)]
    [InlineData(true, "https://public.example", true)]
    [InlineData(true, "https://other.example", false)]
    [InlineData(false, null, true)]
    [InlineData(false, "https://other.example", false)]
    public async Task An_answer_is_the_providers_only_if_it_says_so_where_it_must(bool names, string? issuer, bool ours)
    {
        _vault.Answer(HttpStatusCode.OK, $$"""
            {"issuer":"https://public.example","authorization_endpoint":"https://public.example/a","token_endpoint":"https://public.example/t","authorization_response_iss_parameter_supported":{{(names ? "true" : "false")}}}
            """);

        Assert.Equal(ours, await Console().IsOurAnswerAsync(issuer));
    }

    [Theory]
    [InlineData("https://other.example", "https://login.example/a", "https://login.example/t")]
    [InlineData("https://login.example", "http://login.example/a", "https://login.example/t")]
    [InlineData("https://login.example", "https://login.example/a", "http://login.example/t")]
    public async Task A_provider_whose_discovery_is_not_its_own_or_not_safe_gets_no_secret(string issuer, string authorize, string token)
    {
        _vault.Answer(HttpStatusCode.OK, $$"""{"issuer":"{{issuer}}","authorization_endpoint":"{{authorize}}","token_endpoint":"{{token}}"}""");
        var client = new AuthorizationCodeClient(_vault.Http(), "console", "secret", "https://public.example/console/callback", new SignInServer("https://login.example", "openid"), _time);

        await Assert.ThrowsAsync<VaultProblemException>(() => client.ExchangeAsync("code-1", new SignInAttempt("state-1", "nonce-1", "verifier-1")));
        Assert.Single(_vault.Calls);
    }

    private AuthorizationCodeClient Console() => new(_vault.Http(), "console", "secret", "https://public.example/console/callback", null, _time);

    private void Discovery() => _vault.Answer(HttpStatusCode.OK, """
        {"issuer":"https://public.example","authorization_endpoint":"https://public.example/connect/authorize","token_endpoint":"https://public.example/connect/token"}
        """);

    private string Tokens(string nonce) => Answer(Identity(nonce));

    private string Identity(string nonce) =>
        $$"""{"iss":"https://public.example","aud":["console"],"exp":{{_time.GetUtcNow().AddMinutes(5).ToUnixTimeSeconds()}},"nonce":"{{nonce}}"}""";

    private static string Answer(string identity) =>
        $$"""{"access_token":"at","token_type":"Bearer","expires_in":300,"id_token":"e30.{{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(identity))}}.c2ln"}""";
}
