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
internal sealed class IndexWorker(VaultDatabase database, IndexBuilder builder, ActivePolicy policy, TimeProvider clock, ILogger<IndexWorker> logger)
    : RoundsWorker(clock, logger)
{
    private const long LockKey = 0x4441_5641_4957;

    private readonly SemaphoreSlim woken = new(0, 1);

    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(5);

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
        await policy.EnsureNewestAsync(ct);
        using var taken = policy.Take();
        while (await builder.DropAsync(ct))
        {
        }

        await Separately.EachAsync(
            policy.Current.Catalogue.Indexes, index => builder.FinishAsync(index, ct),
            (index, e) => logger.LogError("The blind index {Index} cannot be kept ({Kind}).", index.Name, e.GetType().Name), ct);
        return true;
    }

    public override void Dispose()
    {
        woken.Dispose();
        base.Dispose();
    }

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await TurnAsync(cancellation);
        return true;
    }

    protected override async Task RestAsync(TimeSpan pause, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await Task.WhenAny(base.RestAsync(pause, either.Token), woken.WaitAsync(either.Token));
        await either.CancelAsync();
    }
}
