using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DataVault.Issuer.Storage;

/// <summary>
/// Plain SQL for what must be atomic or quick: codes, refresh tokens, sessions, clients, keys. EF Core holds Identity's tables and the migrations.
/// Parameters are positional, so no value ever stands in a statement.
/// </summary>
internal abstract class IssuerStatements
{
    public async Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params object?[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    public async Task<T?> FirstAsync<T>(string sql, Func<NpgsqlDataReader, T?> map, CancellationToken cancellationToken, params object?[] values)
        where T : class
    {
        await using var command = Command(sql, values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? map(reader) : null;
    }

    public async Task<List<T>> ListAsync<T>(string sql, Func<NpgsqlDataReader, T> map, CancellationToken cancellationToken, params object?[] values)
    {
        await using var command = Command(sql, values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken)) rows.Add(map(reader));
        return rows;
    }

    protected abstract NpgsqlCommand Create(string sql);

    protected NpgsqlCommand Command(string sql, object?[] values)
    {
        var command = Create(sql);
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        return command;
    }
}

/// <summary>Statements that are each a transaction of their own.</summary>
internal sealed class IssuerDatabase(NpgsqlDataSource source) : IssuerStatements, IAsyncDisposable, IDisposable
{
    private const int NpgsqlDefaultPool = 100;
    private const int Pool = 20;

    internal NpgsqlDataSource Source => source;

    /// <summary>
    /// A pool of 20 unless the connection string says otherwise: Npgsql's 100 is all that PostgreSQL has by default, and a burst of sign-ins must not
    /// take the connections that disclosures need.
    /// </summary>
    public static IssuerDatabase Open(string connection)
    {
        var settings = new NpgsqlConnectionStringBuilder(connection);
        if (settings.MaxPoolSize == NpgsqlDefaultPool) settings.MaxPoolSize = Pool;
        return new IssuerDatabase(new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = "issuer" }.Build());
    }

    /// <summary>For callers that the framework gives no asynchronous seam (the DataProtection key ring).</summary>
    public List<T> List<T>(string sql, Func<NpgsqlDataReader, T> map, params object?[] values)
    {
        using var command = Command(sql, values);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read()) rows.Add(map(reader));
        return rows;
    }

    public async Task<IssuerTransaction> BeginAsync(CancellationToken cancellationToken)
    {
        var connection = await source.OpenConnectionAsync(cancellationToken);
        return new IssuerTransaction(connection, await connection.BeginTransactionAsync(cancellationToken));
    }

    public void Dispose() => source.Dispose();

    public ValueTask DisposeAsync() => source.DisposeAsync();

    protected override NpgsqlCommand Create(string sql) => source.CreateCommand(sql);
}

/// <summary>Statements of one transaction; rolled back unless it was committed.</summary>
internal sealed class IssuerTransaction(NpgsqlConnection connection, NpgsqlTransaction transaction) : IssuerStatements, IAsyncDisposable
{
    public Task CommitAsync(CancellationToken cancellationToken) => transaction.CommitAsync(cancellationToken);

    /// <summary>Makes what the context saves part of this transaction.</summary>
    public async Task JoinAsync(IssuerDbContext context, CancellationToken cancellationToken)
    {
        context.Database.SetDbConnection(connection);
        await context.Database.UseTransactionAsync(transaction, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }

    protected override NpgsqlCommand Create(string sql) => new(sql, connection, transaction);
}

internal static class ReaderColumns
{
    public static DateTimeOffset Time(this NpgsqlDataReader reader, int column) => reader.GetFieldValue<DateTimeOffset>(column);

    public static T? Optional<T>(this NpgsqlDataReader reader, int column)
        where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);

    public static T? OptionalReference<T>(this NpgsqlDataReader reader, int column)
        where T : class => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
}
