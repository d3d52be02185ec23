using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>A sweep as it is shown: counts, nobody is named.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Dry">It only counted, and deleted nothing.</param>
/// <param name="AskedBy">Who asked for it; null when it was due.</param>
/// <param name="StartedAt">When it was begun.</param>
/// <param name="FinishedAt">When it was through; null while it goes on.</param>
/// <param name="Looked">People looked at.</param>
/// <param name="People">Of them, those of whom something was deleted.</param>
/// <param name="Values">Values of fields deleted, those in histories among them.</param>
/// <param name="Events">Events deleted.</param>
/// <param name="Erasures">People of whom nothing would have been left: an erasure was opened for each.</param>
/// <param name="Frozen">People of whom something due is kept for another reason: a hold, an open request, a restriction, a policy that does not permit it.</param>
/// <param name="Failed">People of whom something is damaged, or who could not be looked at: again a day later.</param>
/// <param name="ByRule">Values and events together, by retention rule.</param>
public sealed record RetentionRun(
    Guid Id, bool Dry, string? AskedBy, DateTimeOffset StartedAt, DateTimeOffset? FinishedAt, long Looked, long People, long Values, long Events, long Erasures, long Frozen, long Failed,
    IReadOnlyDictionary<string, long> ByRule);

/// <summary>Rows of sweeps, and how far each has come.</summary>
internal sealed class RetentionRuns(VaultDatabase database, VaultClock clock)
{
    private const string Columns = "run_id, dry, asked_by, started_at, finished_at, looked, people, field_values, events, erasures, frozen, failed, by_rule, position";

    public async Task<RetentionRun> StartAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, bool dry, string? askedBy, CancellationToken ct)
    {
        var run = new RetentionRun(clock.NewId(), dry, askedBy, clock.Now, null, 0, 0, 0, 0, 0, 0, 0, new Dictionary<string, long>());
        await using var command = new NpgsqlCommand(
            "insert into vault.retention_run (run_id, dry, asked_by, started_at, updated_at, position) values ($1, $2, $3, $4, $4, $5)", connection, transaction)
        {
            Parameters =
            {
                new() { Value = run.Id }, new() { Value = dry }, new() { Value = (object?)askedBy ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text }, new() { Value = run.StartedAt.UtcDateTime },
                new() { Value = Guid.Empty },
            },
        };
        await command.ExecuteNonQueryAsync(ct);
        return run;
    }

    /// <summary>The oldest that is not through, and the last person that it has looked at.</summary>
    public async Task<(RetentionRun Run, Guid Position)?> UnfinishedAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.retention_run where finished_at is null order by started_at, run_id limit 1");
        return await Rows.ReadAsync(command, row => (Read(row), row.GetGuid(13)), ct) is [var found] ? found : null;
    }

    /// <summary>When the next one that deletes is due: a while after the last, or after the first person was recorded; null while there is nobody.</summary>
    public async Task<DateTimeOffset?> DueAsync(TimeSpan every, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            "select coalesce((select max(started_at) from vault.retention_run where not dry), (select min(created_at) from vault.subject))");
        return await command.ExecuteScalarAsync(ct) is DateTime at ? new DateTimeOffset(at) + every : null;
    }

    public async Task SaveAsync(RetentionRun run, Guid position, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            update vault.retention_run set updated_at = $2, finished_at = $3, position = $4, looked = $5, people = $6, field_values = $7, events = $8, erasures = $9, frozen = $10, failed = $11, by_rule = $12
            where run_id = $1
            """);
        command.Parameters.Add(new() { Value = run.Id });
        command.Parameters.Add(new() { Value = clock.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = (object?)run.FinishedAt?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        command.Parameters.Add(new() { Value = position });
        foreach (var count in (long[])[run.Looked, run.People, run.Values, run.Events, run.Erasures, run.Frozen, run.Failed]) command.Parameters.Add(new() { Value = count });
        command.Parameters.Add(new() { Value = JsonSerializer.Serialize(run.ByRule), NpgsqlDbType = NpgsqlDbType.Jsonb });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<RetentionRun>> ListAsync(int most, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.retention_run order by started_at desc, run_id desc limit $1");
        command.Parameters.Add(new() { Value = most });
        return await Rows.ReadAsync(command, Read, ct);
    }

    public async Task<RetentionRun?> FindAsync(Guid id, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.retention_run where run_id = $1");
        command.Parameters.Add(new() { Value = id });
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    private static RetentionRun Read(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetBoolean(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetFieldValue<DateTimeOffset>(3), row.IsDBNull(4) ? null : row.GetFieldValue<DateTimeOffset>(4),
        row.GetInt64(5), row.GetInt64(6), row.GetInt64(7), row.GetInt64(8), row.GetInt64(9), row.GetInt64(10), row.GetInt64(11),
        JsonSerializer.Deserialize<Dictionary<string, long>>(row.GetString(12))!);
}
