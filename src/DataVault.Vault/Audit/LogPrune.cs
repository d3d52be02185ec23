using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What a pruning takes out of the database.</summary>
/// <param name="From">First entry that is there now.</param>
/// <param name="Below">First entry that stays.</param>
/// <param name="Bytes">Of the entries and their hashes.</param>
public sealed record PrunePlan(long From, long Below, long Details, long Bytes)
{
    public bool IsEmpty => Below <= From;
}

/// <summary>
/// Takes old entries out of the database. They stay in the log's mirror, a folder that can be moved to an archive; their hash tiles stay in the database for
/// ever, so that every proof, of old entries and new, still holds. An operator's act under the owner's login: the server's own may delete nothing of the log.
/// <code>
/// plan      below the time, the signed size and the mirror; whole tiles only
/// prove     every entry of the mirror, hashed, leads to the signed root; the tiles in the database are what the entries give
/// enter     log.prune with the first index that stays and the root of what goes: before anything goes
/// drop      whole partitions, then rows
/// </code>
/// </summary>
public sealed class LogPrune
{
    private const int TilesAtOnce = 64;

    private readonly VaultDatabase database;
    private readonly LogStore store;
    private readonly LogMirror mirror;
    private readonly LogIndexer indexer;
    private readonly AuditLog log;

    internal LogPrune(VaultDatabase database, LogStore store, LogMirror mirror, LogIndexer indexer, AuditLog log) =>
        (this.database, this.store, this.mirror, this.indexer, this.log) = (database, store, mirror, indexer, log);

    /// <summary>What pruning would take out; changes nothing.</summary>
    public async Task<PrunePlan> PlanAsync(DateTimeOffset before, CancellationToken ct = default)
    {
        await indexer.CatchUpAsync(ct);
        var signed = (await store.CheckpointAsync(ct))?.Size ?? 0;
        var reached = Math.Min(signed, mirror.Read().Size);
        var range = await new LogSearch(database).ReadAsync(connection => LogSearch.RangeAsync(connection, null, before, ct), ct);
        // Whole tiles only: what is left of a tile's entries would have no hashes to stand beside.
        var below = Math.Min(range.High, reached) / TlogTiles.Width * TlogTiles.Width;
        await using var command = database.Source.CreateCommand(
            """
            select (select coalesce(max(below), 0) from audit.pruned), (select count(*) from audit.detail where index < $1),
                (select coalesce(sum(length(entries) + length(leaf_hashes)), 0)::bigint from audit.batch where first_index + count <= $1)
            """);
        LogSearch.Add(command, below, NpgsqlDbType.Bigint);
        return (await Rows.ReadAsync(command, row => new PrunePlan(row.GetInt64(0), below, row.GetInt64(1), row.GetInt64(2)), ct))[0];
    }

