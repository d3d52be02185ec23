using System.Globalization;
using DataVault.Client.Wire;

namespace DataVault.Console.Charts;

/// <summary>The geometry of a line chart: where its levels, months, line runs and dots lie. A point without a value breaks the line.</summary>
internal sealed class Plot
{
    public const int Left = 56;
    private const int Top = 12;
    private const int Bottom = 26;
    private const int Levelled = 4;
    private readonly IReadOnlyList<SeriesPoint> _points;
    private readonly double _ceiling;

    public Plot(Series series, int width, int height)
    {
        (_points, Width, Height) = (series.Points, width, height);
        _ceiling = Ceiling(_points.Max(p => p.Value) ?? 0);
    }

    public int Width { get; }

    public int Height { get; }

    public int Right => Width - 28;

    public IEnumerable<(string Y, string Label)> Levels =>
        Enumerable.Range(0, Levelled + 1).Select(i => _ceiling * i / Levelled).Select(value => (Say(Y(value)), Brief(value)));

    public IEnumerable<(string X, string Label)> Months
    {
        get
        {
            var every = Math.Max(1, (int)Math.Ceiling(_points.Count / ((Right - Left) / 64.0)));
            return _points.Select((p, i) => (p, i)).Where(t => t.i % every == 0).Select(t => (Say(X(t.i)), t.p.Period));
        }
    }

    public IEnumerable<(string X, string Y, string Title)> Dots =>
        _points.Select((p, i) => (p, i)).Where(t => t.p.Value is not null).Select(t => (Say(X(t.i)), Say(Y(t.p.Value!.Value)), $"{t.p.Period}: {Words.Number(t.p.Value.Value)}"));

    public IEnumerable<string> Runs
    {
        get
        {
            List<string> run = [];
            for (var i = 0; i <= _points.Count; i++)
            {
                if (i < _points.Count && _points[i].Value is { } value) run.Add($"{Say(X(i))},{Say(Y(value))}");
                else if (run.Count > 0)
                {
                    yield return string.Join(' ', run);
                    run = [];
                }
            }
        }
    }

    private double X(int index) => _points.Count < 2 ? Left : Left + 10 + ((Right - Left - 20) * (double)index / (_points.Count - 1));

    private double Y(double value) => Height - Bottom - ((Height - Bottom - Top) * value / _ceiling);

    // A round number not below the highest value: 1, 2, 2.5, 4, 5 or 8 times a power of ten.
    private static double Ceiling(double highest)
    {
        if (highest <= 0) return 1;
        var power = Math.Pow(10, Math.Floor(Math.Log10(highest)));
        return new[] { 1, 2, 2.5, 4, 5, 8, 10 }.Select(step => step * power).First(step => step >= highest * 0.999999);
    }

    private static string Brief(double value) => value switch
    {
        >= 1e9 => (value / 1e9).ToString("0.#", CultureInfo.InvariantCulture) + "bn",
        >= 1e6 => (value / 1e6).ToString("0.#", CultureInfo.InvariantCulture) + "m",
        >= 1e4 => (value / 1e3).ToString("0.#", CultureInfo.InvariantCulture) + "k",
        _ => value.ToString("#,0.##", CultureInfo.InvariantCulture),
    };

    private static string Say(double position) => position.ToString("0.#", CultureInfo.InvariantCulture);
}
