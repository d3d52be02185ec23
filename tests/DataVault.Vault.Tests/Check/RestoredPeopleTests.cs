using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>A data database that was put back from a copy says that it was restored, not that it was attacked, and is read.</summary>
public sealed class RestoredPeopleTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        foreach (var person in new[] { ada, bob }) await world.EventsAsync(person);
        await world.ChangeAsync(ada, "Adele");
        await world.FeedAsync();
        await world.BackUpDataAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task What_was_written_erased_and_entered_about_many_since_the_copy_is_lost_and_nothing_is_called_an_attack()
    {
        await world.ChangeAsync(ada, "Adelaide");
        await world.EventsAsync(ada);
        await world.Vault.Get<ConsentLedger>().SetAsync(RightsWorld.Customer(ada), ada, new ConsentStatement("marketing", "withdrawn"), Guid.NewGuid(), default);
        await ManyAsync();
        await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Erasure, bob)).Id);
        await world.Vault.AssertSoundAsync();
        await world.RestoreDataAsync();
        await AssertRestoredAsync();
        await world.ChangeAsync(ada, "Ada");
        await world.EventsAsync(ada);
        await ManyAsync();
        await world.Vault.AssertSoundAsync();
        await world.RestoreDataAsync();
        await AssertRestoredAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        await AssertRestoredAsync();
    }

    [Fact]
    public async Task After_a_part_was_erased_since_the_copy_the_rest_of_the_vault_is_called_restored()
    {
        var hold = new NewHold([bob], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30));
        await world.Vault.Get<LegalHolds>().PlaceAsync(RightsWorld.Officer, hold, Guid.NewGuid(), default);
        var request = await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Erasure, bob)).Id);
        Assert.Equal("partial", request.Erasure!.State);
        await world.RestoreDataAsync();
        await AssertReadsAsync(ada);
        var report = await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true));
        Assert.NotEmpty(report.Findings);
        Assert.All(report.Findings, finding => Assert.Contains(bob.ToString(), finding.Message, StringComparison.Ordinal));
        Assert.DoesNotContain(report.Findings, finding => finding.Check == "records-against-log");
    }

    [Fact]
    public async Task Accounts_of_the_erased_that_come_back_with_a_restored_database_are_removed_before_anything_is_served()
    {
        var hold = new NewHold([bob], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30));
        await world.Vault.Get<LegalHolds>().PlaceAsync(RightsWorld.Officer, hold, Guid.NewGuid(), default);
        var (cid, made) = (await world.PersonAsync("cid"), world.Clock.GetUtcNow());
        world.Clock.Advance(TimeSpan.FromHours(1));
        foreach (var person in new[] { ada, bob }) await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(person), RequestKinds.Erasure, person)).Id);
        world.Accounts.Removed.Clear();
        world.Accounts.Linked.AddRange(new[] { ada, bob, cid }.Select(person => new LinkedAccount(person.Value, made)));

        await world.RestartAsync();
        Assert.Equal([ada.Value, bob.Value], world.Accounts.Removed);
        Assert.Equal([cid.Value], world.Accounts.Linked.Select(account => account.Subject));

        // What somebody of whom a part is left was given since is theirs.
        world.Clock.Advance(TimeSpan.FromHours(1));
        world.Accounts.Linked.Add(new LinkedAccount(bob.Value, world.Clock.GetUtcNow()));
        await world.RestartAsync();
        Assert.Equal([cid.Value, bob.Value], world.Accounts.Linked.Select(account => account.Subject));
    }

    private async Task ManyAsync()
    {
        var people = Enumerable.Range(0, 3).Select(i => new NewCustomer(
            StoreVault.Object($$"""{"customerNumber": "{{Guid.NewGuid().ToString("N")[..10]}}", "givenName": "Many"}"""), "crm", null, "2026-01", "service-delivery", null)).ToList();
        var made = await world.Vault.Get<ProfileEditor>().CreateManyAsync(RightsWorld.Ingest, people, null, Guid.NewGuid(), default);
        Assert.All(made, item => Assert.Null(item.Error));
    }

    private async Task AssertRestoredAsync()
    {
        await world.Vault.AssertSoundAsync();
        await AssertReadsAsync(ada);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => AssertReadsAsync(bob))).Slug);
    }

    private async Task AssertReadsAsync(SubjectId subject)
    {
        var query = new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid());
        Assert.NotEmpty((await world.Vault.Get<DisclosureGate>().ReadAsync(query, default)).Fields);
    }
}
