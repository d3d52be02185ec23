using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>A consent act as the history keeps it: who said what, when, having read which text. Never changed, never deleted but with the person.</summary>
public sealed record ConsentAct(string State, DateTimeOffset At, string? Notice, string Channel, DateTimeOffset? Expires, long LogIndex)
{
    /// <summary>Who recorded it; <see cref="ConsentRecorder.NotKept"/> of an act from before the vault kept this.</summary>
    public ConsentRecorder RecordedBy { get; init; }

    /// <summary>SHA-256 of the text shown; empty when the vault does not know the text.</summary>
    public ReadOnlyMemory<byte> NoticeHash { get; init; }

    /// <summary>Language of the text shown.</summary>
    public string? Language { get; init; }

    /// <summary>Reference to the authorisation of a guardian; null when the person spoke.</summary>
    public string? Guardian { get; init; }

    /// <summary>It was given knowing of an objection, which it lifts.</summary>
    public bool LiftsObjection { get; init; }

    internal byte StateCode => ConsentStates.TryParse(State, out var code) ? code : throw new InvalidOperationException("An act has a state.");

    /// <summary>The act as its entry of the log binds it.</summary>
    internal ConsentEvidence Evidence(SubjectId subject, int purpose) => new()
    {
        Subject = subject.Value, Purpose = purpose, State = StateCode, At = At, Expires = Expires, Notice = Notice ?? "", Channel = Channel,
        RecordedBy = RecordedBy, LiftsObjection = LiftsObjection, NoticeHash = NoticeHash, Language = Language ?? "", Guardian = Guardian ?? "",
    };
}

/// <summary>An act, whose it is and for which purpose.</summary>
internal sealed record OwnedAct(SubjectId Subject, int Purpose, ConsentAct Act)
{
    // SPEC record §7.4
    public byte[] Hash => Act.Evidence(Subject, Purpose).Hash();
}

/// <summary>The table of consent acts.</summary>
internal static class ConsentActs
{
    public const string Columns =
        "subject_id, purpose_id, state, at, notice_version, channel, expires, log_index, recorded_by, notice_hash, language, guardian, lifts_objection";

    /// <summary>INVARIANT: sequences are taken under the lock on the subject's row, or for a subject that nobody else knows yet.</summary>
    public static async Task InsertAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IEnumerable<OwnedAct> acts, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var owned in acts) batch.BatchCommands.Add(Insert(owned));
        if (batch.BatchCommands.Count > 0) await batch.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Of one person, newest first.</summary>
    public static async Task<IReadOnlyList<OwnedAct>> OfAsync(VaultDatabase database, SubjectId subject, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand($"select {Columns} from vault.consent_event where subject_id = $1 order by sequence desc");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = subject.Value });
        return await Rows.ReadAsync(database, command, Read, ct);
    }

    public static OwnedAct Read(NpgsqlDataReader row) => new(
        new SubjectId(row.GetGuid(0)), row.GetInt32(1),
        new ConsentAct(ConsentStates.NameOf((byte)row.GetInt16(2)), Time(row, 3)!.Value, Text(row, 4), Text(row, 5) ?? "", Time(row, 6), row.GetInt64(7))
        {
            RecordedBy = row.IsDBNull(8) ? ConsentRecorder.NotKept : (ConsentRecorder)row.GetInt16(8),
            NoticeHash = row.IsDBNull(9) ? default(ReadOnlyMemory<byte>) : row.GetFieldValue<byte[]>(9),
            Language = Text(row, 10),
            Guardian = Text(row, 11),
            LiftsObjection = row.GetBoolean(12),
        });

    private static NpgsqlBatchCommand Insert(OwnedAct owned)
    {
        var act = owned.Act;
        return new NpgsqlBatchCommand(
            $"""
            insert into vault.consent_event ({Columns}, sequence)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, (select coalesce(max(sequence), 0) + 1 from vault.consent_event where subject_id = $1))
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = owned.Subject.Value }, new NpgsqlParameter<int> { TypedValue = owned.Purpose },
                new NpgsqlParameter<short> { TypedValue = act.StateCode }, new NpgsqlParameter<DateTime> { TypedValue = act.At.UtcDateTime },
                Optional(act.Notice, NpgsqlDbType.Text), new NpgsqlParameter<string> { TypedValue = act.Channel },
                Optional(act.Expires?.UtcDateTime, NpgsqlDbType.TimestampTz), new NpgsqlParameter<long> { TypedValue = act.LogIndex },
                Optional(act.RecordedBy == ConsentRecorder.NotKept ? null : (short)act.RecordedBy, NpgsqlDbType.Smallint),
                Optional(act.NoticeHash.IsEmpty ? null : act.NoticeHash.ToArray(), NpgsqlDbType.Bytea),
                Optional(act.Language, NpgsqlDbType.Text), Optional(act.Guardian, NpgsqlDbType.Text), new NpgsqlParameter<bool> { TypedValue = act.LiftsObjection },
            },
        };
    }

    private static NpgsqlParameter Optional(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    private static string? Text(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : row.GetString(at);

    private static DateTimeOffset? Time(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : new DateTimeOffset(row.GetDateTime(at));
}
