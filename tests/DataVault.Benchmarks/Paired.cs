using System.Diagnostics;
using System.Globalization;

namespace DataVault.Benchmarks;

/// <summary>
/// Measures two ways of doing the same amount of work side by side. Each round runs both, and which goes first alternates, so that a
/// machine that warms up, throttles or gets company burdens both alike; the ratio is formed within each round.
/// </summary>
internal sealed class Paired(string ours, string theirs, int rounds)
{
    /// <summary>Runs a warm-up and the rounds, and prints the medians per second of <paramref name="work"/> and the ratio.</summary>
    /// <param name="work">Items of work in one run of either.</param>
    /// <param name="unit">What the items are.</param>
    /// <param name="runOurs">Our way.</param>
    /// <param name="runTheirs">The peer's way.</param>
    /// <param name="prepare">Done before each of them, outside the time: makes every run begin alike.</param>
    /// <returns>The median of our rate over theirs.</returns>
    public async Task<double> RunAsync(double work, string unit, Func<Task> runOurs, Func<Task> runTheirs, Func<Task>? prepare = null)
    {
        await TimeAsync(runOurs, prepare);
        await TimeAsync(runTheirs, prepare);
        var (mine, other) = (new List<Spent>(), new List<Spent>());
        for (var round = 0; round < rounds; round++)
        {
            if (round % 2 == 0)
                mine.Add(await TimeAsync(runOurs, prepare));
            other.Add(await TimeAsync(runTheirs, prepare));
            if (round % 2 == 1)
                mine.Add(await TimeAsync(runOurs, prepare));
        }
        var ratios = mine.Zip(other, (a, b) => b.Seconds / a.Seconds).Order().ToList();
        PrintRate(ours, work, unit, mine);
        PrintRate(theirs, work, unit, other);
        var processor = mine.Zip(other, (a, b) => b.Processor / a.Processor).Order().ToList();
        Print($"  ratio {Median(ratios):F3} (range {ratios[0]:F3} to {ratios[^1]:F3}, {rounds} rounds); by processor time {Median(processor):F3} (range {processor[0]:F3} to {processor[^1]:F3})");
        return Median(ratios);
    }

    private static async Task<Spent> TimeAsync(Func<Task> run, Func<Task>? prepare)
    {
        if (prepare is not null) await prepare();
        GC.Collect();
        var (processor, start) = (Machine.ProcessorSeconds(), Stopwatch.GetTimestamp());
        await run();
        return new Spent(Stopwatch.GetElapsedTime(start).TotalSeconds, Machine.ProcessorSeconds() - processor);
    }

    private static void PrintRate(string name, double work, string unit, List<Spent> spent)
    {
        var seconds = spent.ConvertAll(one => one.Seconds);
        var (median, processor) = (Median([.. seconds.Order()]), Median([.. spent.Select(one => one.Processor).Order()]));
        Print($"  {name,-48} {work / median,10:N0} {unit}/s   median {median:F3} s (range {seconds.Min():F3} to {seconds.Max():F3})   {processor * 1e6 / work:F1} µs of processor each");
    }

    private static double Median(List<double> sorted) => (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    private readonly record struct Spent(double Seconds, double Processor);
}
