using System.Data;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Reads all rows of a command.</summary>
internal static class Rows
{
    /// <summary>A statement of a transaction that stands on the connection.</summary>
    /// <returns>How many rows it changed.</returns>
    public static async Task<int> ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Of a command of the database's own that only reads: asked again when the connection turns out to be dead.</summary>
    /// <exception cref="VaultException">The database is away.</exception>
    public static async Task<List<T>> ReadAsync<T>(DatabaseConnections database, NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        while (true)
        {
            try
            {
                return await ReadAsync(command, read, ct);
            }
            catch (VaultException e) when (e.InnerException is { } cause && DatabaseFailure.IsOutage(cause))
            {
                if (!await database.ComesBackAsync(cause, ct)) throw;
            }
        }
    }

    /// <exception cref="VaultException">The database is away.</exception>
    public static async Task<List<T>> ReadAsync<T>(NpgsqlCommand command, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        try
        {
            await using var reader = await command.ExecuteReaderAsync(ct);
            var rows = new List<T>();
            while (await reader.ReadAsync(ct)) rows.Add(read(reader));
            return rows;
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            throw VaultException.Unavailable(e);
        }
    }
}

/// <summary>The table vault.subject: one row holds what a disclosure needs, so that one round trip brings it.</summary>
internal static class SubjectRows
{
    public const string Columns = "subject_id, row_version, key_version, record, record_seal, facts";

    /// <summary>The key version of a row whose person is being erased: no key has it, so the row is as if not there, whoever still holds one.</summary>
    public const int Closed = 0;

    private const string ByIdSql = $"select {Columns} from vault.subject where subject_id = $1 and key_version > 0";
    private const string ByIdsSql = $"select {Columns} from vault.subject where subject_id = any($1) and key_version > 0";
    // A change leaves the key alone, so that appending events, which only needs the row to stay, does not wait for it.
    private const string LockSql = ByIdSql + " for no key update";
    private const string KeepSql = "select subject_id, key_version from vault.subject where subject_id = $1 and key_version > 0 for key share";

    /// <summary>The hot path: a prepared statement on a connection that concurrent reads share.</summary>
    public static async Task<SealedRecord?> FindAsync(VaultDatabase database, SubjectId subject, CancellationToken ct)
    {
        while (true)
        {
            try
            {
                await using var command = database.Reads.CreateCommand(ByIdSql);
                command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = subject.Value });
                await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, ct);
                return await reader.ReadAsync(ct) ? Read(reader) : null;
            }
            catch (Exception e) when (DatabaseFailure.IsOutage(e))
            {
                if (!await database.ComesBackAsync(e, ct)) throw VaultException.Unavailable(e);
            }
        }
    }

    public static async Task<Dictionary<SubjectId, SealedRecord>> FindManyAsync(VaultDatabase database, IReadOnlyCollection<SubjectId> subjects, CancellationToken ct)
    {
        if (subjects.Count == 0) return [];
        await using var command = database.Reads.CreateCommand(ByIdsSql);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. subjects.Select(subject => subject.Value)] });
        return (await Rows.ReadAsync(database, command, Read, ct)).ToDictionary(row => row.Subject);
    }

    /// <summary>Locks the row until the transaction ends. Null: there is no such subject.</summary>
    public static async Task<SealedRecord?> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectId subject, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(LockSql, connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = subject.Value });
        await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SingleRow, ct);
        return await reader.ReadAsync(ct) ? Read(reader) : null;
    }

    public static NpgsqlBatchCommand Lock(SubjectId subject) => new(LockSql) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = subject.Value } } };

    /// <summary>
    /// Keeps the rows of those who are there from being erased or sealed anew until the transaction ends, and tells who they are and the version of each one's key.
    /// In the order given, by key, one statement each.
    /// </summary>
    public static async Task<Dictionary<SubjectId, int>> KeepAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IEnumerable<SubjectId> subjects, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var subject in subjects)
            batch.BatchCommands.Add(new(KeepSql) { Parameters = { new NpgsqlParameter<Guid> { TypedValue = subject.Value } } });
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var kept = new Dictionary<SubjectId, int>(batch.BatchCommands.Count);
        do
        {
            while (await reader.ReadAsync(ct)) kept.Add(new SubjectId(reader.GetGuid(0)), reader.GetInt32(1));
        }
        while (await reader.NextResultAsync(ct));
        return kept;
    }

    /// <summary>From the end of the transaction on nobody opens the row: the first act of an erasure.</summary>
    public static async Task CloseAsync(NpgsqlConnection connection, SubjectId subject, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("update vault.subject set key_version = $2 where subject_id = $1", connection)
        {
            Parameters = { new NpgsqlParameter<Guid> { TypedValue = subject.Value }, new NpgsqlParameter<int> { TypedValue = Closed } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    public static async Task UpdateAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SealedRecord record, DateTimeOffset now, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { Update(record, now) } };
        await batch.ExecuteNonQueryAsync(ct);
    }

    public static NpgsqlBatchCommand Update(SealedRecord record, DateTimeOffset now) =>
        new("update vault.subject set row_version = $2, key_version = $3, record = $4, record_seal = $5, facts = $6, updated_at = $7 where subject_id = $1")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid> { TypedValue = record.Subject.Value }, new NpgsqlParameter<long> { TypedValue = record.RowVersion },
                new NpgsqlParameter<int> { TypedValue = record.KeyVersion }, new NpgsqlParameter<byte[]> { TypedValue = record.Record },
                new NpgsqlParameter<byte[]> { TypedValue = record.RecordSeal }, new NpgsqlParameter<byte[]> { TypedValue = record.Facts },
                new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime },
            },
        };

    /// <summary>New subjects, all in one statement.</summary>
    public static NpgsqlBatchCommand Insert(IReadOnlyList<SealedRecord> records, string jurisdiction, DateTimeOffset now) =>
        new($"insert into vault.subject ({Columns}, jurisdiction, created_at, updated_at) " +
            "select id, version, key_version, record, seal, facts, $7, $8, $8 from unnest($1, $2, $3, $4, $5, $6) as u(id, version, key_version, record, seal, facts)")
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]> { TypedValue = [.. records.Select(record => record.Subject.Value)] },
                new NpgsqlParameter<long[]> { TypedValue = [.. records.Select(record => record.RowVersion)] },
                new NpgsqlParameter<int[]> { TypedValue = [.. records.Select(record => record.KeyVersion)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. records.Select(record => record.Record)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. records.Select(record => record.RecordSeal)] },
                new NpgsqlParameter<byte[][]> { TypedValue = [.. records.Select(record => record.Facts)] },
                new NpgsqlParameter<string> { TypedValue = jurisdiction },
                new NpgsqlParameter<DateTime> { TypedValue = now.UtcDateTime },
            },
        };

    internal static SealedRecord Read(NpgsqlDataReader row) => Read(row, 0);

    /// <summary>The same where the columns begin further on.</summary>
    internal static SealedRecord Read(NpgsqlDataReader row, int at) => new(
        new SubjectId(row.GetGuid(at)), row.GetInt64(at + 1), row.GetInt32(at + 2), row.GetFieldValue<byte[]>(at + 3), row.GetFieldValue<byte[]>(at + 4),
        row.GetFieldValue<byte[]>(at + 5));
}
