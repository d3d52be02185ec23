using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Both databases and the journal against each other: a record for every key, a key for every record, and nothing of whoever is erased.</summary>
internal sealed class KeyCheck(CheckRun run, KeysDatabase keys, VaultKeyring keyring, TombstoneJournal journal, IndexKeys indexKeys, SecondLook again)
{
    private const string Name = "keys";
    private const int Step = 256;

    private readonly List<SubjectId> unused = [];
    private readonly Dictionary<string, SubjectId> sought = [];
    private readonly HashSet<string> destroyedKeys = [];

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
        var tombstones = await journal.ReadAllAsync(keyring.VaultId, ct);
        var written = tombstones.Select(tombstone => Convert.ToHexString(tombstone.SubjectHash)).ToHashSet();
        destroyedKeys.UnionWith(tombstones.Concat(journal.Parts.Values.Select(part => part.Of)).Select(tombstone => Convert.ToHexString(tombstone.Commitment)));
        var aside = await ReadAsync(connection, "select page_id, count from keys.page where damaged_at is not null", row => (Page: row.GetInt64(0), People: row.GetInt32(1)), ct);
        foreach (var (page, people) in aside) run.Wrong(Name, $"the page {page} does not open: nothing of {people} people does");
        foreach (var (index, epoch) in await indexKeys.DamagedAsync(ct)) run.Wrong(Name, $"the key of the blind index {index}, epoch {epoch}, does not open");
        Pages(keyed, pages);
        foreach (var subject in Persons(records, [.. keyed.Select(key => key.Subject)], written))
            await again.JudgeAsync(run, subject, [new CheckFinding(Name, $"{subject} is erased, and has a record: somebody put its row back")], ct);
        bool Known(string hash) => journal.Find(Convert.FromHexString(hash)) >= 0;
        foreach (var hash in done.Where(hash => !Known(hash))) run.Wrong("tombstones", $"the vault database has the tombstone {hash[..16]}…, the journal has not");
        foreach (var hash in destroyed.Where(hash => !Known(hash))) run.Wrong("tombstones", $"the keys database has the tombstone {hash[..16]}…, the journal has not");
        foreach (var hash in done.Where(hash => !destroyed.Contains(hash))) run.Wrong("tombstones", $"the erasure {hash[..16]}… is done in the vault database and not in the keys database");
        run.Count("keys", keyed.Count);
        run.Count("tombstones", written.Count);
    }

    /// <summary>Before the log is read: asks it who they are that have a key and no record.</summary>
    public async Task AskAsync(LogCheck log, CancellationToken ct)
    {
        foreach (var some in unused.Chunk(Step))
        {
            foreach (var (tag, subject) in await again.TagsAsync(some, ct)) sought[tag] = subject;
        }

        foreach (var tag in sought.Keys) log.Born[tag] = null;
    }

    /// <summary>After the log has been read: a record that it tells of goes with its key or not at all, and no key is destroyed that the journal does not know.</summary>
    public void CompareWith(LogCheck log)
    {
        var deleted = sought.Where(one => log.Born[one.Key] is { } born && !log.IsLost(born)).ToList();
        foreach (var (tag, subject) in deleted) run.Wrong(Name, $"{subject} has a key and no record, and entry {log.Born[tag]} made both: the record was deleted, not erased");
        if (unused.Count > deleted.Count) run.Note($"{unused.Count - deleted.Count} keys have no record: people who are being made, or whom a crash or a restore cut short. They open nothing.");
        foreach (var (index, _) in log.Executed.Where(one => !destroyedKeys.Contains(one.Commitment)))
            run.Wrong("tombstones", $"entry {index} tells of an erasure, and the journal has none of that key");
    }

    /// <returns>Who is erased and has a record: it goes with the erasure, if that is under way.</returns>
    private List<SubjectId> Persons(HashSet<Guid> records, HashSet<Guid> keyed, HashSet<string> written)
    {
        foreach (var subject in keyed)
        {
            if (written.Contains(Hash(subject)) && !records.Contains(subject)) run.Wrong(Name, $"{subject} is erased and has a key");
            else if (!records.Contains(subject)) unused.Add(new SubjectId(subject));
        }

        var erased = new List<SubjectId>();
        foreach (var subject in records)
        {
            if (written.Contains(Hash(subject))) erased.Add(new SubjectId(subject));
            else if (!keyed.Contains(subject)) run.Wrong(Name, $"{subject} has a record and no key");
        }

        return erased;
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
