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
        console.Profile.Width = host.Width;
        console.Write(what);
    }
}

internal static class TableRows
{
    /// <summary>Adds a row of plain texts: markup in values is not interpreted.</summary>
    public static void Row(this Table table, params string[] cells) => table.AddRow([.. cells.Select(c => (IRenderable)new Text(c))]);
}
