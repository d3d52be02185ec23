using System.CommandLine;
using System.Globalization;
using DataVault.Client;
using DataVault.Client.Wire;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault retention …</c></summary>
internal static class RetentionVerbs
{
    private static readonly string[] s_roles = ["compliance-officer"];
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    public static Verb Build(VerbContext context) =>
        new Verb("retention", "How long what is kept, and the sweeps that delete what has been kept long enough.").With(
            Status(context), Run(context, "count", "Count what is due, by rule; nothing is deleted.", dry: true),
            Run(context, "sweep", "Delete now what has been kept long enough. It also happens by itself, once a day.", dry: false), Runs(context));

    private static Verb Status(VerbContext context) => new Verb("status", "The rules in force, the last sweep, and when the next is due.", "datavault retention status", "datavault retention status --json")
        .Does(context, async (session, cancellation) =>
        {
            var state = await session.Open(s_roles).RetentionAsync(cancellation);
            session.Report.Show(state, () => Show(state));
            return ExitCode.Ok;
        });

    private static Verb Run(VerbContext context, string name, string what, bool dry)
    {
        var wait = new Option<bool>("--wait") { Description = "Show how far it is until it is through." };
        return new Verb(name, what, $"datavault retention {name} --wait")
            .With(wait)
            .Does(context, async (session, cancellation) =>
            {
                var client = session.Open(s_roles);
                var run = await client.StartRetentionAsync(new StartRetention(dry), cancellation);
                if (session.Parsed.GetValue(wait)) run = await WaitAsync(session, client, run, cancellation);
                session.Report.Show(run, () => new Rows([Table([run]), ByRule(run)]));
                return run.Failed > 0 ? ExitCode.Failed : ExitCode.Ok;
            });
    }

    private static Verb Runs(VerbContext context) => new Verb("runs", "Sweeps, newest first.", "datavault retention runs", "datavault retention runs --json")
        .Does(context, async (session, cancellation) =>
        {
            var page = await session.Open(s_roles).RetentionRunsAsync(cancellation: cancellation);
            session.Report.Show(page, () => Table(page.Items));
            return ExitCode.Ok;
        });

    private static async Task<RetentionRunView> WaitAsync(Session session, VaultClient client, RetentionRunView run, CancellationToken cancellation)
    {
        var said = -1L;
        while (run.FinishedAt is null)
        {
            if (run.Looked != said) await session.Host.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{run.Looked:N0} people looked at"));
            said = run.Looked;
            await Task.Delay(s_pause, cancellation);
            run = await client.RetentionRunAsync(run.Id, cancellation);
        }

        return run;
    }

    private static Rows Show(RetentionView state)
    {
        var rules = Report.Table("rule", "counts from", "months", "ground", "items");
        foreach (var rule in state.Rules) rules.Row(rule.Rule, rule.Trigger, rule.Months.ToString(CultureInfo.InvariantCulture), rule.Ground, string.Join(", ", rule.Items));
        List<IRenderable> parts = [rules, new Text($"next sweep {Time(state.NextAt)}; people to be looked at by now: {state.Waiting.ToString("N0", CultureInfo.InvariantCulture)}\n")];
        if (state.Last is { } last) parts.Add(Table([last]));
        return new Rows(parts);
    }

    private static Table Table(IReadOnlyList<RetentionRunView> runs)
    {
        var table = Report.Table("run", "", "started", "through", "looked", "people", "values", "events", "erasures", "frozen", "failed");
        foreach (var run in runs)
        {
            string[] counts = [.. new[] { run.Looked, run.People, run.Values, run.Events, run.Erasures, run.Frozen, run.Failed }.Select(count => count.ToString("N0", CultureInfo.InvariantCulture))];
            table.Row([run.Id.ToString(), run.Dry ? "count" : "sweep", Time(run.StartedAt), Time(run.FinishedAt), .. counts]);
        }

        return table;
    }

    private static Table ByRule(RetentionRunView run)
    {
        var table = Report.Table("rule", run.Dry ? "due" : "deleted");
        foreach (var (rule, count) in run.ByRule.OrderBy(one => one.Key, StringComparer.Ordinal)) table.Row(rule, count.ToString("N0", CultureInfo.InvariantCulture));
        return table;
    }

    private static string Time(DateTimeOffset? at) => at?.ToUniversalTime().ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture) ?? "–";
}
