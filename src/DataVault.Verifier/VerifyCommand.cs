using System.CommandLine;

namespace DataVault.Verifier;

/// <summary>The command line: each verb reads files, says what holds and what does not, and ends in an exit code.</summary>
internal static class VerifyCommand
{
    public static async Task<int> RunAsync(Desk desk, IReadOnlyList<string> arguments)
    {
        var parsed = Build(desk).Parse(arguments);
        var code = await parsed.InvokeAsync(new InvocationConfiguration { Output = desk.Output, Error = desk.Error, EnableDefaultExceptionHandler = false });
        return parsed.Errors.Count > 0 ? ExitCode.Usage : code;
    }

    private static RootCommand Build(Desk desk)
    {
        var root = new RootCommand(
            """
            Verifies a DataVault log, and what a vault holds against it. Needs files only: no database, no network.

            Exit codes: 0 it holds, 1 something is wrong, 2 wrong usage, 3 a file cannot be read.
            """);
        var shared = new SharedOptions();
        root.Options.Add(shared.Key);
        root.Options.Add(shared.Json);
        foreach (var verb in LogVerbs.Build(desk, shared).Concat(DocumentVerbs.Build(desk, shared)).Append(BagVerbs.Build(desk, shared))) root.Subcommands.Add(verb);
        return root;
    }
}

/// <summary>The options that every verb takes.</summary>
internal sealed class SharedOptions
{
    public Option<string?> Key { get; } = new("--key")
    {
        Description = "The log's verifier key, or a file with it, with the list of its keys, or with a trust policy that names witnesses. Get it from somebody you trust.", Recursive = true,
    };

    public Option<bool> Json { get; } = new("--json") { Description = "Answer in JSON.", Recursive = true };

    public static Option<string> Log { get; } = new("--log") { Description = "Folder with a copy of the log: checkpoint, tile/…", Required = true };
}

/// <summary>A verb whose failures end in the right exit code.</summary>
internal static class Verb
{
    public static Command Of(string name, string description, IEnumerable<Symbol> symbols, Desk desk, Func<ParseResult, CancellationToken, Task<int>> run)
    {
        var command = new Command(name, description);
        foreach (var symbol in symbols)
        {
            if (symbol is Option option) command.Options.Add(option);
            else if (symbol is Argument argument) command.Arguments.Add(argument);
        }
        command.SetAction((parsed, cancellation) => GuardAsync(desk, parsed, run, cancellation));
        return command;
    }

    private static async Task<int> GuardAsync(Desk desk, ParseResult parsed, Func<ParseResult, CancellationToken, Task<int>> run, CancellationToken cancellation)
    {
        try
        {
            return await run(parsed, cancellation);
        }
        catch (UsageException e)
        {
            await desk.Error.WriteLineAsync($"datavault-verify: {e.Message}");
            return ExitCode.Usage;
        }
        catch (Exception e) when (e is UnreadableException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            await desk.Error.WriteLineAsync($"datavault-verify: nothing was verified: {e.Message}");
            return ExitCode.Unreadable;
        }
    }
}
