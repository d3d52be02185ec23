using System.CommandLine;
using System.CommandLine.Help;
using DataVault.Cli.Verbs;

namespace DataVault.Cli;

/// <summary>The whole command line.</summary>
internal static class DataVaultCommand
{
    // @file is an argument like any other: the verbs that take one read it themselves.
    private static readonly ParserConfiguration s_parsing = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(CliHost host, IReadOnlyList<string> arguments)
    {
        var parsed = Build(host).Parse(arguments, s_parsing);
        var usage = new InvocationConfiguration { Output = host.Output, Error = host.Error, EnableDefaultExceptionHandler = false };
        var code = await parsed.InvokeAsync(usage);
        return parsed.Errors.Count > 0 && code != ExitCode.Ok ? ExitCode.Usage : code;
    }

    public static RootCommand Build(CliHost host)
    {
        var context = new VerbContext(host, new SessionOptions());
        var root = new RootCommand(
            """
            DataVault: keep customer data sealed, release it field by field, prove what was released.

            Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused by policy, 4 vault unavailable.
            """);
        foreach (var option in context.Options.All) root.Options.Add(option);
        foreach (var verb in Verbs(context)) root.Subcommands.Add(verb);
        foreach (var help in root.Options.OfType<HelpOption>()) help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    private static IEnumerable<Command> Verbs(VerbContext context) =>
    [
        ImportVerb.Build(context), CustomerVerbs.Build(context), ConsentVerbs.Build(context), RequestVerbs.Build(context), HoldVerbs.Build(context), RecipientVerbs.Build(context), DecisionVerbs.Build(context), RetentionVerbs.Build(context), SuppressionVerbs.Build(context), BreachVerbs.Build(context), EvidenceVerbs.Build(context), DeskVerbs.Build(context), ClientVerbs.Build(context), OpenDsrVerbs.Build(context), OutsideAccountVerbs.Build(context), .. OversightVerbs.Build(context),
        AuditVerbs.Build(context), WitnessVerbs.Build(context), PolicyVerbs.Build(context), RootKeyVerbs.Build(context), StatusVerbs.Status(context), IndexVerbs.Build(context), KeyVerbs.Build(context), StatusVerbs.FirstRun(context), AccountVerbs.Build(context), SignInVerbs.Login(context), SignInVerbs.Logout(context),
    ];
}
