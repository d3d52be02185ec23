using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>Where an automated decision stands.</summary>
public static class DecisionStates
{
    /// <summary>As it was recorded.</summary>
    public const string Recorded = "recorded";

    /// <summary>The person contests it, and somebody has to look at it.</summary>
    public const string Contested = "contested";

    /// <summary>Somebody looked, and it stands.</summary>
    public const string Upheld = "upheld";

    /// <summary>Somebody looked, and decided otherwise.</summary>
    public const string Changed = "changed";

    /// <summary>Somebody looked, and it counts no more.</summary>
    public const string Annulled = "annulled";

    public static IReadOnlyList<string> All { get; } = [Recorded, Contested, Upheld, Changed, Annulled];

    /// <summary>What a contest that ends like this makes of the decision.</summary>
    internal static string Of(string outcome) => outcome switch
    {
        "decision-upheld" => Upheld,
        "decision-changed" => Changed,
        "decision-annulled" => Annulled,
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, "Not an outcome of a contest."),
    };
}

/// <summary>What was decided, as it is sealed.</summary>
/// <param name="Outcome">A code of the model.</param>
/// <param name="Inputs">Names of the fields and event types it was decided by.</param>
internal sealed record DecisionContent(string Outcome, IReadOnlyList<string> Inputs)
{
    private static readonly JsonSerializerOptions s_options = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault };

    /// <summary>By what the application knows the decision.</summary>
    public string Reference { get; init; } = "";

    public decimal? Score { get; init; }

    /// <summary>The values it was decided by, where the application keeps them.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Values { get; init; }

    /// <summary>Codes of the model.</summary>
    public IReadOnlyList<string> Factors { get; init; } = [];

    /// <summary>What the application says besides, in words.</summary>
    public string? Explanation { get; init; }

    /// <summary>A person took part.</summary>
    public bool Human { get; init; }

    public byte[] Encode() => JsonSerializer.SerializeToUtf8Bytes(this, s_options);

    public static DecisionContent Decode(ReadOnlySpan<byte> content) =>
        JsonSerializer.Deserialize<DecisionContent>(content, s_options) ?? throw new CryptographicException("The decision is empty.");
}

/// <summary>How somebody's look at a contested decision ended, as it is sealed.</summary>
/// <param name="Result">One of <see cref="RequestReasons.Outcomes"/>.</param>
/// <param name="Outcome">What it comes to now, a code of the model; null where it was not changed.</param>
/// <param name="Words">To the person.</param>
/// <param name="By">Account of whoever looked.</param>
/// <param name="At">When.</param>
internal sealed record DecisionReview(string Result, string? Outcome, string? Words, string By, DateTimeOffset At);

/// <summary>A decision as its row has it.</summary>
internal sealed record DecisionRow(Guid Id, SubjectId Subject, string Model, string Version, string Client)
{
    /// <summary>A keyed digest of the application and its reference: the same decision is recorded once.</summary>
    public byte[] Sender { get; init; } = [];

    public DateTimeOffset DecidedAt { get; init; }

    public DateTimeOffset RecordedAt { get; init; }

    public string State { get; init; } = DecisionStates.Recorded;

    /// <summary>The contest.</summary>
    public Guid? Request { get; init; }

    /// <summary>When somebody must have looked at it.</summary>
    public DateTimeOffset? ReviewBy { get; init; }

    public DateTimeOffset ChangedAt { get; init; }

    /// <summary>Of the entry that recorded it.</summary>
    public long LogIndex { get; init; }

    /// <summary>Of the newest entry about it.</summary>
    public long ChangeIndex { get; init; }

    public byte[] Sealed { get; init; } = [];

    public byte[]? Review { get; init; }

    public byte[]? Seal { get; init; }
}

/// <summary>A decision that was opened.</summary>
/// <param name="Row">The row.</param>
/// <param name="Content">Null when it does not open, or the vault did not leave the row like this.</param>
/// <param name="Review">How somebody's look ended; null before.</param>
internal sealed record OpenedDecision(DecisionRow Row, DecisionContent? Content, DecisionReview? Review)
{
    /// <summary>The bytes that the entry of the log commits to by their SHA-256.</summary>
    public byte[] Committed { get; init; } = [];
}

