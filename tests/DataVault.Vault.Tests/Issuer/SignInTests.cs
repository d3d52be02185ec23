using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Issuer;
using Microsoft.IdentityModel.JsonWebTokens;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Authorization code with PKCE, refresh tokens and sign-out, over HTTP.</summary>
public sealed class SignInTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task A_member_of_staff_signs_in_with_code_and_PKCE()
    {
        var person = await host.PersonAsync("compliance-officer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);

        var back = await browser.AuthorizeAsync(attempt.Address(("acr_values", "realm:staff")), person);
        var (status, body) = await host.ExchangeAsync(attempt, back["code"]);

        Assert.Equal((attempt.State, host.Address), (back["state"], back["iss"]));
        Assert.Equal(HttpStatusCode.OK, status);
        var accessToken = body.GetProperty("access_token").GetString()!;
        var token = await host.Validator.ValidateAsync(accessToken, default);
        Assert.Equal((person.Id.ToString("D"), "console", Realm.Staff, "compliance-officer"), (token!.Subject, token.ClientId, token.Realm, token.Name));
        Assert.Equal(["data-subject-rights", "legal-obligation"], token.Purposes);
        Assert.NotNull(token.AuthenticatedAt);
        AssertIdToken(body.GetProperty("id_token").GetString()!, attempt, person.Id, accessToken);
    }

    [Fact]
    public async Task A_customer_gets_a_token_for_their_own_data_only()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);

        var token = await host.Validator.ValidateAsync((await SignInAsync(browser, person)).AccessToken, default);

        Assert.Equal((Realm.Customer, "customer"), (token!.Realm, token.Name));
        Assert.Equal(["data-subject-rights"], token.Purposes);
        Assert.Equal(person.Id, await host.Accounts.FindForSubjectAsync(token.Customer!.Value));
    }

    [Fact]
    public async Task A_second_client_visit_needs_no_second_password()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await SignInAsync(browser, person);

        using var answer = await browser.GetAsync(SignInAttempt.New().Address(("prompt", "none")));

        Assert.Contains("code", Browser.Query(answer));
    }

    [Theory]
    [InlineData("code_challenge_method", null)]
    [InlineData("code_challenge_method", "plain")]
    [InlineData("code_challenge", null)]
    [InlineData("code_challenge", "short")]
    [InlineData("response_type", null)]
    [InlineData("response_mode", "fragment")]
    [InlineData("prompt", "none login")]
    [InlineData("max_age", "-1")]
    public async Task A_weaker_request_is_sent_back_with_an_error(string name, string? value)
    {
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        await SignInAsync(browser, await host.PersonAsync("customer"));

        using var answer = await browser.GetAsync(attempt.Address((name, value)));

        var back = Browser.Query(answer);
        Assert.Equal(("invalid_request", attempt.State, host.Address), (back["error"], back["state"], back["iss"]));
    }

    [Theory]
    [InlineData("response_type", "token", "unsupported_response_type")]
    [InlineData("response_type", "code id_token", "unsupported_response_type")]
    [InlineData("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported")]
    [InlineData("request_uri", "https://evil.example/r", "request_uri_not_supported")]
    [InlineData("prompt", "none", "login_required")]
    public async Task What_is_not_supported_is_named(string name, string value, string error)
    {
        using var browser = new Browser(host.Address);
        if (name != "prompt") await SignInAsync(browser, await host.PersonAsync("customer"));

        using var answer = await browser.GetAsync(SignInAttempt.New().Address((name, value)));

        Assert.Equal(error, Browser.Query(answer)["error"]);
    }

    [Theory]
    [InlineData(IssuerHost.Callback + "/")]
    [InlineData(IssuerHost.Callback + "?x=1")]
    [InlineData("https://console.example/callback2")]
    [InlineData("https://CONSOLE.example/callback")]
    [InlineData("https://evil.example/callback")]
    [InlineData("http://console.example/callback")]
    [InlineData(null)]
    public async Task An_address_that_is_not_registered_to_the_letter_gets_nothing(string? redirect)
    {
        using var browser = new Browser(host.Address);

        using var answer = await browser.GetAsync(SignInAttempt.New().Address(("redirect_uri", redirect)));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Null(answer.Headers.Location);
    }

    [Fact]
    public async Task A_parameter_given_twice_is_refused()
    {
        using var browser = new Browser(host.Address);

        using var answer = await browser.GetAsync(SignInAttempt.New().Address() + "&state=other");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task A_code_used_twice_ends_everything_that_came_of_it()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var code = (await browser.AuthorizeAsync(attempt.Address(), person))["code"];
        var (_, first) = await host.ExchangeAsync(attempt, code);
        Assert.NotNull(await host.Validator.ValidateAsync(first.GetProperty("access_token").GetString()!, default));

        var (status, body) = await host.ExchangeAsync(attempt, code);

        Assert.Equal((HttpStatusCode.BadRequest, "invalid_grant"), (status, body.GetProperty("error").GetString()));
        Assert.Null(await host.Validator.ValidateAsync(first.GetProperty("access_token").GetString()!, default));
        Assert.Equal(HttpStatusCode.BadRequest, (await RefreshAsync(first.GetProperty("refresh_token").GetString()!)).Status);
        Assert.Contains(host.SignIns.All, e => e.Kind == SignInKinds.CodeReplay && e.ActorId == person.Id.ToString("D"));
    }

    [Fact]
    public async Task A_wrong_verifier_has_one_try()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var code = (await browser.AuthorizeAsync(attempt.Address(), person))["code"];

        Assert.Equal(HttpStatusCode.BadRequest, (await host.ExchangeAsync(SignInAttempt.New(), code)).Status);
        Assert.Equal(HttpStatusCode.BadRequest, (await host.ExchangeAsync(attempt, code)).Status);
    }

    [Fact]
    public async Task A_code_is_worth_nothing_to_another_client_or_for_another_address()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var secret = await host.Clients.RegisterAsync(ClientRegistration.SignIn("other-site", "Other", ["https://other.example/cb"], []), IssuerHost.Administrator);
        var code = (await browser.AuthorizeAsync(attempt.Address(), person))["code"];
        (string, string)[] form = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", attempt.Verifier)];

        var other = await host.TokenAsync([("client_id", "other-site"), ("client_secret", secret), ("redirect_uri", IssuerHost.Callback), .. form]);
        var elsewhere = await host.ConsoleTokenAsync([("redirect_uri", IssuerHost.Callback + "/"), .. form]);

        Assert.Equal("invalid_grant", other.Body.GetProperty("error").GetString());
        Assert.Equal("invalid_grant", elsewhere.Body.GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_code_is_old_after_a_minute()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var code = (await browser.AuthorizeAsync(attempt.Address(), person))["code"];

        host.Clock.Advance(TimeSpan.FromSeconds(61));

        Assert.Equal(HttpStatusCode.BadRequest, (await host.ExchangeAsync(attempt, code)).Status);
    }

    [Fact]
    public async Task A_refresh_token_is_replaced_at_every_use()
    {
        using var browser = new Browser(host.Address);
        var first = await SignInAsync(browser, await host.PersonAsync("customer"));

        var (_, second) = await RefreshAsync(first.RefreshToken);
        var (status, third) = await RefreshAsync(second.GetProperty("refresh_token").GetString()!);

        Assert.Equal(HttpStatusCode.OK, status);
        Assert.NotNull(await host.Validator.ValidateAsync(third.GetProperty("access_token").GetString()!, default));
    }

    [Fact]
    public async Task A_refresh_token_used_twice_ends_its_family()
    {
        using var browser = new Browser(host.Address);
        var first = await SignInAsync(browser, await host.PersonAsync("customer"));
        var (_, second) = await RefreshAsync(first.RefreshToken);

        var (status, _) = await RefreshAsync(first.RefreshToken);

        Assert.Equal(HttpStatusCode.BadRequest, status);
        Assert.Equal(HttpStatusCode.BadRequest, (await RefreshAsync(second.GetProperty("refresh_token").GetString()!)).Status);
        Assert.Null(await host.Validator.ValidateAsync(second.GetProperty("access_token").GetString()!, default));
        Assert.Contains(host.SignIns.All, e => e is { Kind: SignInKinds.RefreshReuse, Success: false });
    }

    [Fact]
    public async Task Two_uses_of_a_refresh_token_at_once_give_one_answer()
    {
        using var browser = new Browser(host.Address);
        var first = await SignInAsync(browser, await host.PersonAsync("customer"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => RefreshAsync(first.RefreshToken)));

        Assert.InRange(answers.Count(a => a.Status == HttpStatusCode.OK), 0, 1);
    }

    [Fact]
    public async Task A_refresh_token_dies_when_idle()
    {
        using var browser = new Browser(host.Address);
        var first = await SignInAsync(browser, await host.PersonAsync("customer"));

        host.Clock.Advance(TimeSpan.FromHours(2.1));

        Assert.Equal(HttpStatusCode.BadRequest, (await RefreshAsync(first.RefreshToken)).Status);
    }

    [Fact]
    public async Task A_switched_off_account_loses_session_and_tokens()
    {
        var person = await host.PersonAsync("analyst");
        using var browser = new Browser(host.Address);
        var first = await SignInAsync(browser, person, "realm:staff");

        await host.Accounts.SetDisabledAsync(person.Id, true, IssuerHost.Administrator);

        Assert.Null(await host.Validator.ValidateAsync(first.AccessToken, default));
        Assert.Equal(HttpStatusCode.BadRequest, (await RefreshAsync(first.RefreshToken)).Status);
        Assert.Contains("login_required", (await browser.GetAsync(SignInAttempt.New().Address(("prompt", "none")))).Headers.Location!.OriginalString, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await browser.SignInAsync("staff", person.Email, person.Password)).StatusCode);
    }

    [Theory]
    [InlineData("prompt", "login")]
    [InlineData("max_age", "0")]
    [InlineData("acr_values", "realm:staff")]
    public async Task A_session_that_does_not_do_leads_to_a_new_sign_in_that_does_not_repeat_itself(string name, string value)
    {
        using var browser = new Browser(host.Address);
        await SignInAsync(browser, await host.PersonAsync("customer"));

        using var answer = await browser.GetAsync(SignInAttempt.New().Address((name, value)));

        var login = answer.Headers.Location!.OriginalString;
        Assert.StartsWith("/account/login?", login);
        Assert.DoesNotContain("prompt", login, StringComparison.Ordinal);
        Assert.DoesNotContain("max_age", login, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Userinfo_tells_the_role_and_no_address()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        using var http = new HttpClient { BaseAddress = new Uri(host.Address) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", (await SignInAsync(browser, person)).AccessToken);

        var information = await http.GetFromJsonAsync<JsonElement>("/connect/userinfo");

        Assert.Equal(person.Id.ToString("D"), information.GetProperty("sub").GetString());
        Assert.DoesNotContain("@", information.GetRawText(), StringComparison.Ordinal);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "nonsense");
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("/connect/userinfo")).StatusCode);
    }

    [Fact]
    public async Task Signing_out_through_the_client_ends_session_and_tokens()
    {
        using var browser = new Browser(host.Address);
        var tokens = await SignInAsync(browser, await host.PersonAsync("customer"));

        using var answer = await browser.GetAsync(
            $"/connect/endsession?id_token_hint={tokens.IdToken}&post_logout_redirect_uri={Uri.EscapeDataString(IssuerHost.SignOutAddress)}&state=s1");

        Assert.Equal(IssuerHost.SignOutAddress + "?state=s1", answer.Headers.Location!.OriginalString);
        Assert.Null(await host.Validator.ValidateAsync(tokens.AccessToken, default));
        Assert.Equal(HttpStatusCode.BadRequest, (await RefreshAsync(tokens.RefreshToken)).Status);
        Assert.Equal("login_required", Browser.Query(await browser.GetAsync(SignInAttempt.New().Address(("prompt", "none"))))["error"]);
    }

    [Fact]
    public async Task A_foreign_page_cannot_sign_anybody_out_or_send_them_elsewhere()
    {
        using var browser = new Browser(host.Address);
        var tokens = await SignInAsync(browser, await host.PersonAsync("customer"));

        using var asked = await browser.GetAsync("/connect/endsession?post_logout_redirect_uri=" + Uri.EscapeDataString(IssuerHost.SignOutAddress));
        Assert.Equal("/account/logout", asked.Headers.Location!.OriginalString);
        using var forged = await browser.PostAsync("/account/logout");
        Assert.Equal(HttpStatusCode.BadRequest, forged.StatusCode);
        Assert.NotNull(await host.Validator.ValidateAsync(tokens.AccessToken, default));

        using var elsewhere = await browser.GetAsync($"/connect/endsession?id_token_hint={tokens.IdToken}&post_logout_redirect_uri=https://evil.example/");
        Assert.Equal("/account/signed-out", elsewhere.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task The_sign_out_page_signs_out()
    {
        using var browser = new Browser(host.Address);
        var tokens = await SignInAsync(browser, await host.PersonAsync("customer"));

        using var answer = await browser.SubmitAsync("/account/logout");

        Assert.Equal("/account/signed-out", answer.Headers.Location!.OriginalString);
        Assert.Null(await host.Validator.ValidateAsync(tokens.AccessToken, default));
        Assert.Contains("signed out", await browser.ReadAsync("/account/signed-out"), StringComparison.Ordinal);
    }

    private async Task<(string AccessToken, string RefreshToken, string IdToken)> SignInAsync(
        Browser browser, Person person, string realm = "realm:customer")
    {
        var attempt = SignInAttempt.New();
        var back = await browser.AuthorizeAsync(attempt.Address(("acr_values", realm)), person);
        var (_, body) = await host.ExchangeAsync(attempt, back["code"]);
        return (body.GetProperty("access_token").GetString()!, body.GetProperty("refresh_token").GetString()!, body.GetProperty("id_token").GetString()!);
    }

    private Task<(HttpStatusCode Status, JsonElement Body)> RefreshAsync(string token) =>
        host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", token));

    private static void AssertIdToken(string text, SignInAttempt attempt, Guid account, string accessToken)
    {
        var token = new JsonWebToken(text);
        var half = Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(accessToken)).AsSpan(0, 16));
        Assert.Equal("JWT", token.Typ);
        Assert.Equal("console", token.Audiences.Single());
        Assert.Equal(account.ToString("D"), token.Subject);
        Assert.Equal(attempt.Nonce, token.GetPayloadValue<string>("nonce"));
        Assert.Equal(half, token.GetPayloadValue<string>("at_hash"));
    }
}
