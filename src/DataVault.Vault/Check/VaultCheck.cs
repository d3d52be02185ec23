namespace DataVault.Vault;

/// <summary>
/// Compares both databases, the log, the journal and the packages with each other, and changes nothing. It may run beside servers that work: it looks at
/// one state of the vault database throughout. What it finds, no crash, restart or restore of ours leaves behind.
/// </summary>
public sealed class VaultCheck
{
    private readonly VaultDatabase database;
    private readonly Func<CheckRun, LogCheck> logs;
    private readonly Func<CheckRun, KeyCheck> keys;
    private readonly Func<CheckRun, RowCheck> rows;
    private readonly Func<CheckRun, PeopleCheck> people;
    private readonly Func<CheckRun, RecordsCheck> records;

    internal VaultCheck(
        VaultDatabase database, Func<CheckRun, LogCheck> logs, Func<CheckRun, KeyCheck> keys, Func<CheckRun, RowCheck> rows, Func<CheckRun, PeopleCheck> people, Func<CheckRun, RecordsCheck> records) =>
        (this.database, this.logs, this.keys, this.rows, this.people, this.records) = (database, logs, keys, rows, people, records);

    /// <param name="options">How far to go.</param>
    /// <param name="progress">Told what is being looked at.</param>
    /// <param name="ct">Ends the check early.</param>
    public async Task<CheckReport> RunAsync(CheckOptions options, Action<string>? progress = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        await using var snapshot = await VaultSnapshot.TakeAsync(database, ct);
        var run = new CheckRun(snapshot, progress ?? (static _ => { }));
        var held = keys(run);
        await held.RunAsync(ct);
        var log = logs(run);
        await held.AskAsync(log, ct);
        var asked = rows(run);
        await asked.RunAsync(log, ct);
        await log.RunAsync(ct);
        await asked.CompareWithAsync(log, ct);
        held.CompareWith(log);
        if (options.Deep)
        {
            await people(run).RunAsync(ct);
            await records(run).RunAsync(ct);
        }

        return run.Report();
    }
}
