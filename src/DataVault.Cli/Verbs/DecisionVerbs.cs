using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault decisions …</c>: what models and rules decided about people, and the register of these.</summary>
internal static class DecisionVerbs
{
    private const string Officer = "compliance-officer";

    public static Verb Build(VerbContext context) =>
        new Verb("decisions", "What models and rules decided about people by themselves, who contests it, and the register of these models (GDPR 15, 22).")
            .With(Models(context), List(context), Show(context), Export(context));

    private static Verb Models(VerbContext context) =>
        new Verb("models", "Models and rules of the policy in force: on what ground they decide, and who reviews them.", "datavault decisions models").Does(context, async (session, cancellation) =>
        {
            var register = await session.Open([Officer]).ModelsAsync(cancellation);
            var table = Report.Table("model", "title", "kind", "versions", "purpose", "alone", "significant", "ground", "reviewed by", "assessment", "kept (months)");
            foreach (var one in register.Items)
            {
                table.Row(
                    one.Name, one.Title.GetValueOrDefault("en", ""), one.Kind, string.Join(", ", one.Versions), one.Purpose, one.Solely ? "yes" : "no", one.Significant ? "yes" : "no",
                    one.Ground is { } ground ? $"{ground.Basis} ({ground.Reference ?? ground.Consent})" : "", string.Join(", ", one.Reviewers), one.Assessment ?? "", $"{one.KeptMonths}");
            }

            session.Report.Show(register, () => table);
            return ExitCode.Ok;
        });

    private static Verb List(VerbContext context)
    {
        var narrowing = new Narrowing();
        return new Verb("list", "Decisions, newest first.", "datavault decisions list --model invoice-limit --state contested", "datavault decisions list --overdue").With(narrowing.All)
            .Does(context, async (session, cancellation) =>
            {
                var page = await session.Open([Officer]).DecisionsAsync(narrowing.Of(session), cancellation);
                session.Report.Show(page, () => page.Items.Count == 0 ? new Text("Nothing was decided that fits.\n") : Table(page.Items));
                return ExitCode.Ok;
            });
    }

    private static Verb Show(VerbContext context)
    {
        var id = new Argument<Guid>("decision") { Description = "The decision's id." };
        return new Verb("show", "One decision: what it came to, by what, why, and how a person's look at it ended.", "datavault decisions show 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f").With(id)
            .Does(context, async (session, cancellation) =>
            {
                var one = await session.Open([Officer]).DecisionAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(one, () => Table([one]));
                return ExitCode.Ok;
            });
    }

    private static Verb Export(VerbContext context)
    {
        var narrowing = new Narrowing();
        var output = new Option<FileInfo>("--output", "-o") { Description = "Where the table goes.", Required = true };
        return new Verb("export", "All that fits as a table for a spreadsheet (CSV).", "datavault decisions export --model invoice-limit -o decisions.csv").With(output).With(narrowing.All)
            .Does(context, async (session, cancellation) =>
            {
                await using var table = await session.Open([Officer]).ExportDecisionsAsync(narrowing.Of(session), cancellation);
                await using var file = session.Parsed.GetRequiredValue(output).Open(FileMode.Create, FileAccess.Write);
                await table.CopyToAsync(file, cancellation);
                return ExitCode.Ok;
            });
    }

    private static Table Table(IReadOnlyList<AutomatedDecision> decisions)
    {
        var table = Report.Table("decision", "decided", "model", "version", "by", "outcome", "now", "state", "look by", "inputs", "factors", "request", "damage");
        foreach (var one in decisions)
        {
            table.Row(
                $"{one.Id}", $"{one.DecidedAt:u}", one.Model, one.Version, one.Client, one.Outcome ?? "", one.Standing ?? "", one.State, one.ReviewBy is { } by ? $"{by:u}{(one.Overdue ? " (overdue)" : "")}" : "",
                string.Join(", ", one.Inputs), string.Join(", ", one.Factors), one.Request is { } request ? $"{request}" : "", one.Damage ?? "");
        }

        return table;
    }

    /// <summary>What several verbs narrow by.</summary>
    private sealed class Narrowing
    {
        private readonly Option<Guid?> customer = new("--customer") { Description = "Only about this customer." };
        private readonly Option<string?> model = new("--model") { Description = "Only by this model." };
        private readonly Option<string?> version = new("--model-version") { Description = "Only by this version of it." };
        private readonly Option<string?> outcome = new("--outcome") { Description = "Only what came to this, or comes to it now." };
        private readonly Option<string?> state = new("--state") { Description = "recorded, contested, upheld, changed or annulled." };
        private readonly Option<DateTimeOffset?> from = new("--from") { Description = "Not decided before." };
        private readonly Option<DateTimeOffset?> to = new("--to") { Description = "Decided before." };
        private readonly Option<bool> overdue = new("--overdue") { Description = "Only those that somebody should have looked at by now." };

        public Option[] All => [customer, model, version, outcome, state, from, to, overdue];

        public DecisionFilter Of(Session session)
        {
            var parsed = session.Parsed;
            return new DecisionFilter
            {
                Customer = parsed.GetValue(customer), Model = parsed.GetValue(model), Version = parsed.GetValue(version), Outcome = parsed.GetValue(outcome), State = parsed.GetValue(state),
                From = parsed.GetValue(from), To = parsed.GetValue(to), Overdue = parsed.GetValue(overdue),
            };
        }
    }
}
