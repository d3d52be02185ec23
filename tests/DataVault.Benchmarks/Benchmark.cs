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
        Console.WriteLine($"{DateTime.UtcNow:yyyy-MM-dd} · {Processor()} · {Environment.ProcessorCount} cores · {RuntimeInformation.FrameworkDescription} · {RuntimeInformation.OSDescription}");

    private static string Processor()
    {
        const string Information = "/proc/cpuinfo";
        var line = File.Exists(Information) ? File.ReadLines(Information).FirstOrDefault(text => text.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
