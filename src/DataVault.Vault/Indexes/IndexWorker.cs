using DataVault.Policy;
using DataVault.Vault.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault.Indexes;

/// <summary>
/// At the start, before anything is served: the plan follows the policy, and a unique index that holds nobody yet is built at once, since before that nothing
/// keeps an identifier from being held twice.
/// </summary>
internal sealed class IndexStartup(IndexPlans plans, IndexChanges changes, IndexBuilder builder, ActivePolicy policy) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await changes.ReconcileAsync(policy.Current.Catalogue, cancellationToken);
        foreach (var index in policy.Current.Catalogue.Indexes.Where(index => index.IsUnique))
        {
            while (!(await plans.RefreshAsync(long.MaxValue - 1, cancellationToken)).ById[index.Id].IsSearchable)
            {
                // Another process may be at it; together they only do some of it twice.
                if (!await builder.StepAsync(index, cancellationToken)) break;
            }
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>Builds, rotates and clears away indexes in the background; of all processes of a vault one at a time.</summary>
internal sealed class IndexWorker(VaultDatabase database, IndexBuilder builder, ActivePolicy policy, TimeProvider clock, ILogger<IndexWorker> logger) : BackgroundService
{
    private const long LockKey = 0x4441_5641_4957;
    private static readonly TimeSpan Rhythm = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim woken = new(0, 1);

    /// <summary>There is something to do now.</summary>
    public void Wake()
    {
        if (woken.CurrentCount == 0) woken.Release();
    }

    /// <summary>Everything that is to be done, unless another process is at it. False: it is.</summary>
    public async Task<bool> TurnAsync(CancellationToken ct)
    {
        await using var held = await SessionLock.TryTakeAsync(database, LockKey, ct);
        if (held is null) return false;
        while (await builder.DropAsync(ct))
        {
        }

        foreach (var index in policy.Current.Catalogue.Indexes) await builder.FinishAsync(index, ct);
        return true;
    }

    public override void Dispose()
    {
        woken.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await TurnAsync(stoppingToken);
            }
            catch (Exception e) when (DatabaseFailure.IsOutage(e) || e is VaultException or StaleIndexPlanException)
            {
                logger.LogWarning("The index worker waits for the database ({Kind}).", e.GetType().Name);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.LogCritical("The blind indexes cannot be kept ({Kind}); it is tried again.", e.GetType().Name);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }

            await WaitAsync(stoppingToken);
        }
    }

    private async Task WaitAsync(CancellationToken ct)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await Task.WhenAny(Task.Delay(Rhythm, clock, either.Token), woken.WaitAsync(either.Token));
        await either.CancelAsync();
    }
}
