using DataVault.Transparency;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// Before anything is served: brings the marks in the database and those in the journal together. A restored database gets back the marks of erasures since, and loses those
/// that were lifted since; a journal that a crash left behind, or that came back with an older home folder, gets what it lacks.
/// </summary>
internal sealed class SuppressionGate(VaultDatabase database, SuppressionList list, SuppressionJournal journal, ActivePolicy policy, VaultClock clock, ILogger<SuppressionGate> logger) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var told = await journal.ReadAsync(cancellationToken);
        var (marks, ended) = await list.AllAsync(cancellationToken);
        if (told.Damaged > 0) logger.LogWarning("The suppression journal has {Damaged} lines that the vault did not write; they are passed over.", told.Damaged);
        var there = marks.Select(mark => (mark.Group, mark.Number)).ToHashSet();
        var lacked = told.Marks.Values.Where(mark => mark.Expires > clock.Today && !there.Contains((mark.Group, mark.Number)) && !ended.Contains(mark.Group)).ToList();
        var lifted = marks.Select(mark => mark.Group).Where(told.Ended.Contains).Distinct().ToList();
        if (lacked.Count + lifted.Count > 0)
        {
            await database.RunAsync(async (connection, transaction) =>
            {
                await list.InsertAsync(connection, transaction, lacked, cancellationToken);
                if (lifted.Count > 0) await list.EndAsync(connection, transaction, lifted, cancellationToken);
                return true;
            }, cancellationToken);
            logger.LogWarning("The vault database lacked {Lacked} marks of people who were erased, and had {Lifted} that were lifted: both are as the journal says.", lacked.Count, lifted.Count);
        }

        if (policy.Current.Suppression is not null) await list.ProvideKeyAsync(cancellationToken);
        await journal.AppendAsync(
            [.. marks.Where(mark => !told.Marks.ContainsKey((mark.Group, mark.Number)) && !told.Ended.Contains(mark.Group))], [.. ended.Where(group => !told.Ended.Contains(group))], cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Once an hour forgets what has been kept long enough: the marks, their lines in the journal, and the keys that nothing is kept under any more. A policy without suppression.yaml keeps nothing.</summary>
internal sealed class SuppressionExpiry(
    VaultDatabase database, SuppressionKeys keys, SuppressionJournal journal, AuditLog log, (ActivePolicy Policy, VaultClock Clock) now, ILogger<SuppressionExpiry> logger)
    : RoundsWorker(now.Clock.Provider, logger)
{
    protected override TimeSpan Rhythm => TimeSpan.FromHours(1);

    public override Task<bool> RoundAsync(CancellationToken cancellation) => TryAsync("marks of the erased to forget", ForgetAsync, cancellation);

    private async Task ForgetAsync(CancellationToken ct)
    {
        await now.Policy.EnsureNewestAsync(ct);
        using var taken = now.Policy.Take();
        var isOff = now.Policy.Current.Suppression is null;
        var today = now.Clock.Today;
        await database.RunAsync(async (connection, transaction) =>
        {
            var gone = await SuppressionList.DeleteAsync(connection, transaction, isOff ? null : today, ct);
            if (gone == 0) return gone;
            var entry = log.Entry(EntryType.SuppressionExpired, LogWorker.Keeper, default, "", EntryResult.Ok, []);
            await log.AppendWithinAsync(connection, transaction, [entry with { Rules = [FormattableString.Invariant($"marks:{gone}"), .. isOff ? ["policy:off"] : Array.Empty<string>()] }], ct);
            return gone;
        }, ct);
        if (!isOff) await keys.CurrentAsync(ct);
        await journal.TidyAsync(isOff ? DateOnly.MaxValue : today, ct);
        await using var connection = await database.OpenAsync(ct);
        await keys.ForgetUnusedAsync(await SuppressionList.EpochsAsync(connection, null, ct), ct);
    }
}
