using System.Net;
using System.Text.RegularExpressions;
using DataVault.Issuer;
using DataVault.Issuer.Accounts;
using DataVault.Issuer.Mailing;
using DataVault.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace DataVault.Vault.Tests.Issuer;

/// <summary>A lost second factor of a customer, and whoever only says so.</summary>
public sealed partial class FactorRecoveryTests(IssuerHost host) : IClassFixture<IssuerHost>
{
    private static readonly TimeSpan Delay = TimeSpan.FromDays(3);
    private static readonly IssuerParty Other = new(Realm.Staff, "1c8f47d3-65d1-4c1b-8b63-7e2a6a1d4f22", "administrator");

    private FactorRecoveries Recoveries => host.Services.GetRequiredService<FactorRecoveries>();

    [Fact]
    public async Task The_mailbox_is_told_at_once_and_the_factor_goes_when_the_days_are_over_with_the_password_as_it_was()
    {
        var (person, _, subject) = await CustomerAsync();
        using var old = await SignedInAsync(person);

        var begun = await Recoveries.BeginAsync(subject, "document-seen", IssuerHost.Administrator, Delay);
        var told = Assert.Single(await host.Letters.ArrivedAsync(host, person.Email));
        Assert.Matches(Link(), told.Text);
        Assert.Contains(begun, await Recoveries.ListAsync());
        host.Clock.Advance(Delay - TimeSpan.FromMinutes(1));
        await CarryOutAsync();
        Assert.StartsWith("/account/factor?", await PlaceAsync(person), StringComparison.Ordinal);
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        await CarryOutAsync();

        Assert.Equal("/account", await PlaceAsync(person));
        Assert.Equal(["factor-recovery-asked:document-seen", "second-factor-reset"], ActsOf(person));
        Assert.All(host.SignIns.Confirmed.Where(made => made.Change.What == "second-factor-reset" && made.Change.Object.Id == person.Id.ToString("D")), made => Assert.Equal(IssuerHost.Administrator, made.Change.Actor));
        Assert.Equal(2, (await host.Letters.ArrivedAsync(host, person.Email, 2)).Count);
        Assert.DoesNotContain(begun, await Recoveries.ListAsync());
    }

