using System.Net;
using System.Text.RegularExpressions;
using DataVault.Issuer;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Where somebody is signed in, and passwords that others have tried.</summary>
public sealed partial class DeviceTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task A_session_elsewhere_is_seen_and_ended_with_what_was_signed_in_to_through_it()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using Browser here = new(host.Address), there = new(host.Address);
        var back = await there.AuthorizeAsync(attempt.Address(), person);
        var token = (await host.ExchangeAsync(attempt, back["code"])).Body.GetProperty("access_token").GetString()!;
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        await here.SignInAsync("customer", person.Email, person.Password);
        var page = await here.ReadAsync("/account/sessions");
        var ids = Ids().Matches(page).Select(m => m.Groups[1].Value).ToList();
        var mine = Guid.Parse(Assert.Single(await host.QueryAsync($"SELECT id FROM issuer.session WHERE account_id = '{person.Id}' ORDER BY auth_time DESC, id DESC LIMIT 1"))).ToString("N");
        Assert.Equal(2, ids.Count);

        using var ended = await here.PostAsync("/account/sessions", Browser.HiddenOf(page).First(), ("session", ids.Single(id => id != mine)));

        Assert.Equal("/account/sessions", ended.Headers.Location!.OriginalString);
        Assert.Equal("/account/login", (await there.GetAsync("/account")).Headers.Location!.OriginalString);
        Assert.Null(await host.Validator.ValidateAsync(token, default));
        Assert.Equal(HttpStatusCode.OK, (await here.GetAsync("/account")).StatusCode);
    }

    [Fact]
    public async Task Nobody_ends_another_persons_session()
    {
        var (person, other) = (await host.PersonAsync("customer"), await host.PersonAsync("customer"));
        using Browser mine = new(host.Address), theirs = new(host.Address);
        await mine.SignInAsync("customer", person.Email, person.Password);
        await theirs.SignInAsync("customer", other.Email, other.Password);
        var id = Guid.Parse(Assert.Single(await host.QueryAsync($"SELECT id FROM issuer.session WHERE account_id = '{other.Id}'")));
        var page = await mine.ReadAsync("/account/sessions");

        (await mine.PostAsync("/account/sessions", Browser.HiddenOf(page).First(), ("session", id.ToString("N")))).Dispose();

        Assert.Equal(HttpStatusCode.OK, (await theirs.GetAsync("/account")).StatusCode);
    }

    [Fact]
    public async Task Signing_out_everywhere_leaves_no_session_and_no_token()
    {
        var person = await host.PersonAsync("customer");
        var attempt = SignInAttempt.New();
        using Browser here = new(host.Address), there = new(host.Address);
        var back = await there.AuthorizeAsync(attempt.Address(), person);
        var token = (await host.ExchangeAsync(attempt, back["code"])).Body.GetProperty("access_token").GetString()!;
        await here.SignInAsync("customer", person.Email, person.Password);
        var page = await here.ReadAsync("/account/sessions");

        using var ended = await here.PostAsync("/account/sessions", Browser.HiddenOf(page).First(), ("session", "all"));

        Assert.Equal("/account/signed-out", ended.Headers.Location!.OriginalString);
        Assert.Equal("0", Assert.Single(await host.QueryAsync($"SELECT count(*) FROM issuer.session WHERE account_id = '{person.Id}'")));
        Assert.Null(await host.Validator.ValidateAsync(token, default));
    }

    [Fact]
    public async Task Nobody_switches_their_own_account_off()
    {
        var person = await host.PersonAsync("administrator");

        var refused = await Assert.ThrowsAsync<IssuerException>(() => host.Accounts.SetDisabledAsync(person.Id, true, new IssuerParty(Realm.Staff, person.Id.ToString("D"), "administrator")));

        Assert.Equal("forbidden", refused.Slug);
    }

    [Theory]
    [InlineData("Password1234!")]
    [InlineData("P@ssw0rd2026")]
    [InlineData("welcomepassword1")]
    [InlineData("qwertyuiopasdf")]
    [InlineData("lkjhgfdsapoiuyt")]
    [InlineData("abcabcabcabcabc")]
    [InlineData("winter2026!!!!")]
    [InlineData("1qaz2wsx3edc4rfv")]
    [InlineData("in the breach file")]
    public async Task A_password_that_others_use_is_refused(string next)
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);

        using var answer = await browser.SubmitAsync("/account/password", ("present", person.Password), ("next", next), ("again", next));

        Assert.Contains("none that others use", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("four plain words together")]
    [InlineData("winter is the best of all seasons")]
    [InlineData("xk7-qpz-29v-mmn")]
    [InlineData("almost in the breach file")]
    public async Task A_password_of_ones_own_is_taken(string next)
    {
        var person = await host.PersonAsync("customer");
        using var browser = new Browser(host.Address);
        await browser.SignInAsync("customer", person.Email, person.Password);

        using var answer = await browser.SubmitAsync("/account/password", ("present", person.Password), ("next", next), ("again", next));

        Assert.Equal("/account", answer.Headers.Location!.OriginalString);
    }

    [GeneratedRegex("name=\"session\" value=\"([0-9a-f]{32})\"")]
    private static partial Regex Ids();
}
