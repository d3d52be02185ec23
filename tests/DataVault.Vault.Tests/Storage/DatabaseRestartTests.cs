using DataVault.Testing;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Storage;

/// <summary>A database that was restarted costs nobody an answer who asks afterwards, however many dead connections wait in the pools.</summary>
public sealed class DatabaseRestartTests
{
    private const int Callers = 24;

    [Fact]
    public async Task After_a_restart_nobody_who_reads_or_writes_is_refused()
    {
        await using var cluster = await PostgresCluster.StartNewAsync();
        await using var databases = await DatabasePerClass.CreateOnAsync(cluster);
        await using var vault = await databases.StartVaultAsync();
        var consents = Repository.Policy.Purposes.All.Where(p => p.NeedsConsent).ToDictionary(p => p.Name, _ => "given");
        var customer = new NewCustomer(FullProfile.Of("ada"), "crm", null, "2026-01", "service-delivery", consents);
        var ada = (await vault.Get<ProfileEditor>().CreateAsync(RightsWorld.Ingest, customer, null, Guid.NewGuid(), default)).Id;
        for (var restart = 0; restart < 2; restart++)
        {
            await EverybodyAsync();
            await cluster.StopAsync();
            await cluster.StartAsync();
            await EverybodyAsync();
        }

        async Task EverybodyAsync() => await Task.WhenAll(Enumerable.Range(0, Callers).Select(i => i % 3 == 0 ? WriteAsync(i) : ReadAsync()));

        async Task ReadAsync()
        {
            var query = new ReadQuery(RightsWorld.Support, ada, "customer-support", null, false, Guid.NewGuid());
            Assert.NotEmpty((await vault.Get<DisclosureGate>().ReadAsync(query, default)).Fields);
        }

        async Task WriteAsync(int i) => Assert.True((await vault.Get<ProfileEditor>().PatchAsync(
            RightsWorld.Ingest, ada, null, new ProfilePatch(StoreVault.Object($$"""{"givenName": "Ada{{(char)('a' + i)}}"}"""), "crm", null, "2026-01", "service-delivery"), Guid.NewGuid(), default)).Version > 1);
    }
}
