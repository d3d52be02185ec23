using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// Compares both databases, the log, the journal and the packages with each other, and changes nothing. It may run beside servers that work: it looks at
/// one state of the vault database throughout. What it finds, no crash, restart or restore of ours leaves behind.
/// </summary>
public sealed class VaultCheck
{
    private readonly VaultDatabase database;
    private readonly KeysDatabase keys;
    private readonly VaultKeyring keyring;
    private readonly TombstoneJournal journal;
    private readonly PackageFolder packages;

    internal VaultCheck(VaultDatabase database, KeysDatabase keys, VaultKeyring keyring, TombstoneJournal journal, PackageFolder packages) =>
        (this.database, this.keys, this.keyring, this.journal, this.packages) = (database, keys, keyring, journal, packages);

    /// <param name="options">How far to go.</param>
    /// <param name="progress">Told what is being looked at.</param>
    /// <param name="ct">Ends the check early.</param>
    public async Task<CheckReport> RunAsync(CheckOptions options, Action<string>? progress = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        await using var run = await CheckRun.BeginAsync(database, progress ?? (static _ => { }), ct);
        await new KeyCheck(run, keys, keyring, journal).RunAsync(ct);
        var log = new LogCheck(run);
        var rows = new RowCheck(run, packages);
        await rows.RunAsync(log, ct);
        await log.RunAsync(static (_, _, _) => { }, ct);
        rows.CompareWith(log);
        return run.Report();
    }
}
