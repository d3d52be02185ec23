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
