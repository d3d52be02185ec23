using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>
/// A new root key: each version of the vault key is wrapped under the root key in use. The one before is configured beside it until this is done, and opens
/// nothing in the keys database afterwards.
/// </summary>
internal sealed class RootRotation(KeysDatabase database, VaultKeyring keyring, VaultKeys vaultKeys, RootKeyProviders rootKeys) : IRotation
{
    public string Level => RotationLevels.Root;

    public async Task<RotationPlan> PlanAsync(string? target, CancellationToken ct)
    {
        if (target is not null) throw VaultException.BadRequest("The root key to rotate to is the one that is configured.");
        await using var count = database.Source.CreateCommand("select count(*) from keys.vault_key where wrapped is not null");
        return new RotationPlan(rootKeys.Current.Name, (long)(await count.ExecuteScalarAsync(ct))!);
    }

    public async Task<RotationStep> StepAsync(RotationJob job, CancellationToken ct)
    {
        if (job.View.Target != rootKeys.Current.Name) throw new VaultStartException($"The rotation is to the root key {job.View.Target}, and this process uses {rootKeys.Current.Name}.");
        var after = (int)RotationStore.At(job.Cursor, 0);
        if (await NextAsync(after, ct) is not { } found) return new RotationStep(job.View.Done, job.Cursor, Finished: true);
        await using var command = database.Source.CreateCommand("update keys.vault_key set wrapped = $2, root_key = $3 where version = $1 and wrapped = $4");
        command.Parameters.Add(new() { Value = found.Version });
        command.Parameters.Add(new() { Value = vaultKeys.RewrapUnderRoot(keyring.VaultId, found.Version, found.Wrapped, found.RootKey) });
        command.Parameters.Add(new() { Value = rootKeys.Current.Name });
        command.Parameters.Add(new() { Value = found.Wrapped });
        await command.ExecuteNonQueryAsync(ct);
        return new RotationStep(job.View.Done + 1, RotationStore.Cursor(found.Version), Finished: false);
    }

    private async Task<(int Version, byte[] Wrapped, string? RootKey)?> NextAsync(int after, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand("select version, wrapped, root_key from keys.vault_key where version > $1 and wrapped is not null order by version limit 1");
        command.Parameters.Add(new() { Value = after });
        var rows = await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetFieldValue<byte[]>(1), row.IsDBNull(2) ? null : row.GetString(2)), ct);
        return rows.Count == 0 ? null : rows[0];
    }
}
