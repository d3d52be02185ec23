using System.Buffers.Binary;
using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// When somebody was last active, once what told of it is deleted, and when to look at them again. Sealed under a key of the vault: who makes somebody seem
/// idle in the database has nothing of theirs deleted.
/// </summary>
internal sealed class RetentionLooks(IServiceKeys keys)
{
    private const string Label = "retention-look";

    /// <summary>Null when nobody has looked yet.</summary>
    /// <exception cref="CryptographicException">The row is not what the vault wrote.</exception>
    public async Task<DateTimeOffset?> ActiveAtAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select active_at, seal from vault.retention_look where subject_id = $1", connection) { Parameters = { new() { Value = subject.Value } } };
        if ((await Rows.ReadAsync(command, row => (At: row.GetFieldValue<DateTimeOffset>(0), Seal: row.GetFieldValue<byte[]>(1)), ct)) is not [var look]) return null;
        if (!CryptographicOperations.FixedTimeEquals(look.Seal, Seal(subject, look.At))) throw new CryptographicException("When the person was last active is not what the vault wrote.");
        return look.At;
    }

    public NpgsqlBatchCommand Note(SubjectId subject, DateTimeOffset lookAt, DateTimeOffset activeAt, byte[] rules) =>
        new("""
            insert into vault.retention_look (subject_id, look_at, active_at, rules, seal) values ($1, $2, $3, $4, $5)
            on conflict (subject_id) do update set look_at = excluded.look_at, active_at = excluded.active_at, rules = excluded.rules, seal = excluded.seal
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = subject.Value }, new NpgsqlParameter<DateTime> { TypedValue = lookAt.UtcDateTime },
                new NpgsqlParameter<DateTime> { TypedValue = activeAt.UtcDateTime }, new NpgsqlParameter<byte[]> { TypedValue = rules },
                new NpgsqlParameter<byte[]> { TypedValue = Seal(subject, activeAt) },
            },
        };

    /// <summary>The next people after one, by id, who are to be looked at.</summary>
    public static async Task<List<SubjectId>> NextAsync(VaultDatabase database, Guid after, DateTimeOffset now, byte[] rules, int most, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            select s.subject_id from vault.subject s left join vault.retention_look l using (subject_id)
            where s.subject_id > $1 and s.key_version > 0 and (l.subject_id is null or l.look_at <= $2 or l.rules <> $3)
            order by s.subject_id limit $4
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = rules });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        return await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct);
    }

    private byte[] Seal(SubjectId subject, DateTimeOffset activeAt)
    {
        Span<byte> row = stackalloc byte[24];
        subject.Value.TryWriteBytes(row, bigEndian: true, out _);
        BinaryPrimitives.WriteInt64BigEndian(row[16..], EventLeaves.Microseconds(activeAt));
        using var key = keys.Derive(Label);
        return HMACSHA256.HashData(key.Span, row);
    }
}
