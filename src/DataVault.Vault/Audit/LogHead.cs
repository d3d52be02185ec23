using System.Buffers.Binary;
using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What an entry says beside the tree, sealed under the key of the person concerned (or of the vault when there is none); the entry holds its hash.</summary>
internal sealed record SealedDetail(SubjectId? Subject, byte[] Sealed);

/// <summary>An entry on its way into the log, encoded by whoever appends it.</summary>
internal sealed class PendingEntry
{
    private long encodedTime;

    public PendingEntry(LogEntry entry, SealedDetail? detail, BulkMembers? members = null)
    {
        (Entry, Detail, Members, encodedTime) = (entry, detail, members, entry.Time);
        Encoded = entry.Encode();
        MerkleHash.Leaf(Encoded, LeafHash);
    }

    public LogEntry Entry { get; }

    public SealedDetail? Detail { get; }

    /// <summary>Whom an entry about several persons is about.</summary>
    public BulkMembers? Members { get; }

    public byte[] Encoded { get; private set; }

    /// <summary>Hashed by whoever appends, so that it is done before the head's row is locked.</summary>
    public byte[] LeafHash { get; } = new byte[MerkleHash.Size];

    /// <summary>Completed with the entry's index when it is durable.</summary>
    public TaskCompletionSource<long> Appended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Time in the log never goes back, whatever the clocks of its writers say.</summary>
    // SPEC log-entry §7
    public long NotBefore(long last)
    {
        var time = Math.Max(Entry.Time, last);
        // A second try, after a failure, may meet another head than the first.
        if (time == encodedTime) return time;
        Span<byte> buffer = stackalloc byte[LogEntry.MaxEncodedSize];
        Encoded = buffer[..Entry.Encode(buffer, time)].ToArray();
        MerkleHash.Leaf(Encoded, LeafHash);
        return encodedTime = time;
    }
}

/// <summary>The state of the log between two batches, as <c>audit.head</c> holds it.</summary>
internal sealed record LogHead(long Size, byte[] Root, CompactRange Range, long LastTime)
{
    public const string Select = "select size, root, frontier, t_last from audit.head where log_id = 1";

    /// <summary>The state of the log, which nobody moves until the transaction ends.</summary>
    public static async Task<LogHead> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var select = new NpgsqlCommand(Select + " for update", connection, transaction);
        await using var reader = await select.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? Read(reader) : throw new InvalidOperationException("The log has no head.");
    }

    public static LogHead Read(NpgsqlDataReader reader)
    {
        var size = reader.GetInt64(0);
        return new LogHead(size, reader.GetFieldValue<byte[]>(1), CompactRange.Parse(size, reader.GetFieldValue<byte[]>(2)), reader.GetInt64(3));
    }
}

/// <summary>Entries laid out as one row of <c>audit.batch</c>, and the head that they lead to.</summary>
internal sealed class LogBatch
{
    // INVARIANT: of somebody who is erased no detail is kept. Read with the head locked, so that an erasure has either been committed, and the person is gone
    // here, or comes later and deletes the detail (ErasureRows).
    private const string There = "(d.s is null or exists (select from vault.subject p where p.subject_id = d.s))";

    private readonly LogHead before;
    private readonly List<(long Index, SealedDetail Detail)> details = [];
    private readonly List<(long Index, BulkMembers Members)> bulks = [];

    public LogBatch(LogHead before, IReadOnlyList<PendingEntry> entries)
    {
        this.before = before;
        var range = before.Range.Clone();
        var time = before.LastTime;
        foreach (var entry in entries) time = entry.NotBefore(time);
        Entries = new byte[entries.Sum(e => 2 + e.Encoded.Length)];
        LeafHashes = new byte[entries.Count * MerkleHash.Size];
        var at = 0;
        for (var i = 0; i < entries.Count; i++)
        {
            var encoded = entries[i].Encoded;
            BinaryPrimitives.WriteUInt16BigEndian(Entries.AsSpan(at), (ushort)encoded.Length);
            encoded.CopyTo(Entries, at + 2);
            at += 2 + encoded.Length;
            entries[i].LeafHash.CopyTo(LeafHashes, i * MerkleHash.Size);
            range.Append(entries[i].LeafHash);
            if (entries[i].Detail is { } detail) details.Add((before.Size + i, detail));
            if (entries[i].Members is { } members) bulks.Add((before.Size + i, members));
        }

        Count = entries.Count;
        After = new LogHead(before.Size + entries.Count, range.Root(), range, time);
    }

