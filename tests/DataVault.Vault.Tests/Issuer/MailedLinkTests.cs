using System.Net;
using System.Text.RegularExpressions;
using DataVault.Issuer;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Mailing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>A first account and another password, for whoever reads the mailbox and nobody else.</summary>
public sealed partial class MailedLinkTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private const string Password = "four words in a row";

    [Fact]
    public async Task Who_reads_the_mailbox_that_is_held_of_a_customer_gets_the_account_of_that_customer_once()
    {
        var email = NewAddress();
        var subject = host.Held.Take(email);
        using Browser here = new(host.Address), mailbox = new(host.Address);
        var link = await AskAsync(here, MailedLinks.JoinPath, email.ToUpperInvariant(), email);

        using var made = await UseAsync(mailbox, link);
        using var twice = await mailbox.GetAsync(link);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.BadRequest), (made.StatusCode, twice.StatusCode));
        var account = await host.Accounts.FindAsync(Realm.Customer, email);
        Assert.Equal((subject, false), (account!.Subject, account.MustChangePassword));
        Assert.True(await SignsInAsync(email, Password));
        Assert.Equal(["join-link-sent", "joined"], ActsOf(account.Id));
        Assert.All(host.SignIns.Confirmed.Where(made => made.Change.Object.Id == account.Id.ToString("D")), made => Assert.Equal(subject, made.Change.Subject));
        Assert.Contains(await host.Letters.ArrivedAsync(host, email, 2), letter => letter.Subject == "An account was made for you");
    }

    [Theory]
    [InlineData(MailedLinks.JoinPath)]
    [InlineData(MailedLinks.ForgottenPath)]
    public async Task A_browser_is_answered_before_anybody_looks_whether_an_address_is_held(string wish)
    {
        var (held, nobodys) = (NewAddress(), NewAddress());
        host.Held.Take(held);
        using Browser here = new(host.Address), there = new(host.Address);
        using var known = await here.SubmitAsync(wish, ("email", held));
        using var unknown = await there.SubmitAsync(wish, ("email", nobodys));

        Assert.Equal(await unknown.Content.ReadAsStringAsync(), await known.Content.ReadAsStringAsync());
        Assert.Equal(unknown.Headers.Select(header => header.Key), known.Headers.Select(header => header.Key));
        await AnswerAsync();
        Assert.Empty(host.Letters.To(nobodys));
        Assert.Equal("0", Assert.Single(await host.QueryAsync("SELECT count(*) FROM issuer.letter WHERE link_id IS NOT NULL AND account_id IS NOT NULL")));
    }

    [Fact]
    public async Task Of_who_has_an_account_already_the_mailbox_is_told_and_nothing_is_changed()
    {
        var person = await host.PersonAsync("customer");
        var (email, other) = (NewAddress(), NewAddress());
        var subject = host.Held.Take(email);
        await host.Accounts.CreateAsync(other, "customer", IssuerHost.Administrator, subject, lasting: true);
        using var here = new Browser(host.Address);
        (await here.SubmitAsync(MailedLinks.JoinPath, ("email", person.Email))).Dispose();
        (await here.SubmitAsync(MailedLinks.JoinPath, ("email", email))).Dispose();
        await AnswerAsync();

        foreach (var address in (string[])[person.Email, email])
            Assert.DoesNotMatch(Link(), Assert.Single(await host.Letters.ArrivedAsync(host, address)).Text);
        Assert.Null(await host.Accounts.FindAsync(Realm.Customer, email));
    }

    [Fact]
    public async Task A_link_is_worth_nothing_when_the_address_is_held_no_more_when_it_is_old_and_when_the_person_is_erased()
    {
        var (gone, old, erased) = (NewAddress(), NewAddress(), NewAddress());
        host.Held.Take(gone);
        host.Held.Take(old);
        var subject = host.Held.Take(erased);
        using Browser here = new(host.Address), mailbox = new(host.Address);
        var (first, second) = (await AskAsync(here, MailedLinks.JoinPath, gone), await AskAsync(here, MailedLinks.JoinPath, erased));
        host.Held.Forget(gone);
        (await UseAsync(mailbox, first)).Dispose();
        await host.Accounts.RemoveForSubjectAsync(subject);
        using var removed = await mailbox.GetAsync(second);
        var third = await AskAsync(here, MailedLinks.JoinPath, old);
        host.Clock.Advance(MailedLinks.Lifetime);
        using var late = await mailbox.GetAsync(third);

        Assert.Equal((HttpStatusCode.BadRequest, HttpStatusCode.BadRequest), (removed.StatusCode, late.StatusCode));
        foreach (var email in (string[])[gone, old, erased]) Assert.Null(await host.Accounts.FindAsync(Realm.Customer, email));
        Assert.Contains(host.SignIns.All, one => one is { Success: false, Kind: SignInKinds.MailedLink, ActorId: "unknown" });
    }

    [Fact]
    public async Task A_link_that_many_use_at_once_is_one_account()
    {
        var email = NewAddress();
        host.Held.Take(email);
        using var here = new Browser(host.Address);
        var value = (await AskAsync(here, MailedLinks.JoinPath, email)).Split('=')[1];
        var links = host.Services.GetRequiredService<MailedLinks>();

        var made = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => links.UseAsync(value, Password, default)));

        Assert.Single(made, one => one == PasswordChange.Changed);
        Assert.Single(ActsOf((await host.Accounts.FindAsync(Realm.Customer, email))!.Id), what => what == "joined");
    }

    [Fact]
    public async Task A_forgotten_password_is_replaced_from_the_mailbox_and_the_second_factor_stays()
    {
        var person = await host.PersonAsync("customer");
        using Browser old = new(host.Address), here = new(host.Address), mailbox = new(host.Address);
        (await old.SignInAsync("customer", person.Email, person.Password)).Dispose();
        var phone = await EnrolAsync(old);
        for (var i = 0; i < 6; i++) (await here.SignInAsync("customer", person.Email, "a wrong one of many")).Dispose();
        var link = await AskAsync(here, MailedLinks.ForgottenPath, person.Email);

        using var weak = await mailbox.SubmitAsync(link, ("next", "password1234"), ("again", "password1234"));
        Assert.Contains("Choose another password", await weak.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var changed = await UseAsync(mailbox, link);

        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.Equal("/account/login", (await old.GetAsync("/account")).Headers.Location!.OriginalString);
        Assert.False(await SignsInAsync(person.Email, person.Password));
        using var next = await here.SignInAsync("customer", person.Email, Password);
        Assert.StartsWith("/account/factor?", next.Headers.Location!.OriginalString, StringComparison.Ordinal);
        using var shown = await here.SubmitAsync(next.Headers.Location.OriginalString, ("code", phone.Next()!));
        Assert.Equal("/account", shown.Headers.Location!.OriginalString);
        Assert.Equal(["second-factor-enrolled", "password-link-sent", "password-replaced"], ActsOf(person.Id).Where(what => what != "created"));
        Assert.Contains(await host.Letters.ArrivedAsync(host, person.Email, 2), letter => letter.Subject == "Your password was changed");
    }

    [Fact]
    public async Task Staff_and_whoever_is_switched_off_get_no_password_by_e_mail_and_what_was_sent_dies_with_another_password()
    {
        Person staff = await host.PersonAsync("analyst"), off = await host.PersonAsync("customer"), person = await host.PersonAsync("customer");
        using Browser here = new(host.Address), mailbox = new(host.Address);
        await host.Accounts.SetDisabledAsync(off.Id, true, IssuerHost.Administrator);
        foreach (var email in (string[])[staff.Email, off.Email]) (await here.SubmitAsync(MailedLinks.ForgottenPath, ("email", email))).Dispose();
        var link = await AskAsync(here, MailedLinks.ForgottenPath, person.Email);
        Assert.Equal(PasswordChange.Changed, await host.Accounts.ChangePasswordAsync(person.Id, person.Password, "another row of words"));
        using var dead = await mailbox.GetAsync(link);

        Assert.Equal(HttpStatusCode.BadRequest, dead.StatusCode);
        Assert.Empty(host.Letters.To(staff.Email));
        Assert.Empty(host.Letters.To(off.Email));
    }

    [Fact]
    public async Task A_mailbox_and_a_network_get_so_many_messages_and_no_more()
    {
        using var here = new Browser(host.Address);
        host.Clock.Advance(TimeSpan.FromHours(1));
        var email = NewAddress();
        for (var i = 0; i < 5; i++) Assert.True(await IsTakenAsync(here, email));
        Assert.False(await IsTakenAsync(here, email));
        for (var i = 6; i < MailedLinks.AsksOfNetwork; i++) Assert.True(await IsTakenAsync(here, NewAddress()));
        Assert.False(await IsTakenAsync(here, NewAddress()));
        host.Clock.Advance(TimeSpan.FromHours(1));
        Assert.True(await IsTakenAsync(here, email));
    }

    [Fact]
    public async Task While_the_vault_is_away_a_wish_waits()
    {
        var email = NewAddress();
        host.Held.Take(email);
        using var here = new Browser(host.Address);
        host.Held.IsAway = true;
        (await here.SubmitAsync(MailedLinks.JoinPath, ("email", email))).Dispose();
        await AnswerAsync();
        host.Held.IsAway = false;
        Assert.Empty(host.Letters.To(email));

        host.Clock.Advance(TimeSpan.FromMinutes(1));
        await AnswerAsync();

        Assert.Matches(Link(), Assert.Single(await host.Letters.ArrivedAsync(host, email)).Text);
    }

    [Theory]
    [InlineData("subject_id = (SELECT subject_id FROM issuer.account WHERE id = '$mine')")]
    [InlineData("account_id = '$mine', kind = 'password'")]
    [InlineData("until = until + interval '9 years'")]
    [InlineData("value_hash = sha256('known to whoever wrote the row'::bytea)")]
    public async Task What_an_administrator_of_the_database_writes_makes_no_account_and_changes_no_password(string change)
    {
        var (email, mine) = (NewAddress(), await host.PersonAsync("customer"));
        host.Held.Take(email);
        host.Clock.Advance(TimeSpan.FromHours(1));
        using Browser here = new(host.Address), mailbox = new(host.Address);
        var link = await AskAsync(here, MailedLinks.JoinPath, email);
        var row = Assert.Single(await host.QueryAsync(
            $"UPDATE issuer.mailed_link SET {change.Replace("$mine", mine.Id.ToString(), StringComparison.Ordinal)} WHERE id = (SELECT max(id::text)::uuid FROM issuer.mailed_link WHERE value_hash IS NOT NULL) RETURNING id"));

        foreach (var path in (string[])[link, MailedLinks.Path + "?value=known%20to%20whoever%20wrote%20the%20row"])
            Assert.Equal(HttpStatusCode.BadRequest, (await mailbox.GetAsync(path)).StatusCode);
        Assert.Contains(await host.Services.GetRequiredService<IssuerCheck>().RunAsync(default), line => line.Contains(row, StringComparison.Ordinal));
        await host.QueryAsync($"DELETE FROM issuer.mailed_link WHERE id = '{row}' RETURNING id");
    }

    [Fact]
    public async Task An_invitation_goes_to_the_held_address_alone_and_an_account_that_staff_made_is_told_there()
    {
        var (email, held) = (NewAddress(), NewAddress());
        Guid customer = host.Held.Take(email), other = host.Held.Take(held);
        var links = host.Services.GetRequiredService<MailedLinks>();
        await links.InviteAsync(customer, IssuerHost.Administrator);
        using var mailbox = new Browser(host.Address);
        host.Clock.Advance(TimeSpan.FromDays(6));
        using var made = await UseAsync(mailbox, LinkIn(Assert.Single(await host.Letters.ArrivedAsync(host, email))));
        Assert.True(await SignsInAsync(email, Password));
        await Assert.ThrowsAsync<IssuerException>(() => links.InviteAsync(customer, IssuerHost.Administrator));
        await Assert.ThrowsAsync<IssuerException>(() => links.InviteAsync(Guid.NewGuid(), IssuerHost.Administrator));

        await host.Accounts.CreateAsync(NewAddress(), "customer", IssuerHost.Administrator, other);
        await AnswerAsync();
        var told = Assert.Single(await host.Letters.ArrivedAsync(host, held));
        Assert.Contains("One of our staff made an account for you", told.Text, StringComparison.Ordinal);
        Assert.DoesNotMatch(Link(), told.Text);
    }

    [Fact]
    public async Task A_customer_closes_their_account_after_a_fresh_sign_in_and_staff_do_not()
    {
        Person person = await host.PersonAsync("customer"), staff = await host.PersonAsync("analyst");
        using Browser here = new(host.Address), desk = new(host.Address);
        await desk.GoOnAsync(await desk.SignInAsync("staff", staff.Email, staff.Password), staff);
        using var refused = await desk.GetAsync("/account/close");
        Assert.Equal("/account", refused.Headers.Location!.OriginalString);
        (await here.SignInAsync("customer", person.Email, person.Password)).Dispose();
        host.Clock.Advance(TimeSpan.FromMinutes(16));
        using var stale = await here.GetAsync("/account/close");
        Assert.StartsWith("/account/login?", stale.Headers.Location!.OriginalString, StringComparison.Ordinal);
        (await here.SignInAsync("customer", person.Email, person.Password, "/account/close")).Dispose();

        using var closed = await here.SubmitAsync("/account/close");

        Assert.Equal("/account/signed-out", closed.Headers.Location!.OriginalString);
        Assert.False(await SignsInAsync(person.Email, person.Password));
        Assert.Null(await host.Accounts.FindAsync(Realm.Customer, person.Email));
        Assert.Equal(["created", "removed"], ActsOf(person.Id));
    }

    private async Task<string> AskAsync(Browser browser, string wish, string typed, string? to = null)
    {
        using var asked = await browser.SubmitAsync(wish, ("email", typed));
        Assert.Contains("Look into your mailbox", await asked.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await AnswerAsync();
        return LinkIn((await host.Letters.ArrivedAsync(host, to ?? typed))[0]);
    }

    private Task<bool> AnswerAsync() => host.Services.GetRequiredService<MailedLinks>().AnswerDueAsync(NullLogger.Instance, default);

    private static Task<HttpResponseMessage> UseAsync(Browser browser, string link) => browser.SubmitAsync(link, ("next", Password), ("again", Password));

    private static async Task<bool> IsTakenAsync(Browser browser, string email)
    {
        using var answer = await browser.SubmitAsync(MailedLinks.JoinPath, ("email", email));
        return (await answer.Content.ReadAsStringAsync()).Contains("Look into your mailbox", StringComparison.Ordinal);
    }

    private async Task<DataVault.Testing.Authenticator> EnrolAsync(Browser browser)
    {
        var page = await browser.ReadAsync("/account/factor/new");
        var phone = DataVault.Testing.Authenticator.Of(Secret().Match(page).Groups[1].Value.Replace(" ", "", StringComparison.Ordinal), host.Clock);
        var hidden = Browser.HiddenOf(page).ToArray();
        (await browser.PostAsync("/account/factor/new", [.. hidden, ("code", phone.Next()!)])).Dispose();
        return phone;
    }

    private async Task<bool> SignsInAsync(string email, string password)
    {
        using var browser = new Browser(host.Address);
        using var answer = await browser.SignInAsync("customer", email, password);
        return answer.StatusCode == HttpStatusCode.Redirect;
    }

    private IReadOnlyList<string> ActsOf(Guid account) =>
        [.. host.SignIns.Confirmed.Where(made => made.Change.Object.Id == account.ToString("D")).Select(made => made.Change.What)];

    private string LinkIn(Letter letter) => Link().Match(letter.Text).Value[host.Address.Length..];

    private static string NewAddress() => $"{Guid.NewGuid():N}@people.example";

    [GeneratedRegex("http\\S+/account/link\\?value=\\S+")]
    private static partial Regex Link();

    [GeneratedRegex("<code id=\"secret\">([^<]+)</code>")]
    private static partial Regex Secret();
}
