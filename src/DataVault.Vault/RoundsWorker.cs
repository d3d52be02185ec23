using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// Work in the background, round after round until the process ends. A round that fails leads to a longer pause, never to an end; parts and items of a round fail
/// each by itself. How often, and how often in a row, is measured.
/// </summary>
public abstract class RoundsWorker(TimeProvider clock, ILogger logger) : BackgroundService
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, Type> failing = new(StringComparer.Ordinal);

    protected ILogger Logger => logger;

    /// <summary>By which it works and rests.</summary>
    protected TimeProvider Clock => clock;

    /// <summary>Pause after a round that went well.</summary>
    protected abstract TimeSpan Rhythm { get; }

    /// <summary>After failures in a row the pause is doubled each time, from a second up to this.</summary>
    protected virtual TimeSpan LongestPause => TimeSpan.FromMinutes(1);

    /// <summary>One round. False, or an exception: something of it is to be tried again soon.</summary>
    public abstract Task<bool> RoundAsync(CancellationToken cancellation);

    /// <summary>Waits for the next round; cancellation may throw.</summary>
    protected virtual Task RestAsync(TimeSpan pause, CancellationToken cancellation) => Task.Delay(pause, clock, cancellation);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var failures = 0; !stoppingToken.IsCancellationRequested;)
        {
            var well = true;
            var ended = await TryAsync("round", async ct => well = await RoundAsync(ct), stoppingToken);
            failures = well && ended ? 0 : failures + 1;
            VaultMeters.Round(GetType().Name, failures);
            await RestAsync(failures == 0 ? Rhythm : PauseAfter(failures), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>A part of a round. False when it failed; the rest of the round goes on.</summary>
    /// <param name="part">Its name: what fails again and again in the same way is said once.</param>
    /// <param name="work">What is to be done.</param>
    /// <param name="cancellation">Ends the work; that is no failure.</param>
#pragma warning disable CA1031 // Whatever somebody wrote into a database, and whatever a disk or somebody else's server says, the next round comes.
    protected async Task<bool> TryAsync(string part, Func<CancellationToken, Task> work, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(work);
        try
        {
            await work(cancellation);
            if (failing.TryRemove(part, out _)) logger.LogInformation("{Worker}: {Part} works again.", GetType().Name, part);
            return true;
        }
        catch (Exception) when (cancellation.IsCancellationRequested)
        {
            return true;
        }
        catch (Exception e)
        {
            // Types only: messages of a database may quote values.
            var isNews = !failing.TryGetValue(part, out var before) || before != e.GetType();
            failing[part] = e.GetType();
            logger.Log(
                !isNews ? LogLevel.Debug : DatabaseFailure.IsAway(e) ? LogLevel.Warning : LogLevel.Error,
                "{Worker}: {Part} failed ({Kind}); it is tried again.", GetType().Name, part, e.GetType().Name);
            return false;
        }
    }
#pragma warning restore CA1031

    private TimeSpan PauseAfter(int failures)
    {
        var pause = FirstPause * Math.Pow(2, Math.Min(failures - 1, 16));
        return pause < LongestPause ? pause : LongestPause;
    }
}

/// <summary>Items of one kind, one after the other and each by itself.</summary>
internal static class Separately
{
    /// <summary>
    /// Does the work for every item, whichever of them fails; the first failure is thrown once all have had their turn. A database that is away ends it at once,
    /// since it would fail for all.
    /// </summary>
    /// <param name="items">What is to be worked on.</param>
    /// <param name="work">For one item.</param>
    /// <param name="failed">Told of each that failed.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task EachAsync<T>(IEnumerable<T> items, Func<T, Task> work, Action<T, Exception> failed, CancellationToken cancellation)
    {
        ExceptionDispatchInfo? first = null;
        foreach (var item in items)
        {
            try
            {
                await work(item);
            }
            catch (Exception e) when (!cancellation.IsCancellationRequested && !DatabaseFailure.IsAway(e))
            {
                failed(item, e);
                first ??= ExceptionDispatchInfo.Capture(e);
            }
        }

        first?.Throw();
    }
}
