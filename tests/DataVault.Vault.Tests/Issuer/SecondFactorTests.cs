using System.Net;
using System.Text.RegularExpressions;
using DataVault.Cryptography;
using DataVault.Issuer;
using DataVault.Testing;
using Microsoft.IdentityModel.JsonWebTokens;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>The second factor: who must have one, what it is taken for, and what an attacker tries on it.</summary>
public sealed partial class SecondFactorTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private const string Staff = "realm:staff";

    [Theory]
    [InlineData("customer-support")]
    [InlineData("marketing")]
    [InlineData("compliance-officer")]
    [InlineData("analyst")]
    [InlineData("administrator")]
    public async Task Whoever_is_staff_gets_no_code_for_a_password_alone_and_sets_a_factor_up_at_the_first_sign_in(string role)
    {
        var email = $"{Guid.NewGuid():N}@people.example";
        var issued = await host.Accounts.CreateAsync(email, role, IssuerHost.Administrator);
        var attempt = SignInAttempt.New();
        using var browser = new Browser(host.Address);

        using var toPassword = await browser.SignInAsync("staff", email, issued.OneTimePassword, attempt.Address());
        using var changed = await browser.SubmitAsync(
            toPassword.Headers.Location!.OriginalString, ("present", issued.OneTimePassword), ("next", "four plain words together"), ("again", "four plain words together"));
        using var toFactor = await browser.GetAsync(changed.Headers.Location!.OriginalString);
        Assert.StartsWith("/account/factor/new?", toFactor.Headers.Location!.OriginalString);
        Assert.StartsWith("/account/factor/new?", (await browser.GetAsync("/account")).Headers.Location!.OriginalString);
        Assert.Contains("interaction_required", (await browser.GetAsync(attempt.Address(("prompt", "none")))).Headers.Location!.OriginalString, StringComparison.Ordinal);

        var (_, codes) = await EnrolAsync(browser, toFactor.Headers.Location.OriginalString);
        Assert.Equal(10, codes.Distinct().Count());
        using var done = await browser.GetAsync(attempt.Address());
        var token = await TokenAsync(attempt, Browser.Query(done)["code"]);
        Assert.Equal(2, token.Assurance);
    }

    [Fact]
    public async Task A_session_says_truthfully_what_it_was_signed_in_to_with()
    {
        var (customer, officer) = (await host.PersonAsync("customer"), await host.PersonAsync("compliance-officer"));
        using Browser one = new(host.Address), other = new(host.Address);
        await one.AuthorizeAsync(SignInAttempt.New().Address(), customer);
        await other.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", Staff)), officer);

        Assert.Equal(["1 {pwd}"], await SessionsAsync(customer.Id));
        Assert.Equal(["2 {pwd,otp,mfa}"], await SessionsAsync(officer.Id));
    }

    [Fact]
    public async Task A_code_works_once_and_no_earlier_one_after_it()
    {
        var email = $"{Guid.NewGuid():N}@people.example";
        var issued = await host.Accounts.CreateAsync(email, "analyst", IssuerHost.Administrator, lasting: true);
        var step = TimeCodes.StepOf(host.Clock.GetUtcNow());

        Assert.True(await TryAsync(step));
        Assert.False(await TryAsync(step));
        Assert.False(await TryAsync(step - 1));
        Assert.True(await TryAsync(step + 1));

        async Task<bool> TryAsync(long of)
        {
            using var browser = new Browser(host.Address);
            await browser.SignInAsync("staff", email, issued.OneTimePassword);
            using var answer = await browser.SubmitAsync("/account/factor", ("code", TimeCodes.Code(Base32.Decode(issued.CodeSecret!), of)));
            return answer.StatusCode == HttpStatusCode.Redirect;
        }
    }

    [Fact]
    public async Task One_code_sent_many_times_at_once_is_one_sign_in()
    {
        var person = await host.PersonAsync("analyst");
        var code = person.Telephone!.Next()!;
        var browsers = Enumerable.Range(0, 4).Select(_ => new Browser(host.Address)).ToList();
        foreach (var browser in browsers) await browser.SignInAsync("staff", person.Email, person.Password);

        var answers = await Task.WhenAll(browsers.Select(browser => browser.SubmitAsync("/account/factor", ("code", code))));

        Assert.Single(answers, answer => answer.StatusCode == HttpStatusCode.Redirect);
        foreach (var browser in browsers) browser.Dispose();
    }

    [Fact]
    public async Task Wrong_codes_lock_the_factor_and_a_right_one_does_not_open_it_until_the_time_is_over()
    {
        var person = await host.PersonAsync("analyst");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("staff", person.Email, person.Password);
        for (var i = 0; i < 5; i++) await browser.SubmitAsync("/account/factor", ("code", "000000"));

        using var locked = await browser.SubmitAsync("/account/factor", ("code", person.Telephone!.Next()!));
        Assert.Equal(HttpStatusCode.OK, locked.StatusCode);
        Assert.Equal("locked", host.SignIns.All.Last(signIn => signIn.ActorId == person.Id.ToString("D")).Reason);

        host.Clock.Advance(TimeSpan.FromMinutes(16));
        using var again = new Browser(host.Address);
        await again.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", Staff)), person);
    }

    [Fact]
    public async Task A_recovery_code_takes_the_place_of_the_app_once()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);
        var (_, codes) = await EnrolAsync(browser, "/account/factor/new");

        Assert.True(await RecoverAsync(codes[3]));
        Assert.Equal(["2 {pwd,mfa}", "2 {pwd,otp,mfa}"], (await SessionsAsync(person.Id)).Order());
        Assert.False(await RecoverAsync(codes[3]));
        Assert.True(await RecoverAsync(codes[4].ToLowerInvariant()));
        Assert.Contains(host.SignIns.All, signIn => signIn is { Kind: "recovery-code", Success: true } && signIn.ActorId == person.Id.ToString("D"));

        async Task<bool> RecoverAsync(string code)
        {
            using var elsewhere = new Browser(host.Address);
            await elsewhere.SignInAsync("customer", person.Email, person.Password);
            using var answer = await elsewhere.SubmitAsync("/account/factor", ("code", code));
            return answer.StatusCode == HttpStatusCode.Redirect;
        }
    }

    [Fact]
    public async Task New_recovery_codes_take_the_place_of_all_former_ones()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);
        var (_, former) = await EnrolAsync(browser, "/account/factor/new");

        using var renewed = await browser.SubmitAsync("/account/factor/recovery");
        var codes = Codes(await renewed.Content.ReadAsStringAsync());

        Assert.Equal(10, codes.Except(former).Count());
        using var elsewhere = new Browser(host.Address);
        await elsewhere.SignInAsync("customer", person.Email, person.Password);
        Assert.Equal(HttpStatusCode.OK, (await elsewhere.SubmitAsync("/account/factor", ("code", former[0]))).StatusCode);
        Assert.Equal(HttpStatusCode.Redirect, (await elsewhere.SubmitAsync("/account/factor", ("code", codes[0]))).StatusCode);
    }

    [Fact]
    public async Task A_password_reset_leaves_the_factor_and_whoever_has_the_password_alone_changes_nothing()
    {
        var person = await host.PersonAsync("analyst");
        var reset = await host.Accounts.ResetPasswordAsync(person.Id, IssuerHost.Administrator);
        using var browser = new Browser(host.Address);

        using var signedIn = await browser.SignInAsync("staff", person.Email, reset.OneTimePassword);
        Assert.StartsWith("/account/factor?", signedIn.Headers.Location!.OriginalString);
        foreach (var page in new[] { "/account/password", "/account/factor/new", "/account/factor/recovery", "/account" })
            Assert.StartsWith("/account/factor?", (await browser.GetAsync(page)).Headers.Location!.OriginalString);

        using var shown = await browser.SubmitAsync(signedIn.Headers.Location.OriginalString, ("code", person.Telephone!.Next()!));
        using var then = await browser.GetAsync(shown.Headers.Location!.OriginalString);
        Assert.StartsWith("/account/password?", then.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task A_factor_is_taken_away_by_another_person_alone_and_the_log_names_them()
    {
        var person = await host.PersonAsync("administrator");
        using var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", Staff)), person);

        await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.ResetSecondFactorAsync(person.Id, new IssuerParty(Realm.Staff, person.Id.ToString("D"), "administrator")));
        await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.ResetSecondFactorAsync(person.Id, new IssuerParty(Realm.Application, "operations", "Operations")));
        await host.Accounts.ResetSecondFactorAsync(person.Id, IssuerHost.Administrator);

        var change = Assert.Single(host.SignIns.Confirmed, made => made.Change.What == "second-factor-reset" && made.Change.Object.Id == person.Id.ToString("D")).Change;
        Assert.Equal((IssuerHost.Administrator.Id, person.Id.ToString("D")), (change.Actor.Id, change.Object.Id));
        Assert.Equal("/account/login", (await browser.GetAsync("/account")).Headers.Location!.OriginalString);
        using var again = await browser.SignInAsync("staff", person.Email, person.Password);
        Assert.StartsWith("/account/factor/new?", again.Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task Whoever_reset_the_password_does_not_reset_the_factor_until_its_owner_came_nor_the_other_way_round()
    {
        var person = await host.PersonAsync("analyst");
        var second = new IssuerParty(Realm.Staff, Guid.NewGuid().ToString("D"), "administrator");
        using var browser = new Browser(host.Address);
        await host.Accounts.ResetPasswordAsync(person.Id, second);
        var reset = await host.Accounts.ResetPasswordAsync(person.Id, IssuerHost.Administrator);

        foreach (var one in new[] { IssuerHost.Administrator, second })
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.ResetSecondFactorAsync(person.Id, one))).Slug);

        using var signedIn = await browser.SignInAsync("staff", person.Email, reset.OneTimePassword);
        using var shown = await browser.SubmitAsync(signedIn.Headers.Location!.OriginalString, ("code", person.Telephone!.Next()!));
        using var chosen = await browser.SubmitAsync("/account/password", ("present", reset.OneTimePassword), ("next", "four plain words together"), ("again", "four plain words together"));
        Assert.Equal(HttpStatusCode.Redirect, chosen.StatusCode);
        await host.Accounts.ResetSecondFactorAsync(person.Id, IssuerHost.Administrator);

        await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.ResetPasswordAsync(person.Id, IssuerHost.Administrator));
        await host.Accounts.ResetPasswordAsync(person.Id, second);
    }

    [Fact]
    public async Task No_application_resets_the_password_of_a_member_of_staff()
    {
        var (member, customer) = (await host.PersonAsync("analyst"), await host.PersonAsync("customer"));
        var application = new IssuerParty(Realm.Application, "operations", "Operations");

        Assert.Equal("forbidden", (await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.ResetPasswordAsync(member.Id, application))).Slug);
        await host.Accounts.ResetPasswordAsync(customer.Id, application);
    }

    [Fact]
    public async Task A_key_that_was_made_for_one_session_is_not_set_up_in_another()
    {
        var (person, other) = (await host.PersonAsync("customer"), await host.PersonAsync("customer"));
        using Browser mine = new(host.Address), theirs = new(host.Address);
        await mine.SignInAsync("customer", person.Email, person.Password);
        await theirs.SignInAsync("customer", other.Email, other.Password);
        var page = await theirs.ReadAsync("/account/factor/new");
        var (enrolment, secret) = (Enrolment().Match(page).Groups[1].Value, Secret().Match(page).Groups[1].Value);

        using var answer = await mine.SubmitAsync(
            "/account/factor/new", ("enrolment", WebUtility.HtmlDecode(enrolment)), ("code", Authenticator.Of(secret, host.Clock).Next()!));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal("f", Assert.Single(await host.QueryAsync($"SELECT left(two_factor_enabled::text, 1) FROM issuer.account WHERE id = '{person.Id}'")));
    }

    [Theory]
    [InlineData("two_factor_enabled = false, code_secret_sealed = NULL, code_step = NULL, recovery_hashes = NULL")]
    [InlineData("code_secret_sealed = (SELECT code_secret_sealed FROM issuer.account WHERE id = '$other')")]
    [InlineData("code_step = 0")]
    [InlineData("recovery_hashes = sha256('MINE')")]
    [InlineData("two_factor_enabled = false")]
    public async Task Whoever_writes_into_the_database_takes_no_factor_away_and_puts_none_there(string change)
    {
        var (person, other) = (await host.PersonAsync("analyst"), await host.PersonAsync("analyst"));
        using var browser = new Browser(host.Address);
        await browser.AuthorizeAsync(SignInAttempt.New().Address(("acr_values", Staff)), person);

        await host.QueryAsync($"UPDATE issuer.account SET {change.Replace("$other", other.Id.ToString(), StringComparison.Ordinal)} WHERE id = '{person.Id}'");

        Assert.Equal("/account/login", (await browser.GetAsync("/account")).Headers.Location!.OriginalString);
        Assert.Equal(HttpStatusCode.OK, (await browser.SignInAsync("staff", person.Email, person.Password)).StatusCode);
        await host.Accounts.RemoveAsync(person.Id, IssuerHost.Administrator);
    }

    [Theory]
    [InlineData("assurance = 2")]
    [InlineData("amr = '{pwd,otp,mfa}'")]
    [InlineData("assurance = 2, amr = '{pwd,otp,mfa}', expires_at = expires_at + interval '1 year'")]
    public async Task Whoever_writes_into_the_database_raises_no_session(string change)
    {
        var person = await host.PersonAsync("analyst");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("staff", person.Email, person.Password);

        await host.QueryAsync($"UPDATE issuer.session SET {change} WHERE account_id = '{person.Id}'");

        Assert.Equal("/account/login", (await browser.GetAsync("/account")).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task Whoever_has_shown_the_password_alone_has_ten_minutes_for_the_rest()
    {
        var person = await host.PersonAsync("analyst");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("staff", person.Email, person.Password);

        host.Clock.Advance(TimeSpan.FromMinutes(11));

        Assert.Equal("/account/login", (await browser.GetAsync("/account")).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task What_changes_a_sign_in_asks_for_a_fresh_one()
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);

        host.Clock.Advance(TimeSpan.FromMinutes(16));

        Assert.StartsWith("/account/login?", (await browser.GetAsync("/account/factor/new")).Headers.Location!.OriginalString);
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/account")).StatusCode);
    }

    /// <summary>Sets an app up on the page, and gives it with the recovery codes that were shown.</summary>
    private async Task<(Authenticator App, string[] Codes)> EnrolAsync(Browser browser, string path)
    {
        var page = await browser.ReadAsync(path);
        var app = Authenticator.Of(Secret().Match(page).Groups[1].Value, host.Clock);
        var hidden = Browser.HiddenOf(page);
        using var answer = await browser.PostAsync("/account/factor/new", [.. hidden, ("code", app.Next()!)]);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return (app, Codes(await answer.Content.ReadAsStringAsync()));
    }

    private async Task<ValidatedToken> TokenAsync(SignInAttempt attempt, string code)
    {
        var (_, body) = await host.ExchangeAsync(attempt, code);
        Assert.Equal("2", new JsonWebToken(body.GetProperty("id_token").GetString()!).GetPayloadValue<string>("acr"));
        return (await host.Validator.ValidateAsync(body.GetProperty("access_token").GetString()!, default))!;
    }

    private Task<List<string>> SessionsAsync(Guid account) => host.QueryAsync($"SELECT assurance || ' ' || amr::text FROM issuer.session WHERE account_id = '{account}' ORDER BY id");

    private static string[] Codes(string page) => [.. RecoveryCodes().Matches(page).Select(m => m.Groups[1].Value)];

    [GeneratedRegex("<code id=\"secret\">([^<]+)</code>")]
    private static partial Regex Secret();

    [GeneratedRegex("name=\"enrolment\" value=\"([^\"]+)\"")]
    private static partial Regex Enrolment();

    [GeneratedRegex("<li><code>([A-Z2-7-]+)</code></li>")]
    private static partial Regex RecoveryCodes();
}
