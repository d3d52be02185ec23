using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// Once a second: who is stopped or let go by other processes, and who touched somebody planted. Now and then: what was counted long ago is forgotten, and what
/// waits for officers is measured.
/// </summary>
internal sealed class WatchKeeper(Brakes brakes, DisclosureBudgets budgets, HoneyWatch honey, Alerts alerts, VaultClock clock, ILogger<WatchKeeper> logger)
    : RoundsWorker(clock.Provider, logger)
{
    private static readonly TimeSpan TidyEvery = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(30);
    private DateTimeOffset tidied;
    private DateTimeOffset looked;

    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(1);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        var well = await TryAsync("brakes", async ct => budgets.Forget(await brakes.RefreshAsync(ct)), cancellation);
        well &= await TryAsync("planted people", ct => honey.FollowAsync(clock, ct), cancellation);
        if (clock.Now - looked >= LookEvery)
        {
            well &= await TryAsync("the backlog", alerts.LookAsync, cancellation);
            looked = clock.Now;
        }

        if (clock.Now - tidied < TidyEvery) return well;
        well &= await TryAsync("old budgets", budgets.TidyAsync, cancellation);
        well &= await TryAsync("what was used up", brakes.TidyAsync, cancellation);
        tidied = clock.Now;
        return well;
    }
}
