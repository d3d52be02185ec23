using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace DataVault.Server.Outbound;

/// <summary>How each of those stands to whom the log is shown: for the status and for metrics, never for readiness, since none of them may delay anything.</summary>
internal sealed class OutboundState : IDisposable
{
    public const string Good = "ok";

    private readonly ConcurrentDictionary<string, (string State, long Lag)> _parts = new();
    private readonly Meter _meter = new("DataVault.Outbound");
    private readonly Counter<long> _alarms;

    public OutboundState()
    {
        _meter.CreateObservableGauge(
            "datavault.log.outbound.lag", () => _parts.Select(part => new Measurement<long>(part.Value.Lag, new KeyValuePair<string, object?>("to", part.Key))),
            "{entry}", "Signed log entries that a witness, a timestamp authority or a stream has not got yet");
        _alarms = _meter.CreateCounter<long>("datavault.log.contradicted", "{answer}", "Answers of witnesses who saw another log");
    }

    /// <summary>Every part and its state: <c>ok</c> or what is wrong.</summary>
    public IEnumerable<KeyValuePair<string, string>> Parts => _parts.Select(part => KeyValuePair.Create(part.Key, part.Value.State));

    public void Set(string part, string state, long lag) => _parts[part] = (state, lag);

    public void Alarm() => _alarms.Add(1);

    public void Dispose() => _meter.Dispose();
}

/// <summary>Runs rounds of work one after another; a round that fails leads to a longer pause, never to an end.</summary>
internal abstract class RoundsWorker(TimeProvider clock, ILogger logger) : BackgroundService
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    /// <summary>Pause after a round that went well.</summary>
    protected abstract TimeSpan Rhythm { get; }

    /// <summary>One round. True when it went well.</summary>
    internal abstract Task<bool> RoundAsync(CancellationToken cancellation);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var pause = Rhythm;
        while (!stoppingToken.IsCancellationRequested)
        {
            pause = await TryAsync(stoppingToken) ? Rhythm : TimeSpan.FromTicks(Math.Min(Math.Max(pause.Ticks, Rhythm.Ticks) * 2, Math.Max(LongestPause.Ticks, Rhythm.Ticks)));
            await Task.Delay(pause, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

#pragma warning disable CA1031 // Whatever somebody else's server answers, and whatever the disk says, the next round comes.
    private async Task<bool> TryAsync(CancellationToken cancellation)
    {
        try
        {
            return await RoundAsync(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return true;
        }
        catch (Exception e)
        {
            logger.LogWarning("{Worker} failed ({Kind}); it tries again.", GetType().Name, e.GetType().Name);
            return false;
        }
    }
#pragma warning restore CA1031
}
