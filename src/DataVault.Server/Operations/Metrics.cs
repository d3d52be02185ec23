using System.Globalization;
using System.Text;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace DataVault.Server.Operations;

/// <summary>Metrics for a scraper at /metrics, and metrics and traces to a collector when one is configured.</summary>
internal sealed class Telemetry : IDisposable
{
    private static readonly string[] Meters =
    [
        "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.Routing", "Microsoft.AspNetCore.RateLimiting",
        "Microsoft.AspNetCore.Diagnostics", "Microsoft.AspNetCore.Identity", "System.Runtime", "Npgsql", "DataVault.*",
    ];

    private readonly PrometheusExporter _prometheus = new();
    private readonly MeterProvider _meters;
    private readonly TracerProvider? _traces;

    /// <param name="collector">OTEL_EXPORTER_OTLP_ENDPOINT, or null.</param>
    public Telemetry(string? collector)
    {
        var meters = Sdk.CreateMeterProviderBuilder().AddMeter(Meters).AddReader(new BaseExportingMetricReader(_prometheus));
        if (collector is { Length: > 0 })
        {
            meters.AddOtlpExporter();
            // Names and statements only: Npgsql's spans hold no parameters, ASP.NET's hold the route and no query.
            _traces = Sdk.CreateTracerProviderBuilder().AddSource("Microsoft.AspNetCore", "Npgsql", "DataVault.*").AddOtlpExporter().Build();
        }
        _meters = meters.Build();
    }

    public string Scrape() => _prometheus.Scrape();

    public void Dispose()
    {
        _traces?.Dispose();
        _meters.Dispose();
    }
}

/// <summary>Prometheus' text format, version 0.0.4.</summary>
[ExportModes(ExportModes.Pull)]
internal sealed class PrometheusExporter : BaseExporter<Metric>, IPullMetricExporter
{
    private const int LongestWait = 5_000;
    private readonly Lock _lock = new();
    private string _text = "";

    public Func<int, bool>? Collect { get; set; }

    public string Scrape()
    {
        lock (_lock)
        {
            Collect?.Invoke(LongestWait);
            return _text;
        }
    }

    public override ExportResult Export(in Batch<Metric> batch)
    {
        var text = new StringBuilder();
        foreach (var metric in batch)
            Write(text, metric);
        _text = text.ToString();
        return ExportResult.Success;
    }

    private static void Write(StringBuilder text, Metric metric)
    {
        var name = NameOf(metric);
        text.Append("# HELP ").Append(name).Append(' ').Append(metric.Description.ReplaceLineEndings(" ")).Append('\n');
        text.Append("# TYPE ").Append(name).Append(' ').Append(TypeOf(metric.MetricType)).Append('\n');
        foreach (ref readonly var point in metric.GetMetricPoints())
        {
            var labels = Labels(point);
            if (metric.MetricType is MetricType.Histogram or MetricType.ExponentialHistogram)
                WriteHistogram(text, name, labels, point);
            else
                Line(text, name, labels, Value(metric.MetricType, point));
        }
    }

    private static void WriteHistogram(StringBuilder text, string name, string labels, in MetricPoint point)
    {
        var cumulative = 0L;
        foreach (var bucket in point.GetHistogramBuckets())
        {
            cumulative += bucket.BucketCount;
            var bound = double.IsPositiveInfinity(bucket.ExplicitBound) ? "+Inf" : Number(bucket.ExplicitBound);
            Line(text, name + "_bucket", (labels.Length > 0 ? labels + "," : "") + $"le=\"{bound}\"", cumulative);
        }
        Line(text, name + "_sum", labels, point.GetHistogramSum());
        Line(text, name + "_count", labels, point.GetHistogramCount());
    }

    private static double Value(MetricType type, in MetricPoint point) => type switch
    {
        MetricType.LongSum or MetricType.LongSumNonMonotonic => point.GetSumLong(),
        MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic => point.GetSumDouble(),
        MetricType.LongGauge => point.GetGaugeLastValueLong(),
        _ => point.GetGaugeLastValueDouble(),
    };

    private static void Line(StringBuilder text, string name, string labels, double value)
    {
        text.Append(name);
        if (labels.Length > 0)
            text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Labels(in MetricPoint point)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in point.Tags)
        {
            if (text.Length > 0)
                text.Append(',');
            var escaped = (Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")
                .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
            text.Append(Legal(key)).Append("=\"").Append(escaped).Append('"');
        }
        return text.ToString();
    }

    private static string NameOf(Metric metric)
    {
        var unit = metric.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        var name = Legal(metric.Name);
        var total = metric.MetricType is MetricType.LongSum or MetricType.DoubleSum ? "_total" : "";
        return (name.EndsWith(unit, StringComparison.Ordinal) ? name : name + unit) + total;
    }

    private static string TypeOf(MetricType type) => type switch
    {
        MetricType.LongSum or MetricType.DoubleSum => "counter",
        MetricType.Histogram or MetricType.ExponentialHistogram => "histogram",
        _ => "gauge",
    };

    private static string Legal(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_'));

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
