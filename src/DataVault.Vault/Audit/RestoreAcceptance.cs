using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What an operator does about a restore that the vault found or that an earlier version declared: says that it was meant.</summary>
public sealed class RestoreAcceptance
{
    private readonly VaultDatabase database;
    private readonly VaultStartup startup;
    private readonly RestoreDeclarations restores;
    private readonly RestoredVersions versions;

    internal RestoreAcceptance(VaultDatabase database, VaultStartup startup, RestoreDeclarations restores, RestoredVersions versions) =>
        (this.database, this.startup, this.restores, this.versions) = (database, startup, restores, versions);

    /// <summary>Every restore that the log declares. Reads the whole log.</summary>
    /// <exception cref="VaultStartException">The databases are not fit to be served.</exception>
    public async Task<IReadOnlyCollection<DeclaredRestore>> ListAsync(CancellationToken ct = default)
    {
        // What a start finds is declared before it is listed.
        await startup.StartAsync(ct);
        return (await restores.ReadAsync(0, ct)).Declared;
    }

    /// <inheritdoc cref="RestoreDeclarations.LostActsAsync"/>
    public Task<IReadOnlyList<LostAct>> LostActsAsync(DeclaredRestore restore, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(restore);
        return restores.LostActsAsync(restore, ct);
    }

    /// <summary>Accepts one; records that it explains are served again.</summary>
    /// <returns>Index of the entry that says so, how many records are taken as they stand, and how many are older than the restore explains.</returns>
    /// <exception cref="VaultException">No entry at this index declares a restore that is not accepted yet: invalid state.</exception>
    public async Task<(long Entry, int Taken, int Refused)> AcceptAsync(long declaration, CancellationToken ct = default)
    {
        if (!(await ListAsync(ct)).Any(restore => restore.Index == declaration && !restore.IsBelieved))
            throw VaultException.InvalidState($"Entry {declaration} does not declare a restore that waits to be accepted.");
        var entry = await database.RunAsync((connection, transaction) => restores.AcceptAsync(connection, transaction, declaration, ct), ct);
        var (taken, refused) = await versions.AcceptAsync(ct);
        // What stood in the way of the gate may not do so any more: parts that were erased since the copy are erased again.
        await startup.StartAsync(ct);
        return (entry, taken, refused);
    }

    /// <summary>
    /// People whose records are refused as older than they were, though the log tells of nothing newer: what is remembered of them goes back to the newest version that
    /// the log tells of. A record older than that stays refused. Reads the whole log.
    /// </summary>
    /// <returns>Index of the first entry that says so, and of how many people it is one; 0 when nothing newer is remembered of any.</returns>
    /// <exception cref="VaultException">The log's key cannot be opened: unavailable.</exception>
    public async Task<(long Entry, int People)> ForgetAsync(IReadOnlyList<SubjectId> people, CancellationToken ct = default)
    {
        await startup.StartAsync(ct);
        var proven = await versions.ProvenAsync([.. people.Distinct()], ct);
        if (proven.Count == 0) return (0, 0);
        // Said first: who is cut off after it finds the same people again.
        var entry = await database.RunAsync((connection, transaction) => restores.ForgetAsync(connection, transaction, proven, ct), ct);
        await versions.ForgetAsync(proven, ct);
        return (entry, proven.Count);
    }
}
