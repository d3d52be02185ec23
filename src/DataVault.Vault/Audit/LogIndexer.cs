using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>
/// Makes from the batches, off the path of requests, what searches are made on: <c>audit.entry_index</c>, <c>audit.shape</c>, <c>audit.bulk_member</c>,
/// <c>audit.segment</c> and <c>audit.tally</c>, and beside them <c>audit.tile</c> and <c>audit.actor</c>. All can be made again at will. Also has the
/// partitions made that the log will grow into.
/// </summary>
internal sealed class LogIndexer(VaultDatabase database, LogStore store, AuditLog log) : IDisposable
{
    /// <summary>Of the tables' content. A migration under another number has them made again.</summary>
    public const int Version = 1;

    /// <summary>Most entries of a segment.</summary>
    public const long SegmentLength = 65_536;

    private const int Step = 32_768;
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly ShapeBook shapes = new();

    /// <summary>Indexes everything that is in the log at this moment. Safe to run at the same time in several processes.</summary>
    public async Task CatchUpAsync(CancellationToken ct = default)
    {
        await turn.WaitAsync(ct);
        try
        {
            var (size, _) = await store.HeadAsync(ct);
            log.Observe(size);
            await AddPartitionsAsync(ct);
            await NameActorsAsync(ct);
            await using var ahead = new ReadAhead(this);
            while (await NextAsync(ct) < size) await StepAsync(size, ahead, ct);
            await store.KeepTilesAsync(size, ct);
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose() => turn.Dispose();

    // INVARIANT: the row of audit.index_state is held from reading to commit, so steps of any number of processes follow each other without gap or overlap,
    // and one that dies leaves nothing behind.
    private async Task StepAsync(long size, ReadAhead ahead, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var state = await IndexState.LockAsync(connection, ct);
        if (state.Version != Version) throw VaultException.Unavailable(new InvalidOperationException("The log's index is of another version: migrate."));
        var end = Math.Min(size, state.Next + Step);
        if (end > state.Next)
        {
            var entries = await ahead.TakeAsync(state.Next, end, size, ct);
            var codes = await shapes.CodesAsync(connection, state, entries, ct);
            await Task.Run(() => Copy(connection, entries, codes), ct);
            await CopyMembersAsync(connection, state.Next, end, ct);
            await CloseSegmentsAsync(connection, state, entries, ct);
            state.Next = end;
            await state.KeepAsync(connection, ct);
        }

        await DurabilityGuard.CommitAsync(transaction);
    }

    private async Task<IndexedEntry[]> ReadAsync(long first, long end, CancellationToken ct)
    {
        var encoded = new List<ReadOnlyMemory<byte>>((int)(end - first));
        await foreach (var (index, entry) in store.EntriesAsync(first, end, ct))
        {
            if (index != first + encoded.Count) throw new InvalidDataException("The log has a gap.");
            encoded.Add(entry);
        }

        if (encoded.Count != end - first) throw new InvalidDataException("The log ends before its head.");
        var entries = new IndexedEntry[encoded.Count];
        Parallel.For(0, entries.Length, i => entries[i] = IndexedEntry.Of(first + i, LogEntry.Decode(encoded[i])));
        return entries;
    }

    // Not asynchronous: what a value costs to write is then mostly the value.
    private static void Copy(NpgsqlConnection connection, IndexedEntry[] entries, int[] codes)
    {
        using var copy = connection.BeginBinaryImport("copy audit.entry_index (index, at, shape, subject) from stdin (format binary)");
        for (var i = 0; i < entries.Length; i++)
        {
            copy.StartRow();
            copy.Write(entries[i].Index, NpgsqlDbType.Bigint);
            copy.Write(entries[i].At, NpgsqlDbType.TimestampTz);
            copy.Write(codes[i], NpgsqlDbType.Integer);
            if (entries[i].Subject is { } subject) copy.Write(subject, NpgsqlDbType.Uuid);
            else copy.WriteNull();
        }

        copy.Complete();
    }

    // Tags are cut out of the list where it lies: it need not come here to be turned into rows.
    private static async Task CopyMembersAsync(NpgsqlConnection connection, long first, long end, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            insert into audit.bulk_member (subject, index)
            select encode(substr(b.tags, n * 16 + 1, 16), 'hex')::uuid, b.index from audit.bulk b cross join lateral generate_series(0, length(b.tags) / 16 - 1) n
            where b.index >= $1 and b.index < $2
            """, connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = first });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = end });
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task CloseSegmentsAsync(NpgsqlConnection connection, IndexState state, IndexedEntry[] entries, CancellationToken ct)
    {
        var opened = state.SegmentFirst < entries[0].Index ? await OpenedAsync(connection, state.SegmentFirst, ct) : entries[0].At;
        foreach (var entry in entries)
        {
            if (entry.Index == state.SegmentFirst) opened = entry.At;
            if (entry.Index == state.SegmentFirst || (entry.Index % SegmentLength != 0 && entry.At.Date == opened.Date)) continue;
            await CloseAsync(connection, state.SegmentFirst, entry.Index, opened, ct);
            (state.SegmentFirst, opened) = (entry.Index, entry.At);
        }
    }

    private static async Task CloseAsync(NpgsqlConnection connection, long first, long end, DateTime opened, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("insert into audit.segment (first_index, end_index, first_at, day) values ($1, $2, $3, $4)")
                {
                    Parameters =
                    {
                        new NpgsqlParameter<long> { TypedValue = first }, new NpgsqlParameter<long> { TypedValue = end },
                        new NpgsqlParameter<DateTime> { TypedValue = opened }, new NpgsqlParameter<DateOnly> { TypedValue = DateOnly.FromDateTime(opened) },
                    },
                },
                new("insert into audit.tally (first_index, shape, entries) select $1, shape, count(*) from audit.entry_index where index >= $1 and index < $2 group by shape")
                {
                    Parameters = { new NpgsqlParameter<long> { TypedValue = first }, new NpgsqlParameter<long> { TypedValue = end } },
                },
            },
        };
        await batch.ExecuteNonQueryAsync(ct);
    }

    private static async Task<DateTime> OpenedAsync(NpgsqlConnection connection, long first, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select at from audit.entry_index where index = $1", connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = first });
        return (DateTime)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task<long> NextAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select next_index from audit.index_state");
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private async Task AddPartitionsAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select audit.add_partitions()");
        await command.ExecuteNonQueryAsync(ct);
    }

    private async Task NameActorsAsync(CancellationToken ct)
    {
        foreach (var actor in log.TakeNewActors())
        {
            await using var command = database.Source.CreateCommand("insert into audit.actor (tag, name, kind) values ($1, $2, $3) on conflict do nothing");
            command.Parameters.Add(new() { Value = actor.Tag });
            command.Parameters.Add(new() { Value = actor.Name });
            command.Parameters.Add(new() { Value = actor.Kind });
            await command.ExecuteNonQueryAsync(ct);
        }
    }

    /// <summary>
    /// Reads and decodes what the next step will want while the database writes what this one has: two who would wait for each other by turns. What was read and is
    /// not wanted, because another process was there first, is read again.
    /// </summary>
    private sealed class ReadAhead(LogIndexer indexer) : IAsyncDisposable
    {
        private readonly CancellationTokenSource over = new();
        private (long First, long End, Task<IndexedEntry[]> Entries)? next;

        public async Task<IndexedEntry[]> TakeAsync(long first, long end, long size, CancellationToken ct)
        {
            var mine = next is { } read && read.First == first && read.End == end ? read.Entries : indexer.ReadAsync(first, end, ct);
            var entries = await mine;
            next = null;
            var until = Math.Min(size, end + Step);
            if (until > end) next = (end, until, Task.Run(() => indexer.ReadAsync(end, until, over.Token), ct));
            return entries;
        }

        public async ValueTask DisposeAsync()
        {
            await over.CancelAsync();
            if (next is { } unwanted) await unwanted.Entries.ContinueWith(static task => task.Exception, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            over.Dispose();
        }
    }
}

/// <summary>The one row of <c>audit.index_state</c>: how far the index has come.</summary>
internal sealed class IndexState
{
    public required int Version { get; init; }

    /// <summary>Counts how often the index was emptied: what was known of an earlier one is not true of this.</summary>
    public required int Generation { get; init; }

    public required long Next { get; set; }

    public required int NextShape { get; set; }

    /// <summary>First entry that no segment counts yet.</summary>
    public required long SegmentFirst { get; set; }

    public static async Task<IndexState> LockAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select version, generation, next_index, next_shape, segment_first from audit.index_state where id = 1 for update", connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new InvalidOperationException("The log's index has no state.");
        return new IndexState
        {
            Version = reader.GetInt32(0), Generation = reader.GetInt32(1), Next = reader.GetInt64(2), NextShape = reader.GetInt32(3), SegmentFirst = reader.GetInt64(4),
        };
    }

    public async Task KeepAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("update audit.index_state set next_index = $1, next_shape = $2, segment_first = $3 where id = 1", connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = Next });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = NextShape });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = SegmentFirst });
        await command.ExecuteNonQueryAsync(ct);
    }
}