    [Fact]
    public async Task The_mailbox_stops_it_by_a_form_and_not_by_the_link_alone()
    {
        var (person, _, subject) = await CustomerAsync();
        await Recoveries.BeginAsync(subject, "document-seen", IssuerHost.Administrator, Delay);
        using var mailbox = new Browser(host.Address);
        var link = Link().Match(Assert.Single(await host.Letters.ArrivedAsync(host, person.Email)).Text).Value[host.Address.Length..];
        (await mailbox.GetAsync(link)).Dispose();
        Assert.Contains(await Recoveries.ListAsync(), one => one.Customer == subject);

        using var stopped = await mailbox.SubmitAsync(link);
        using var twice = await mailbox.SubmitAsync(link);
        host.Clock.Advance(Delay);
        await CarryOutAsync();

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.BadRequest), (stopped.StatusCode, twice.StatusCode));
        Assert.StartsWith("/account/factor?", await PlaceAsync(person), StringComparison.Ordinal);
        Assert.Equal(["factor-recovery-asked:document-seen", "factor-recovery-stopped"], ActsOf(person));
    }

    [Fact]
    public async Task Whoever_shows_the_factor_has_it_and_has_ended_the_recovery()
    {
        var (person, phone, subject) = await CustomerAsync();
        await Recoveries.BeginAsync(subject, "document-seen", IssuerHost.Administrator, Delay);
        using var browser = new Browser(host.Address);
        using var asked = await browser.SignInAsync("customer", person.Email, person.Password);
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        (await browser.SubmitAsync(asked.Headers.Location!.OriginalString, ("code", phone.Next()!))).Dispose();
        host.Clock.Advance(Delay);
        await CarryOutAsync();

        Assert.StartsWith("/account/factor?", await PlaceAsync(person), StringComparison.Ordinal);
        Assert.Equal(["factor-recovery-asked:document-seen", "factor-recovery-ended:factor-shown"], ActsOf(person));
    }

    [Fact]
    public async Task Who_reset_the_password_begins_none_and_there_is_one_at_a_time_for_who_has_a_factor()
    {
        var (person, _, subject) = await CustomerAsync();
        await host.Accounts.ResetPasswordAsync(person.Id, IssuerHost.Administrator);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<IssuerException>(() => Recoveries.BeginAsync(subject, "document-seen", IssuerHost.Administrator, Delay))).Slug);
        var begun = await Recoveries.BeginAsync(subject, "document-seen", Other, Delay);
        Assert.Equal("conflict", (await Assert.ThrowsAsync<IssuerException>(() => Recoveries.BeginAsync(subject, "document-seen", Other, Delay))).Slug);
        await Recoveries.StopAsync(begun.Id, Other);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<IssuerException>(() => Recoveries.StopAsync(begun.Id, Other))).Slug);

        var without = await host.PersonAsync("customer");
        var facts = await host.Accounts.FactsAsync(without.Id, default);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<IssuerException>(() => Recoveries.BeginAsync(facts!.SubjectId!.Value, "document-seen", Other, Delay))).Slug);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<IssuerException>(() => Recoveries.BeginAsync(Guid.NewGuid(), "document-seen", Other, Delay))).Slug);
    }

    [Theory]
    [InlineData("due_at = due_at - interval '9 days'")]
    [InlineData("account_id = '$mine'")]
    [InlineData("stop_hash = sha256('known to whoever wrote the row'::bytea)")]
    public async Task What_an_administrator_of_the_database_writes_takes_no_factor_away_and_keeps_none(string change)
    {
        var (person, _, subject) = await CustomerAsync();
        var (mine, _, _) = await CustomerAsync();
        await Recoveries.BeginAsync(subject, "document-seen", IssuerHost.Administrator, Delay);
        var row = Assert.Single(await host.QueryAsync($"UPDATE issuer.factor_recovery SET {change.Replace("$mine", mine.Id.ToString(), StringComparison.Ordinal)} WHERE account_id = '{person.Id}' RETURNING id"));
        using var mailbox = new Browser(host.Address);
        using var stopped = await mailbox.SubmitAsync(FactorRecoveries.StopPath + "?value=known%20to%20whoever%20wrote%20the%20row");
        await CarryOutAsync();

        Assert.Equal(HttpStatusCode.BadRequest, stopped.StatusCode);
        foreach (var one in (Person[])[person, mine]) Assert.StartsWith("/account/factor?", await PlaceAsync(one), StringComparison.Ordinal);
        Assert.Contains(await host.Services.GetRequiredService<IssuerCheck>().RunAsync(default), line => line.Contains(row, StringComparison.Ordinal));
        await host.QueryAsync($"DELETE FROM issuer.factor_recovery WHERE id = '{row}' RETURNING id");
    }

    private Task CarryOutAsync() => Recoveries.CarryOutDueAsync(NullLogger.Instance, default);

    private async Task<(Person Person, Authenticator Phone, Guid Subject)> CustomerAsync()
    {
        var person = await host.PersonAsync("customer");
        using var browser = await SignedInAsync(person);
        var page = await browser.ReadAsync("/account/factor/new");
        var phone = Authenticator.Of(Secret().Match(page).Groups[1].Value.Replace(" ", "", StringComparison.Ordinal), host.Clock);
        (await browser.PostAsync("/account/factor/new", [.. Browser.HiddenOf(page), ("code", phone.Next()!)])).Dispose();
        return (person, phone, (await host.Accounts.FactsAsync(person.Id, default))!.SubjectId!.Value);
    }

    private async Task<Browser> SignedInAsync(Person person)
    {
        var browser = new Browser(host.Address);
        (await browser.SignInAsync("customer", person.Email, person.Password)).Dispose();
        return browser;
    }

    // Where a sign-in with the password leads.
    private async Task<string> PlaceAsync(Person person)
    {
        using var browser = new Browser(host.Address);
        using var answer = await browser.SignInAsync("customer", person.Email, person.Password);
        return answer.Headers.Location!.OriginalString;
    }

    private IReadOnlyList<string> ActsOf(Person person) =>
        [.. host.SignIns.Confirmed.Where(made => made.Change.Object.Id == person.Id.ToString("D")).Select(made => made.Change.What).Except(["created", "second-factor-enrolled"])];

    [GeneratedRegex("http\\S+/account/factor/keep\\?value=\\S+")]
    private static partial Regex Link();

    [GeneratedRegex("<code id=\"secret\">([^<]+)</code>")]
    private static partial Regex Secret();
}
