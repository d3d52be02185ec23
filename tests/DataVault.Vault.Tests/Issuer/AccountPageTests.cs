using System.Net;
using System.Text.RegularExpressions;
using DataVault.Cryptography;
using DataVault.Issuer;
using DataVault.Issuer.Accounts;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>The pages that a person sees, and what an attacker tries on them.</summary>
public sealed partial class AccountPageTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task A_sign_in_without_the_forms_token_is_refused()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.ReadAsync("/account/login");

        using var answer = await browser.PostAsync("/account/login", ("realm", "customer"), ("email", person.Email), ("password", person.Password));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.DoesNotContain(browser.Cookies, c => c.Name == "vault-session");
    }

    [Theory]
    [InlineData("https://evil.example/")]
    [InlineData("//evil.example/")]
    [InlineData("/\\evil.example")]
    [InlineData("/connect/authorize")]
    [InlineData("/connect/authorize?client_id=console&redirect_uri=https://evil.example/")]
    [InlineData("/connect/authorize?client_id=nobody&redirect_uri=https://console.example/callback")]
    [InlineData("/connect/authorize?\r\nSet-Cookie: a=b")]
    [InlineData("javascript:alert(1)")]
    public async Task A_way_back_that_is_not_ours_is_refused(string returnUrl)
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);

        using var shown = await browser.GetAsync("/account/login?returnUrl=" + Uri.EscapeDataString(returnUrl));
        using var sent = await browser.SubmitAsync("/account/login", ("email", person.Email), ("password", person.Password), ("returnUrl", returnUrl));

        Assert.Equal(HttpStatusCode.BadRequest, shown.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, sent.StatusCode);
        Assert.Null(sent.Headers.Location);
    }

    [Fact]
    public async Task An_unknown_address_and_a_wrong_password_cannot_be_told_apart()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);

        using var wrong = await browser.SignInAsync("customer", person.Email, "not the right password");
        using var unknown = await browser.SignInAsync("customer", "nobody@people.example", "not the right password");

        Assert.Equal(wrong.StatusCode, unknown.StatusCode);
        Assert.Equal(await ShapeAsync(wrong), await ShapeAsync(unknown));
        Assert.Equal(wrong.Headers.Select(h => h.Key), unknown.Headers.Select(h => h.Key));
    }

    [Fact]
    public async Task An_unknown_address_costs_a_password_hash_too()
    {
        var hasher = new CountingHasher();
        using var scope = host.Services.CreateScope();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<Account>>();
        using var work = new PasswordWork(hasher, host.Options(), new SystemRandomBytes());

        Assert.False(await work.MatchesAsync(users, null, "whatever", default));

        Assert.Equal(1, hasher.Verified);
    }

    [Fact]
    public async Task Five_wrong_passwords_lock_an_address_for_a_while()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        for (var i = 0; i < 5; i++) await browser.SignInAsync("customer", person.Email, "wrong wrong wrong");

        using var locked = await browser.SignInAsync("customer", person.Email, person.Password);
        Assert.Equal(HttpStatusCode.OK, locked.StatusCode);
        Assert.Contains("too many attempts", await locked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains(host.SignIns.All, e => e.ActorId == person.Id.ToString("D") && e.Reason == "locked");

        host.Clock.Advance(TimeSpan.FromMinutes(16));
        using var open = await browser.SignInAsync("customer", person.Email, person.Password);
        Assert.Equal(HttpStatusCode.Redirect, open.StatusCode);
    }

    [Fact]
    public async Task An_address_without_an_account_is_locked_the_same_way()
    {
        using var browser = new Browser(host.Address);
        var before = await host.QueryAsync("SELECT handle FROM issuer.sign_in_attempt");

        for (var i = 0; i < 6; i++) await browser.SignInAsync("staff", "ghost@people.example", "wrong wrong wrong");

        var added = (await host.QueryAsync("SELECT handle || ':' || failures FROM issuer.sign_in_attempt")).Where(r => !before.Contains(r.Split(':')[0]));
        Assert.EndsWith(":6", Assert.Single(added));
    }

    [Fact]
    public async Task Realms_share_no_account_even_for_one_address()
    {
        var email = $"{Guid.NewGuid():N}@people.example";
        var staff = await host.Accounts.CreateAsync(email, "analyst", IssuerHost.Administrator, lasting: true);
        var customer = await host.Accounts.CreateAsync(email, "customer", IssuerHost.Administrator, Guid.NewGuid(), lasting: true);
        using var browser = new Browser(host.Address);

        Assert.NotEqual(staff.Id, customer.Id);
        Assert.Equal(HttpStatusCode.OK, (await browser.SignInAsync("staff", email, customer.OneTimePassword)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await browser.SignInAsync("customer", email, staff.OneTimePassword)).StatusCode);
        Assert.Equal(HttpStatusCode.Redirect, (await browser.SignInAsync("staff", email, staff.OneTimePassword)).StatusCode);
    }

    [Fact]
    public async Task An_address_is_found_however_it_is_typed()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);

        using var answer = await browser.SignInAsync("customer", "  " + person.Email.ToUpperInvariant(), person.Password);

        Assert.Equal(HttpStatusCode.Redirect, answer.StatusCode);
    }

    [Fact]
    public async Task A_one_time_password_opens_nothing_but_the_choice_of_another()
    {
        var email = $"{Guid.NewGuid():N}@people.example";
        var issued = await host.Accounts.CreateAsync(email, "analyst", IssuerHost.Administrator);
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);

        using var signedIn = await browser.SignInAsync("staff", email, issued.OneTimePassword, attempt.Address());
        Assert.StartsWith("/account/password?returnUrl=", signedIn.Headers.Location!.OriginalString);
        using var tried = await browser.GetAsync(attempt.Address());
        Assert.StartsWith("/account/password?returnUrl=", tried.Headers.Location!.OriginalString);
        using var weak = await ChangeAsync(browser, tried, issued.OneTimePassword, "short");
        Assert.Equal(HttpStatusCode.OK, weak.StatusCode);

        using var changed = await ChangeAsync(browser, tried, issued.OneTimePassword, "four plain words together");
        Assert.StartsWith("/connect/authorize?", changed.Headers.Location!.OriginalString);
        using var next = await browser.GetAsync(changed.Headers.Location.OriginalString);
        Assert.StartsWith("/account/factor/new?returnUrl=", next.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task A_one_time_password_is_old_after_a_week()
    {
        var email = $"{Guid.NewGuid():N}@people.example";
        var issued = await host.Accounts.CreateAsync(email, "analyst", IssuerHost.Administrator);
        using var browser = new Browser(host.Address);

        host.Clock.Advance(TimeSpan.FromDays(8));

        Assert.Equal(HttpStatusCode.OK, (await browser.SignInAsync("staff", email, issued.OneTimePassword)).StatusCode);
    }

    [Fact]
    public async Task A_new_password_ends_every_other_session()
    {
        var person = await host.PersonAsync("customer");
        using var here = new Browser(host.Address);
        using var elsewhere = new Browser(host.Address);
        await here.SignInAsync("customer", person.Email, person.Password);
        await elsewhere.SignInAsync("customer", person.Email, person.Password);

        using var changed = await here.SubmitAsync(
            "/account/password", ("present", person.Password), ("next", "four plain words together"), ("again", "four plain words together"));

        Assert.Equal("/account", changed.Headers.Location!.OriginalString);
        Assert.Contains("code", Browser.Query(await here.GetAsync(SignInAttempt.New().Address())));
        Assert.StartsWith("/account/login", (await elsewhere.GetAsync(SignInAttempt.New().Address())).Headers.Location!.OriginalString);
    }

    [Theory]
    [InlineData("eleven char")]
    [InlineData("aaaaaaaaaaaaaaaa")]
    [InlineData("{mailbox} and more words")]
    [InlineData("{present}")]
    public async Task A_weak_password_is_refused(string next)
    {
        var person = await host.PersonAsync("customer");
        next = next.Replace("{mailbox}", person.Email.Split('@')[0], StringComparison.Ordinal).Replace("{present}", person.Password, StringComparison.Ordinal);

        Assert.Equal(PasswordChange.TooWeak, await host.Accounts.ChangePasswordAsync(person.Id, person.Password, next));
        Assert.Equal(PasswordChange.NotConfirmed, await host.Accounts.ChangePasswordAsync(person.Id, "wrong", "four plain words together"));
    }

    [Fact]
    public async Task A_session_cookie_is_new_at_every_sign_in_and_out_of_scripts_reach()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);
        var first = browser.Cookies.Single(c => c.Name == "vault-session");

        await browser.SignInAsync("customer", person.Email, person.Password);

        var second = browser.Cookies.Single(c => c.Name == "vault-session");
        Assert.NotEqual(first.Value, second.Value);
        Assert.True(second.HttpOnly);
        Assert.Equal("1", Assert.Single(await host.QueryAsync($"SELECT count(*) FROM issuer.session WHERE account_id = '{person.Id}'")));
    }

    [Fact]
    public async Task A_new_security_stamp_ends_a_session_whoever_set_it()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);

        await host.QueryAsync($"UPDATE issuer.account SET security_stamp = 'other' WHERE id = '{person.Id}'");

        Assert.StartsWith("/account/login", (await browser.GetAsync(SignInAttempt.New().Address())).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task An_idle_session_is_over()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);

        host.Clock.Advance(TimeSpan.FromMinutes(31));

        Assert.StartsWith("/account/login", (await browser.GetAsync(SignInAttempt.New().Address())).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task The_account_page_is_for_those_who_are_signed_in()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        Assert.Equal("/account/login", (await browser.GetAsync("/account")).Headers.Location!.OriginalString);

        await browser.SignInAsync("customer", person.Email, person.Password);

        Assert.Contains("signed in as customer", await browser.ReadAsync("/account"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pages_run_no_script_and_cannot_be_framed()
    {
        using var browser = new Browser(host.Address);

        using var answer = await browser.GetAsync("/account/login?returnUrl=" + Uri.EscapeDataString(SignInAttempt.New().Address()));

        var policy = answer.Headers.GetValues("Content-Security-Policy").Single();
        var page = await answer.Content.ReadAsStringAsync();
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("form-action 'self' https://console.example;", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("style=", page, StringComparison.OrdinalIgnoreCase);
        Assert.Equal("text/css", (await browser.GetAsync("/account/style.css")).Content.Headers.ContentType!.MediaType);
    }

    [Fact]
    public async Task What_comes_from_outside_stands_in_a_page_as_text()
    {
        using var browser = new Browser(host.Address);
        var returnUrl = SignInAttempt.New().Address(("state", null)) + "&state=\"><script>alert(1)</script>";

        var page = await browser.ReadAsync("/account/login?returnUrl=" + Uri.EscapeDataString(returnUrl));

        Assert.Contains("alert(1)", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
    }

    private static async Task<HttpResponseMessage> ChangeAsync(Browser browser, HttpResponseMessage to, string present, string next) =>
        await browser.SubmitAsync(to.Headers.Location!.OriginalString, ("present", present), ("next", next), ("again", next));

    private static async Task<string> ShapeAsync(HttpResponseMessage answer) =>
        Token().Replace(await answer.Content.ReadAsStringAsync(), "token");

    private sealed class CountingHasher : IPasswordHasher<Account>
    {
        public int Verified { get; private set; }

        public string HashPassword(Account user, string password) => "hash";

        public PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword)
        {
            Verified++;
            return PasswordVerificationResult.Failed;
        }
    }

    [GeneratedRegex("(?<=__RequestVerificationToken\" value=\")[^\"]+")]
    private static partial Regex Token();
}
