using System.Buffers.Binary;
using System.Data;
using DataVault.Cryptography;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>What can be rotated, by name.</summary>
public static class RotationLevels
{
    public const string Root = "root";
    public const string Vault = "vault";
    public const string Epoch = "epoch";
    public const string Subjects = "subjects";
    public const string Index = "index";
}

/// <summary>Where a rotation stands.</summary>
public static class RotationStates
{
    public const string Running = "running";
    public const string Paused = "paused";
    public const string Done = "done";

    /// <summary>Stopped by something that time alone may not mend; tried again by itself, ever more rarely, and at once when it is resumed.</summary>
    public const string Failed = "failed";
}

/// <summary>A rotation as it is shown.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Level">One of <see cref="RotationLevels"/>.</param>
/// <param name="State">One of <see cref="RotationStates"/>.</param>
/// <param name="Target">What is rotated to, such as a version.</param>
/// <param name="Done">How much of it is done.</param>
/// <param name="Total">Of how much.</param>
/// <param name="StartedAt">When it was asked for.</param>
/// <param name="UpdatedAt">When it last moved.</param>
/// <param name="FinishedAt">When it was done.</param>
/// <param name="Error">Why it stopped, or what it left out.</param>
public sealed record RotationView(
    Guid Id, string Level, string State, string Target, long Done, long Total, DateTimeOffset StartedAt, DateTimeOffset UpdatedAt, DateTimeOffset? FinishedAt, string? Error)
{
    /// <summary>Of one that failed: when it is tried again.</summary>
    public DateTimeOffset? RetryAt { get; init; }
}

/// <summary>A rotation and how far it came: the cursor is the level's own.</summary>
internal sealed record RotationJob(RotationView View, byte[]? Cursor)
{
    public Guid Id => View.Id;
}

/// <summary>What a new rotation is to do.</summary>
internal sealed record RotationPlan(string Target, long Total);

/// <summary>How far a step brought a rotation.</summary>
/// <param name="Done">How much is done altogether.</param>
/// <param name="Cursor">Where to go on.</param>
/// <param name="Finished">True: nothing is left.</param>
/// <param name="Remark">What was left out, for the one who reads the outcome.</param>
/// <param name="NotBefore">When to go on, if there is nothing to do until then.</param>
internal sealed record RotationStep(long Done, byte[]? Cursor, bool Finished, string? Remark = null, DateTimeOffset? NotBefore = null);

/// <summary>
/// One level of keys. A step is short and leaves everything readable; it may be cut off at any point and is then done again, from the cursor that was last
/// stored, so doing it twice must come to the same.
/// </summary>
internal interface IRotation
{
    string Level { get; }

    /// <param name="target">What the caller named, such as a blind index; null when the level has only one thing to rotate to.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="VaultException">There is nothing to rotate, or no such target.</exception>
    Task<RotationPlan> PlanAsync(string? target, CancellationToken ct);

    Task<RotationStep> StepAsync(RotationJob job, CancellationToken ct);
}

/// <summary>The table <c>keys.rotation</c>.</summary>
internal sealed class RotationStore(KeysDatabase database, IRandomBytes random, TimeProvider clock)
{
    private const string Columns = "rotation_id, level, state, target, done, total, cursor, started_at, updated_at, finished_at, error";
    private const string Shown = Columns + ", retry_at";

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromHours(1);

