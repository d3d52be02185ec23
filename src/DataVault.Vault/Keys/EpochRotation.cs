using DataVault.Cryptography;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault.Keys;

/// <summary>An epoch that began or ended: what the log says of it.</summary>
internal sealed record EpochChange(int Epoch, byte[] Commitment);

/// <summary>
/// Replaces the epoch root and destroys old ones. A replaced root is kept for <see cref="VaultOptions.EpochRetention"/>, so that a recent backup of the
/// keys database is of use; a destroyed one makes every older copy of that database worthless, which is what makes erasures final.
/// </summary>
internal sealed class EpochRotation(KeysDatabase database, VaultKeyring keyring, KeyRegistry registry, VaultOptions options, TimeProvider clock)
{
    private const int Chunk = 4096;

    /// <summary>Starts a new epoch when the current one is old enough, or at once if <paramref name="now"/>. Null when there was nothing to do.</summary>
    public async Task<EpochChange?> RotateAsync(bool now, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await BeginAsync(connection, ct);
        var (current, started) = await CurrentAsync(connection, ct);
        keyring.UseEpoch(current);
        if (!now && clock.GetUtcNow() - started < options.EpochLength) return null;
        var (root, wrapped, commitment) = keyring.NewEpoch(current + 1);
        using (root)
        {
            await using var insert = new NpgsqlCommand("insert into keys.epoch (epoch_id, wrapped, commitment, created_at) values ($1, $2, $3, $4)", connection)
            {
                Parameters = { new() { Value = current + 1 }, new() { Value = wrapped }, new() { Value = commitment }, new() { Value = clock.GetUtcNow().UtcDateTime } },
            };
            await insert.ExecuteNonQueryAsync(ct);
            await RewrapAsync(connection, current + 1, root, ct);
        }

        await DurabilityGuard.CommitAsync(transaction);
        keyring.UseEpoch(current + 1);
        return new EpochChange(current + 1, commitment);
    }

    /// <summary>Destroys the roots that were replaced longer ago than the retention.</summary>
    public async Task<IReadOnlyList<EpochChange>> DestroyOldAsync(CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await BeginAsync(connection, ct);
        var (current, _) = await CurrentAsync(connection, ct);
        // A process that had not yet heard of a rotation may have made pages under an older root.
        await RewrapAsync(connection, current, keyring.EpochRoot(current), ct);
        var gone = await MarkDestroyedAsync(connection, ct);
        await DurabilityGuard.CommitAsync(transaction);
        // All of them, not only those of this turn: a crash after the commit leaves a slot behind.
        foreach (var epoch in await DestroyedAsync(ct)) keyring.ForgetEpoch(epoch);
        return gone;
    }

    private async Task<List<int>> DestroyedAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select epoch_id from keys.epoch where destroyed_at is not null");
        return await Rows.ReadAsync(command, row => row.GetInt32(0), ct);
    }

    // Pages may be read meanwhile, but neither made nor given a new generation.
    private static async Task<NpgsqlTransaction> BeginAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var transaction = await connection.BeginTransactionAsync(ct);
        await using var command = new NpgsqlCommand("lock table keys.page in share row exclusive mode", connection);
        await command.ExecuteNonQueryAsync(ct);
        return transaction;
    }

    private static async Task<(int Epoch, DateTimeOffset Started)> CurrentAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select epoch_id, created_at from keys.epoch where destroyed_at is null order by epoch_id desc limit 1", connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) throw new VaultStartException("The keys database has no key epoch.");
        return (reader.GetInt32(0), reader.GetFieldValue<DateTimeOffset>(1));
    }

    private async Task RewrapAsync(NpgsqlConnection connection, int epoch, SecretBytes root, CancellationToken ct)
    {
        while (await ReadPagesAsync(connection, epoch, ct) is { Count: > 0 } pages)
        {
            await using var update = new NpgsqlCommand(
                "update keys.page p set epoch_id = $1, wrapped = u.w from unnest($2, $3) as u (p, w) where p.page_id = u.p", connection)
            {
                Parameters =
                {
                    new() { Value = epoch },
                    new() { Value = pages.Select(p => p.Id).ToArray() },
                    new() { Value = pages.Select(p => registry.RewrapPage(p.Id, p.Generation, p.Epoch, p.Wrapped, root)).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea },
                },
            };
            await update.ExecuteNonQueryAsync(ct);
        }
    }

    private static async Task<List<(long Id, int Generation, int Epoch, byte[] Wrapped)>> ReadPagesAsync(NpgsqlConnection connection, int below, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"select page_id, generation, epoch_id, wrapped from keys.page where epoch_id < $1 limit {Chunk}", connection) { Parameters = { new() { Value = below } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var pages = new List<(long, int, int, byte[])>();
        while (await reader.ReadAsync(ct)) pages.Add((reader.GetInt64(0), reader.GetInt32(1), reader.GetInt32(2), reader.GetFieldValue<byte[]>(3)));
        return pages;
    }

    private async Task<List<EpochChange>> MarkDestroyedAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            update keys.epoch e set wrapped = null, destroyed_at = $1
            where destroyed_at is null and (select min(n.created_at) from keys.epoch n where n.epoch_id > e.epoch_id) < $2
            returning epoch_id, commitment
            """, connection)
        {
            Parameters = { new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = (clock.GetUtcNow() - options.EpochRetention).UtcDateTime } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var gone = new List<EpochChange>();
        while (await reader.ReadAsync(ct)) gone.Add(new EpochChange(reader.GetInt32(0), reader.GetFieldValue<byte[]>(1)));
        return gone;
    }
}
