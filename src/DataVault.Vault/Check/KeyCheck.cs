using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Both databases and the journal against each other: a record for every key, a key for every record, and nothing of whoever is erased.</summary>
internal sealed class KeyCheck(CheckRun run, KeysDatabase keys, VaultKeyring keyring, TombstoneJournal journal, IndexKeys indexKeys)
{
    private const string Name = "keys";

    public async Task RunAsync(CancellationToken ct)
    {
        run.Step("Keys and tombstones");
        // In this order, a person made or erased while the check runs is no finding: a key comes before its record, and a tombstone before the key goes.
        var records = (await run.Snapshot.ListAsync("select subject_id from vault.subject", row => row.GetGuid(0), ct)).ToHashSet();
        var done = await run.Snapshot.ListAsync("select subject_hash from vault.tombstone", row => Convert.ToHexString(row.GetFieldValue<byte[]>(0)), ct);
        await using var connection = await keys.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        var keyed = await ReadAsync(connection, "select subject_id, page_id from keys.subject_key", row => (Subject: row.GetGuid(0), Page: row.GetInt64(1)), ct);
        var pages = await ReadAsync(connection, "select page_id, count from keys.page", row => (Page: row.GetInt64(0), Count: row.GetInt32(1)), ct);
        var destroyed = (await ReadAsync(connection, "select subject_hash from keys.tombstone", row => Convert.ToHexString(row.GetFieldValue<byte[]>(0)), ct)).ToHashSet();
        var written = (await journal.ReadAllAsync(keyring.VaultId, ct)).Select(tombstone => Convert.ToHexString(tombstone.SubjectHash)).ToHashSet();
        var aside = await ReadAsync(connection, "select page_id, count from keys.page where damaged_at is not null", row => (Page: row.GetInt64(0), People: row.GetInt32(1)), ct);
        foreach (var (page, people) in aside) run.Wrong(Name, $"the page {page} does not open: nothing of {people} people does");
        foreach (var (index, epoch) in await indexKeys.DamagedAsync(ct)) run.Wrong(Name, $"the key of the blind index {index}, epoch {epoch}, does not open");
        Pages(keyed, pages);
        Persons(records, [.. keyed.Select(key => key.Subject)], written);
        bool Known(string hash) => journal.Find(Convert.FromHexString(hash)) >= 0;
        foreach (var hash in done.Where(hash => !Known(hash))) run.Wrong("tombstones", $"the vault database has the tombstone {hash[..16]}…, the journal has not");
        foreach (var hash in destroyed.Where(hash => !Known(hash))) run.Wrong("tombstones", $"the keys database has the tombstone {hash[..16]}…, the journal has not");
        foreach (var hash in done.Where(hash => !destroyed.Contains(hash))) run.Wrong("tombstones", $"the erasure {hash[..16]}… is done in the vault database and not in the keys database");
        run.Count("keys", keyed.Count);
        run.Count("tombstones", written.Count);
    }

    private void Persons(HashSet<Guid> records, HashSet<Guid> keyed, HashSet<string> written)
    {
        var unused = 0;
        foreach (var subject in keyed)
        {
            if (written.Contains(Hash(subject)) && !records.Contains(subject)) run.Wrong(Name, $"{subject} is erased and has a key");
            else if (!records.Contains(subject)) unused++;
        }

        foreach (var subject in records.Where(subject => written.Contains(Hash(subject)) || !keyed.Contains(subject)))
        {
            if (!written.Contains(Hash(subject))) run.Wrong(Name, $"{subject} has a record and no key");
            else run.Note($"The erasure of {subject} is under way.");
        }

        if (unused > 0) run.Note($"{unused} keys have no record: people who are being made, or whom a crash cut short. They open nothing.");
    }

    private void Pages(List<(Guid Subject, long Page)> keyed, List<(long Page, int Count)> pages)
    {
        var counts = keyed.GroupBy(key => key.Page).ToDictionary(page => page.Key, page => page.Count());
        foreach (var (page, count) in pages)
        {
            counts.Remove(page, out var held);
            if (held != count) run.Wrong(Name, $"the page {page} counts {count} keys and holds {held}");
        }

        foreach (var page in counts.Keys) run.Wrong(Name, $"keys lie on the page {page}, which does not exist");
    }

    private string Hash(Guid subject) => Convert.ToHexString(keyring.TombstoneHash(new SubjectId(subject)));

    private static async Task<List<T>> ReadAsync<T>(NpgsqlConnection connection, string sql, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        return await Rows.ReadAsync(command, read, ct);
    }
}
