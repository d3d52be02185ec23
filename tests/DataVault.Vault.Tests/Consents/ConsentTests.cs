using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Consents;

public sealed class ConsentTests(StoreVault store) : IClassFixture<StoreVault>
{
    [Fact]
    public async Task Every_act_is_kept_with_its_place_in_the_log()
    {
        var subject = await store.AddAsync(consents: new() { ["marketing"] = "refused" });
        await SetAsync(Support, subject, "marketing", "given");
        var change = await SetAsync(Person(subject), subject, "marketing", "withdrawn");
        var overview = await store.Consents.GetAsync(Person(subject), subject, Guid.NewGuid(), default);
        var marketing = overview.Items.Single(item => item.Purpose.Name == "marketing");
        Assert.Equal("withdrawn", marketing.State);
        Assert.Equal(["withdrawn", "given", "refused"], marketing.History.Select(act => act.State));
        Assert.Equal(["customer", "application", "application"], marketing.History.Select(act => act.Channel));
        Assert.Equal(change.LogIndex, marketing.History[0].LogIndex);
        var entry = await store.Vault.Get<AuditReader>().EntryAsync(change.LogIndex);
        Assert.Equal((EntryType.ConsentChange, "marketing", "consent-withdrawn"), (entry.Entry.Type, entry.Entry.Purpose, entry.Entry.Rules.Single()));
        Assert.Equal("unknown", overview.Items.Single(item => item.Purpose.Name == "personalisation").State);
    }

    [Fact]
    [Requirement("R14")]
    public async Task A_consent_ends_by_itself()
    {
        var subject = await store.AddAsync();
        await store.Consents.SetAsync(Person(subject), subject, new ConsentStatement("marketing", "given", Expires: store.Clock.GetUtcNow().AddDays(1)), Guid.NewGuid(), default);
        Assert.Null((await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused);
        store.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Equal(Reasons.ConsentExpired, (await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused);
        var overview = await store.Consents.GetAsync(Person(subject), subject, Guid.NewGuid(), default);
        Assert.Equal("expired", overview.Items.Single(item => item.Purpose.Name == "marketing").State);
    }

    [Fact]
    public async Task A_change_of_consent_is_a_new_version_of_the_record()
    {
        var subject = await store.AddAsync();
        await SetAsync(Person(subject), subject, "marketing", "given");
        Assert.Equal(2, (await store.ReadAsync(Support, subject, "customer-support", "givenName")).Version);
    }

    [Theory]
    [InlineData("marketing", "perhaps", "not-listed")]
    [InlineData("billing", "given", "no-consent-needed")]
    public async Task What_is_no_consent_is_refused(string purpose, string state, string code)
    {
        var subject = await store.AddAsync();
        var error = await Assert.ThrowsAsync<VaultException>(() => SetAsync(Person(subject), subject, purpose, state));
        Assert.Equal(code, Assert.Single(error.Errors).Code);
    }

    [Fact]
    public async Task Who_may_not_record_consents_is_refused_and_logged()
    {
        var (subject, other) = (await store.AddAsync(), await store.AddAsync());
        var before = await store.CountAsync("select size from audit.head");
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => SetAsync(Marketing, subject, "marketing", "given"))).Slug);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => SetAsync(Person(other), subject, "marketing", "given"))).Slug);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => SetAsync(Support, new SubjectId(Guid.NewGuid()), "marketing", "given"))).Slug);
        Assert.Equal(before + 3, await store.CountAsync("select size from audit.head"));
    }

    [Fact]
    public async Task A_consent_refused_because_of_a_restriction_is_an_entry()
    {
        var subject = await store.AddAsync();
        using var keys = await store.Vault.Get<Vault.Keys.KeyRegistry>().GetAsync(subject);
        await store.Vault.Get<VaultDatabase>().RunAsync(
            (connection, transaction) => store.Vault.Get<SubjectFacts>().ChangeAsync(connection, transaction, keys, facts => facts with { Restricted = true }, default), default);
        var before = await store.CountAsync("select size from audit.head");
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => SetAsync(Support, subject, "marketing", "given"))).Slug);
        Assert.Equal(before + 1, await store.CountAsync("select size from audit.head"));
    }

    [Fact]
    public async Task Changes_at_the_same_time_follow_one_another()
    {
        var subject = await store.AddAsync();
        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => Task.Run(() => SetAsync(Person(subject), subject, i % 2 == 0 ? "marketing" : "personalisation", "given"))));
        Assert.Equal(10, await store.CountAsync($"select max(sequence) from vault.consent_event where subject_id = '{subject}'"));
        Assert.Equal(11, await store.CountAsync($"select row_version from vault.subject where subject_id = '{subject}'"));
    }

    [Fact]
    public async Task People_see_who_looked_at_their_record()
    {
        var subject = await store.AddAsync();
        await store.ReadAsync(Support, subject, "customer-support", "givenName", "email");
        await store.ReadAsync(Marketing, subject, "marketing", "email");
        var history = store.Vault.Get<AccessHistory>();
        await store.Vault.Get<AuditReader>().CatchUpAsync();
        var page = await history.ListAsync(Person(subject), subject, 10, null, Guid.NewGuid(), default);
        var read = page.Items.Single(access => access.Type == "field.read");
        Assert.Equal(("Support desk", "customer-support", "ok"), (read.Actor, read.Purpose, read.Result));
        Assert.Equal(["email", "givenName"], read.Fields.Order(StringComparer.Ordinal));
        Assert.Equal("marketing", page.Items.Single(access => access.Result == "denied").Purpose);
        Assert.Equal("audit.read", (await history.ListAsync(Officer, subject, 1, null, Guid.NewGuid(), default)).Items[0].Type);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => history.ListAsync(Support, subject, 10, null, Guid.NewGuid(), default))).Slug);
    }

    private Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, string purpose, string state) =>
        store.Consents.SetAsync(recipient, subject, new ConsentStatement(purpose, state), Guid.NewGuid(), default);
}
