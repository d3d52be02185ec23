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

    [Theory]
    [Requirement("R73")]
    [InlineData("update audit.batch set entries = set_byte(entries, 40, get_byte(entries, 40) # 1) where first_index = (select max(first_index) from audit.batch)", "does not hash")]
    [InlineData("delete from audit.batch where first_index = (select max(first_index) from audit.batch)", "the batches hold")]
    [InlineData("delete from audit.batch where first_index = (select min(first_index) from audit.batch where first_index > 0)", "is due")]
    [InlineData("update audit.head set size = size + 1", "the head counts")]
    [InlineData("update audit.head set root = sha256('x')", "the head's root")]
    [InlineData("update audit.head set t_last = t_last + 5", "the head's time")]
    [InlineData("update audit.checkpoint set note = replace(note, 'datavault', 'otherlog')", null)]
    [InlineData("insert into audit.checkpoint select size + 1000, note, at from audit.checkpoint limit 1", "not a signed note of that size")]
    [InlineData("insert into audit.tile (level, n, hashes) values (0, 77, '\\x00')", "beyond the end")]
    [InlineData("update audit.detail set sealed = sealed || '\\x00'", "is not the one that the entry names")]
    [InlineData("delete from audit.detail", "is gone")]
    [InlineData("insert into vault.identifier (lookup, index_id, subject_id) values ('\\x00112233445566778899aabbccddeeff', 1, gen_random_uuid())", "has no record")]
    [InlineData("update vault.subject set record = '\\x02'", "cannot be read")]
    [InlineData("insert into vault.tombstone values (sha256('x'), now())", "the journal has not")]
    public async Task What_an_administrator_of_the_database_does_to_log_and_rows_is_named(string attack, string? finding)
    {
        await store.AddAsync();
        var person = await store.AddAsync();
        await store.Vault.Get<AuditTrail>().RecordAsync(Transparency.EntryType.AuditRead, StoreVault.Officer, "", Transparency.EntryResult.Ok, person, "why", default);
        await store.Vault.Get<AuditReader>().SignAsync();
        string[] tables = ["audit.batch", "audit.head", "audit.checkpoint", "audit.tile", "audit.detail", "vault.identifier", "vault.subject", "vault.tombstone"];
        await store.ExecuteAsync("drop schema if exists kept cascade; create schema kept; " + string.Concat(tables.Select(table => $"create table kept.{table.Replace('.', '_')} as table {table}; ")));
        try
        {
            await store.ExecuteAsync(attack);
            var report = await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: finding is null));
            Assert.Contains(report.Findings, found => finding is null || found.Message.Contains(finding, StringComparison.Ordinal));
        }
        finally
        {
            await store.ExecuteAsync(string.Concat(tables.Select(table => $"truncate {table}; insert into {table} table kept.{table.Replace('.', '_')}; ")));
        }

        Assert.Empty((await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings);
    }
}
