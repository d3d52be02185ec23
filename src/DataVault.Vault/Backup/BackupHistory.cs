using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>The newest backup of one database that was written whole and read again.</summary>
/// <param name="Part">Which.</param>
/// <param name="At">When it was done; null when the log knows of none.</param>
/// <param name="IsDue">True when people's keys have been renewed since (it fits no newer copy of the other database any more), or when it is older than it may be.</param>
public sealed record LastBackup(BackupPart Part, DateTimeOffset? At, bool IsDue);

/// <summary>The newest drill that an operator told of.</summary>
/// <param name="At">When it was told of; null when the log knows of none.</param>
/// <param name="IsDue">True when it is longer ago than it may be.</param>
public sealed record LastDrill(DateTimeOffset? At, bool IsDue);

/// <summary>How old the backups are, and the last time that they were tried.</summary>
public sealed record BackupState(IReadOnlyList<LastBackup> Backups, LastDrill Drill);

/// <summary>What the log says of the vault's own backups. Those made by other means, such as WAL archiving, it does not know.</summary>
public sealed class BackupHistory
{
    internal const string DrillRule = "drill";
    private const int PageSize = 100;
    private const int MostPages = 20;
    private readonly AuditReader log;
    private readonly RotationStore rotations;
    private readonly VaultOptions options;
    private readonly TimeProvider clock;

    internal BackupHistory(AuditReader log, RotationStore rotations, VaultOptions options, TimeProvider clock) =>
        (this.log, this.rotations, this.options, this.clock) = (log, rotations, options, clock);

    public async Task<BackupState> LookAsync(CancellationToken ct)
    {
        var (found, drilled) = (new Dictionary<BackupPart, DateTimeOffset>(), (DateTimeOffset?)null);
        var query = new AuditQuery { Type = EntryType.BackupMade, Result = EntryResult.Ok, Limit = PageSize };
        for (var page = 0; page < MostPages && (found.Count < 2 || drilled is null); page++)
        {
            var entries = await log.SearchAsync(query, ct);
            foreach (var entry in entries.Entries.Select(record => record.Entry))
            {
                var at = DateTimeOffset.FromUnixTimeMilliseconds(entry.Time);
                // SPEC log-entry §12: the one that refers to the beginning says how it ended.
                if (entry is { Reference: not null, Items: [var part] }) found.TryAdd((BackupPart)part, at);
                else if (entry.Rules.Contains(DrillRule)) drilled ??= at;
            }

            if (entries.Next is null) break;
            query = query with { Cursor = entries.Next };
        }

        var renewed = await rotations.LastDoneAsync(RotationLevels.Subjects, ct);
        return new BackupState(
            [.. new[] { BackupPart.Data, BackupPart.Keys }.Select(part => Of(part, found.TryGetValue(part, out var at) ? at : null, renewed))],
            new LastDrill(drilled, IsOlder(drilled, options.DrillsDueAfter)));
    }

    private LastBackup Of(BackupPart part, DateTimeOffset? at, DateTimeOffset? renewed) =>
        new(part, at, (renewed is { } since && (at is null || at < since)) || IsOlder(at, options.BackupsDueAfter));

    private bool IsOlder(DateTimeOffset? at, TimeSpan? limit) => limit is { } most && (at is null || clock.GetUtcNow() - at > most);
}

/// <summary>Meters what of backups is due: whoever is paged by metrics must not have to look at a page.</summary>
internal sealed class BackupReminder(BackupHistory history, TimeProvider clock, ILogger<BackupReminder> logger) : RoundsWorker(clock, logger)
{
    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(10);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        VaultMeters.Backups(await history.LookAsync(cancellation));
        return true;
    }
}
