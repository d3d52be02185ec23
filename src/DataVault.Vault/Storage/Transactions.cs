using Npgsql;

namespace DataVault.Vault;

/// <summary>Runs work in one transaction: committed durably when it returns, rolled back when it throws, refused when the database is away.</summary>
internal static class Transactions
{
    public static async Task<T> RunAsync<T>(this VaultDatabase database, Func<NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken ct)
    {
        try
        {
            await using var connection = await database.OpenAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            var result = await work(connection, transaction);
            await DurabilityGuard.CommitAsync(transaction);
            database.Answered(connection);
            return result;
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            database.Forget(e);
            throw VaultException.Unavailable(e);
        }
    }
}
