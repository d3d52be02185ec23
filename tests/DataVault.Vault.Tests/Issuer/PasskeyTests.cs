using System.Net;
using System.Text.RegularExpressions;
using DataVault.Issuer;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Passkeys, and what an attacker tries on them. What browsers do with them is in the tests of the server.</summary>
public sealed partial class PasskeyTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private string Origin => host.Address.Replace("127.0.0.1", "localhost", StringComparison.Ordinal);

    [Fact]
    public async Task A_passkey_signs_in_with_two_factors_says_so_and_leaves_recovery_codes()
    {
        var person = await host.PersonAsync("customer");
        using var key = new SoftAuthenticator();
        using var mine = new Browser(host.Address);

        using var added = await AddAsync(mine, person, key);
        Assert.Equal(10, RecoveryCodes().Count(await added.Content.ReadAsStringAsync()));
        using var elsewhere = new Browser(host.Address);
        using var signedIn = await SignInAsync(elsewhere, key);

        Assert.Equal("/account", signedIn.Headers.Location!.OriginalString);
        Assert.Equal(["2 {swk,user,mfa}", "2 {swk,user,mfa}"], await host.QueryAsync($"SELECT assurance || ' ' || amr::text FROM issuer.session WHERE account_id = '{person.Id}'"));
        Assert.Contains(host.SignIns.All, signIn => signIn is { Kind: "passkey", Success: true } && signIn.ActorId == person.Id.ToString("D"));
        // From now on the password alone does not do.
        using var third = new Browser(host.Address);
        Assert.StartsWith("/account/factor?", (await third.SignInAsync("customer", person.Email, person.Password)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task At_an_address_without_a_name_the_page_says_so_and_leads_to_one_that_works()
    {
        using var client = new HttpClient();
        var page = await client.GetStringAsync($"{host.Address}/account/passkey");

        Assert.Contains($"<a href=\"{Origin}/account/passkey\">open this page at localhost</a>", page, StringComparison.Ordinal);
        Assert.DoesNotContain("open this page at localhost", await client.GetStringAsync($"{Origin}/account/passkey"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Staff_may_set_up_a_passkey_in_the_place_of_an_app()
    {
        var email = $"{Guid.NewGuid():N}@people.example";
        var issued = await host.Accounts.CreateAsync(email, "analyst", IssuerHost.Administrator);
        using var key = new SoftAuthenticator();
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("staff", email, issued.OneTimePassword);
        await browser.SubmitAsync("/account/password", ("present", issued.OneTimePassword), ("next", "four plain words together"), ("again", "four plain words together"));

        using var added = await RegisterAsync(browser, key);

        Assert.Equal(10, RecoveryCodes().Count(await added.Content.ReadAsStringAsync()));
        Assert.Equal(HttpStatusCode.OK, (await browser.GetAsync("/account")).StatusCode);
    }

    [Theory]
    [InlineData("https://evil.example", SoftAuthenticator.Present | SoftAuthenticator.Verified)]
    [InlineData(null, SoftAuthenticator.Present)]
    [InlineData(null, (byte)0)]
    public async Task Neither_another_page_nor_an_unverified_touch_makes_a_passkey_or_signs_in(string? origin, byte flags)
    {
        var person = await host.PersonAsync("customer");
        using SoftAuthenticator wrong = new(), right = new();
        using Browser mine = new(host.Address), theirs = new(host.Address);
        await mine.SignInAsync("customer", person.Email, person.Password);

        using var refused = await RegisterAsync(mine, wrong, origin, flags);
        Assert.Contains("was not accepted", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        (await RegisterAsync(mine, right)).Dispose();
        using var signedIn = await SignInAsync(theirs, right, origin, flags);

        Assert.Equal(HttpStatusCode.OK, signedIn.StatusCode);
        Assert.Equal("1", Assert.Single(await host.QueryAsync($"SELECT count(*) FROM issuer.account_passkey WHERE user_id = '{person.Id}'")));
        Assert.DoesNotContain(theirs.Cookies, cookie => cookie.Name == "vault-session");
    }

    [Fact]
    public async Task An_answer_that_was_overheard_is_worth_nothing()
    {
        var person = await host.PersonAsync("customer");
        using var key = new SoftAuthenticator();
        using Browser mine = new(host.Address), theirs = new(host.Address);
        (await AddAsync(mine, person, key)).Dispose();
        var page = await mine.ReadAsync("/account/passkey");
        var (answer, ceremony) = (key.Get(Options(page), Origin), Browser.HiddenOf(page).Single(field => field.Name == "ceremony").Value);
        using var signedIn = await mine.PostAsync("/account/passkey", [.. Browser.HiddenOf(page).Where(field => field.Name != "credential"), ("credential", answer)]);
        Assert.Equal(HttpStatusCode.Redirect, signedIn.StatusCode);

        var fresh = Last(await theirs.ReadAsync("/account/passkey")).ToList();
        using var replayed = await theirs.PostAsync("/account/passkey", [.. fresh.Where(field => field.Name != "ceremony"), ("ceremony", ceremony), ("credential", answer)]);
        using var other = await theirs.PostAsync("/account/passkey", [.. fresh, ("credential", answer)]);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (replayed.StatusCode, other.StatusCode));
        Assert.DoesNotContain(theirs.Cookies, cookie => cookie.Name == "vault-session");
    }

    [Fact]
    public async Task A_challenge_is_answered_within_five_minutes()
    {
        var person = await host.PersonAsync("customer");
        using var key = new SoftAuthenticator();
        using Browser mine = new(host.Address), theirs = new(host.Address);
        (await AddAsync(mine, person, key)).Dispose();
        var page = await theirs.ReadAsync("/account/passkey");

        host.Clock.Advance(TimeSpan.FromMinutes(6));
        using var late = await theirs.PostAsync("/account/passkey", [.. Browser.HiddenOf(page).Where(field => field.Name != "credential"), ("credential", key.Get(Options(page), Origin))]);

        Assert.Equal(HttpStatusCode.OK, late.StatusCode);
    }

    [Theory]
    [InlineData("user_id = '$other'")]
    [InlineData("data = jsonb_set(data, '{SignCount}', '0')")]
    [InlineData("data = jsonb_set(data, '{IsBackedUp}', 'true')")]
    [InlineData("data = jsonb_set(data, '{PublicKey}', (SELECT data->'PublicKey' FROM issuer.account_passkey WHERE user_id = '$other'))")]
    [InlineData("seal = sha256('x')")]
    public async Task Whoever_writes_into_the_database_makes_no_passkey_of_theirs_into_somebody_elses(string change)
    {
        var (person, other) = (await host.PersonAsync("customer"), await host.PersonAsync("customer"));
        using SoftAuthenticator key = new(), theirs = new();
        using Browser one = new(host.Address), two = new(host.Address), tried = new(host.Address);
        (await AddAsync(one, person, key)).Dispose();
        (await AddAsync(two, other, theirs)).Dispose();
        (await SignInAsync(tried, key)).Dispose();

        await host.QueryAsync($"UPDATE issuer.account_passkey SET {change.Replace("$other", other.Id.ToString(), StringComparison.Ordinal)} WHERE user_id = '{person.Id}'");

        using var again = new Browser(host.Address);
        Assert.Equal(HttpStatusCode.OK, (await SignInAsync(again, key)).StatusCode);
        Assert.DoesNotContain(again.Cookies, cookie => cookie.Name == "vault-session");
        var named = (await host.Services.GetRequiredService<IssuerCheck>().RunAsync(default)).Where(line => line.StartsWith("the passkey ", StringComparison.Ordinal)).ToList();
        Assert.Contains(named, line => line.Contains(person.Id.ToString(), StringComparison.Ordinal) || line.Contains(other.Id.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_last_second_factor_is_not_removed()
    {
        var person = await host.PersonAsync("customer");
        using var key = new SoftAuthenticator();
        using var browser = new Browser(host.Address);
        (await AddAsync(browser, person, key)).Dispose();
        var page = await browser.ReadAsync("/account/passkeys");
        var id = Browser.HiddenOf(page).Single(field => field.Name == "passkey").Value;
        var token = Browser.HiddenOf(page).First();

        using var refused = await browser.PostAsync("/account/passkeys/remove", token, ("passkey", id));

        Assert.Contains("only second factor", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("1", Assert.Single(await host.QueryAsync($"SELECT count(*) FROM issuer.account_passkey WHERE user_id = '{person.Id}'")));
    }

    [Fact]
    public async Task Only_the_pages_of_passkeys_run_a_script_and_it_is_not_inline()
    {
        using var browser = new Browser(host.Address);
        using var plain = await browser.GetAsync("/account/login");
        using var scripted = await browser.GetAsync("/account/passkey");

        Assert.DoesNotContain("script-src", plain.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.Contains("script-src 'self';", scripted.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.DoesNotMatch("<script(?![^>]* src=)", await scripted.Content.ReadAsStringAsync());
    }

    private async Task<HttpResponseMessage> AddAsync(Browser browser, Person person, SoftAuthenticator key)
    {
        await browser.SignInAsync("customer", person.Email, person.Password);
        return await RegisterAsync(browser, key);
    }

    private async Task<HttpResponseMessage> RegisterAsync(Browser browser, SoftAuthenticator key, string? origin = null, byte flags = SoftAuthenticator.Present | SoftAuthenticator.Verified)
    {
        var page = await browser.ReadAsync("/account/passkeys");
        return await browser.PostAsync("/account/passkeys", [.. Last(page), ("credential", key.Create(Options(page), origin ?? Origin, flags))]);
    }

    private async Task<HttpResponseMessage> SignInAsync(Browser browser, SoftAuthenticator key, string? origin = null, byte flags = SoftAuthenticator.Present | SoftAuthenticator.Verified)
    {
        var page = await browser.ReadAsync("/account/passkey");
        return await browser.PostAsync("/account/passkey", [.. Last(page), ("credential", key.Get(Options(page), origin ?? Origin, flags))]);
    }

    // The form that adds is the last of its page.
    private static IEnumerable<(string Name, string Value)> Last(string page) =>
        Browser.HiddenOf(page[page.IndexOf("data-passkey", StringComparison.Ordinal)..]).Where(field => field.Name != "credential");

    private static string Options(string page) => WebUtility.HtmlDecode(Given().Match(page).Groups[1].Value);

    [GeneratedRegex("data-options=\"([^\"]+)\"")]
    private static partial Regex Given();

    [GeneratedRegex("<li><code>")]
    private static partial Regex RecoveryCodes();
}
