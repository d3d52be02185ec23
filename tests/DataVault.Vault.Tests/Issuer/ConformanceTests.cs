using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using DataVault.Issuer;
using Microsoft.IdentityModel.JsonWebTokens;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Cases of the OpenID Foundation's conformance plans (Basic OP, Config OP), each by its name: docs/oauth.md lists where the others are.</summary>
public sealed class ConformanceTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task Oidcc_response_type_missing()
    {
        using var browser = await SignedInAsync();

        using var answer = await browser.GetAsync(SignInAttempt.New().Address(("response_type", null)));

        Assert.Equal("invalid_request", Browser.Query(answer)["error"]);
    }

    [Fact]
    public async Task Oidcc_userinfo_post_header()
    {
        var token = (await TokensAsync(SignInAttempt.New())).GetProperty("access_token").GetString()!;
        using var http = new HttpClient();
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);

        using var answer = await http.PostAsync(host.Address + "/connect/userinfo", null);

        Assert.True((await answer.Content.ReadFromJsonAsync<JsonElement>()).TryGetProperty("sub", out _));
    }

    [Fact]
    public async Task Oidcc_ensure_request_without_nonce_succeeds_for_code_flow()
    {
        var body = await TokensAsync(SignInAttempt.New(), ("nonce", null));

        Assert.False(new JsonWebToken(body.GetProperty("id_token").GetString()).TryGetPayloadValue<string>("nonce", out _));
    }

    [Fact]
    public async Task Oidcc_scope_all()
    {
        var body = await TokensAsync(SignInAttempt.New(), ("scope", "openid profile email address phone"));

        Assert.Equal("openid profile", body.GetProperty("scope").GetString());
    }

    [Fact]
    public async Task Oidcc_ensure_other_scope_order_succeeds()
    {
        var body = await TokensAsync(SignInAttempt.New(), ("scope", "profile openid"));

        Assert.True(body.TryGetProperty("id_token", out _));
    }

    [Theory]
    [InlineData("display", "page")]
    [InlineData("display", "popup")]
    [InlineData("ui_locales", "fr de")]
    [InlineData("claims_locales", "fr de")]
    [InlineData("login_hint", "somebody")]
    [InlineData("id_token_hint", "nonsense")]
    [InlineData("claims", "{}")]
    [InlineData("extra", "foobar")]
    public async Task Oidcc_parameters_that_are_not_used_do_no_harm(string name, string value) =>
        Assert.True((await TokensAsync(SignInAttempt.New(), (name, value))).TryGetProperty("id_token", out _));

    [Fact]
    public async Task Oidcc_prompt_login()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        var first = await TokensAsync(browser, person, SignInAttempt.New());
        host.Clock.Advance(TimeSpan.FromSeconds(2));

        using var asked = await browser.GetAsync(SignInAttempt.New().Address(("prompt", "login")));
        Assert.StartsWith("/account/login", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
        var second = await TokensAsync(browser, person, SignInAttempt.New(), ("prompt", "login"));

        Assert.True(AuthTime(second) > AuthTime(first));
    }

    [Fact]
    public async Task Oidcc_prompt_none_not_logged_in()
    {
        using var browser = new Browser(host.Address);

        using var answer = await browser.GetAsync(SignInAttempt.New().Address(("prompt", "none")));

        Assert.Equal("login_required", Browser.Query(answer)["error"]);
    }

    [Fact]
    public async Task Oidcc_prompt_none_logged_in()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        var first = await TokensAsync(browser, person, SignInAttempt.New());
        host.Clock.Advance(TimeSpan.FromSeconds(2));

        var second = await TokensAsync(browser, person, SignInAttempt.New(), ("prompt", "none"));

        Assert.Equal((AuthTime(first), Subject(first)), (AuthTime(second), Subject(second)));
    }

    [Fact]
    public async Task Oidcc_max_age()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        var first = await TokensAsync(browser, person, SignInAttempt.New());
        host.Clock.Advance(TimeSpan.FromSeconds(2));

        var same = await TokensAsync(browser, person, SignInAttempt.New(), ("max_age", "10000"));
        var anew = await TokensAsync(browser, person, SignInAttempt.New(), ("max_age", "1"));

        Assert.Equal(AuthTime(first), AuthTime(same));
        Assert.True(AuthTime(anew) > AuthTime(first));
    }

    [Fact]
    public async Task Oidcc_ensure_request_with_acr_values_succeeds()
    {
        var body = await TokensAsync(SignInAttempt.New(), ("acr_values", "1 2"));

        Assert.Equal("1", new JsonWebToken(body.GetProperty("id_token").GetString()).GetPayloadValue<string>("acr"));
    }

    [Fact]
    public async Task Oidcc_ensure_post_request_succeeds()
    {
        using var browser = await SignedInAsync();

        using var answer = await browser.PostAsync("/connect/authorize", [.. SignInAttempt.New().Parameters.Select(p => (p.Key, p.Value))]);

        Assert.Contains("code", Browser.Query(answer));
    }

    [Fact]
    public async Task Oidcc_server_client_secret_post() => Assert.True((await TokensAsync(SignInAttempt.New())).TryGetProperty("id_token", out _));

    [Fact]
    public async Task Oidcc_refresh_token()
    {
        var first = await TokensAsync(SignInAttempt.New());

        var (status, body) = await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", first.GetProperty("refresh_token").GetString()!));

        Assert.Equal(HttpStatusCode.OK, status);
        var (before, after) = (new JsonWebToken(first.GetProperty("id_token").GetString()), new JsonWebToken(body.GetProperty("id_token").GetString()));
        Assert.Equal((before.Issuer, before.Subject, before.Audiences.Single(), AuthTime(first)), (after.Issuer, after.Subject, after.Audiences.Single(), AuthTime(body)));
    }

    [Fact]
    public async Task Oidcc_discovery_endpoint_verification()
    {
        using var http = new HttpClient();
        var document = await http.GetFromJsonAsync<JsonElement>(host.Address + "/.well-known/openid-configuration");

        Assert.Equal(host.Address, document.GetProperty("issuer").GetString());
        foreach (var required in new[] { "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported" })
            Assert.True(document.TryGetProperty(required, out _), required);
        foreach (var endpoint in document.EnumerateObject().Where(p => p.Name.EndsWith("_endpoint", StringComparison.Ordinal) || p.Name == "jwks_uri"))
        {
            using var answer = await http.GetAsync(endpoint.Value.GetString());
            Assert.True(answer.StatusCode is not HttpStatusCode.NotFound, $"{endpoint.Name} is not there");
        }

        foreach (var grant in document.GetProperty("grant_types_supported").EnumerateArray())
        {
            var (_, body) = await host.ConsoleTokenAsync(("grant_type", grant.GetString()!));
            Assert.NotEqual("unsupported_grant_type", body.GetProperty("error").GetString());
        }
    }

    [Fact]
    public async Task A_session_outlives_a_change_of_the_signing_key_and_a_restart_and_one_that_was_ended_does_not()
    {
        host.Clock.Advance(TimeSpan.FromDays(30) - TimeSpan.FromMinutes(10));
        var (living, ended) = (await host.PersonAsync("customer"), await host.PersonAsync("customer"));
        using Browser alive = new(host.Address), dead = new(host.Address);
        var (first, second) = (await TokensAsync(alive, living, SignInAttempt.New()), await TokensAsync(dead, ended, SignInAttempt.New()));
        var kid = new JsonWebToken(first.GetProperty("access_token").GetString()).Kid;
        await dead.SubmitAsync("/account/logout");

        await host.RestartAsync();
        Assert.NotNull(await host.Validator.ValidateAsync(first.GetProperty("access_token").GetString()!, default));
        Assert.Null(await host.Validator.ValidateAsync(second.GetProperty("access_token").GetString()!, default));
        host.Clock.Advance(TimeSpan.FromMinutes(20));

        var (status, renewed) = await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", first.GetProperty("refresh_token").GetString()!));
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.NotEqual(kid, new JsonWebToken(renewed.GetProperty("access_token").GetString()).Kid);
        Assert.Contains("code", Browser.Query(await alive.GetAsync(SignInAttempt.New().Address(("prompt", "none")))));
        Assert.Equal(HttpStatusCode.BadRequest, (await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", second.GetProperty("refresh_token").GetString()!))).Status);
        Assert.Equal("login_required", Browser.Query(await dead.GetAsync(SignInAttempt.New().Address(("prompt", "none"))))["error"]);
        var end = await alive.GetAsync("/connect/endsession?id_token_hint=" + first.GetProperty("id_token").GetString() + "&post_logout_redirect_uri=" + Uri.EscapeDataString(IssuerHost.SignOutAddress));
        Assert.Equal(IssuerHost.SignOutAddress, end.Headers.Location!.OriginalString);
    }

    private async Task<Browser> SignedInAsync()
    {
        var browser = new Browser(host.Address);
        await TokensAsync(browser, await host.PersonAsync("customer"), SignInAttempt.New());
        return browser;
    }

    private async Task<JsonElement> TokensAsync(SignInAttempt attempt, params (string Name, string? Value)[] changes)
    {
        using var browser = new Browser(host.Address);
        return await TokensAsync(browser, await host.PersonAsync("customer"), attempt, changes);
    }

    private async Task<JsonElement> TokensAsync(Browser browser, Person person, SignInAttempt attempt, params (string Name, string? Value)[] changes)
    {
        var back = await browser.AuthorizeAsync(attempt.Address(changes), person);
        var (status, body) = await host.ExchangeAsync(attempt, back["code"]);
        Assert.True(status == HttpStatusCode.OK, body.GetRawText());
        return body;
    }

    private static long AuthTime(JsonElement tokens) => new JsonWebToken(tokens.GetProperty("id_token").GetString()).GetPayloadValue<long>("auth_time");

    private static string Subject(JsonElement tokens) => new JsonWebToken(tokens.GetProperty("id_token").GetString()).Subject;
}
