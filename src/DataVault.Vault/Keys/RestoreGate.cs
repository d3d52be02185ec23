using DataVault.Policy;
using DataVault.Vault.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>
/// Before anything is served: compares the tombstone journal with both databases, and carries out in each what it lacks. So an erasure survives the restoring
/// of any backup, and one that a crash cut short is finished.
/// </summary>
internal sealed class RestoreGate(
    VaultDatabase vault, KeysDatabase keys, VaultKeyring keyring, KeyRegistry registry, TombstoneJournal journal, ILogger<RestoreGate> logger)
{
    /// <exception cref="VaultStartException">A database is too old, or the journal is not the one of this vault.</exception>
    public async Task PassAsync(IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct)
    {
        var vaultId = keyring.VaultId;
        await RefuseOutdatedEpochsAsync(ct);
        // The databases before the journal: an erasure that runs in another process reaches the journal first.
        var inKeys = await TombstonesAsync(Contexts.Keys(keys.Source), c => c.Tombstones, ct);
        var inVault = await TombstonesAsync(Contexts.Vault(vault.Source), c => c.Tombstones, ct);
        var written = await journal.ReadAllAsync(vaultId, ct);
        RefuseLostJournal(written, inKeys, inVault);
        var lackedByKeys = written.Where(t => !inKeys.Contains(Name(t))).ToDictionary(Name);
        var lackedByVault = written.Where(t => !inVault.Contains(Name(t))).ToDictionary(Name);
        if (lackedByKeys.Count > 0) await ReplayOnKeysAsync(lackedByKeys, ct);
        if (lackedByVault.Count > 0) await ReplayOnVaultAsync(lackedByVault, domains, ct);
    }

    private async Task ReplayOnKeysAsync(Dictionary<string, Tombstone> lacked, CancellationToken ct)
    {
        var subjects = await FindAsync(keys, "select subject_id from keys.subject_key", lacked, ct);
        foreach (var (subject, tombstone) in subjects) await registry.DestroyRowAsync(subject, tombstone, ct);
        foreach (var tombstone in lacked.Values.Except(subjects.Select(s => s.Tombstone)))
        {
            await using var command = keys.Source.CreateCommand(
                $"insert into keys.tombstone (subject_hash, commitment, page_id, generation, epoch_id, at) values ($1, $2, 0, 0, ({VaultKeyring.SelectCurrentEpoch}), $3) on conflict do nothing");
            command.Parameters.Add(new() { Value = tombstone.SubjectHash });
            command.Parameters.Add(new() { Value = tombstone.Commitment });
            command.Parameters.Add(new() { Value = tombstone.At.UtcDateTime });
            await command.ExecuteNonQueryAsync(ct);
        }

        logger.LogWarning("The keys database lacked {Lacked} erasures of the journal; {Found} keys were destroyed again.", lacked.Count, subjects.Count);
    }

    private async Task ReplayOnVaultAsync(Dictionary<string, Tombstone> lacked, IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct)
    {
        var subjects = await FindAsync(vault, "select subject_id from vault.subject", lacked, ct);
        await using var connection = await vault.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (subjects.Count > 0)
        {
            foreach (var (subject, tombstone) in subjects) await EventLeaves.BuryAsync(connection, transaction, subject, tombstone.Commitment, ct);
            await DeleteRowsAsync(connection, subjects.ConvertAll(s => s.Subject.Value), ct);
            await RebuildAnalyticsAsync(connection, domains, ct);
        }

        await using var command = new NpgsqlCommand("insert into vault.tombstone (subject_hash, at) select u.h, u.a from unnest($1, $2) as u (h, a) on conflict do nothing", connection);
        command.Parameters.Add(new() { Value = lacked.Values.Select(t => t.SubjectHash).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
        command.Parameters.Add(new() { Value = lacked.Values.Select(t => t.At.UtcDateTime).ToArray() });
        await command.ExecuteNonQueryAsync(ct);
        await DurabilityGuard.CommitAsync(transaction);
        logger.LogWarning("The vault database lacked {Lacked} erasures of the journal; the rows of {Found} people were deleted again.", lacked.Count, subjects.Count);
    }

    // Every table that is keyed by a person, whichever they are by now. Requests stay: they hold no values and say how far an erasure has come.
    private static async Task DeleteRowsAsync(NpgsqlConnection connection, List<Guid> subjects, CancellationToken ct)
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
            await using var command = new NpgsqlCommand($"delete from {table} where subject_id = any($1)", connection) { Parameters = { new() { Value = subjects.ToArray() } } };
            await command.ExecuteNonQueryAsync(ct);
        }
    }

    // The pseudonyms of the erased cannot be computed any more, so whose rows to delete is not known: all go, and the feed writes those of the living anew.
    private static async Task RebuildAnalyticsAsync(NpgsqlConnection connection, IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct)
    {
        foreach (var domain in domains)
        {
            foreach (var table in AnalyticsSchema.Tables(domain))
            {
                await using var command = new NpgsqlCommand($"delete from {table}", connection);
                await command.ExecuteNonQueryAsync(ct);
            }
        }

        await using var enqueue = new NpgsqlCommand(
            "insert into vault.feed_queue (subject_id, enqueued_at) select subject_id, now() from vault.subject on conflict do nothing", connection);
        await enqueue.ExecuteNonQueryAsync(ct);
    }

    private async Task<List<(SubjectId Subject, Tombstone Tombstone)>> FindAsync(
        DatabaseConnections database, string everybody, Dictionary<string, Tombstone> lacked, CancellationToken ct)
    {
        var found = new List<(SubjectId, Tombstone)>();
        await using var command = database.Source.CreateCommand(everybody);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var subject = new SubjectId(reader.GetGuid(0));
            if (lacked.TryGetValue(Convert.ToHexString(keyring.TombstoneHash(subject)), out var tombstone)) found.Add((subject, tombstone));
        }

        return found;
    }

    private async Task RefuseOutdatedEpochsAsync(CancellationToken ct)
    {
        var used = new HashSet<int>();
        await using var command = keys.Source.CreateCommand($"select epoch_id from keys.page union {VaultKeyring.SelectCurrentEpoch}");
        await using (var reader = await command.ExecuteReaderAsync(ct))
        {
            while (await reader.ReadAsync(ct)) used.Add(reader.GetInt32(0));
        }

        // Opening a root whose slot is gone throws: the database is a copy from before that destruction.
        foreach (var epoch in used) keyring.EpochRoot(epoch).Dispose();
    }

    private static void RefuseLostJournal(IReadOnlyList<Tombstone> written, HashSet<string> inKeys, HashSet<string> inVault)
    {
        var known = written.Select(Name).ToHashSet();
        if (!inKeys.IsSubsetOf(known) || !inVault.IsSubsetOf(known))
            throw new VaultStartException("The tombstone journal lacks erasures that a database has carried out: put the whole journal back into the home folder.");
    }

    private static async Task<HashSet<string>> TombstonesAsync<TContext>(TContext context, Func<TContext, IQueryable<TombstoneRow>> rows, CancellationToken ct)
        where TContext : DbContext
    {
        await using (context) return (await rows(context).Select(t => t.SubjectHash).ToListAsync(ct)).Select(Convert.ToHexString).ToHashSet();
    }

    private static string Name(Tombstone tombstone) => Convert.ToHexString(tombstone.SubjectHash);
}
