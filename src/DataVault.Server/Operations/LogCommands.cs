using System.Globalization;
using DataVault.Server.Backup;
using DataVault.Server.Database;
using DataVault.Vault;

namespace DataVault.Server.Operations;

/// <summary>The commands <c>prune-log</c> and <c>reindex-log</c>: what an operator does with a long log, while servers may work on.</summary>
internal sealed class LogCommands(VaultVisit visit, Action<string> print)
{
    /// <summary>Takes the entries from before a day out of the database, or says what that would be.</summary>
    public Task PruneAsync(string before, bool dryRun, CancellationToken stop)
    {
        if (!DateOnly.TryParseExact(before, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day))
            throw new StartupException("The day is written as 2026-03-31.");
        return visit.BesideServersAsync(async databases =>
        {
            await using var app = visit.Assemble(databases.Logins);
            var prune = app.Services.GetRequiredService<LogPrune>();
            var plan = await prune.PlanAsync(new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero), stop);
            if (plan.IsEmpty)
            {
                print("There is nothing to prune.");
                return;
            }
            print(string.Create(
                CultureInfo.InvariantCulture,
                $"Entries {plan.From:N0} to {plan.Below - 1:N0} ({plan.Bytes / 1e6:N1} MB) and {plan.Details:N0} details leave the database; their hashes stay there, the entries stay in the log's mirror."));
            if (dryRun)
                return;
            var index = await prune.RunAsync(plan, databases.Administrator(BackupPart.Data), stop);
            print(string.Create(CultureInfo.InvariantCulture, $"Pruned; entry {index:N0} of the log says so."));
        }, stop);
    }

    /// <summary>Has what searches are made on made again from the log.</summary>
    public Task ReindexAsync(CancellationToken stop) => visit.BesideServersAsync(async databases =>
    {
        await LogReindex.ClearAsync(databases.Administrator(BackupPart.Data), stop);
        print("The look-up tables of the log are empty; the server makes them again, and searches wait for it.");
    }, stop);
}
