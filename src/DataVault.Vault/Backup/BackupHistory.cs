using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>The newest backup of one database that was written whole and read again.</summary>
/// <param name="Part">Which.</param>
/// <param name="At">When it was done; null when the log knows of none.</param>
/// <param name="IsDue">True when people's keys have been renewed since: it fits no newer copy of the other database any more.</param>
public sealed record LastBackup(BackupPart Part, DateTimeOffset? At, bool IsDue);

/// <summary>What the log says of the vault's own backups. Those made by other means, such as WAL archiving, it does not know.</summary>
public sealed class BackupHistory
{
    private const int PageSize = 100;
    private const int MostPages = 20;
    private readonly AuditReader log;
    private readonly RotationStore rotations;

    internal BackupHistory(AuditReader log, RotationStore rotations) => (this.log, this.rotations) = (log, rotations);

    public async Task<IReadOnlyList<LastBackup>> LastAsync(CancellationToken ct)
    {
        var found = new Dictionary<BackupPart, DateTimeOffset>();
        var query = new AuditQuery { Type = EntryType.BackupMade, Result = EntryResult.Ok, Limit = PageSize };
        for (var page = 0; page < MostPages && found.Count < 2; page++)
        {
            var entries = await log.SearchAsync(query, ct);
            // SPEC log-entry §12: the one that refers to the beginning says how it ended.
            foreach (var entry in entries.Entries.Select(record => record.Entry).Where(entry => entry is { Reference: not null, Items: [_] }))
                found.TryAdd((BackupPart)entry.Items[0], DateTimeOffset.FromUnixTimeMilliseconds(entry.Time));
            if (entries.Next is null) break;
            query = query with { Cursor = entries.Next };
        }

        var renewed = await rotations.LastDoneAsync(RotationLevels.Subjects, ct);
        return [.. new[] { BackupPart.Data, BackupPart.Keys }.Select(part => Of(part, found.TryGetValue(part, out var at) ? at : null, renewed))];
    }

    private static LastBackup Of(BackupPart part, DateTimeOffset? at, DateTimeOffset? renewed) => new(part, at, renewed is { } since && (at is null || at < since));
}
