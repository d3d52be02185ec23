using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Text.Json;
using DataVault.Cli.Import;
using DataVault.Client;
using DataVault.Cryptography;

namespace DataVault.Cli;

/// <summary>A command with examples in its help, whose failures end in the right exit code.</summary>
internal sealed class Verb : Command
{
    public Verb(string name, string description, params string[] examples)
        : base(name, description) => Examples = examples;

    public IReadOnlyList<string> Examples { get; }

    public Verb With(params Symbol[] symbols)
    {
        foreach (var symbol in symbols)
        {
            if (symbol is Command command) Subcommands.Add(command);
            else if (symbol is Option option) Options.Add(option);
            else if (symbol is Argument argument) Arguments.Add(argument);
        }
        return this;
    }

    public Verb Does(VerbContext context, Func<Session, CancellationToken, Task<int>> run)
    {
        SetAction((parsed, cancellation) => GuardAsync(context, parsed, run, cancellation));
        return this;
    }

    private static async Task<int> GuardAsync(
        VerbContext context, ParseResult parsed, Func<Session, CancellationToken, Task<int>> run, CancellationToken cancellation)
    {
        using var session = new Session(context.Host, context.Options, parsed);
        try
        {
            return await run(session, cancellation);
        }
        catch (VaultProblemException e)
        {
            Say(context.Host, session.Report.Json ? JsonSerializer.Serialize(e.Problem, VaultJson.Answers) : $"datavault: {e.Message}");
            return ExitCode.Of(e);
        }
        catch (Exception e) when (e is UsageException or MappingException)
        {
            Say(context.Host, $"datavault: {e.Message}");
            return ExitCode.Usage;
        }
        catch (OperationCanceledException)
        {
            Say(context.Host, "datavault: interrupted");
            return ExitCode.Failed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or RootKeyException or RecoveryShareException)
        {
            Say(context.Host, $"datavault: {e.Message}");
            return ExitCode.Failed;
        }
    }

    private static void Say(CliHost host, string text) => host.Error.WriteLine(text);
}

/// <summary>What every verb needs to be built.</summary>
internal sealed record VerbContext(CliHost Host, SessionOptions Options);

/// <summary>The usual help, then the verb's examples.</summary>
internal sealed class HelpWithExamples(HelpAction usual) : SynchronousCommandLineAction
{
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var code = usual.Invoke(parseResult);
        if (parseResult.CommandResult.Command is not Verb { Examples: { Count: > 0 } examples }) return code;
        var output = parseResult.InvocationConfiguration.Output;
        output.WriteLine("Examples:");
        foreach (var example in examples) output.WriteLine($"  {example}");
        output.WriteLine();
        return code;
    }
}