/// <summary>
/// The table vault.automated_decision. What was decided and by what is sealed under the person's key; a seal over the row tells it from one that somebody else wrote.
/// <code>
/// sealed = words of the person: salt[16] || JSON of DecisionContent      the entry that records it has SHA-256 of these bytes as its seal
/// review = words of the person: JSON of DecisionReview
/// </code>
/// </summary>
internal sealed class DecisionRows(VaultDatabase database, KeyRegistry keys, VaultClock clock)
{
    public const string Columns =
        "decision_id, subject_id, model, version, client, sender, decided_at, recorded_at, state, request_id, review_by, changed_at, log_index, change_index, sealed, review, seal";

    public const int SaltSize = 16;

    private const string Label = "automated-decision";
    private const string ReviewLabel = "automated-decision/review";
    private const string SealLabel = "automated-decision/seal";
    private const string SenderLabel = "automated-decision/sender";

    public VaultClock Clock => clock;

    public Task<T> TransactAsync<T>(Func<NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken ct) => database.RunAsync(work, ct);

    /// <summary>By what a decision that is sent again is known.</summary>
    public byte[] SenderOf(string client, string reference)
    {
        using var key = keys.Derive(SenderLabel);
        return HMACSHA256.HashData(key.Span, System.Text.Encoding.UTF8.GetBytes($"{client.Length}:{client}{reference}"));
    }

    /// <summary>Seals what was decided; with it comes what the log commits to.</summary>
    public (byte[] Sealed, byte[] Commitment) Seal(SubjectKeys held, Guid id, DecisionContent content)
    {
        var json = content.Encode();
        var bytes = new byte[SaltSize + json.Length];
        clock.Random.Fill(bytes.AsSpan(0, SaltSize));
        json.CopyTo(bytes, SaltSize);
        var made = (held.SealWords(Of(Label, id), bytes, clock.Random), SHA256.HashData(bytes));
        CryptographicOperations.ZeroMemory(json);
        CryptographicOperations.ZeroMemory(bytes);
        return made;
    }

