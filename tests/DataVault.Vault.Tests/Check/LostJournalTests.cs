using DataVault.Policy;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>Both databases were restored, and the tombstone journal is lost or older: only the log knows who was erased since.</summary>
public sealed class LostJournalTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;
    private SubjectId cid;

    private string Journal => Path.Combine(world.Home, "tombstones.journal");

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        (ada, bob, cid) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"), await world.PersonAsync("cid"));
        await world.StopAsync();
        await world.Databases.BackUpAsync(world.Databases.VaultName);
        await world.Databases.BackUpAsync(world.Databases.KeysName);
        await world.RestartAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task A_vault_does_not_start_on_a_journal_that_lacks_erasures_of_the_log()
    {
        await EraseAsync(ada);
        var older = await File.ReadAllBytesAsync(Journal, TestContext.Current.CancellationToken);
        await EraseAsync(bob);
        var newest = await PutBackAsync();
        File.Delete(Journal);
        await RefusedAsync("lacks 2 of the 2 erasures");
        await RefusedAsync("lacks 2 of the 2 erasures");
        await File.WriteAllBytesAsync(Journal, older, TestContext.Current.CancellationToken);
        await RefusedAsync("lacks 1 of the 2 erasures");
        await File.WriteAllBytesAsync(Journal, newest, TestContext.Current.CancellationToken);
        await world.RestartAsync();
        foreach (var erased in new[] { ada, bob }) Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => ReadAsync(erased))).Slug);
        Assert.NotEmpty((await ReadAsync(cid)).Fields);
    }

    [Fact]
    public async Task A_vault_does_not_start_on_a_journal_that_lacks_the_erasure_of_a_part()
    {
        await EraseAsync(ada);
        var older = await File.ReadAllBytesAsync(Journal, TestContext.Current.CancellationToken);
        var hold = new NewHold([bob], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30));
        await world.Vault.Get<LegalHolds>().PlaceAsync(RightsWorld.Officer, hold, Guid.NewGuid(), default);
        await EraseAsync(bob);
        var newest = await PutBackAsync();
        await File.WriteAllBytesAsync(Journal, older, TestContext.Current.CancellationToken);
        await RefusedAsync("lacks 1 of the 2 erasures");
        await File.WriteAllBytesAsync(Journal, newest, TestContext.Current.CancellationToken);
        await world.RestartAsync();
        Assert.NotEmpty((await ReadAsync(cid)).Fields);
    }

    private async Task EraseAsync(SubjectId subject) => await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(subject), RequestKinds.Erasure, subject)).Id);

    // What the journal held at last.
    private async Task<byte[]> PutBackAsync()
    {
        await world.StopAsync();
        await world.Databases.RestoreAsync(world.Databases.VaultName);
        await world.Databases.RestoreAsync(world.Databases.KeysName);
        return await File.ReadAllBytesAsync(Journal, TestContext.Current.CancellationToken);
    }

    private async Task RefusedAsync(string why) =>
        Assert.Contains(why, (await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync())).Message, StringComparison.Ordinal);

    private Task<Disclosure> ReadAsync(SubjectId subject) =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid()), default);
}
