using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Empties what searches are made on, so that the server makes it again from the log: an operator's act under the migrator's login, since the server's own
/// may delete nothing of it. Harmless at any time; until the server has caught up, a search waits for it.
/// </summary>
public static class LogReindex
{
    private const string Clear =
        """
        select 1 from audit.index_state where id = 1 for update;
        select audit.forget_tiles(0);
        truncate audit.entry_index, audit.bulk_member, audit.shape, audit.segment, audit.tally;
        update audit.index_state set version = {version}, generation = generation + 1, next_shape = 0,
            (next_index, segment_first) = (select b, b from (select coalesce(max(below), 0) as b from audit.pruned) p) where id = 1;
        """;

    /// <param name="vaultAdmin">Connection to the database <c>vault</c> as the owner of its tables.</param>
    public static async Task ClearAsync(string vaultAdmin, CancellationToken ct = default)
    {
        await using var source = NpgsqlDataSource.Create(vaultAdmin);
        await using var connection = await source.OpenConnectionAsync(ct);
        await ClearAsync(connection, ct);
    }

    /// <summary>After an upgrade whose index is of another version.</summary>
    internal static async Task ClearIfOutdatedAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select version from audit.index_state where id = 1", connection);
        if (await command.ExecuteScalarAsync(ct) is not LogIndexer.Version) await ClearAsync(connection, ct);
    }

    private static async Task ClearAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await using (var command = new NpgsqlCommand(Clear.Replace("{version}", $"{LogIndexer.Version}", StringComparison.Ordinal), connection)) await command.ExecuteNonQueryAsync(ct);
        await DurabilityGuard.CommitAsync(transaction);
    }
}
