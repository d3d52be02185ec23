using System.Net;
using System.Text.Json;
using DataVault.Issuer;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>People who sign in for a program on their own machine, which has no secret: PKCE, 127.0.0.1 alone, a fresh sign-in.</summary>
public sealed class ProgramSignInTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private const string Redirect = "http://127.0.0.1:49152/signed-in";

    [Fact]
    public async Task A_program_gets_a_persons_tokens_without_a_secret_renews_and_ends_them()
    {
        var (attempt, code) = await SignInAsync(await host.PersonAsync("compliance-officer"));
        var (status, body) = await ExchangeAsync(attempt, code, attempt.Verifier);
        Assert.Equal(HttpStatusCode.OK, status);
        var token = await host.Validator.ValidateAsync(body.GetProperty("access_token").GetString()!, default);
        Assert.Equal((Realm.Staff, "tool", "compliance-officer"), (token!.Realm, token.ClientId, token.Name));

        var renewed = await RefreshAsync(body.GetProperty("refresh_token").GetString()!);
        Assert.Equal(HttpStatusCode.OK, renewed.Status);
        var refresh = renewed.Body.GetProperty("refresh_token").GetString()!;
        using (var client = new HttpClient())
        using (var form = new FormUrlEncodedContent([new("client_id", "tool"), new("token", refresh)]))
        using (var ended = await client.PostAsync(host.Address + "/connect/revocation", form))
            Assert.Equal(HttpStatusCode.OK, ended.StatusCode);
        Assert.Equal("invalid_grant", (await RefreshAsync(refresh)).Body.GetProperty("error").GetString());
    }

    [Fact]
    public async Task The_code_is_worth_nothing_without_the_verifier()
    {
        var (attempt, code) = await SignInAsync(await host.PersonAsync("administrator"));

        Assert.Equal("invalid_grant", Error(await ExchangeAsync(attempt, code, SignInAttempt.New().Verifier)));
        Assert.Equal("invalid_grant", Error(await ExchangeAsync(attempt, code, attempt.Verifier)));
    }

    [Theory]
    [InlineData("http://127.0.0.1:99999/signed-in")]
    [InlineData("http://127.0.0.1:49152/elsewhere")]
    [InlineData("http://127.0.0.1:49152/signed-in?x=1")]
    [InlineData("http://127.0.0.1:49152/signed-in#x")]
    [InlineData("http://127.0.0.1:49152@evil.example/signed-in")]
    [InlineData("http://localhost:49152/signed-in")]
    [InlineData("http://[::1]:49152/signed-in")]
    [InlineData("http://127.0.0.2:49152/signed-in")]
    [InlineData("https://127.0.0.1:49152/signed-in")]
    [InlineData("http://evil.example/signed-in")]
    public async Task No_other_place_than_a_port_of_this_machine_gets_anything(string redirect)
    {
        await EnsureAsync();
        using var browser = new Browser(host.Address);

        using var answer = await browser.GetAsync(SignInAttempt.New().Address(("client_id", "tool"), ("redirect_uri", redirect)));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task The_port_of_another_client_is_not_its_own_affair()
    {
        using var browser = new Browser(host.Address);

        using var answer = await browser.GetAsync(SignInAttempt.New().Address(("redirect_uri", IssuerHost.Callback.Replace("example/", "example:444/", StringComparison.Ordinal))));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task A_session_that_is_a_minute_old_is_not_enough_whatever_the_program_asks_for()
    {
        await EnsureAsync();
        var person = await host.PersonAsync("administrator");
        using var browser = new Browser(host.Address);
        (await browser.SignInAsync("staff", person.Email, person.Password)).Dispose();
        host.Clock.Advance(TimeSpan.FromSeconds(61));

        using var answer = await browser.GetAsync(Address(SignInAttempt.New(), ("max_age", "100000")));

        Assert.StartsWith("/account/login", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Contains("close this page", await browser.ReadAsync(answer.Headers.Location.OriginalString), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_other_client_goes_without_its_secret_and_a_program_has_no_tokens_of_its_own()
    {
        await EnsureAsync();

        Assert.Equal("invalid_client", Error(await host.TokenAsync(("client_id", "console"), ("grant_type", "client_credentials"))));
        Assert.Equal("unauthorized_client", Error(await host.TokenAsync(("client_id", "tool"), ("grant_type", "client_credentials"))));
        Assert.Equal("invalid_client", Error(await host.TokenAsync(("client_id", "tool"), ("client_secret", new string('0', 43)), ("grant_type", "refresh_token"), ("refresh_token", "x"))));
    }

    [Fact]
    public async Task A_program_with_a_secret_roles_or_another_address_is_not_registered()
    {
        var tool = ClientRegistration.Program("tool-2", "Tool", "/signed-in");
        await Assert.ThrowsAsync<IssuerException>(() => host.Clients.EnsureAsync(tool, new string('s', 40)));
        await Assert.ThrowsAsync<IssuerException>(() => host.Clients.RegisterAsync(tool, IssuerParty.Vault));
        await Assert.ThrowsAsync<IssuerException>(() => host.Clients.EnsureAsync(tool with { Roles = ["administrator"] }, null));
        await Assert.ThrowsAsync<IssuerException>(() => host.Clients.EnsureAsync(tool with { RedirectUris = ["https://tool.example/signed-in"] }, null));
        await Assert.ThrowsAsync<IssuerException>(() => host.Clients.EnsureAsync(tool with { GrantTypes = [.. tool.GrantTypes, GrantTypes.ClientCredentials] }, null));
        await EnsureAsync();
        await Assert.ThrowsAsync<IssuerException>(() => host.Clients.RotateSecretAsync("tool", IssuerParty.Vault));
    }

    private Task EnsureAsync() => host.Clients.EnsureAsync(ClientRegistration.Program("tool", "Tool", "/signed-in"), null);

    private async Task<(SignInAttempt Attempt, string Code)> SignInAsync(Person person)
    {
        await EnsureAsync();
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        using var toLogin = await browser.GetAsync(Address(attempt, ("acr_values", "realm:staff")));
        var answer = await browser.SubmitAsync(toLogin.Headers.Location!.OriginalString, ("email", person.Email), ("password", person.Password));
        answer = await browser.GoOnAsync(answer, person);
        Assert.StartsWith(Redirect + "?", answer.Headers.Location?.OriginalString);
        return (attempt, Browser.Query(answer)["code"]);
    }

    private static string Address(SignInAttempt attempt, params (string Name, string? Value)[] more) => attempt.Address([("client_id", "tool"), ("redirect_uri", Redirect), .. more]);

    private Task<(HttpStatusCode Status, JsonElement Body)> ExchangeAsync(SignInAttempt attempt, string code, string verifier) =>
        host.TokenAsync(("client_id", "tool"), ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Redirect), ("code_verifier", verifier));

    private Task<(HttpStatusCode Status, JsonElement Body)> RefreshAsync(string token) =>
        host.TokenAsync(("client_id", "tool"), ("grant_type", "refresh_token"), ("refresh_token", token));

    private static string Error((HttpStatusCode Status, JsonElement Body) answer) => answer.Body.GetProperty("error").GetString()!;
}
