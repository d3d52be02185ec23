using System.Text.Json;
using DataVault.Client;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli;

/// <summary>The outside world as the verbs see it: made once in Program.cs, or by a test.</summary>
internal sealed record CliHost(TextReader Input, TextWriter Output, TextWriter Error, string WorkingDirectory, TimeProvider Time)
{
    /// <summary>Environment variables by name.</summary>
    public Func<string, string?> Variable { get; init; } = _ => null;

    /// <summary>Standard error is a terminal: progress may move.</summary>
    public bool Terminal { get; init; }

    /// <summary>Standard output is a terminal: it may have colours.</summary>
    public bool Colours { get; init; }

    /// <summary>Standard output's width in characters.</summary>
    public int Width { get; init; } = 120;

    /// <summary>Reads a line without showing it; null when standard input is no terminal and lines are read as they come.</summary>
    public Func<string?>? ReadHidden { get; init; }

    /// <summary>Makes the way to a vault.</summary>
    public Func<Uri, HttpClient> Connect { get; init; } = address => new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(100) };
}

/// <summary>What a verb shows: JSON for programs, tables for people.</summary>
internal sealed class Report(CliHost host, bool json)
{
    // More than any table has.
    private const int Widest = 100_000;

    private static readonly JsonSerializerOptions s_indented = new(VaultJson.Answers) { WriteIndented = true };

    public bool Json => json;

    /// <summary>One answer in the form that was asked for.</summary>
    public void Show<T>(T answer, Func<IRenderable> table)
    {
        if (json) host.Output.WriteLine(JsonSerializer.Serialize(answer, s_indented));
        else Draw(table());
    }

    public void Line(string text) => host.Output.WriteLine(text);

    public static Table Table(params string[] columns)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns) table.AddColumn(new TableColumn(new Text(column)));
        return table;
    }

    /// <summary>Two columns without a head: a name and its value.</summary>
    public static Table Facts(params (string Name, string? Value)[] facts)
    {
        var table = Table("", "").HideHeaders();
        foreach (var (name, value) in facts.Where(f => f.Value is not null)) table.Row(name, value!);
        return table;
    }

    private void Draw(IRenderable what)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(host.Output),
            Interactive = InteractionSupport.No,
            Ansi = host.Colours ? AnsiSupport.Detect : AnsiSupport.No,
        });
        // What is wider than the window wraps there as a whole line does; a cell that is cut in pieces could not be copied. In a pipe nothing wraps.
        var needed = what.Measure(RenderOptions.Create(console), Widest);
        console.Profile.Width = Math.Max(host.Width, host.Colours ? needed.Min : needed.Max);
        console.Write(what);
    }
}

internal static class TableRows
{
    /// <summary>Adds a row of plain texts: markup in values is not interpreted. A column that holds a number of something is never wrapped: it is copied.</summary>
    public static void Row(this Table table, params string[] cells)
    {
        foreach (var (column, cell) in table.Columns.Zip(cells)) column.NoWrap |= Guid.TryParse(cell, out _);
        table.AddRow([.. cells.Select(c => (IRenderable)new Text(c))]);
    }
}
