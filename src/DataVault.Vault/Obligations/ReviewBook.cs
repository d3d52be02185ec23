using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>One recipient, one person, one purpose.</summary>
internal readonly record struct EmergencyWindow(Guid Actor, Guid Subject, string Purpose);

/// <summary>A review as its row has it; <paramref name="Subject"/> holds the <see cref="ReviewParties"/>, sealed.</summary>
internal sealed record ReviewRow(Guid Id, Guid Actor, string Purpose, long[] Entries, DateTimeOffset OpenedAt, DateTimeOffset DueAt, string State, byte[] Subject)
{
    public DateTimeOffset? CoversUntil { get; init; }

    public string? DecidedBy { get; init; }

    public DateTimeOffset? DecidedAt { get; init; }

    public long? LogIndex { get; init; }

    /// <summary>The person, as the log names them.</summary>
    public Guid SubjectTag { get; init; }

    /// <summary>What only this vault writes (<see cref="OversightSeals"/>).</summary>
    public byte[]? Seal { get; init; }
}

/// <summary>About whom a review is, and who got the data: the account of a person, or the application.</summary>
internal sealed record ReviewParties(SubjectId Subject, string? Account);

/// <summary>Names of the states of a review.</summary>
internal static class ReviewStates
{
    public const string Open = "open";
    public const string Justified = "justified";
    public const string Unjustified = "unjustified";

    /// <summary>The row is not what the vault wrote: whatever it says, somebody has to decide.</summary>
    public const string Changed = "changed";
}

/// <summary>Rows of reviews. A row names entries of the log, from which the rest is known; whom they are about is sealed under a key of the vault.</summary>
internal sealed class ReviewBook(VaultDatabase database, IServiceKeys keys, OversightSeals seals, VaultClock clock)
{
    /// <summary>Releases that one review of an emergency holds at most; the next asks for a reason again.</summary>
    public const int MostJoined = 200;

    private const string Label = "review";
    private const int SubjectLength = 16;
    internal const string Columns = "review_id, actor_tag, purpose, entries, opened_at, due_at, state, subject, covers_until, decided_by, decided_at, log_index, subject_tag, seal";

