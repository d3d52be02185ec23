using DataVault.Policy;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>How a letter gets to the person, and how far it has come.</summary>
internal static class LetterWays
{
    /// <summary>Waits to be sent by e-mail.</summary>
    public const string Mail = "mail";

    /// <summary>Sent by e-mail.</summary>
    public const string Sent = "sent";

    /// <summary>Waits for an officer, who posts it or hands it over.</summary>
    public const string Post = "post";

    /// <summary>An officer has posted it or handed it over.</summary>
    public const string Posted = "posted";

    /// <summary>Lies where the person reads their messages, and goes no further.</summary>
    public const string Inbox = "inbox";

    public static IReadOnlyList<string> All { get; } = [Mail, Sent, Post, Posted, Inbox];
}

/// <summary>A letter as its row has it: what it says is sealed.</summary>
/// <param name="Id">Of the message that it is.</param>
/// <param name="Request">About which request; null of one about something else.</param>
/// <param name="Kind">Name of its kind.</param>
/// <param name="Way">One of <see cref="LetterWays"/>.</param>
/// <param name="LogIndex">The entry that says it was written.</param>
internal sealed record LetterRow(Guid Id, Guid? Request, string Kind, string Way, long LogIndex)
{
    public SubjectId Subject { get; init; }

    public DateTimeOffset At { get; init; }

    /// <summary>When it was sent or posted.</summary>
    public DateTimeOffset? GoneAt { get; init; }

    public byte[] Sealed { get; init; } = [];
}

/// <summary>The letters among the messages.</summary>
internal sealed class LetterStore(VaultDatabase database)
{
    private const string Columns = "message_id, request_id, letter, way, log_index, subject_id, created_at, gone_at, sealed";

    public VaultDatabase Database => database;

    public async Task<LetterRow?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.message where message_id = $1 and letter is not null");
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    /// <summary>Of one request, oldest first.</summary>
    public async Task<List<LetterRow>> OfRequestAsync(Guid request, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.message where request_id = $1 and letter is not null order by log_index");
        command.Parameters.Add(new() { Value = request });
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>Every letter to a person, oldest first: what a package hands over.</summary>
    public async Task<List<LetterRow>> OfSubjectAsync(SubjectId subject, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.message where subject_id = $1 and letter is not null order by log_index");
        command.Parameters.Add(new() { Value = subject.Value });
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>What waits for an officer, oldest first.</summary>
    public async Task<List<LetterRow>> ToPostAsync(int limit, Guid? after, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.message where way = '{LetterWays.Post}' and ($1 is null or message_id > $1) order by message_id limit $2");
        command.Parameters.Add(new() { Value = (object?)after ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Uuid });
        command.Parameters.Add(new() { Value = limit });
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>The oldest letter about a request: in its language all others are.</summary>
    public static async Task<LetterRow?> FirstAsync(DutyWork work, SubjectId subject, Guid request)
    {
        await using var command = new NpgsqlCommand(
            $"select {Columns} from vault.message where subject_id = $1 and request_id = $2 and letter is not null order by log_index limit 1", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = subject.Value }, new() { Value = request } },
        };
        return (await Rows.ReadAsync(command, Read, work.Cancellation)).FirstOrDefault();
    }

    /// <summary>False when it is not, or no longer, on the way named.</summary>
    public static async Task<bool> MoveAsync(DutyWork work, LetterRow letter, string way, DateTimeOffset? goneAt)
    {
        await using var command = new NpgsqlCommand("update vault.message set way = $4, gone_at = $5 where subject_id = $1 and message_id = $2 and way = $3", work.Connection, work.Transaction)
        {
            Parameters =
            {
                new() { Value = letter.Subject.Value }, new() { Value = letter.Id }, new() { Value = letter.Way }, new() { Value = way },
                new() { Value = (object?)goneAt?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz },
            },
        };
        return await command.ExecuteNonQueryAsync(work.Cancellation) == 1;
    }

    /// <summary>Whether a letter of a kind about the request was written.</summary>
    public static async Task<bool> ExistsAsync(DutyWork work, RequestRow request, string kind)
    {
        await using var command = new NpgsqlCommand("select exists (select from vault.message where subject_id = $1 and request_id = $2 and letter = $3)", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = request.Subject!.Value.Value }, new() { Value = request.Id }, new() { Value = kind } },
        };
        return await command.ExecuteScalarAsync(work.Cancellation) is true;
    }

    /// <summary>Letters that wait for an officer.</summary>
    public async Task<long> CountToPostAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select count(*) from vault.message where way = '{LetterWays.Post}'");
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private static LetterRow Read(NpgsqlDataReader row) =>
        new(row.GetGuid(0), row.IsDBNull(1) ? null : row.GetGuid(1), row.GetString(2), row.GetString(3), row.GetInt64(4))
        {
            Subject = new SubjectId(row.GetGuid(5)), At = row.GetFieldValue<DateTimeOffset>(6), GoneAt = row.IsDBNull(7) ? null : row.GetFieldValue<DateTimeOffset>(7),
            Sealed = row.GetFieldValue<byte[]>(8),
        };
}