    /// <param name="plan">Of <see cref="PlanAsync"/>.</param>
    /// <param name="owner">Connection to the database <c>vault</c> as the owner of its tables.</param>
    /// <returns>Index of the entry that says so.</returns>
    /// <exception cref="VaultStartException">The mirror does not hold what would go, or the tiles are not what the entries give: nothing was done.</exception>
    public async Task<long> RunAsync(PrunePlan plan, string owner, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.IsEmpty) throw new VaultStartException("There is nothing to prune.");
        var root = await ProveAsync(plan.Below, ct);
        if (!await mirror.HasMembersAsync(plan.Below, ct))
            throw new VaultStartException("The log's mirror does not hold the lists of persons yet that belong to the entries: leave the server running until it does.");
        var entry = log.Entry(EntryType.LogPrune, LogWorker.Keeper, default, "", EntryResult.Ok, []) with { Reference = plan.Below, Seal = root };
        var index = await database.RunAsync((connection, transaction) => log.AppendWithinAsync(connection, transaction, [entry], ct), ct);
        await indexer.CatchUpAsync(ct);
        await DropAsync(owner, plan.Below, root, index, DateTimeOffset.FromUnixTimeMilliseconds(entry.Time), ct);
        return index;
    }

    /// <summary>Root of the entries that go, from the mirror's copy of them, which leads to what was signed.</summary>
    private async Task<byte[]> ProveAsync(long below, CancellationToken ct)
    {
        var kept = mirror.Read();
        var signed = await SignedAsync(kept.Size, ct);
        var (range, root, leaves) = (CompactRange.Empty(), Array.Empty<byte>(), new List<byte[]>());
        await foreach (var entry in mirror.EntriesAsync(0, kept.Size, ct))
        {
            var leaf = MerkleHash.Leaf(entry.Span);
            range.Append(leaf);
            if (range.Size <= below) leaves.Add(leaf);
            if (leaves.Count == TilesAtOnce * TlogTiles.Width || (range.Size == below && leaves.Count > 0)) await CompareAsync(range.Size, leaves, ct);
            if (range.Size == below) root = range.Root();
            if (range.Size == signed.Size && !signed.Root.Span.SequenceEqual(range.Root())) throw new VaultStartException("The log's mirror does not lead to the signed root.");
        }

        return range.Root().AsSpan().SequenceEqual(kept.Root()) ? root : throw new VaultStartException("The log's mirror does not hold the entries that it counts.");
    }

    private async Task<Checkpoint> SignedAsync(long atMost, CancellationToken ct)
    {
        var note = await store.CheckpointAsync(ct, atMost) ?? throw new VaultStartException("The log is not signed.");
        return SignedNote.TryParse(note.Note, out var parsed) && Checkpoint.TryParse(parsed!.Text, out var checkpoint)
            ? checkpoint!
            : throw new VaultStartException("The checkpoint is not a signed note.");
    }

    /// <summary>The tiles are all that stays of these leaves: they must be there, and right.</summary>
    private async Task CompareAsync(long end, List<byte[]> leaves, CancellationToken ct)
    {
        var first = (end - leaves.Count) / TlogTiles.Width;
        await using var command = database.Source.CreateCommand("select n, hashes from audit.tile where level = 0 and n >= $1 and n < $2 order by n");
        LogSearch.Add(command, first, NpgsqlDbType.Bigint);
        LogSearch.Add(command, end / TlogTiles.Width, NpgsqlDbType.Bigint);
        var tiles = await Rows.ReadAsync(command, row => row.GetFieldValue<byte[]>(1), ct);
        var due = leaves.Chunk(TlogTiles.Width).Select(tile => tile.SelectMany(leaf => leaf).ToArray()).ToList();
        if (tiles.Count != due.Count || !tiles.Zip(due).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second)))
            throw new VaultStartException("The hash tiles of the database are not what the entries give.");
        leaves.Clear();
    }

    // INVARIANT: what the entry says is on disk before anything goes; a pruning that dies in between is taken up again by the next one.
    private static async Task DropAsync(string owner, long below, byte[] root, long index, DateTimeOffset at, CancellationToken ct)
    {
        await using var source = NpgsqlDataSource.Create(owner);
        await using var connection = await source.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using (var note = new NpgsqlCommand("insert into audit.pruned (below, root, log_index, at) values ($1, $2, $3, $4)", connection))
        {
            LogSearch.Add(note, below, NpgsqlDbType.Bigint);
            LogSearch.Add(note, root, NpgsqlDbType.Bytea);
            LogSearch.Add(note, index, NpgsqlDbType.Bigint);
            LogSearch.Add(note, at.UtcDateTime, NpgsqlDbType.TimestampTz);
            await note.ExecuteNonQueryAsync(ct);
        }

        await using (var drop = new NpgsqlCommand("select audit.prune($1)", connection) { CommandTimeout = 0 })
        {
            LogSearch.Add(drop, below, NpgsqlDbType.Bigint);
            await drop.ExecuteNonQueryAsync(ct);
        }

        await DurabilityGuard.CommitAsync(transaction);
    }
}
