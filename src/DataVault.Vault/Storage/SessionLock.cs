using Npgsql;

namespace DataVault.Vault.Storage;

/// <summary>
/// An advisory lock of a database's session: of all processes of a vault one holds it. It ends with its connection, however its process ends.
/// </summary>
internal sealed class SessionLock : IAsyncDisposable
{
    private readonly long key;

    private SessionLock(NpgsqlConnection connection, long key) => (Connection, this.key) = (connection, key);

    /// <summary>The connection that holds it: gone, the lock is gone.</summary>
    public NpgsqlConnection Connection { get; }

    /// <summary>Null: another process has it.</summary>
    public static async Task<SessionLock?> TryTakeAsync(DatabaseConnections database, long key, CancellationToken ct)
    {
        var connection = await database.OpenAsync(ct);
        try
        {
            await using var take = new NpgsqlCommand("select pg_try_advisory_lock($1)", connection) { Parameters = { new() { Value = key } } };
            if (await take.ExecuteScalarAsync(ct) is true) return new SessionLock(connection, key);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }

        await connection.DisposeAsync();
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        await using var held = Connection;
        await using var release = new NpgsqlCommand("select pg_advisory_unlock($1)", held) { Parameters = { new() { Value = key } } };
        await release.ExecuteNonQueryAsync(CancellationToken.None);
    }
}