    public long First => before.Size;

    public int Count { get; }

    public LogHead After { get; }

    public byte[] Entries { get; }

    public byte[] LeafHashes { get; }

    /// <summary>
    /// One statement, one round trip, one flush: moves the head if it still is where this batch expects it, and writes the batch only then.
    /// A racing writer waits for the row lock, sees a head that moved, and writes nothing.
    /// </summary>
    public NpgsqlCommand MoveIfUnmoved(NpgsqlConnection connection)
    {
        const string move =
            """
            with moved as (
                update audit.head set size = $1, root = $2, frontier = $3, t_last = $4 where log_id = 1 and size = $5 and root = $6 returning 1
            ), kept as (
                insert into audit.batch (first_index, count, entries, leaf_hashes) select $5, $7, $8, $9 from moved returning 1
            )
            """;
        const string detail =
            $$"""
            , told as (
                insert into audit.detail (index, subject_id, sealed) select d.i, d.s, d.b from unnest($10, $11, $12) as d (i, s, b), moved where {{There}} returning 1
            )
            """;
        var told = details.Count > 0 ? detail : "";
        var many = bulks.Count == 0 ? "" : $", many as (insert into audit.bulk (index, tags) select m.i, m.t from unnest({(details.Count > 0 ? "$13, $14" : "$10, $11")}) as m (i, t), moved returning 1)";
        var command = new NpgsqlCommand(move + told + many + " select count(*) from moved, kept", connection);
        AddHead(command.Parameters);
        command.Parameters.Add(new() { Value = First });
        command.Parameters.Add(new() { Value = before.Root });
        AddEntries(command.Parameters);
        if (details.Count > 0) AddDetails(command.Parameters);
        if (bulks.Count > 0) AddBulks(command.Parameters);
        return command;
    }

    /// <summary>The same for a caller that holds the head's row.</summary>
    public NpgsqlBatch Write(NpgsqlConnection connection, NpgsqlTransaction? transaction = null)
    {
        var batch = new NpgsqlBatch(connection, transaction);
        var head = new NpgsqlBatchCommand("update audit.head set size = $1, root = $2, frontier = $3, t_last = $4 where log_id = 1");
        AddHead(head.Parameters);
        var rows = new NpgsqlBatchCommand("insert into audit.batch (first_index, count, entries, leaf_hashes) values ($1, $2, $3, $4)");
        rows.Parameters.Add(new() { Value = First });
        AddEntries(rows.Parameters);
        batch.BatchCommands.Add(head);
        batch.BatchCommands.Add(rows);
        if (details.Count > 0)
        {
            var told = new NpgsqlBatchCommand("insert into audit.detail (index, subject_id, sealed) select d.i, d.s, d.b from unnest($1, $2, $3) as d (i, s, b) where " + There);
            AddDetails(told.Parameters);
            batch.BatchCommands.Add(told);
        }

        if (bulks.Count > 0)
        {
            var many = new NpgsqlBatchCommand("insert into audit.bulk (index, tags) select m.i, m.t from unnest($1, $2) as m (i, t)");
            AddBulks(many.Parameters);
            batch.BatchCommands.Add(many);
        }

        return batch;
    }

    private void AddHead(NpgsqlParameterCollection parameters)
    {
        parameters.Add(new() { Value = After.Size });
        parameters.Add(new() { Value = After.Root });
        parameters.Add(new() { Value = After.Range.ToBytes() });
        parameters.Add(new() { Value = After.LastTime });
    }

    private void AddEntries(NpgsqlParameterCollection parameters)
    {
        parameters.Add(new() { Value = Count });
        parameters.Add(new() { Value = Entries });
        parameters.Add(new() { Value = LeafHashes });
    }

    private void AddDetails(NpgsqlParameterCollection parameters)
    {
        parameters.Add(new() { Value = details.Select(d => d.Index).ToArray() });
        parameters.Add(new() { Value = details.Select(d => d.Detail.Subject?.Value).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Uuid });
        parameters.Add(new() { Value = details.Select(d => d.Detail.Sealed).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
    }
    private void AddBulks(NpgsqlParameterCollection parameters)
    {
        parameters.Add(new() { Value = bulks.Select(b => b.Index).ToArray() });
        parameters.Add(new() { Value = bulks.Select(b => b.Members.Tags.ToArray()).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
    }
}
