using System.Buffers.Binary;
using System.Security.Cryptography;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// What the log knows of events: one digest over the leaf hashes of all that were written together. A leaf covers the row as it is stored, so that an event
/// that was deleted, added or changed is found without opening any. Of an erased event the leaf stays: it is the hash of a ciphertext that nobody can open.
/// </summary>
// SPEC record §7.1: leaf = SHA-256(00 ‖ subject ‖ event id ‖ i32 type ‖ i64 occurred ‖ i64 recorded ‖ sealed), times in microseconds since 2000, as PostgreSQL keeps them.
internal static class EventLeaves
{
    public const int Size = 32;

    /// <summary>The leaf of a row of <c>vault.event</c>, in SQL; the same as <see cref="Of"/>.</summary>
    public const string Sql =
        @"sha256('\x00'::bytea || uuid_send(subject_id) || uuid_send(event_id) || int4send(event_type) || timestamptz_send(occurred_at) || timestamptz_send(recorded_at) || sealed)";

    private static readonly DateTime Epoch = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    public static byte[] Of(SubjectId subject, Guid eventId, int type, DateTimeOffset occurred, DateTimeOffset recorded, ReadOnlySpan<byte> content)
    {
        Span<byte> head = stackalloc byte[53];
        head[0] = 0;
        subject.Value.TryWriteBytes(head[1..], bigEndian: true, out _);
        eventId.TryWriteBytes(head[17..], bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(head[33..], type);
        BinaryPrimitives.WriteInt64BigEndian(head[37..], Microseconds(occurred));
        BinaryPrimitives.WriteInt64BigEndian(head[45..], Microseconds(recorded));
        Span<byte> input = content.Length <= 1024 ? stackalloc byte[53 + content.Length] : new byte[53 + content.Length];
        head.CopyTo(input);
        content.CopyTo(input[53..]);
        return SHA256.HashData(input);
    }

    /// <summary>As the database keeps a time.</summary>
    public static long Microseconds(DateTimeOffset time) => (time.UtcTicks - Epoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    // SPEC record §7.2: digest = SHA-256 over the leaves in ascending order.
    public static byte[] Digest(IEnumerable<byte[]> leaves)
    {
        var sorted = leaves.ToArray();
        Array.Sort(sorted, static (a, b) => a.AsSpan().SequenceCompareTo(b));
        var all = new byte[sorted.Length * Size];
        for (var i = 0; i < sorted.Length; i++) sorted[i].CopyTo(all, i * Size);
        return SHA256.HashData(all);
    }

    /// <summary>
    /// Keeps the leaves of a person's events before these are deleted in the same transaction, and gives the digest over them for the entry that says so;
    /// empty when there are none. The person's row is locked, so that nobody appends an event meanwhile.
    /// </summary>
    /// <param name="commitment">Of the key that is gone or will not be used any more.</param>
    /// <param name="only">Of these events; null: of all.</param>
    public static async Task<ReadOnlyMemory<byte>> BuryAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectId subject, ReadOnlyMemory<byte> commitment, CancellationToken ct, Guid[]? only = null)
    {
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                new("select 1 from vault.subject where subject_id = $1 for update") { Parameters = { new() { Value = subject.Value } } },
                new($"insert into vault.event_gone (leaf, batch, commitment) select {Sql}, batch, $2 from vault.event where subject_id = $1 and batch is not null and ($3::uuid[] is null or event_id = any($3)) on conflict do nothing")
                {
                    Parameters =
                    {
                        new() { Value = subject.Value }, new() { Value = commitment.ToArray() },
                        new() { Value = (object?)only ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Uuid },
                    },
                },
                new("select sha256(string_agg(leaf, ''::bytea order by leaf)) from vault.event_gone where commitment = $1") { Parameters = { new() { Value = commitment.ToArray() } } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(ct);
        await reader.NextResultAsync(ct);
        return await reader.ReadAsync(ct) && !reader.IsDBNull(0) ? reader.GetFieldValue<byte[]>(0) : ReadOnlyMemory<byte>.Empty;
    }
}
