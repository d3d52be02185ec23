using System.Net;
using System.Text.RegularExpressions;
using DataVault.Issuer;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Mailing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>Another e-mail address for an account, and everybody who would like it to be theirs.</summary>
public sealed partial class AddressChangeTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    [Fact]
    public async Task A_new_address_is_confirmed_by_its_code_and_is_the_only_one_to_sign_in_with()
    {
        var (person, next) = (await host.PersonAsync("customer"), NewAddress());
        using Browser here = await SignedInAsync(person), there = await SignedInAsync(person);
        var code = await AskAsync(here, next);

        using var done = await here.SubmitAsync("/account/email/code", ("code", code));

        Assert.Equal(HttpStatusCode.OK, (await here.GetAsync("/account")).StatusCode);
        Assert.Equal("/account/login", (await there.GetAsync("/account")).Headers.Location!.OriginalString);
        Assert.False(await SignsInAsync(person, person.Email));
        Assert.True(await SignsInAsync(person, next));
        Assert.Equal(["email-change-asked", "email-changed"], await ActsAsync(person));
        var notice = Assert.Single(await host.Letters.ArrivedAsync(host, person.Email));
        Assert.DoesNotContain(next, notice.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_guesses_has_five_tries()
    {
        var (person, next) = (await host.PersonAsync("customer"), NewAddress());
        using var here = await SignedInAsync(person);
        var code = await AskAsync(here, next);
        for (var i = 0; i < AddressChanges.Tries; i++) (await here.SubmitAsync("/account/email/code", ("code", "AAAA-AAA" + "ABCDE"[i]))).Dispose();

        (await here.SubmitAsync("/account/email/code", ("code", code))).Dispose();

        Assert.True(await SignsInAsync(person, person.Email));
        Assert.Equal(AddressChanges.Tries + 1, host.SignIns.All.Count(one => one.ActorId == person.Id.ToString("D") && one is { Success: false, Kind: SignInKinds.AddressCode }));
    }

    [Fact]
    public async Task A_code_works_once_for_its_own_account_and_for_half_an_hour()
    {
        var (person, other) = (await host.PersonAsync("customer"), await host.PersonAsync("customer"));
        using Browser here = await SignedInAsync(person), theirs = await SignedInAsync(other);
        var late = await AskAsync(here, NewAddress());
        (await theirs.SubmitAsync("/account/email", ("email", NewAddress()))).Dispose();
        (await theirs.SubmitAsync("/account/email/code", ("code", late))).Dispose();
        Assert.True(await SignsInAsync(other, other.Email));

        host.Clock.Advance(AddressChanges.CodeLifetime);
        using var again = await SignedInAsync(person);
        (await again.SubmitAsync("/account/email/code", ("code", late))).Dispose();
        Assert.True(await SignsInAsync(person, person.Email));

        var code = await AskAsync(again, NewAddress());
        (await again.SubmitAsync("/account/email/code", ("code", code))).Dispose();
        (await again.SubmitAsync("/account/email/code", ("code", code))).Dispose();
        Assert.Single(await ActsAsync(person), what => what == "email-changed");
    }

    [Fact]
    public async Task A_code_that_many_show_at_once_is_one_change()
    {
        var (person, next) = (await host.PersonAsync("customer"), NewAddress());
        using var here = await SignedInAsync(person);
        var code = await AskAsync(here, next);
        var changes = host.Services.GetRequiredService<AddressChanges>();
        var facts = (await host.Accounts.FactsAsync(person.Id, default))!;

        var made = await Task.WhenAll(Enumerable.Range(0, AddressChanges.Tries).Select(_ => changes.ConfirmAsync(facts, code, default)));

        Assert.Single(made, one => one);
        Assert.Single(await ActsAsync(person), what => what == "email-changed");
        Assert.True(await SignsInAsync(person, next));
    }

    [Fact]
    public async Task Whether_an_address_is_taken_is_told_to_its_mailbox_alone()
    {
        Person person = await host.PersonAsync("customer"), other = await host.PersonAsync("customer"), third = await host.PersonAsync("customer");
        using Browser here = await SignedInAsync(person), there = await SignedInAsync(other);
        var taken = await here.SubmitAsync("/account/email", ("email", third.Email));
        var free = await there.SubmitAsync("/account/email", ("email", NewAddress()));

        Assert.Equal((free.StatusCode, free.Headers.Location), (taken.StatusCode, taken.Headers.Location));
        Assert.Equal(Plain(await there.ReadAsync("/account/email/code")), Plain(await here.ReadAsync("/account/email/code")));
        Assert.Equal(await RowsAsync(other), await RowsAsync(person));
        Assert.Equal(await ActsAsync(other), await ActsAsync(person));
        var told = Assert.Single(await host.Letters.ArrivedAsync(host, third.Email));
        Assert.DoesNotMatch(CodeForm(), told.Text);
    }

    [Fact]
    public async Task The_former_mailbox_stops_a_change_before_its_code_is_shown()
    {
        var (person, next) = (await host.PersonAsync("customer"), NewAddress());
        using Browser here = await SignedInAsync(person), mailbox = new(host.Address);
        var code = await AskAsync(here, next);
        var link = LinkOf(Assert.Single(await host.Letters.ArrivedAsync(host, person.Email)));
        (await mailbox.GetAsync(link)).Dispose();
        Assert.Equal(HttpStatusCode.OK, (await here.GetAsync("/account")).StatusCode);

        using var stopped = await mailbox.SubmitAsync(link);

        Assert.Equal(HttpStatusCode.OK, stopped.StatusCode);
        Assert.Equal("/account/login", (await here.GetAsync("/account")).Headers.Location!.OriginalString);
        using var again = await SignedInAsync(person);
        (await again.SubmitAsync("/account/email/code", ("code", code))).Dispose();
        Assert.True(await SignsInAsync(person, person.Email));
        Assert.Equal(["email-change-asked", "email-change-stopped"], await ActsAsync(person));
    }

    [Fact]
    public async Task Who_changes_an_address_twice_has_not_shut_the_first_mailbox_out()
    {
        var (person, second, third) = (await host.PersonAsync("customer"), NewAddress(), NewAddress());
        using Browser thief = await SignedInAsync(person), mailbox = new(host.Address);
        (await thief.SubmitAsync("/account/email/code", ("code", await AskAsync(thief, second)))).Dispose();
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        (await thief.SubmitAsync("/account/email/code", ("code", await AskAsync(thief, third)))).Dispose();
        var first = LinkOf(Assert.Single(await host.Letters.ArrivedAsync(host, person.Email)));
        var later = LinkOf((await host.Letters.ArrivedAsync(host, second, 2))[1]);

        using var undone = await mailbox.SubmitAsync(first);
        using var refused = await mailbox.SubmitAsync(later);
        using var twice = await mailbox.SubmitAsync(first);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.BadRequest, HttpStatusCode.BadRequest), (undone.StatusCode, refused.StatusCode, twice.StatusCode));
        Assert.Equal("/account/login", (await thief.GetAsync("/account")).Headers.Location!.OriginalString);
        Assert.True(await SignsInAsync(person, person.Email));
        Assert.False(await SignsInAsync(person, third));
    }

    [Theory]
    [InlineData("code_mac = (SELECT code_mac FROM issuer.email_change WHERE account_id = '$mine')")]
    [InlineData("next_sealed = (SELECT next_sealed FROM issuer.email_change WHERE account_id = '$mine')")]
    [InlineData("code_until = code_until + interval '9 years'")]
    [InlineData("account_id = '$mine'")]
    [InlineData("stop_hash = sha256('known to whoever wrote the row'::bytea)")]
    public async Task What_an_administrator_of_the_database_writes_changes_no_address(string change)
    {
        Person victim = await host.PersonAsync("customer"), mine = await host.PersonAsync("customer");
        using Browser theirs = await SignedInAsync(victim), here = await SignedInAsync(mine);
        var (victims, own) = (await AskAsync(theirs, NewAddress()), await AskAsync(here, NewAddress()));
        var sql = change.Replace("$mine", mine.Id.ToString(), StringComparison.Ordinal);
        if (sql.StartsWith("account_id", StringComparison.Ordinal)) await host.QueryAsync($"DELETE FROM issuer.email_change WHERE account_id = '{mine.Id}' RETURNING id");
        var row = Assert.Single(await host.QueryAsync($"UPDATE issuer.email_change SET {sql} WHERE account_id = '{victim.Id}' RETURNING id"));

        foreach (var browser in (Browser[])[theirs, here])
            foreach (var code in (string[])[victims, own]) (await browser.SubmitAsync("/account/email/code", ("code", code))).Dispose();
        using var mailbox = new Browser(host.Address);
        using var stopped = await mailbox.SubmitAsync("/account/email/stop?value=known%20to%20whoever%20wrote%20the%20row");

        Assert.True(await SignsInAsync(victim, victim.Email));
        Assert.Equal(HttpStatusCode.BadRequest, stopped.StatusCode);
        Assert.Contains(await host.Services.GetRequiredService<IssuerCheck>().RunAsync(default), line => line.Contains(row, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_address_is_changed_after_a_fresh_sign_in_alone()
    {
        var person = await host.PersonAsync("customer");
        using var here = await SignedInAsync(person);
        host.Clock.Advance(TimeSpan.FromMinutes(15));

        foreach (var page in (string[])["/account/email", "/account/email/code"])
        {
            using var answer = await here.GetAsync(page);
            Assert.StartsWith("/account/login?", answer.Headers.Location!.OriginalString, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Nobody_is_buried_in_messages()
    {
        Person person = await host.PersonAsync("customer"), other = await host.PersonAsync("customer");
        var target = NewAddress();
        using Browser here = await SignedInAsync(person), there = await SignedInAsync(other);
        for (var i = 0; i < 4; i++) (await here.SubmitAsync("/account/email", ("email", target))).Dispose();
        using var last = await there.SubmitAsync("/account/email", ("email", target));
        using var byAddress = await there.SubmitAsync("/account/email", ("email", target));
        (await here.SubmitAsync("/account/email", ("email", NewAddress()))).Dispose();
        using var byAccount = await here.SubmitAsync("/account/email", ("email", NewAddress()));

        Assert.Equal(HttpStatusCode.Redirect, last.StatusCode);
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (byAddress.StatusCode, byAccount.StatusCode));
        Assert.Equal(5, (await host.Letters.ArrivedAsync(host, target, 5)).Count);
    }

    [Theory]
    [InlineData("no address")]
    [InlineData("one@people.example, two@people.example")]
    [InlineData("Somebody <one@people.example>")]
    [InlineData("one@people.example\r\nBcc: two@people.example")]
    public async Task What_is_more_or_less_than_an_address_is_refused(string text)
    {
        var person = await host.PersonAsync("customer");
        using var here = await SignedInAsync(person);

        using var answer = await here.SubmitAsync("/account/email", ("email", text));

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Empty(await ActsAsync(person));
    }

    private async Task<Browser> SignedInAsync(Person person)
    {
        var browser = new Browser(host.Address);
        (await browser.SignInAsync("customer", person.Email, person.Password)).Dispose();
        return browser;
    }

    private async Task<bool> SignsInAsync(Person person, string email)
    {
        using var browser = new Browser(host.Address);
        using var answer = await browser.SignInAsync("customer", email, person.Password);
        return answer.StatusCode == HttpStatusCode.Redirect;
    }

    // The code that came.
    private async Task<string> AskAsync(Browser browser, string next)
    {
        using var asked = await browser.SubmitAsync("/account/email", ("email", next));
        Assert.Equal("/account/email/code", asked.Headers.Location?.OriginalString);
        return CodeForm().Match(Assert.Single(await host.Letters.ArrivedAsync(host, next)).Text).Value;
    }

    private Task<List<string>> RowsAsync(Person person) => host.QueryAsync(
        $"SELECT (SELECT count(*) FROM issuer.letter WHERE account_id = '{person.Id}') || ' ' || (SELECT count(*) FROM issuer.email_change WHERE account_id = '{person.Id}' AND NOT is_made)");

    private async Task<IReadOnlyList<string>> ActsAsync(Person person)
    {
        Assert.Equal("0", Assert.Single(await host.QueryAsync($"SELECT count(*) FROM issuer.change WHERE object_id = '{person.Id}'")));
        return [.. host.SignIns.Confirmed.Where(made => made.Change.Object.Id == person.Id.ToString("D")).Select(made => made.Change.What).Where(what => what != "created")];
    }

    private string LinkOf(Letter letter) => Link().Match(letter.Text).Value[host.Address.Length..];

    private static string NewAddress() => $"{Guid.NewGuid():N}@people.example";

    private static string Plain(string page) => Token().Replace(page, "");

    [GeneratedRegex("[A-Z2-7]{4}-[A-Z2-7]{4}")]
    private static partial Regex CodeForm();

    [GeneratedRegex("http\\S+/account/email/stop\\S+")]
    private static partial Regex Link();

    [GeneratedRegex("<input type=\"hidden\"[^>]*>")]
    private static partial Regex Token();
}