    public byte[] Seal(SubjectKeys held, Guid id, DecisionReview review)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(review);
        var made = held.SealWords(Of(ReviewLabel, id), bytes, clock.Random);
        CryptographicOperations.ZeroMemory(bytes);
        return made;
    }

    public OpenedDecision Open(DecisionRow row, SubjectKeys? held)
    {
        if (held is null || !Fits(row)) return new OpenedDecision(row, null, null);
        try
        {
            var bytes = held.OpenWords(Of(Label, row.Id), row.Sealed);
            var review = row.Review is null ? null : JsonSerializer.Deserialize<DecisionReview>(held.OpenWords(Of(ReviewLabel, row.Id), row.Review));
            return new OpenedDecision(row, DecisionContent.Decode(bytes.AsSpan(SaltSize)), review) { Committed = bytes };
        }
        catch (CryptographicException)
        {
            return new OpenedDecision(row, null, null);
        }
    }

    /// <summary>False of a row that the vault did not leave like this.</summary>
    public bool Fits(DecisionRow row) => RowSeal.Is(row.Seal, SealOf(row));

    public async Task InsertAsync(NpgsqlConnection connection, DecisionRow row, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            $"insert into vault.automated_decision ({Columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)", connection);
        AddValues(command, row with { Seal = SealOf(row) });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <returns>The row with its seal.</returns>
    public async Task<DecisionRow> SaveAsync(NpgsqlConnection connection, DecisionRow row, CancellationToken ct)
    {
        row = row with { Seal = SealOf(row) };
        await using var command = new NpgsqlCommand(
            """
            update vault.automated_decision set model = $3, version = $4, client = $5, sender = $6, decided_at = $7, recorded_at = $8, state = $9, request_id = $10, review_by = $11,
                   changed_at = $12, log_index = $13, change_index = $14, sealed = $15, review = $16, seal = $17
            where decision_id = $1 and subject_id = $2
            """, connection);
        AddValues(command, row);
        await command.ExecuteNonQueryAsync(ct);
        return row;
    }

    /// <summary>Locked until the transaction ends; null when there is none of this person.</summary>
    public static async Task<DecisionRow?> LockAsync(NpgsqlConnection connection, SubjectId subject, Guid id, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.automated_decision where subject_id = $1 and decision_id = $2 for update", connection)
        {
            Parameters = { new() { Value = subject.Value }, new() { Value = id } },
        };
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    /// <summary>The person's row is locked, so that two of one reference wait for each other.</summary>
    public static async Task<DecisionRow?> FindAsync(NpgsqlConnection connection, SubjectId subject, byte[] sender, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.automated_decision where subject_id = $1 and sender = $2", connection)
        {
            Parameters = { new() { Value = subject.Value }, new() { Value = sender } },
        };
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    public async Task<DecisionRow?> FindAsync(Guid id, CancellationToken ct) => await ListAsync(new DecisionTerms { Decision = id }, null, 1, ct) is [var row, ..] ? row : null;

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<DecisionRow>> ListAsync(DecisionTerms terms, Guid? before, int limit, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select {Columns} from vault.automated_decision
            where ($1 is null or subject_id = $1) and ($2 is null or decision_id = $2) and ($3 is null or model = $3) and ($4 is null or version = $4) and ($5 is null or state = $5)
              and ($6 is null or decided_at >= $6) and ($7 is null or decided_at < $7) and ($8 is null or (state = 'contested' and review_by < $8)) and ($9 is null or decision_id < $9)
            order by decision_id desc limit $10
            """);
        NpgsqlParameter[] parameters =
        [
            RequestStore.Optional(terms.Subject?.Value, NpgsqlDbType.Uuid), RequestStore.Optional(terms.Decision, NpgsqlDbType.Uuid), RequestStore.Optional(terms.Model, NpgsqlDbType.Text),
            RequestStore.Optional(terms.Version, NpgsqlDbType.Text), RequestStore.Optional(terms.State, NpgsqlDbType.Text), RequestStore.Optional(terms.From?.UtcDateTime, NpgsqlDbType.TimestampTz),
            RequestStore.Optional(terms.To?.UtcDateTime, NpgsqlDbType.TimestampTz), RequestStore.Optional(terms.Overdue ? clock.Now.UtcDateTime : null, NpgsqlDbType.TimestampTz),
            RequestStore.Optional(before, NpgsqlDbType.Uuid), new() { Value = limit },
        ];
        command.Parameters.AddRange(parameters);
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>Of an application's own those that something happened to behind an entry, in the order of the log.</summary>
    public async Task<IReadOnlyList<DecisionRow>> ChangesAsync(string client, long after, int limit, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"select {Columns} from vault.automated_decision where client = $1 and change_index > $2 and change_index > log_index order by change_index limit $3");
        command.Parameters.Add(new() { Value = client });
        command.Parameters.Add(new() { Value = after });
        command.Parameters.Add(new() { Value = limit });
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>How many are contested, and of how many of these the look is overdue.</summary>
    public async Task<(long Contested, long Overdue)> CountAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select count(*), count(*) filter (where review_by < $1) from vault.automated_decision where state = 'contested'");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        return (await Rows.ReadAsync(command, row => (row.GetInt64(0), row.GetInt64(1)), ct))[0];
    }

    /// <summary>Seals people's decisions anew under the version that each one's record is sealed under.</summary>
    public async Task RenewAsync(IReadOnlyList<SubjectId> people, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select distinct subject_id from vault.automated_decision where subject_id = any($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. people.Select(person => person.Value)] });
        foreach (var person in await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct))
            await database.RunAsync((connection, transaction) => RenewAsync(new DutyWork(connection, transaction, ct), person), ct);
    }

    private async Task<bool> RenewAsync(DutyWork work, SubjectId person)
    {
        if (!(await SubjectRows.KeepAsync(work.Connection, work.Transaction, [person], work.Cancellation)).TryGetValue(person, out var version)) return false;
        using var held = await keys.GetAsync(person, work.Cancellation);
        await keys.MatchAsync(held, version, work.Cancellation);
        await using var select = new NpgsqlCommand($"select {Columns} from vault.automated_decision where subject_id = $1 for update", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = person.Value } },
        };
        // What somebody changed, or does not open, is left as it is: it is shown as such.
        foreach (var row in (await Rows.ReadAsync(select, Read, work.Cancellation)).Where(row => IsOlder(row, held)))
        {
            if (Open(row, held) is not { Content: not null } opened) continue;
            var renewed = row with { Sealed = held.SealWords(Of(Label, row.Id), opened.Committed, clock.Random), Review = opened.Review is { } review ? Seal(held, row.Id, review) : null };
            await SaveAsync(work.Connection, renewed, work.Cancellation);
            CryptographicOperations.ZeroMemory(opened.Committed);
        }

        return true;
    }

    private static bool IsOlder(DecisionRow row, SubjectKeys held) =>
        SealedValue.KeyVersionOf(row.Sealed) != held.KeyVersion || (row.Review is { } review && SealedValue.KeyVersionOf(review) != held.KeyVersion);

    private byte[] SealOf(DecisionRow row) => RowSeal.Of(keys, SealLabel, writer =>
    {
        writer.Add(row.Subject.Value);
        writer.Add(row.Id);
        writer.Write(row.Model);
        writer.Write(row.Version);
        writer.Write(row.Client);
        writer.Write(row.State);
        writer.Add(row.Request ?? Guid.Empty);
        foreach (var at in (DateTimeOffset?[])[row.DecidedAt, row.RecordedAt, row.ReviewBy, row.ChangedAt]) writer.Add(at);
        writer.Write(row.LogIndex);
        writer.Write(row.ChangeIndex);
        writer.Write(SHA256.HashData(row.Sender));
        writer.Write(SHA256.HashData(row.Sealed));
        writer.Write(row.Review is { } review ? SHA256.HashData(review) : []);
    });

    private WordsContext Of(string label, Guid id) => new(label, keys.VaultId, id);

    private static void AddValues(NpgsqlCommand command, DecisionRow row) => command.Parameters.AddRange(new NpgsqlParameter[]
    {
        new() { Value = row.Id }, new() { Value = row.Subject.Value }, new() { Value = row.Model }, new() { Value = row.Version }, new() { Value = row.Client }, new() { Value = row.Sender },
        new() { Value = row.DecidedAt.UtcDateTime }, new() { Value = row.RecordedAt.UtcDateTime }, new() { Value = row.State }, RequestStore.Optional(row.Request, NpgsqlDbType.Uuid),
        RequestStore.Optional(row.ReviewBy?.UtcDateTime, NpgsqlDbType.TimestampTz), new() { Value = row.ChangedAt.UtcDateTime }, new() { Value = row.LogIndex }, new() { Value = row.ChangeIndex },
        new() { Value = row.Sealed }, RequestStore.Optional(row.Review, NpgsqlDbType.Bytea), new() { Value = row.Seal! },
    });

    public static DecisionRow Read(NpgsqlDataReader reader) =>
        new(reader.GetGuid(0), new SubjectId(reader.GetGuid(1)), reader.GetString(2), reader.GetString(3), reader.GetString(4))
        {
            Sender = reader.GetFieldValue<byte[]>(5), DecidedAt = reader.GetFieldValue<DateTimeOffset>(6), RecordedAt = reader.GetFieldValue<DateTimeOffset>(7), State = reader.GetString(8),
            Request = reader.IsDBNull(9) ? null : reader.GetGuid(9), ReviewBy = reader.IsDBNull(10) ? null : reader.GetFieldValue<DateTimeOffset>(10),
            ChangedAt = reader.GetFieldValue<DateTimeOffset>(11), LogIndex = reader.GetInt64(12), ChangeIndex = reader.GetInt64(13), Sealed = reader.GetFieldValue<byte[]>(14),
            Review = reader.IsDBNull(15) ? null : reader.GetFieldValue<byte[]>(15), Seal = reader.GetFieldValue<byte[]>(16),
        };
}

/// <summary>Which decisions to list; null members do not narrow.</summary>
internal sealed record DecisionTerms
{
    public SubjectId? Subject { get; init; }

    public Guid? Decision { get; init; }

    public string? Model { get; init; }

    public string? Version { get; init; }

    public string? State { get; init; }

    public DateTimeOffset? From { get; init; }

    public DateTimeOffset? To { get; init; }

    /// <summary>Those alone that somebody should have looked at by now.</summary>
    public bool Overdue { get; init; }
}
