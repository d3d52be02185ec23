using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Check;

public sealed class VaultCheckTests(StoreVault store) : IClassFixture<StoreVault>
{
    [Fact]
    public async Task A_vault_that_worked_is_sound()
    {
        var ada = await store.AddAsync("""{ "phone": "+447700900123" }""", new() { ["marketing"] = "given" });
        await store.Recorder.AppendAsync(StoreVault.Ingest, [store.Purchase(new CustomerLookup(Id: ada))], Guid.NewGuid(), default);
        await store.ReadAsync(StoreVault.Support, ada, "customer-support");
        await store.Vault.Get<AuditReader>().SignAsync();

        var report = await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true));

        Assert.Empty(report.Findings);
        Assert.True(report.Counted["records"] > 0 && report.Counted["log entries"] > 3);
    }
}
