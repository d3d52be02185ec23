using System.Globalization;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// A new version of the vault key: made, then everything that an older one wraps (the named roots, the epoch roots) is wrapped under it, then the older ones
/// are destroyed. Nothing is derived from a vault key, so nothing else changes.
/// </summary>
internal sealed class VaultKeyRotation(KeysDatabase database, VaultKeyring keyring, VaultKeys vaultKeys, RootKeyProviders rootKeys, TimeProvider clock) : IRotation
{
    private const string Older =
        """
        select 'root', name, version, wrapped, vault_key_version from keys.root where wrapped is not null and vault_key_version < $1
        union all select 'epoch', '', epoch_id, wrapped, vault_key_version from keys.epoch where wrapped is not null and vault_key_version < $1
        order by 1 desc, 2, 3
        """;

    private sealed record Wrap(bool IsRoot, string Name, int Id, byte[] Wrapped, int Version);

    public string Level => RotationLevels.Vault;

    public async Task<RotationPlan> PlanAsync(string? target, CancellationToken ct)
    {
        if (target is not null) throw VaultException.BadRequest("The next version of the vault key has no other name.");
        var _ = keyring.VaultId;
        await using var command = database.Source.CreateCommand(
            """
            select (select max(version) from keys.vault_key), (select count(*) from keys.root where wrapped is not null) + (select count(*) from keys.epoch where wrapped is not null)
            """);
        var (newest, wraps) = (await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetInt64(1)), ct))[0];
        // The version itself, what it will wrap, and the end of the older ones.
        return new RotationPlan((newest + 1).ToString(CultureInfo.InvariantCulture), wraps + 2);
    }

    // What is to be done next shows in the tables themselves; the cursor is not needed.
    public async Task<RotationStep> StepAsync(RotationJob job, CancellationToken ct)
    {
        var target = int.Parse(job.View.Target, CultureInfo.InvariantCulture);
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var finished = false;
        if (!await ExistsAsync(connection, target, ct)) await CreateAsync(connection, target, ct);
        else if (await OlderAsync(connection, target, ct) is [var first, ..]) await RewrapAsync(connection, first, target, ct);
        else finished = await DestroyAsync(connection, target, ct);
        var left = finished ? 0 : (await OlderAsync(connection, target, ct)).Count + 1;
        await DurabilityGuard.CommitAsync(transaction);
        if (finished) await ForgetAsync(ct);
        return new RotationStep(job.View.Total - left, null, finished);
    }

    /// <summary>Lets go of versions that are destroyed, here or by another process.</summary>
    public async Task ForgetAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select version from keys.vault_key where wrapped is not null");
        var alive = await Rows.ReadAsync(command, row => row.GetInt32(0), ct);
        foreach (var version in vaultKeys.Remembered().Except(alive)) vaultKeys.Forget(version);
    }

    private static async Task<bool> ExistsAsync(NpgsqlConnection connection, int version, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select exists (select from keys.vault_key where version = $1)", connection) { Parameters = { new() { Value = version } } };
        return await command.ExecuteScalarAsync(ct) is true;
    }

    private async Task CreateAsync(NpgsqlConnection connection, int version, CancellationToken ct)
    {
        await using var insert = new NpgsqlCommand("insert into keys.vault_key (version, vault_id, wrapped, created_at, has_roots, root_key) values ($1, $2, $3, $4, true, $5)", connection)
        {
            Parameters =
            {
                new() { Value = version }, new() { Value = keyring.VaultId }, new() { Value = vaultKeys.WrapFresh(keyring.VaultId, version) },
                new() { Value = clock.GetUtcNow().UtcDateTime }, new() { Value = rootKeys.Current.Name },
            },
        };
        await insert.ExecuteNonQueryAsync(ct);
    }

    private static async Task<List<Wrap>> OlderAsync(NpgsqlConnection connection, int target, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(Older, connection) { Parameters = { new() { Value = target } } };
        return await Rows.ReadAsync(command, row => new Wrap(row.GetString(0) == "root", row.GetString(1), row.GetInt32(2), row.GetFieldValue<byte[]>(3), row.GetInt32(4)), ct);
    }

    private async Task RewrapAsync(NpgsqlConnection connection, Wrap wrap, int target, CancellationToken ct)
    {
        var sql = wrap.IsRoot
            ? "update keys.root set wrapped = $3, vault_key_version = $4 where name = $1 and version = $2 and wrapped = $5"
            : "update keys.epoch set wrapped = $3, vault_key_version = $4 where $1 = '' and epoch_id = $2 and wrapped = $5";
        await using var command = new NpgsqlCommand(sql, connection)
        {
            Parameters = { new() { Value = wrap.Name }, new() { Value = wrap.Id }, new() { Value = Rewrapped(wrap, target) }, new() { Value = target }, new() { Value = wrap.Wrapped } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }

    private byte[] Rewrapped(Wrap wrap, int target)
    {
        if (!wrap.IsRoot) return keyring.RewrapEpoch(wrap.Id, wrap.Wrapped, wrap.Version, target);
        using var older = vaultKeys.Copy(wrap.Version);
        using var newer = vaultKeys.Copy(target);
        return vaultKeys.RewrapRoot(wrap.Wrapped, new VaultKeys.RootContext(keyring.VaultId, wrap.Name, wrap.Id, wrap.Version), older, target, newer);
    }

    // INVARIANT: the older rows are locked first. Whoever wraps something holds its version's row until it is committed, so either it is seen here or it
    // was wrapped under the new version.
    private async Task<bool> DestroyAsync(NpgsqlConnection connection, int target, CancellationToken ct)
    {
        await using (var wait = new NpgsqlCommand("select version from keys.vault_key where version < $1 for update", connection) { Parameters = { new() { Value = target } } })
            await wait.ExecuteNonQueryAsync(ct);
        if ((await OlderAsync(connection, target, ct)).Count > 0) return false;
        await using var destroy = new NpgsqlCommand("update keys.vault_key set wrapped = null, destroyed_at = $2 where version < $1 and wrapped is not null", connection)
        {
            Parameters = { new() { Value = target }, new() { Value = clock.GetUtcNow().UtcDateTime } },
        };
        await destroy.ExecuteNonQueryAsync(ct);
        return true;
    }
}
