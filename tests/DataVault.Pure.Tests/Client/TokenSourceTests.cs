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

    private AuthorizationCodeClient Console() => new(_vault.Http(), "console", "secret", "https://public.example/console/callback");

    private void Discovery() => _vault.Answer(HttpStatusCode.OK, """
        {"issuer":"https://public.example","authorization_endpoint":"https://public.example/connect/authorize","token_endpoint":"https://public.example/connect/token"}
        """);

    private static string Tokens(string nonce)
    {
        var payload = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"nonce":"{{nonce}}"}"""));
        return $$"""{"access_token":"at","token_type":"Bearer","expires_in":300,"id_token":"e30.{{payload}}.c2ln"}""";
    }
}