    /// <exception cref="VaultException">The same rotation is under way: invalid state.</exception>
    public async Task<RotationView> InsertAsync(string level, RotationPlan plan, CancellationToken ct)
    {
        var id = Uuid.Version7(clock, random);
        await using var command = database.Source.CreateCommand(
            $"insert into keys.rotation ({Columns}) values ($1, $2, $3, $4, 0, $5, null, $6, $6, null, null) on conflict (level, target) where finished_at is null do nothing returning {Shown}");
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = level });
        command.Parameters.Add(new() { Value = RotationStates.Running });
        command.Parameters.Add(new() { Value = plan.Target });
        command.Parameters.Add(new() { Value = plan.Total });
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        return (await Rows.ReadAsync(command, Read, ct)) is [var made] ? made.View : throw VaultException.InvalidState("This rotation is under way already.");
    }

    public async Task<RotationJob?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Shown} from keys.rotation where rotation_id = $1");
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<RotationView>> ListAsync(int limit, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Shown} from keys.rotation order by started_at desc, rotation_id desc limit $1");
        command.Parameters.Add(new() { Value = limit });
        return (await Rows.ReadAsync(command, Read, ct)).ConvertAll(job => job.View);
    }

    /// <summary>Those that are running, and those that failed and are to be tried again by now.</summary>
    public async Task<IReadOnlyList<RotationJob>> DueAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Shown} from keys.rotation where state = $1 or (state = $2 and (retry_at is null or retry_at <= $3)) order by started_at");
        command.Parameters.Add(new() { Value = RotationStates.Running });
        command.Parameters.Add(new() { Value = RotationStates.Failed });
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        return await Rows.ReadAsync(command, Read, ct);
    }

    /// <summary>When a level was last rotated to the end.</summary>
    public async Task<DateTimeOffset?> LastDoneAsync(string level, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select max(finished_at) from keys.rotation where level = $1 and state = $2");
        command.Parameters.Add(new() { Value = level });
        command.Parameters.Add(new() { Value = RotationStates.Done });
        return await command.ExecuteScalarAsync(ct) is DateTime at ? new DateTimeOffset(at, TimeSpan.Zero) : null;
    }

    /// <summary>Notes down that a step failed, and when the next try is due: a minute later, twice that each time, an hour at most.</summary>
    public async Task FailAsync(Guid id, string error, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            update keys.rotation set state = $2, error = $3, updated_at = $4, failures = failures + 1, retry_at = $4 + least($5 * power(2, least(failures, 16)), $6)
            where rotation_id = $1 and state in ('running', 'failed')
            """);
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = RotationStates.Failed });
        command.Parameters.Add(new() { Value = error });
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        command.Parameters.Add(new() { Value = FirstRetry });
        command.Parameters.Add(new() { Value = LongestRetry });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Notes a step down; one that was paused meanwhile stays paused, and one that had failed goes on.</summary>
    public async Task AdvanceAsync(Guid id, RotationStep step, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            update keys.rotation set done = $2, cursor = $3, error = $4, updated_at = $5, finished_at = $6, total = greatest(total, $2), failures = 0, retry_at = null,
                state = coalesce($7, case state when 'failed' then 'running' else state end)
            where rotation_id = $1
            """);
        var now = clock.GetUtcNow().UtcDateTime;
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = step.Done });
        command.Parameters.Add(Optional(step.Cursor, NpgsqlDbType.Bytea));
        command.Parameters.Add(Optional(step.Remark, NpgsqlDbType.Text));
        command.Parameters.Add(new() { Value = now });
        command.Parameters.Add(Optional(step.Finished ? now : null, NpgsqlDbType.TimestampTz));
        command.Parameters.Add(Optional(step.Finished ? RotationStates.Done : null, NpgsqlDbType.Text));
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>True when it was in one of the states and is in the new one now.</summary>
    public async Task<bool> MoveAsync(Guid id, string[] from, string to, string? error, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("update keys.rotation set state = $3, error = $4, updated_at = $5, failures = 0, retry_at = null where rotation_id = $1 and state = any($2)");
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = from });
        command.Parameters.Add(new() { Value = to });
        command.Parameters.Add(Optional(error, NpgsqlDbType.Text));
        command.Parameters.Add(new() { Value = clock.GetUtcNow().UtcDateTime });
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }

    /// <summary>A cursor of one number.</summary>
    public static byte[] Cursor(long at)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, at);
        return bytes;
    }

    /// <summary>The number of a cursor; the start when there is none.</summary>
    public static long At(byte[]? cursor, long start) => cursor is null ? start : BinaryPrimitives.ReadInt64BigEndian(cursor);

    private static NpgsqlParameter Optional(object? value, NpgsqlDbType type) => new() { Value = value ?? DBNull.Value, NpgsqlDbType = type };

    private static RotationJob Read(NpgsqlDataReader row) => new(
        new RotationView(
            row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetString(3), row.GetInt64(4), row.GetInt64(5), row.GetFieldValue<DateTimeOffset>(7),
            row.GetFieldValue<DateTimeOffset>(8), row.IsDBNull(9) ? null : row.GetFieldValue<DateTimeOffset>(9), row.IsDBNull(10) ? null : row.GetString(10))
        {
            RetryAt = row.IsDBNull(11) ? null : row.GetFieldValue<DateTimeOffset>(11),
        },
        row.IsDBNull(6) ? null : row.GetFieldValue<byte[]>(6));
}
