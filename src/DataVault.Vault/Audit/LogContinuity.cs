using DataVault.Transparency;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Before anything is served: the log of the database must be the one that was signed and mirrored. A database that was restored to an earlier moment gets the
/// entries back that it lost, in order, and an entry that says so; then the log goes on, and no checkpoint that anybody holds is contradicted.
/// </summary>
internal sealed class LogContinuity(
    VaultDatabase database, LogStore store, LogMirror mirror, RestoreDeclarations restores, SignerMemory memory, ILogger<LogContinuity> logger)
{
    // Far less than the partitions that are made ahead.
    private const long RoomEvery = 1 << 20;

    // The mirror before the database: another process appends to the database first.
    /// <param name="erased">
    /// Asked about the erasures among the entries that were lost, by the commitments to the keys that were destroyed; throws when they would not be carried out again.
    /// </param>
    /// <param name="ct">Ends the start.</param>
    /// <exception cref="VaultStartException">The database has another log than the mirror or the signer, or lost entries that nobody else has.</exception>
    public async Task EnsureAsync(Func<IReadOnlyList<byte[]>, CancellationToken, Task> erased, CancellationToken ct)
    {
        // Without its memory the signer refuses by itself, and an operator must be able to start the vault to give it back.
        var signed = memory.TryRecall() ?? CompactRange.Empty();
        var mirrored = mirror.Read();
        var (size, root) = await store.HeadAsync(ct);
        if (size < signed.Size && mirrored.Size < signed.Size)
            throw new VaultStartException(
                $"The log has {size} entries of the {signed.Size} that were signed, and its mirror {mirrored.Size}: put the whole mirror back, or a newer backup of the vault database.");
        if (size < mirrored.Size) await PutBackAsync(mirrored, (size, root), erased, ct);
        else await FollowAsync(mirrored, signed, size, root, ct);
        restores.Declared();
    }

    /// <summary>
    /// The newest key epoch whose destruction the log reports; 0 when there is none. By what was noted when it was entered, by the index of entries, which may
    /// have been pruned, and by the entries that the index has not reached.
    /// </summary>
    public async Task<int> DestroyedEpochAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            select (select max(e.index) from audit.shape s join audit.entry_index e on e.shape = s.code where s.type = $1),
                (select next_index from audit.index_state), (select size from audit.head where log_id = 1),
                (select coalesce(max(epoch_id), 0) from vault.epoch_entry where type = $1)
            """);
        command.Parameters.Add(new() { Value = (int)EntryType.EpochDestroyed });
        var (indexed, next, size, noted) = (await Rows.ReadAsync(command, row => (row.IsDBNull(0) ? (long?)null : row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt32(3)), ct))[0];
        long newest = noted;
        if (indexed is { } index && (await store.EntriesAtAsync([index], ct)).TryGetValue(index, out var known)) newest = Math.Max(newest, LogEntry.Decode(known).RecordVersion);
        await foreach (var (_, entry) in store.EntriesAsync(next, size, ct))
        {
            var decoded = LogEntry.Decode(entry);
            if (decoded.Type == EntryType.EpochDestroyed) newest = Math.Max(newest, decoded.RecordVersion);
        }

        return (int)newest;
    }

    // A mirror that is behind, or new, is brought up to date here, through the tree that was signed, so that what was signed is checked first.
    private async Task FollowAsync(CompactRange mirrored, CompactRange signed, long size, byte[] root, CancellationToken ct)
    {
        try
        {
            var continues = signed.Size <= mirrored.Size || await mirror.KeepAsync(signed.Size, signed.Root(), ct);
            if (!continues || !await mirror.KeepAsync(size, root, ct)) throw await ForkAsync(Math.Min(size, mirrored.Size), ct);
        }
        catch (VaultException)
        {
            logger.LogWarning("The log's mirror cannot be written now; the log is not signed until it can be.");
        }
    }

    private async Task PutBackAsync(CompactRange mirrored, (long Size, byte[] Root) had, Func<IReadOnlyList<byte[]>, CancellationToken, Task> erased, CancellationToken ct)
    {
        var (size, root) = had;
        var shared = await mirror.RootAsync(size, ct);
        if (!shared.AsSpan().SequenceEqual(root)) throw await ForkAsync(size, ct);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var head = await LogHead.LockAsync(connection, transaction, ct);
        // Another process has put the entries back meanwhile.
        if (head.Size != size) return;
        await ForgetTilesAsync(connection, transaction, size, ct);
        var (lists, destroyed, undone) = (new MirroredLists(mirror), new List<byte[]>(), 0);
        await foreach (var chunk in mirror.EntriesAsync(size, mirrored.Size, ct).Chunk(TlogTiles.Width).WithCancellation(ct))
        {
            var pending = await lists.PendingAsync(head.Size, chunk, ct);
            destroyed.AddRange(pending.Where(one => one.Entry is { Type: EntryType.EraseExecuted, KeyCommitment.IsEmpty: false }).Select(one => one.Entry.KeyCommitment.ToArray()));
            undone += pending.Count(one => LostAct.Of(0, one.Entry) is not null);
            head = await WriteAsync(connection, transaction, head, pending, ct);
            if (head.Size % RoomEvery < TlogTiles.Width) await MakeRoomAsync(connection, transaction, ct);
        }

        if (!head.Root.AsSpan().SequenceEqual(mirrored.Root()))
            throw new VaultStartException("The entries of the log's mirror do not lead to its own root: put its folder back from a copy.");
        // INVARIANT: before anything is committed, so that every start that is refused leaves the next one the same question.
        await erased(destroyed, ct);
        var declared = restores.Declare(size, root, head);
        await WriteAsync(connection, transaction, head, [new PendingEntry(declared, null)], ct);
        await DurabilityGuard.CommitAsync(transaction);
        await PutCheckpointBackAsync(declared.Time, ct);
        logger.LogWarning("The vault database is a copy from before entry {First} of the log; {Count} entries were put back from the mirror.", size, mirrored.Size - size);
        if (undone > 0)
            logger.LogCritical(
                "{Count} acts upon applications and accounts are undone by the restore: who was removed or disabled since may come in again, and former secrets and passwords hold. See to each: restore accepted lists them.", undone);
        if (lists.Missing > 0) logger.LogWarning("The lists of persons of {Count} of them are not in the mirror, or are not what the entries were made of.", lists.Missing);
    }

    private static async Task<LogHead> WriteAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, LogHead head, List<PendingEntry> entries, CancellationToken ct)
    {
        var batch = new LogBatch(head, entries);
        await using var write = batch.Write(connection, transaction);
        await write.ExecuteNonQueryAsync(ct);
        return batch.After;
    }

    // Who wrote other entries there may have had tiles made of them.
    private static async Task ForgetTilesAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, long size, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select audit.forget_tiles($1)", connection, transaction) { Parameters = { new() { Value = size } } };
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task MakeRoomAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select audit.add_partitions()", connection, transaction);
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task PutCheckpointBackAsync(long now, CancellationToken ct)
    {
        if (await mirror.CheckpointAsync(ct) is not { } note || !SignedNote.TryParse(note, out var parsed) || !Checkpoint.TryParse(parsed!.Text, out var checkpoint)) return;
        await store.KeepCheckpointAsync(checkpoint!.Size, note, DateTimeOffset.FromUnixTimeMilliseconds(now), ct);
    }

    private async Task<VaultStartException> ForkAsync(long shared, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select coalesce(max(below), 0) from audit.pruned");
        if (await command.ExecuteScalarAsync(ct) is long pruned && pruned > shared)
            return new VaultStartException($"The entries before {pruned} were pruned from the vault database, and the log's mirror has {shared} of them: put the whole mirror back.");
        for (var n = 0L; n * TlogTiles.Width < shared; n++)
        {
            var width = (int)Math.Min(TlogTiles.Width, shared - n * TlogTiles.Width);
            var (ours, theirs) = (await store.TileAsync(0, n, width, ct) ?? [], await mirror.LeavesAsync(n, ct));
            var same = ours.AsSpan().CommonPrefixLength(theirs) / MerkleHash.Size;
            if (same < width) return Refusal($"entry {n * TlogTiles.Width + same} is another one than in the log that was signed and mirrored");
        }

        return Refusal("its entries do not lead from the log that was signed and mirrored to its own head");
    }

    private static VaultStartException Refusal(string what) =>
        new($"The log of the vault database is not this vault's: {what}. Restore a database that continues the log; this one must not be served.");
}

/// <summary>Entries of the mirror together with the lists of those whom they are about, as far as the lists are there and are what the entries were made of.</summary>
internal sealed class MirroredLists(LogMirror mirror)
{
    private (long N, byte[]? Lists) bundle = (-1, null);

    /// <summary>Entries without their list.</summary>
    public long Missing { get; private set; }

    public async Task<List<PendingEntry>> PendingAsync(long first, IReadOnlyList<ReadOnlyMemory<byte>> entries, CancellationToken ct)
    {
        var pending = new List<PendingEntry>(entries.Count);
        for (var i = 0; i < entries.Count; i++)
        {
            var entry = LogEntry.Decode(entries[i]);
            pending.Add(new PendingEntry(entry, null, entry.BulkCount > 0 ? await FindAsync(first + i, entry, ct) : null));
        }

        return pending;
    }

    private async Task<BulkMembers?> FindAsync(long index, LogEntry entry, CancellationToken ct)
    {
        var (n, place) = Math.DivRem(index, TlogTiles.Width);
        if (bundle.N != n) bundle = (n, await mirror.MembersAsync(n, ct));
        if (BulkMembers.TryRead(entry, MembersBundle.Find(bundle.Lists, (int)place), out var members)) return members;
        Missing++;
        return null;
    }
}
