using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Something that must happen once its transaction has committed.</summary>
/// <param name="Id">Stable: the same however often it is carried out, so that whoever receives it can tell a repetition.</param>
internal sealed record OutboxMessage(Guid Id, string Kind, string Recipient, byte[] Body, int Attempts);

/// <summary>How the outbox does.</summary>
/// <param name="Waiting">Messages that are not delivered yet.</param>
/// <param name="Dead">Those of them that failed so often that somebody should look; they are tried once a day.</param>
/// <param name="Oldest">When the oldest was written.</param>
public sealed record OutboxState(long Waiting, long Dead, DateTimeOffset? Oldest);

/// <summary>
/// The table vault.outbox: written in the transaction of the change that a message tells of, and carried out at least once afterwards. Bodies are sealed under
/// a key of the vault.
/// </summary>
internal sealed class OutboxStore(VaultDatabase database, IServiceKeys keys, IRandomBytes random, VaultClock clock)
{
    /// <summary>After so many failures in a row a message is dead: about two days.</summary>
    public const int DeadAfter = 16;

    private const string Label = "outbox";
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromHours(6);
    private static readonly TimeSpan DeadPause = TimeSpan.FromDays(1);

    /// <summary>So long an attempt may take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>Of one message and one attempt, and longer than that: a process that dies with it in hand leaves it to the others afterwards.</summary>
    private static readonly TimeSpan Lease = TimeSpan.FromMinutes(2);

    public async Task EnqueueAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, OutboxMessage message, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { Insert(message) } };
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>For a caller with a batch of its own.</summary>
    public NpgsqlBatchCommand Insert(OutboxMessage message) =>
        new("insert into vault.outbox (message_id, kind, recipient, sealed, created_at, due_at) values ($1, $2, $3, $4, $5, $5) on conflict do nothing")
        {
            Parameters = { new() { Value = message.Id }, new() { Value = message.Kind }, new() { Value = message.Recipient }, new() { Value = Seal(message) }, new() { Value = clock.Now.UtcDateTime } },
        };

    /// <summary>Takes the message that has been due the longest; nobody else gets it for the length of a lease. Null when none is due.</summary>
    public async Task<OutboxMessage?> TakeAsync(CancellationToken cancellation)
    {
        while (await TakeAnyAsync(cancellation) is { } due)
        {
            if (TryOpen(due) is { } whole) return whole;
            await FailAsync(due, "damaged", cancellation);
        }

        return null;
    }

    private async Task<OutboxMessage?> TakeAnyAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(
            """
            update vault.outbox o set due_at = $2 from (select message_id from vault.outbox where due_at <= $1 order by due_at limit 1 for update skip locked) as due
            where o.message_id = due.message_id returning o.message_id, o.kind, o.recipient, o.sealed, o.attempts
            """);
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = (clock.Now + Lease).UtcDateTime });
        var due = await Rows.ReadAsync(command, row => new OutboxMessage(row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetFieldValue<byte[]>(3), row.GetInt32(4)), cancellation);
        return due.FirstOrDefault();
    }

    public async Task DoneAsync(OutboxMessage message, CancellationToken cancellation)
    {
        await using var connection = await database.OpenAsync(cancellation);
        await RemoveAsync(connection, message.Id, cancellation);
    }

    /// <summary>Takes a message out, within a transaction of the caller's.</summary>
    public static async Task RemoveAsync(NpgsqlConnection connection, Guid message, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("delete from vault.outbox where message_id = $1", connection) { Parameters = { new() { Value = message } } };
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <param name="message">What could not be carried out.</param>
    /// <param name="failure">A code, without anything that the other side said.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task FailAsync(OutboxMessage message, string failure, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("update vault.outbox set attempts = $2, failure = $3, due_at = $4 where message_id = $1");
        command.Parameters.Add(new() { Value = message.Id });
        command.Parameters.Add(new() { Value = message.Attempts + 1 });
        command.Parameters.Add(new() { Value = failure });
        command.Parameters.Add(new() { Value = (clock.Now + PauseAfter(message.Attempts + 1)).UtcDateTime });
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Which of these messages are not delivered, how often each was tried, and how it failed last.</summary>
    public async Task<IReadOnlyList<(Guid Id, int Attempts, string? Failure)>> WaitingAsync(Guid[] ids, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("select message_id, attempts, failure from vault.outbox where message_id = any($1)");
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = ids });
        return await Rows.ReadAsync(command, row => (row.GetGuid(0), row.GetInt32(1), row.IsDBNull(2) ? null : row.GetString(2)), cancellation);
    }

    public async Task<OutboxState> StateAsync(CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand($"select count(*), count(*) filter (where attempts >= {DeadAfter}), min(created_at) from vault.outbox");
        var rows = await Rows.ReadAsync(command, row => new OutboxState(row.GetInt64(0), row.GetInt64(1), row.IsDBNull(2) ? null : row.GetFieldValue<DateTimeOffset>(2)), cancellation);
        return rows[0];
    }

    /// <summary>Ten seconds, doubled each time up to six hours; once dead, a day.</summary>
    internal static TimeSpan PauseAfter(int failures)
    {
        if (failures >= DeadAfter) return DeadPause;
        var pause = FirstPause * Math.Pow(2, failures - 1);
        return pause < LongestPause ? pause : LongestPause;
    }

    private byte[] Seal(OutboxMessage message)
    {
        using var key = keys.Derive(Label);
        return SealedValue.Seal(key.Span, 1, 0, message.Body, Context(stackalloc byte[AssociatedData.Limit], message.Id), random);
    }

    // A message that somebody damaged fails by itself, and keeps no other from being delivered.
    private OutboxMessage? TryOpen(OutboxMessage message)
    {
        using var key = keys.Derive(Label);
        try
        {
            var body = new byte[SealedValue.OpenedLength(message.Body.Length)];
            SealedValue.Open(key.Span, message.Body, Context(stackalloc byte[AssociatedData.Limit], message.Id), body);
            return message with { Body = body };
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private static ReadOnlySpan<byte> Context(Span<byte> buffer, Guid id) => new AssociatedData(buffer, Label).Add(id).Bytes;
}
