using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// What the log says of key epochs: one entry when an epoch begins, one when it has been destroyed. The keys database and the log lie in different
/// databases, so the change comes first and whatever has no entry yet is entered afterwards, at every turn, exactly once.
/// </summary>
internal sealed class EpochLedger(VaultDatabase vault, KeysDatabase keys, VaultKeyring keyring, AuditLog log, LogStore store, VaultOptions options)
{
    /// <summary>How often epochs are looked after: a due change may come so much later.</summary>
    public static readonly TimeSpan Rhythm = TimeSpan.FromMinutes(30);

    /// <summary>Processes take turns; the number is this table's own.</summary>
    private const long LockKey = 0x4441_5645_504F;

    // Thirty years of days.
    private const int MostEpochs = 10_000;

    private sealed record Epoch(int Id, byte[] Commitment, bool Destroyed);

    /// <summary>Enters every epoch that began, and every one that was destroyed, that the log does not tell of.</summary>
    public async Task EnterMissingAsync(CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select epoch_id, commitment, destroyed_at is not null from keys.epoch order by epoch_id");
        var epochs = await Rows.ReadAsync(command, row => new Epoch(row.GetInt32(0), row.GetFieldValue<byte[]>(1), row.GetBoolean(2)), ct);
        var known = await KnownAsync(ct);
        foreach (var epoch in epochs)
        {
            // The first epoch begins with the vault itself.
            if (epoch.Id > 1 && !known.Contains((epoch.Id, EntryType.KeyRotate))) await EnterAsync(EntryType.KeyRotate, epoch, ct);
            if (epoch.Destroyed && keyring.IsSlotGone(epoch.Id) && !known.Contains((epoch.Id, EntryType.EpochDestroyed))) await EnterAsync(EntryType.EpochDestroyed, epoch, ct);
        }
    }

    /// <summary>The last of the epochs of which, and of all before which, neither a row nor a slot is left that opens anything, and of which the log tells so.</summary>
    public async Task<int> DestroyedThroughAsync(CancellationToken ct)
    {
        await EnterMissingAsync(ct);
        await using var command = keys.Source.CreateCommand("select epoch_id, destroyed_at is not null from keys.epoch order by epoch_id");
        var through = 0;
        foreach (var (epoch, destroyed) in await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetBoolean(1)), ct))
        {
            if (!destroyed || !keyring.IsSlotGone(epoch)) break;
            through = epoch;
        }

        return through;
    }

    /// <summary>Where the log tells that an epoch was destroyed.</summary>
    public async Task<long> DestroyedAtAsync(int epoch, CancellationToken ct)
    {
        await using var command = vault.Source.CreateCommand("select log_index from vault.epoch_entry where epoch_id = $1 and type = $2");
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = epoch });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = (int)EntryType.EpochDestroyed });
        return await command.ExecuteScalarAsync(ct) is long index ? index : throw VaultException.Unavailable();
    }

    /// <summary>
    /// When an epoch is destroyed at the latest, as the vault is configured. The provider of the root key has no say in it: what is destroyed is the
    /// epoch's own slot, not the root key.
    /// </summary>
    public async Task<DateTimeOffset> DueAsync(int epoch, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select created_at, (select min(created_at) from keys.epoch where epoch_id > $1) from keys.epoch where epoch_id = $1");
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = epoch });
        var found = await Rows.ReadAsync(command, row => (Began: row.GetFieldValue<DateTimeOffset>(0), Replaced: row.IsDBNull(1) ? (DateTimeOffset?)null : row.GetFieldValue<DateTimeOffset>(1)), ct);
        if (found.Count == 0) throw VaultException.Unavailable();
        return (found[0].Replaced ?? found[0].Began + options.EpochLength + Rhythm) + options.EpochRetention + Rhythm;
    }

    /// <summary>The epoch whose destruction leaves nothing that opens a key destroyed before; unknown keys count as destroyed in the present one.</summary>
    public async Task<int> OfAsync(byte[] commitment, CancellationToken ct)
    {
        await using var command = keys.Source.CreateCommand("select coalesce((select max(epoch_id) from keys.tombstone where commitment = $1), (select max(epoch_id) from keys.epoch))");
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = commitment });
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task<HashSet<(int, EntryType)>> KnownAsync(CancellationToken ct)
    {
        await using var command = vault.Source.CreateCommand("select epoch_id, type from vault.epoch_entry");
        return [.. await Rows.ReadAsync(command, row => (row.GetInt32(0), (EntryType)row.GetInt32(1)), ct)];
    }

    private async Task EnterAsync(EntryType type, Epoch epoch, CancellationToken ct)
    {
        var before = await FindAsync(type, epoch, ct);
        await vault.RunAsync(async (connection, transaction) =>
        {
            await using (var turn = new NpgsqlCommand($"select pg_advisory_xact_lock({LockKey})", connection, transaction)) await turn.ExecuteNonQueryAsync(ct);
            await using (var known = new NpgsqlCommand("select 1 from vault.epoch_entry where epoch_id = $1 and type = $2", connection, transaction) { Parameters = { new() { Value = epoch.Id }, new() { Value = (int)type } } })
            {
                if (await known.ExecuteScalarAsync(ct) is not null) return false;
            }

            var entry = log.Entry(type, LogWorker.Keeper, default, "", EntryResult.Ok, []) with { KeyCommitment = epoch.Commitment, RecordVersion = epoch.Id };
            var index = before ?? await log.AppendWithinAsync(connection, transaction, [entry], ct);
            await using var insert = new NpgsqlCommand("insert into vault.epoch_entry (epoch_id, type, log_index) values ($1, $2, $3)", connection, transaction)
            {
                Parameters = { new() { Value = epoch.Id }, new() { Value = (int)type }, new() { Value = index } },
            };
            await insert.ExecuteNonQueryAsync(ct);
            return true;
        }, ct);
    }

    // A vault of an earlier version has entered epochs without noting where.
    private async Task<long?> FindAsync(EntryType type, Epoch epoch, CancellationToken ct)
    {
        var filter = new EntryFilter { Types = [(int)type] };
        var indexes = await new LogSearch(vault).ReadAsync(
            async connection => await LogSearch.FindAsync(connection, filter, await LogSearch.RangeAsync(connection, null, null, ct), oldestFirst: false, MostEpochs, ct), ct);
        foreach (var some in indexes.Chunk(500))
        {
            foreach (var (index, bytes) in await store.EntriesAtAsync(some, ct))
            {
                var entry = LogEntry.Decode(bytes);
                if (entry.RecordVersion == epoch.Id && entry.KeyCommitment.Span.SequenceEqual(epoch.Commitment)) return index;
            }
        }

        return null;
    }
}