    /// <summary>The open review of an emergency that is still going on, locked until the transaction ends.</summary>
    public async Task<ReviewRow?> JoinAsync(DutyWork work, EmergencyWindow window)
    {
        await using var command = new NpgsqlCommand(
            $"""
            select {Columns} from vault.review where actor_tag = $1 and subject_tag = $2 and purpose = $3 and state = '{ReviewStates.Open}' and covers_until > $4 and cardinality(entries) < $5
            order by covers_until desc for update
            """, work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = window.Actor }, new() { Value = window.Subject }, new() { Value = window.Purpose }, new() { Value = clock.Now.UtcDateTime }, new() { Value = MostJoined } },
        };
        return (await Rows.ReadAsync(command, Row, work.Cancellation)).FirstOrDefault(seals.Matches);
    }

    /// <summary>The review with the entries that it now has.</summary>
    public NpgsqlBatchCommand Keep(ReviewRow review) => new("update vault.review set entries = $2, seal = $3 where review_id = $1")
    {
        Parameters = { new() { Value = review.Id }, new() { Value = review.Entries }, new() { Value = seals.Of(review) } },
    };

    public NpgsqlBatchCommand Open(EmergencyWindow window, ReviewParties parties, Purpose purpose, long index)
    {
        var (id, now) = (clock.NewId(), clock.Now);
        var row = new ReviewRow(id, window.Actor, window.Purpose, [index], now, now.AddDays(purpose.ReviewDays), ReviewStates.Open, Seal(id, parties))
        {
            SubjectTag = window.Subject, CoversUntil = purpose.Emergency is { } emergency ? now.AddMinutes(emergency.Minutes) : null,
        };
        return new(
            """
            insert into vault.review (review_id, actor_tag, subject_tag, purpose, entries, opened_at, due_at, covers_until, state, subject, seal)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """)
        {
            Parameters =
            {
                new() { Value = row.Id }, new() { Value = row.Actor }, new() { Value = row.SubjectTag }, new() { Value = row.Purpose }, new() { Value = row.Entries },
                new() { Value = row.OpenedAt.UtcDateTime }, new() { Value = row.DueAt.UtcDateTime },
                new() { Value = (object?)row.CoversUntil?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz },
                new() { Value = row.State }, new() { Value = row.Subject }, new() { Value = seals.Of(row) },
            },
        };
    }

    public async Task<IReadOnlyList<ReviewRow>> ListAsync(ReviewFilter filter, int limit, Guid? before, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"""
            select {Columns} from vault.review where ($1 is null or (state = '{ReviewStates.Open}') = $1) and (not $2 or (state = '{ReviewStates.Open}' and due_at <= $3))
            and ($4 is null or review_id < $4) order by review_id desc limit $5
            """);
        command.Parameters.Add(new() { Value = (object?)filter.Open ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Boolean });
        command.Parameters.Add(new() { Value = filter.Overdue });
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = (object?)before ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = limit });
        return await Rows.ReadAsync(command, Row, ct);
    }

    public async Task<ReviewRow?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.review where review_id = $1");
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, Row, ct)).FirstOrDefault();
    }

    public static async Task<ReviewRow?> LockAsync(DutyWork work, Guid id)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.review where review_id = $1 for update", work.Connection, work.Transaction) { Parameters = { new() { Value = id } } };
        return (await Rows.ReadAsync(command, Row, work.Cancellation)).FirstOrDefault();
    }

    public bool IsChanged(ReviewRow row) => !seals.Matches(row);

    public async Task<ReviewRow> CloseAsync(DutyWork work, ReviewRow unsealed)
    {
        var row = unsealed with { Seal = seals.Of(unsealed) };
        await using var command = new NpgsqlCommand(
            "update vault.review set state = $2, decided_by = $3, decided_at = $4, log_index = $5, seal = $6 where review_id = $1", work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = row.Id }, new() { Value = row.State }, new() { Value = row.DecidedBy! }, new() { Value = row.DecidedAt!.Value.UtcDateTime }, new() { Value = row.LogIndex!.Value },
                new() { Value = row.Seal },
            },
        };
        await command.ExecuteNonQueryAsync(work.Cancellation);
        return row;
    }

    /// <summary>How many releases to a recipient for a purpose wait for a review whose date has passed.</summary>
    public async Task<long> OverdueOfAsync(Guid actor, string purpose, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            $"select count(*) from vault.review where state = '{ReviewStates.Open}' and due_at <= $1 and actor_tag = $2 and purpose = $3");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = actor });
        command.Parameters.Add(new() { Value = purpose });
        return (await Rows.ReadAsync(command, row => row.GetInt64(0), ct))[0];
    }

    /// <summary>How many are open, and how many of those are overdue.</summary>
    public async Task<(long Open, long Overdue)> CountAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select count(*), count(*) filter (where due_at <= $1) from vault.review where state = '{ReviewStates.Open}'");
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        return (await Rows.ReadAsync(command, row => (row.GetInt64(0), row.GetInt64(1)), ct))[0];
    }

    /// <summary>About whom, and who got the data. Reviews of an earlier vault do not say the latter; a row that somebody damaged says neither and keeps no other from anybody.</summary>
    public ReviewParties? PartiesOf(ReviewRow row)
    {
        using var key = keys.Derive(Label);
        try
        {
            using var opened = SealedValue.OpenSecret(key.Span, row.Subject, Context(row.Id, stackalloc byte[AssociatedData.Limit]));
            var account = Encoding.UTF8.GetString(opened.Span[SubjectLength..]);
            return new ReviewParties(new SubjectId(new Guid(opened.Span[..SubjectLength], bigEndian: true)), account.Length > 0 ? account : null);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private byte[] Seal(Guid review, ReviewParties parties)
    {
        using var key = keys.Derive(Label);
        byte[] content = [.. parties.Subject.Value.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(parties.Account ?? "")];
        return SealedValue.Seal(key.Span, 1, 0, content, Context(review, stackalloc byte[AssociatedData.Limit]), clock.Random);
    }

    private static ReadOnlySpan<byte> Context(Guid review, Span<byte> buffer) => new AssociatedData(buffer, Label).Add(review).Bytes;

    internal static ReviewRow Row(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetGuid(1), row.GetString(2), row.GetFieldValue<long[]>(3), row.GetFieldValue<DateTimeOffset>(4), row.GetFieldValue<DateTimeOffset>(5), row.GetString(6),
        row.GetFieldValue<byte[]>(7))
    {
        CoversUntil = row.IsDBNull(8) ? null : row.GetFieldValue<DateTimeOffset>(8), DecidedBy = row.IsDBNull(9) ? null : row.GetString(9),
        DecidedAt = row.IsDBNull(10) ? null : row.GetFieldValue<DateTimeOffset>(10), LogIndex = row.IsDBNull(11) ? null : row.GetInt64(11),
        SubjectTag = row.GetGuid(12), Seal = row.IsDBNull(13) ? null : row.GetFieldValue<byte[]>(13),
    };
}
