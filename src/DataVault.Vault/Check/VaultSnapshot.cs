using System.Data;
using System.Runtime.CompilerServices;
using Npgsql;

namespace DataVault.Vault;

/// <summary>One state of the vault database that any number of readers share, however long they take and whatever is written meanwhile.</summary>
internal sealed class VaultSnapshot : IAsyncDisposable
{
    private readonly VaultDatabase database;
    private readonly NpgsqlConnection owner;
    private readonly NpgsqlTransaction transaction;
    private readonly string name;

    private VaultSnapshot(VaultDatabase database, NpgsqlConnection owner, NpgsqlTransaction transaction, string name) =>
        (this.database, this.owner, this.transaction, this.name) = (database, owner, transaction, name);

    public static async Task<VaultSnapshot> TakeAsync(VaultDatabase database, CancellationToken ct)
    {
        var connection = await database.OpenAsync(ct);
        var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        await using var export = new NpgsqlCommand("select pg_export_snapshot()", connection, transaction);
        return new VaultSnapshot(database, connection, transaction, (string)(await export.ExecuteScalarAsync(ct))!);
    }

    /// <summary>Rows of a query, one after the other.</summary>
    public async IAsyncEnumerable<T> RowsAsync<T>(string sql, Func<NpgsqlDataReader, T> read, [EnumeratorCancellation] CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var sharing = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        await using (var adopt = new NpgsqlCommand($"set transaction snapshot '{name}'", connection, sharing)) await adopt.ExecuteNonQueryAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection, sharing) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) yield return read(reader);
    }

    public async Task<List<T>> ListAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        var rows = new List<T>();
        await foreach (var row in RowsAsync(sql, read, ct)) rows.Add(row);
        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await owner.DisposeAsync();
    }
}
