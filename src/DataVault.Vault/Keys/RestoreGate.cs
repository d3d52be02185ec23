using System.Collections;
using DataVault.Policy;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>
/// Before anything is served: compares the tombstone journal with both databases, and carries out in each what it lacks. So an erasure survives the restoring
/// of any backup, of one database or both, and one that a crash cut short is finished.
/// </summary>
/// <remarks>
/// Tombstones and people are streamed; what is held is the journal's index and one bit for each of its lines. INVARIANT: a database notes a tombstone only with
/// or after what it stands for, so a gate that is killed half-way finds the rest at the next start.
/// </remarks>
internal sealed class RestoreGate(
    VaultDatabase vault, KeysDatabase keys, VaultKeyring keyring, KeyRegistry registry, TombstoneJournal journal, ILogger<RestoreGate> logger)
{
    private const int Chunk = 1000;

    // The row is closed in the transaction that notes the work down, so that nothing of the person is read meanwhile.
    private const string Closed = "select subject_id from vault.subject where key_version = 0";

    /// <param name="domains">Whose pseudonymised rows are made anew when people must go.</param>
    /// <param name="destroyedEpoch">The newest epoch whose destruction the log reports; 0 when there is none.</param>
    /// <param name="underWay">What the requests that the vault wrote say of erasures that are not done.</param>
    /// <param name="ct">Ends the start.</param>
    /// <exception cref="VaultStartException">A database is too old, or the journal is not the one of this vault.</exception>
    public async Task PassAsync(IReadOnlyList<AnalyticsDomain> domains, int destroyedEpoch, ErasuresUnderWay underWay, CancellationToken ct)
    {
        // A new vault gets its first keys here.
        var vaultId = keyring.VaultId;
        await RefuseOutdatedEpochsAsync(destroyedEpoch, ct);
        await journal.CatchUpAsync(vaultId, ct);
        var lackedByKeys = await LackedAsync(keys, "select subject_hash from keys.tombstone", ct);
        var lackedByVault = await LackedAsync(vault, "select subject_hash from vault.tombstone", ct);
        if (lackedByKeys.HasAnySet()) await ReplayOnKeysAsync(lackedByKeys, ct);
        if (lackedByVault.HasAnySet()) await ReplayOnVaultAsync(lackedByVault, domains, await underWay.PeopleAsync(ct), ct);
    }

    /// <summary>Why the two databases do not fit each other; null when they do.</summary>
    public async Task<string?> RefusalAsync(RestoreFit fit, CancellationToken ct)
    {
        await using var data = await vault.OpenAsync(ct);
        await using var keyed = await keys.OpenAsync(ct);
        return await fit.RefusalAsync(data, keyed, ct);
    }

    /// <inheritdoc cref="RestoreGates.EnsureInJournalAsync"/>
    public async Task EnsureInJournalAsync(IReadOnlyList<byte[]> destroyed, CancellationToken ct)
    {
        if (destroyed.Count == 0) return;
        var lacked = destroyed.Select(Convert.ToHexString).ToHashSet();
        var all = lacked.Count;
        foreach (var tombstone in await journal.ReadAllAsync(keyring.VaultId, ct)) lacked.Remove(Convert.ToHexString(tombstone.Commitment));
        foreach (var part in journal.Parts.Values) lacked.Remove(Convert.ToHexString(part.Of.Commitment));
        if (lacked.Count > 0)
            throw new VaultStartException(
                $"The tombstone journal lacks {lacked.Count} of the {all} erasures that the log tells of since the copy that was restored, and these people would be served again: put the newest journal, whole, back into the home folder.");
    }

    /// <summary>The journal's lines that a database has not carried out.</summary>
    private async Task<BitArray> LackedAsync(DatabaseConnections database, string tombstones, CancellationToken ct)
    {
        var lacked = new BitArray(journal.Count, true);
        await foreach (var hash in StreamAsync(database, tombstones, row => row.GetFieldValue<byte[]>(0), ct))
        {
            var line = journal.Find(hash);
            if (line < 0) line = await FindNewAsync(hash, ct);
            if (line < lacked.Count) lacked[line] = false;
        }

        // Parts and renewals have a gate of their own (RestoreGates).
        for (var line = 0; line < lacked.Count; line++) lacked[line] &= journal.IsErasure(line);
        return lacked;
    }

    // An erasure that runs in another process reaches the journal before the database, but perhaps after our first look.
    private async Task<int> FindNewAsync(byte[] hash, CancellationToken ct)
    {
        await journal.CatchUpAsync(keyring.VaultId, ct);
        var line = journal.Find(hash);
        return line >= 0
            ? line
            : throw new VaultStartException("The tombstone journal lacks erasures that a database has carried out: put the whole journal back into the home folder.");
    }

    private async Task ReplayOnKeysAsync(BitArray lacked, CancellationToken ct)
    {
        var found = await FindAsync(keys, "select subject_id from keys.subject_key", lacked, ct);
        foreach (var some in found.Chunk(Chunk))
        {
            var tombstones = await journal.ReadAsync([.. some.Select(f => f.Line)], ct);
            foreach (var (person, tombstone) in some.Zip(tombstones)) await registry.DestroyRowAsync(person.Subject, tombstone, ct);
        }

        foreach (var some in Lines(lacked).Chunk(Chunk)) await NoteInKeysAsync(await journal.ReadAsync(some, ct), ct);
        logger.LogWarning("The keys database lacked {Lacked} erasures of the journal; {Found} keys were destroyed again.", Lines(lacked).Count(), found.Count);
    }

    private async Task NoteInKeysAsync(IReadOnlyList<Tombstone> tombstones, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand(
            $"""
            insert into keys.tombstone (subject_hash, commitment, page_id, generation, epoch_id, at)
            select u.h, u.c, 0, 0, ({VaultKeyring.SelectCurrentEpoch}), u.a from unnest($1, $2, $3) as u (h, c, a) on conflict do nothing
            """);
        command.Parameters.Add(Bytes(tombstones.Select(t => t.SubjectHash)));
        command.Parameters.Add(Bytes(tombstones.Select(t => t.Commitment)));
        command.Parameters.Add(new() { Value = tombstones.Select(t => t.At.UtcDateTime).ToArray() });
        await command.ExecuteNonQueryAsync(ct);
    }

    // The analytics first: a gate that is killed in between finds fewer people to erase at the next start, perhaps none, and would leave those rows.
    private async Task ReplayOnVaultAsync(BitArray lacked, IReadOnlyList<AnalyticsDomain> domains, HashSet<SubjectId> underWay, CancellationToken ct)
    {
        // An erasure that a crash cut short, or that another process carries out at this moment, is no restore: it goes on by itself from what was noted down with
        // its request. It alone knows the person's pseudonyms, and counts what it deletes.
        foreach (var (_, line) in (await FindAsync(vault, Closed, lacked, ct)).Where(one => underWay.Contains(one.Subject))) lacked[line] = false;
        if (!lacked.HasAnySet()) return;
        var found = await FindAsync(vault, "select subject_id from vault.subject", lacked, ct);
        if (found.Count > 0) await InTransactionAsync((connection, _) => AnalyticsRows.RebuildAsync(connection, domains, ct), ct);
        foreach (var some in found.Chunk(Chunk))
        {
            var tombstones = await journal.ReadAsync([.. some.Select(f => f.Line)], ct);
            await InTransactionAsync(
                async (connection, transaction) =>
                {
                    foreach (var (person, tombstone) in some.Zip(tombstones)) await EventLeaves.BuryAsync(connection, transaction, person.Subject, tombstone.Commitment, ct);
                    await DeleteRowsAsync(connection, [.. some.Select(f => f.Subject.Value)], ct);
                    await NoteInVaultAsync(connection, tombstones, ct);
                },
                ct);
        }

        foreach (var some in Lines(lacked).Chunk(Chunk))
        {
            var tombstones = await journal.ReadAsync(some, ct);
            await InTransactionAsync((connection, _) => NoteInVaultAsync(connection, tombstones, ct), ct);
        }

        logger.LogWarning("The vault database lacked {Lacked} erasures of the journal; the rows of {Found} people were deleted again.", Lines(lacked).Count(), found.Count);
    }

    private static async Task NoteInVaultAsync(NpgsqlConnection connection, IReadOnlyList<Tombstone> tombstones, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("insert into vault.tombstone (subject_hash, at) select u.h, u.a from unnest($1, $2) as u (h, a) on conflict do nothing", connection);
        command.Parameters.Add(Bytes(tombstones.Select(t => t.SubjectHash)));
        command.Parameters.Add(new() { Value = tombstones.Select(t => t.At.UtcDateTime).ToArray() });
        await command.ExecuteNonQueryAsync(ct);
    }

    private Task<bool> InTransactionAsync(Func<NpgsqlConnection, NpgsqlTransaction, Task> work, CancellationToken ct) => vault.RunAsync(
        async (connection, transaction) =>
        {
            await work(connection, transaction);
            return true;
        },
        ct);

    // Every table that is keyed by a person, whichever they are by now. Requests stay: they hold no values and say how far an erasure has come.
    private static async Task DeleteRowsAsync(NpgsqlConnection connection, Guid[] subjects, CancellationToken ct)
    {
        var tables = new List<string>();
        await using (var list = new NpgsqlCommand(
            """
            select format('%I.%I', n.nspname, c.relname) from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
            where a.attname = 'subject_id' and c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('vault', 'audit') and c.relname <> 'request'
            """, connection))
        await using (var reader = await list.ExecuteReaderAsync(ct))
        {
            while (await reader.ReadAsync(ct)) tables.Add(reader.GetString(0));
        }

        foreach (var table in tables)
        {
            await using var command = new NpgsqlCommand($"delete from {table} where subject_id = any($1)", connection) { Parameters = { new() { Value = subjects } } };
            await command.ExecuteNonQueryAsync(ct);
        }
    }

    private async Task<List<(SubjectId Subject, int Line)>> FindAsync(DatabaseConnections database, string everybody, BitArray lacked, CancellationToken ct)
    {
        var found = new List<(SubjectId, int)>();
        await foreach (var subject in StreamAsync(database, everybody, row => new SubjectId(row.GetGuid(0)), ct))
        {
            var line = journal.Find(keyring.TombstoneHash(subject));
            if (line >= 0 && line < lacked.Count && lacked[line]) found.Add((subject, line));
        }

        return found;
    }

    // What opens is not enough: slots may have been put back together with the database, and the log remembers what was destroyed.
    private async Task RefuseOutdatedEpochsAsync(int destroyedEpoch, CancellationToken ct)
    {
        var used = new HashSet<int>();
        await foreach (var epoch in StreamAsync(keys, $"select epoch_id from keys.page where damaged_at is null union {VaultKeyring.SelectCurrentEpoch}", row => row.GetInt32(0), ct)) used.Add(epoch);
        if (used.Count > 0 && used.Min() <= destroyedEpoch)
            throw new VaultStartException($"The keys database is outdated: it uses key epoch {used.Min()}, and the log says that the epochs up to {destroyedEpoch} were destroyed.");
        foreach (var epoch in used)
        {
            using var root = await keyring.TryEpochRootAsync(epoch, null, ct);
            if (root is not null) continue;
            if (keyring.IsSlotGone(epoch)) throw new VaultStartException($"The root of key epoch {epoch} was destroyed: this keys database is an outdated copy.");
            // Damaged, not destroyed: nobody under it can be read until it is mended, and everybody else is served (ADR 24).
            logger.LogCritical("The root of key epoch {Epoch} does not open; nobody whose key it wraps is served. Put back its row or its slot (docs/backup.md).", epoch);
        }
    }

    private static async IAsyncEnumerable<T> StreamAsync<T>(
        DatabaseConnections database, string sql, Func<NpgsqlDataReader, T> read, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(sql);
        command.CommandTimeout = 0;
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) yield return read(reader);
    }

    private static IEnumerable<int> Lines(BitArray bits)
    {
        for (var line = 0; line < bits.Count; line++)
        {
            if (bits[line]) yield return line;
        }
    }

    private static NpgsqlParameter Bytes(IEnumerable<byte[]> values) => new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea };
}
