using System.Globalization;
using System.Runtime.InteropServices;

namespace DataVault.Benchmarks;

/// <summary>One subcommand.</summary>
internal sealed record Benchmark(string Name, string Help, Func<BenchmarkOptions, Task> RunAsync);

/// <summary>Options of the form <c>name=value</c>.</summary>
internal sealed class BenchmarkOptions(IReadOnlyList<string> arguments)
{
    private readonly Dictionary<string, string> _values = arguments
        .Select(argument => argument.Split('=', 2))
        .ToDictionary(parts => parts[0], parts => parts.Length == 2 ? parts[1] : "", StringComparer.Ordinal);

    public int Number(string name, int otherwise) =>
        _values.TryGetValue(name, out var value) ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;

    public string Text(string name, string otherwise) => _values.GetValueOrDefault(name, otherwise);
}

/// <summary>On what a result was measured; a number without it says little.</summary>
internal static class Machine
{
    public static void Print() =>
        Console.WriteLine($"{DateTime.UtcNow:yyyy-MM-dd} · {Processor()} · {Environment.ProcessorCount} cores · {RuntimeInformation.FrameworkDescription} · {RuntimeInformation.OSDescription} · load {Load()}");

    /// <summary>
    /// Processor time of this process and of those that it started, PostgreSQL among them. Steadier than the clock when others use the machine.
    /// </summary>
    public static double ProcessorSeconds()
    {
        // SPEC proc_pid_stat(5): fields 4 (parent) and 14 to 17 (own and waited-for children's ticks), counted from behind the name's bracket.
        const double TicksPerSecond = 100;
        if (!Directory.Exists("/proc/self")) return 0;
        var processes = new Dictionary<int, (int Parent, double Ticks)>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), out var id) && StatOf(folder) is { } stat) processes[id] = (int.Parse(stat[1], CultureInfo.InvariantCulture), stat[11..15].Sum(text => double.Parse(text, CultureInfo.InvariantCulture)));
        }

        bool IsOurs(int id) => id == Environment.ProcessId || (processes.TryGetValue(id, out var process) && IsOurs(process.Parent));
        return processes.Where(process => IsOurs(process.Key)).Sum(process => process.Value.Ticks) / TicksPerSecond;
    }

    private static string[]? StatOf(string folder)
    {
        try
        {
            var text = File.ReadAllText(Path.Combine(folder, "stat"));
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    // Others on the machine take time from both sides, and not alike: a single writer that waits for the disk loses more than sixty-four do.
    private static string Load() => File.Exists("/proc/loadavg") ? File.ReadAllText("/proc/loadavg").Split(' ')[0] : "unknown";

    private static string Processor()
    {
        const string Information = "/proc/cpuinfo";
        var line = File.Exists(Information) ? File.ReadLines(Information).FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
