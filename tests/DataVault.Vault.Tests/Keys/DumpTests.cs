using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

/// <summary>Whoever carries off both databases and nothing else has nothing.</summary>
public sealed class DumpTests(StoreVault store) : IClassFixture<StoreVault>
{
    [Fact]
    [Requirement("R06")]
    public async Task With_a_dump_of_both_databases_and_no_root_key_nothing_is_readable()
    {
        var canaries = new Canaries("vkpqcanary", 951753);
        var subject = await PlantAsync(canaries);
        var vaultDump = await store.Cluster.DumpAsync(store.VaultName, "-Fc", "-Z0");
        var keysDump = await store.Cluster.DumpAsync(store.KeysName, "-Fc", "-Z0");

        // The id is not secret and stands in rows: a search that misses it has not looked at them.
        Assert.Contains(subject.ToString(), Encoding.ASCII.GetString(vaultDump), StringComparison.Ordinal);
        var hunt = new PlaintextHunt(canaries.Planted);
        hunt.Search("the dump of the vault", vaultDump);
        hunt.Search("the dump of the keys", keysDump);
        hunt.Search("the plain dump of the vault", await store.Cluster.DumpAsync(store.VaultName));
        hunt.Search("the plain dump of the keys", await store.Cluster.DumpAsync(store.KeysName));
        Assert.True(hunt.Findings.Count == 0, string.Join('\n', hunt.Findings));

        await using var thief = await DatabasePerClass.CreateAsync();
        await RestoreAsync(thief, vaultDump, keysDump);
        var foreign = await Assert.ThrowsAsync<VaultStartException>(() => OpenAsync(thief, subject));
        await GiveAsync(thief, "root.key");
        var slotless = await Assert.ThrowsAsync<VaultStartException>(() => OpenAsync(thief, subject));
        Assert.Equal("The root of key epoch 1 was destroyed: this keys database is an outdated copy.", slotless.Message);
        Assert.NotEqual(slotless.Message, foreign.Message);
        await GiveAsync(thief, Path.Combine("epochs", "1.slot"));
        Assert.Contains(canaries.Email, await OpenAsync(thief, subject), StringComparison.Ordinal);
    }

    private async Task<SubjectId> PlantAsync(Canaries canaries)
    {
        var fields = JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(canaries.Fields(StoreVault.Policy.Catalogue))!;
        var customer = new NewCustomer(fields, canaries.Words("source"), null, "2026-01", "service-delivery", new Dictionary<string, string> { ["wellbeing"] = "given" });
        var written = await store.Editor.CreateAsync(StoreVault.Ingest, customer, null, Guid.NewGuid(), default);
        NewEvent Event(EventTypeDefinition type) => new(
            new CustomerLookup(written.Id), type.Type, store.Clock.GetUtcNow(), canaries.Words("event source"),
            canaries.Properties(type).Deserialize<Dictionary<string, JsonElement>>()!, null, "service-delivery");
        var outcome = await store.Recorder.AppendAsync(StoreVault.Ingest, [.. StoreVault.Policy.Events.Types.Select(Event)], Guid.NewGuid(), default);
        Assert.All(outcome.Items, item => Assert.Null(item.Error));
        return written.Id;
    }

    private static async Task RestoreAsync(DatabasePerClass thief, byte[] vaultDump, byte[] keysDump)
    {
        await thief.Cluster.RestoreDumpAsync(thief.VaultName, vaultDump);
        await thief.Cluster.RestoreDumpAsync(thief.KeysName, keysDump);
        await VaultMigrator.MigrateAsync(thief.VaultAdmin, thief.KeysAdmin, StoreVault.Policy);
    }

    private async Task GiveAsync(DatabasePerClass thief, string file)
    {
        var to = Path.Combine(thief.Home, file);
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        await File.WriteAllBytesAsync(to, await File.ReadAllBytesAsync(Path.Combine(store.Home, file)));
    }

    // Below the gate, the log and the check at the start, which a thief's own program would leave out.
    private static async Task<string> OpenAsync(DatabasePerClass thief, SubjectId subject)
    {
        await using var vault = await thief.StartVaultAsync();
        var record = (await SubjectRows.FindAsync(vault.Get<VaultDatabase>(), subject, default))!;
        using var keys = await vault.Get<KeyRegistry>().GetAsync(subject);
        using var opened = vault.Get<RecordCipher>().Open(record, keys, [People.Permit(subject, "email")]);
        return Encoding.UTF8.GetString(opened[0].Utf8Json.Span);
    }
}
