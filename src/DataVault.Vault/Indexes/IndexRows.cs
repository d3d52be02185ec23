using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault.Indexes;

/// <summary>A row of <c>vault.index_plan</c>.</summary>
/// <param name="Signature">What the stored terms were made of; empty for what a vault had before there were plans.</param>
/// <param name="Complete">The epoch that is searched.</param>
/// <param name="Next">The epoch that is being filled.</param>
/// <param name="Old">The epoch whose terms are being deleted, and whose key is destroyed after them.</param>
/// <param name="Done">People that the job has passed.</param>
/// <param name="Cursor">The last of them.</param>
/// <param name="Survey">Sealed: what the planner saw of the values.</param>
/// <param name="Reason">Why it is refused.</param>
internal sealed record IndexRow(
    int IndexId, string Signature, string State, IndexShape? Complete, DateTimeOffset? EpochAt, IndexShape? Next, int? Old, long Done, Guid? Cursor, byte[]? Survey,
    DateTimeOffset? SurveyedAt, string? Reason);

/// <summary>Reads and changes the plan.</summary>
internal static class IndexRows
{
    private const string Columns =
        "p.index_id, p.signature, p.state, p.epoch, p.bits, p.partitions, p.epoch_at, p.next_epoch, p.next_bits, p.next_partitions, p.old_epoch, p.done, p.cursor, p.survey, p.surveyed_at, p.reason";

    /// <summary>Generation and rows, of one moment.</summary>
    public static async Task<(long Generation, List<IndexRow> Rows)> ReadAllAsync(VaultDatabase database, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select h.generation, {Columns} from vault.index_head h left join vault.index_plan p on true where h.head = 1");
        var rows = await Rows.ReadAsync(command, row => (Generation: row.GetInt64(0), Row: row.IsDBNull(1) ? null : Read(row)), ct);
        return (rows[0].Generation, [.. rows.Select(row => row.Row).OfType<IndexRow>()]);
    }

    /// <summary>One row as it is now, within a transaction.</summary>
    public static async Task<IndexRow?> FindAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, int indexId, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select 0::bigint, {Columns} from vault.index_plan p where p.index_id = $1", connection, transaction) { Parameters = { new() { Value = indexId } } };
        return (await Rows.ReadAsync(command, Read, ct)).FirstOrDefault();
    }

    /// <summary>Puts the rows as given and moves on to the next generation: no writer of terms is under way when this commits.</summary>
    public static async Task ChangeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<IndexRow> rows, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(new("update vault.index_head set generation = generation + 1 where head = 1"));
        foreach (var row in rows) batch.BatchCommands.Add(Put(row));
        await batch.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Waits until no writer of terms is under way, and lets none begin before the transaction ends.</summary>
    public static async Task TakeAloneAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select pg_advisory_xact_lock({IndexPlans.LockKey})", connection, transaction);
        await command.ExecuteNonQueryAsync(ct);
    }

    public static NpgsqlBatchCommand Delete(int indexId) => new("delete from vault.index_plan where index_id = $1") { Parameters = { new() { Value = indexId } } };

    /// <summary>How far a job is; no writer need know.</summary>
    public static NpgsqlBatchCommand Progress(int indexId, Guid? cursor, int more) =>
        new("update vault.index_plan set cursor = $2, done = done + $3 where index_id = $1")
        {
            Parameters = { new() { Value = indexId }, new() { Value = (object?)cursor ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid }, new() { Value = more } },
        };

    public static NpgsqlBatchCommand Put(IndexRow row) =>
        new("""
            insert into vault.index_plan (index_id, signature, state, epoch, bits, partitions, epoch_at, next_epoch, next_bits, next_partitions, old_epoch, done, cursor, survey, surveyed_at, reason)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
            on conflict (index_id) do update set signature = excluded.signature, state = excluded.state, epoch = excluded.epoch, bits = excluded.bits,
                partitions = excluded.partitions, epoch_at = excluded.epoch_at, next_epoch = excluded.next_epoch, next_bits = excluded.next_bits,
                next_partitions = excluded.next_partitions, old_epoch = excluded.old_epoch, done = excluded.done, cursor = excluded.cursor,
                survey = excluded.survey, surveyed_at = excluded.surveyed_at, reason = excluded.reason
            """)
        {
            Parameters =
            {
                new NpgsqlParameter<int> { TypedValue = row.IndexId }, new NpgsqlParameter<string> { TypedValue = row.Signature }, new NpgsqlParameter<string> { TypedValue = row.State },
                Number(row.Complete?.Epoch), Number(row.Complete?.Bits), Number(row.Complete?.Partitions), Time(row.EpochAt),
                Number(row.Next?.Epoch), Number(row.Next?.Bits), Number(row.Next?.Partitions), Number(row.Old), new NpgsqlParameter<long> { TypedValue = row.Done },
                new() { Value = (object?)row.Cursor ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid },
                new() { Value = (object?)row.Survey ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bytea }, Time(row.SurveyedAt),
                new() { Value = (object?)row.Reason ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text },
            },
        };

    private static NpgsqlParameter Number(int? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Integer };

    private static NpgsqlParameter Time(DateTimeOffset? at) => new() { Value = (object?)at?.UtcDateTime ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz };

    private static IndexRow Read(NpgsqlDataReader row) => new(
        row.GetInt32(1), row.GetString(2), row.GetString(3), Shape(row, 4), Maybe<DateTimeOffset>(row, 7), Shape(row, 8), Maybe<int>(row, 11), row.GetInt64(12), Maybe<Guid>(row, 13),
        row.IsDBNull(14) ? null : row.GetFieldValue<byte[]>(14), Maybe<DateTimeOffset>(row, 15), row.IsDBNull(16) ? null : row.GetString(16));

    private static IndexShape? Shape(NpgsqlDataReader row, int at) => row.IsDBNull(at) ? null : new IndexShape(row.GetInt32(at), row.GetInt32(at + 1), row.GetInt32(at + 2));

    private static T? Maybe<T>(NpgsqlDataReader row, int at) where T : struct => row.IsDBNull(at) ? null : row.GetFieldValue<T>(at);
}
