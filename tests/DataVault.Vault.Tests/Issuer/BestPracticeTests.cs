using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using DataVault.Issuer;
using DataVault.Issuer.Clients;
using DataVault.Issuer.Keys;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>What RFC 9700 asks of an authorization server and a resource server, beside what other tests of this folder show: docs/oauth.md has the table.</summary>
public sealed class BestPracticeTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Theory]
    [InlineData("response_type", "token")]
    [InlineData("code_challenge", null)]
    [InlineData("prompt", "nonsense")]
    [InlineData("resource", "https://elsewhere.example")]
    public async Task A_wrong_request_sends_nobody_on_who_has_not_signed_in(string name, string? value)
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);

        using var first = await browser.GetAsync(SignInAttempt.New().Address((name, value)));
        Assert.StartsWith("/account/login?", first.Headers.Location!.OriginalString, StringComparison.Ordinal);
        var after = await browser.SubmitAsync(first.Headers.Location.OriginalString, ("email", person.Email), ("password", person.Password));
        while (after.Headers.Location is { } next && next.OriginalString.StartsWith('/')) after = await browser.GetAsync(next.OriginalString);

        Assert.Contains("error", Browser.Query(after));
        Assert.DoesNotContain("code", Browser.Query(after));
    }

    [Theory]
    [InlineData("/account/login?returnUrl=", HttpStatusCode.BadRequest)]
    [InlineData("/account/password?returnUrl=", HttpStatusCode.BadRequest)]
    [InlineData("/connect/endsession?post_logout_redirect_uri=", HttpStatusCode.Redirect)]
    [InlineData("/connect/authorize?client_id=console&response_type=code&redirect_uri=", HttpStatusCode.BadRequest)]
    public async Task No_page_of_the_issuer_sends_a_browser_where_a_parameter_says(string page, HttpStatusCode expected)
    {
        using var browser = new Browser(host.Address);
        foreach (var elsewhere in new[] { "https://evil.example/", "//evil.example/", "/\\evil.example/", "https:evil.example", "javascript:alert(1)", "/connect/authorize?redirect_uri=https://evil.example/" })
        {
            using var answer = await browser.GetAsync(page + Uri.EscapeDataString(elsewhere));
            Assert.Equal(expected, answer.StatusCode);
            Assert.True(answer.Headers.Location is null || answer.Headers.Location.OriginalString == "/account/signed-out", answer.Headers.Location?.OriginalString);
        }
    }

    [Fact]
    public async Task No_answer_to_a_password_makes_the_browser_send_it_again()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);

        using var right = await browser.SignInAsync("customer", person.Email, person.Password);
        using var wrong = await browser.SignInAsync("customer", person.Email, "something else entirely");

        Assert.True(right.StatusCode is HttpStatusCode.Redirect or HttpStatusCode.SeeOther, right.StatusCode.ToString());
        Assert.Equal(HttpStatusCode.OK, wrong.StatusCode);
    }

    [Fact]
    public async Task A_refresh_token_gives_no_more_than_the_sign_in_did()
    {
        var (body, _) = await SignInAsync();
        var refresh = body.GetProperty("refresh_token").GetString()!;

        Assert.Equal("invalid_scope", Error(await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", "openid profile"))));
        Assert.Equal("invalid_target", Error(await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", refresh), ("resource", "https://elsewhere.example"))));
        var (id, secret) = await host.ApplicationAsync();
        Assert.Equal("unauthorized_client", Error(await host.TokenAsync(("client_id", id), ("client_secret", secret), ("grant_type", "refresh_token"), ("refresh_token", refresh))));
        Assert.Equal(HttpStatusCode.OK, (await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", "openid"))).Status);
    }

    [Fact]
    public async Task A_token_for_another_service_is_none_for_the_vault()
    {
        var id = "two-services-" + Guid.NewGuid().ToString("N")[..8];
        var registration = ClientRegistration.Application(id, "Two services", ["marketing"], ["marketing"]) with { Resources = ["https://reports.example/api"] };
        var secret = await host.Clients.RegisterAsync(registration, IssuerHost.Administrator);
        (string, string)[] form = [("client_id", id), ("client_secret", secret), ("grant_type", "client_credentials")];

        var elsewhere = (await host.TokenAsync([.. form, ("resource", "https://reports.example/api")])).Body.GetProperty("access_token").GetString()!;
        var here = (await host.TokenAsync([.. form, ("resource", host.Address)])).Body.GetProperty("access_token").GetString()!;

        Assert.Null(await host.Validator.ValidateAsync(elsewhere, default));
        Assert.NotNull(await host.Validator.ValidateAsync(here, default));
        Assert.Equal("invalid_target", Error(await host.TokenAsync([.. form, ("resource", "https://reports.example/")])));
        Assert.Equal("invalid_target", Error(await host.TokenAsync([.. form, ("resource", "https://reports.example/api"), ("resource", host.Address)])));
    }

    [Fact]
    public async Task Outside_Development_no_http_address_is_registered_but_of_a_program_on_this_machine()
    {
        var options = new IssuerOptions { Connection = host.LoginConnection, Issuer = "https://vault.example" };
        var services = host.Services;
        var registry = new ClientRegistry(
            services.GetRequiredService<DataVault.Issuer.Storage.IssuerDatabase>(), services.GetRequiredService<Revocations>(), services.GetRequiredService<DataVault.Issuer.Storage.ChangeLedger>(),
            options, host.Clock, services.GetRequiredService<IssuerSecrets>());

        foreach (var address in new[] { "http://shop.example/cb", "http://127.0.0.1/cb", "http://localhost/cb" })
            await Assert.ThrowsAsync<IssuerException>(() => registry.RegisterAsync(ClientRegistration.SignIn("web-shop", "Web shop", [address], []), IssuerHost.Administrator));
        await registry.EnsureAsync(ClientRegistration.Program("small-tool", "Small tool", "/signed-in"), null);
    }

    [Theory]
    [InlineData("GET", "/connect/authorize")]
    [InlineData("OPTIONS", "/connect/authorize")]
    [InlineData("OPTIONS", "/connect/token")]
    [InlineData("GET", "/account/login")]
    public async Task Nobody_elses_script_may_call_the_issuer(string method, string path)
    {
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using var request = new HttpRequestMessage(new HttpMethod(method), host.Address + path);
        request.Headers.Add("Origin", "https://evil.example");
        request.Headers.Add("Access-Control-Request-Method", "POST");

        using var answer = await http.SendAsync(request);

        Assert.DoesNotContain(answer.Headers, header => header.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task A_token_in_an_address_or_a_form_is_not_taken()
    {
        var token = (await SignInAsync()).Body.GetProperty("access_token").GetString()!;
        using var http = new HttpClient();

        Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync(host.Address + "/connect/userinfo?access_token=" + token)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await http.PostAsync(host.Address + "/connect/userinfo", new FormUrlEncodedContent([new("access_token", token)]))).StatusCode);
    }

    [Theory]
    [InlineData("Host", "evil.example")]
    [InlineData("X-Forwarded-Host", "evil.example")]
    [InlineData("X-Forwarded-Proto", "https")]
    [InlineData("Forwarded", "host=evil.example;proto=https")]
    public async Task What_a_call_says_its_host_is_changes_nothing(string header, string value)
    {
        using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        foreach (var path in new[] { "/.well-known/openid-configuration", SignInAttempt.New().Address() })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, host.Address + path);
            request.Headers.TryAddWithoutValidation(header, value);
            using var answer = await http.SendAsync(request);
            Assert.DoesNotContain("evil.example", await answer.Content.ReadAsStringAsync() + answer.Headers, StringComparison.Ordinal);
        }

        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();
        var proof = key.Proof("POST", "https://evil.example/connect/token", host.Clock.GetUtcNow(), await host.NonceAsync(key));
        using var tricked = new HttpRequestMessage(HttpMethod.Post, host.Address + "/connect/token");
        tricked.Headers.TryAddWithoutValidation(header, value);
        tricked.Headers.Add("DPoP", proof);
        tricked.Content = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", id), new("client_secret", secret)]);
        using var refused = await http.SendAsync(tricked);
        Assert.Contains("invalid_dpop_proof", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_client_is_called_like_a_person_and_its_tokens_say_what_it_is()
    {
        var person = await host.PersonAsync("customer");
        foreach (var id in new[] { person.Id.ToString("D"), person.Id.ToString("N"), "a" + person.Id.ToString("N")[1..] })
        {
            var made = await Record.ExceptionAsync(() => host.Clients.RegisterAsync(ClientRegistration.Application(id, "Somebody", [], []), IssuerHost.Administrator));
            Assert.Equal("invalid-fields", Assert.IsType<IssuerException>(made).Slug);
        }

        var (app, secret) = await host.ApplicationAsync();
        var token = (await host.TokenAsync(("grant_type", "client_credentials"), ("client_id", app), ("client_secret", secret))).Body.GetProperty("access_token").GetString()!;
        Assert.Equal(Realm.Application, (await host.Validator.ValidateAsync(token, default))!.Realm);
    }

    [Theory]
    [InlineData("/account/login")]
    [InlineData("/account/login?returnUrl=https://evil.example")]
    [InlineData("/account/signed-out")]
    [InlineData("/connect/authorize")]
    [InlineData("/connect/endsession?x=1&x=2")]
    public async Task No_page_of_the_issuer_can_be_framed(string path)
    {
        using var browser = new Browser(host.Address);

        using var answer = await browser.GetAsync(path);

        Assert.Equal("DENY", answer.Headers.GetValues("X-Frame-Options").Single());
        Assert.Contains("frame-ancestors 'none'", answer.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
    }

    [Fact]
    public async Task A_session_that_somebody_planted_is_not_the_one_that_is_signed_in()
    {
        var (attacker, victim) = (await host.PersonAsync("customer"), await host.PersonAsync("customer"));
        using Browser theirs = new(host.Address), planted = new(host.Address);
        await theirs.SignInAsync("customer", attacker.Email, attacker.Password);
        var cookie = theirs.Cookies.Single(c => c.Name == "vault-session").Value;
        planted.Plant("vault-session", cookie);

        await planted.SignInAsync("customer", victim.Email, victim.Password);

        Assert.NotEqual(cookie, planted.Cookies.Single(c => c.Name == "vault-session").Value);
        Assert.Equal("/account/login", (await theirs.GetAsync("/account")).Headers.Location?.OriginalString);
    }

    [Fact]
    public async Task A_token_that_is_nested_or_huge_costs_nothing_and_gives_nothing()
    {
        string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));
        var deep = string.Concat(Enumerable.Repeat("{\"a\":", 700)) + "1" + new string('}', 700);
        string[] tokens =
        [
            $"{Encode("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"cty\":\"JWT\",\"kid\":\"x\"}")}.{Encode("eyJhbGciOiJub25lIn0.e30.")}.AAAA",
            $"{Encode(deep)}.{Encode("{}")}.AAAA",
            $"{Encode("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"x\"}")}.{Encode(deep)}.AAAA",
            "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA",
            new string('a', 100_000),
        ];
        using var key = Signing.Elliptic();
        var (id, secret) = await host.ApplicationAsync();
        foreach (var token in tokens)
        {
            Assert.Null(await host.Validator.ValidateAsync(token, default));
            var asked = await host.TokenAsync(
                ("grant_type", "client_credentials"), ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", token[..Math.Min(token.Length, 4000)]));
            Assert.Equal(HttpStatusCode.Unauthorized, asked.Status);
            var proven = await host.PostAsync("/connect/token", token[..Math.Min(token.Length, 8000)], ("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret));
            Assert.Equal("invalid_dpop_proof", proven.Body.GetProperty("error").GetString());
        }
    }

    [Fact]
    public async Task A_sign_in_at_which_more_assurance_is_asked_for_than_there_is_fails_rather_than_gives_less()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(), person);

        using var silent = await browser.GetAsync(SignInAttempt.New().Address(("acr_values", "2"), ("prompt", "none")));
        using var asked = await browser.GetAsync(SignInAttempt.New().Address(("acr_values", "2")));

        Assert.DoesNotContain("code", Browser.Query(silent));
        Assert.StartsWith("/account/factor", asked.Headers.Location!.OriginalString, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_client_revokes_is_in_the_log_with_who_did_it_and_before_the_answer()
    {
        var (body, person) = await SignInAsync();
        var (access, refresh) = (body.GetProperty("access_token").GetString()!, body.GetProperty("refresh_token").GetString()!);
        (string, string)[] console = [("client_id", host.Console.Id), ("client_secret", host.Console.Secret)];

        Assert.Equal(HttpStatusCode.OK, (await host.PostAsync("/connect/revocation", null, [.. console, ("token", access), ("token_type_hint", "refresh_token")])).Status);
        Assert.Null(await host.Validator.ValidateAsync(access, default));
        Assert.Equal(HttpStatusCode.OK, (await host.PostAsync("/connect/revocation", null, [.. console, ("token", refresh)])).Status);
        Assert.Equal("invalid_grant", Error(await host.ConsoleTokenAsync(("grant_type", "refresh_token"), ("refresh_token", refresh))));
        Assert.Equal(HttpStatusCode.OK, (await host.PostAsync("/connect/revocation", null, [.. console, ("token", "nonsense")])).Status);

        var told = host.SignIns.Confirmed.Where(made => made.Change.Object.Id == person.Id.ToString("D") && made.Change.Actor.Id == host.Console.Id).Select(made => made.Change.What);
        Assert.Equal(["access-token-revoked", "sign-in-revoked"], told);
    }

    [Fact]
    public async Task What_a_token_says_is_told_to_its_client_and_to_nobody_else()
    {
        var (body, person) = await SignInAsync();
        var (id, secret) = await host.ApplicationAsync();
        foreach (var token in new[] { body.GetProperty("access_token").GetString()!, body.GetProperty("refresh_token").GetString()! })
        {
            var own = await host.PostAsync("/connect/introspection", null, ("client_id", host.Console.Id), ("client_secret", host.Console.Secret), ("token", token));
            Assert.True(own.Body.GetProperty("active").GetBoolean());
            Assert.Equal(person.Id.ToString("D"), own.Body.GetProperty("sub").GetString());
            var other = await host.PostAsync("/connect/introspection", null, ("client_id", id), ("client_secret", secret), ("token", token));
            Assert.Equal("{\"active\":false}", other.Body.GetRawText());
            Assert.Equal(HttpStatusCode.Unauthorized, (await host.PostAsync("/connect/introspection", null, ("token", token))).Status);
        }

        var nonsense = await host.PostAsync("/connect/introspection", null, ("client_id", id), ("client_secret", secret), ("token", "nonsense"));
        Assert.Equal("{\"active\":false}", nonsense.Body.GetRawText());
    }

    private async Task<(JsonElement Body, Person Person)> SignInAsync()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);
        var (_, body) = await host.ExchangeAsync(attempt, (await browser.AuthorizeAsync(attempt.Address(), person))["code"]);
        return (body, person);
    }

    private static string Error((HttpStatusCode Status, JsonElement Body) answer) => answer.Body.GetProperty("error").GetString()!;
}
