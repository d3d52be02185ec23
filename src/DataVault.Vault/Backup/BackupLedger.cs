using DataVault.Policy;
using DataVault.Transparency;
using Microsoft.Extensions.Hosting;

namespace DataVault.Vault;

/// <summary>
/// Enters backups in the log, for a command that runs beside the servers: an entry before the first byte leaves, which fails when the log cannot be written,
/// and one at the end that answers it.
/// </summary>
public sealed class BackupLedger : IAsyncDisposable
{
    private readonly AuditLog log;
    private readonly VaultStartup startup;
    private bool started;

    internal BackupLedger(AuditLog log, VaultStartup startup) => (this.log, this.startup) = (log, startup);

    /// <returns>Index of the entry.</returns>
    /// <exception cref="VaultStartException">The databases are not fit to be served, and so not to be appended to.</exception>
    /// <exception cref="VaultException">The log cannot be written: no backup is made.</exception>
    public async Task<long> BeginAsync(BackupPart part, CancellationToken ct = default)
    {
        await startup.StartAsync(ct);
        await log.StartAsync(ct);
        started = true;
        return await log.AppendAsync(Entry(part, EntryResult.Ok), null, ct);
    }

    /// <summary>Says how it ended.</summary>
    /// <param name="part">Which database.</param>
    /// <param name="begun">What <see cref="BeginAsync"/> gave.</param>
    /// <param name="made">Whether the backup was written whole and read again.</param>
    public Task<long> EndAsync(BackupPart part, long begun, bool made) =>
        log.AppendAsync(Entry(part, made ? EntryResult.Ok : EntryResult.Error) with { Reference = begun }, null, CancellationToken.None);

    /// <summary>Enters that an operator has restored the newest backups elsewhere and found everything in them.</summary>
    /// <returns>Index of the entry.</returns>
    /// <exception cref="VaultStartException">The databases are not fit to be served, and so not to be appended to.</exception>
    /// <exception cref="VaultException">The log cannot be written.</exception>
    public async Task<long> DrilledAsync(CancellationToken ct = default)
    {
        await startup.StartAsync(ct);
        await log.StartAsync(ct);
        started = true;
        return await log.AppendAsync(log.Entry(EntryType.BackupMade, LogWorker.Keeper, default, "", EntryResult.Ok, []) with { Rules = [BackupHistory.DrillRule] }, null, ct);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (started) await log.StopAsync(CancellationToken.None);
    }

    // SPEC log-entry §12
    private LogEntry Entry(BackupPart part, EntryResult result) => log.Entry(EntryType.BackupMade, LogWorker.Keeper, default, "", result, [(int)part]);
}
