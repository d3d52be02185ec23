using System.CommandLine;
using System.Globalization;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault suppressions …</c></summary>
internal static class SuppressionVerbs
{
    private const string Officer = "compliance-officer";

    public static Verb Build(VerbContext context) =>
        new Verb("suppressions", "Those who were erased and are not taken in again from an old file.").With(Status(context), Lift(context));

    private static Verb Status(VerbContext context) =>
        new Verb("status", "What the policy keeps, on what ground, how long, and of how many erasures. Nobody is named.", "datavault suppressions status")
            .Does(context, async (session, cancellation) =>
            {
                var state = await session.OpenAsPerson(Officer).SuppressionsAsync(cancellation);
                session.Report.Show(state, () => Show(state));
                return ExitCode.Ok;
            });

    private static Verb Lift(VerbContext context)
    {
        var field = new Option<string>("--field") { Description = "By which field the person was known, such as email.", Required = true };
        var value = new Option<string>("--value") { Description = "Their value of it, as they say it (- reads it from standard input).", Required = true };
        var ground = new Option<string>("--ground") { Description = "account-opened, consent-given, contract or person-asked.", DefaultValueFactory = _ => "person-asked" };
        return new Verb(
            "lift", "Let somebody in again who was erased and comes back themselves.", "echo ada@example.com | datavault suppressions lift --field email --value - --ground person-asked")
            .With(field, value, ground)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var said = parsed.GetRequiredValue(value) is not "-" and var given ? given : session.Host.Input.ReadLine()?.Trim() ?? "";
                var lift = new LiftSuppression(parsed.GetRequiredValue(field), said, parsed.GetValue(ground)!);
                var lifted = await session.OpenAsPerson(Officer).LiftSuppressionAsync(lift, cancellation);
                session.Report.Show(lifted, () => new Text(lifted.Erasures == 0 ? "Nothing was kept by that value.\n" : $"Lifted. Log entry {lifted.Receipt.Index}.\n"));
                return ExitCode.Ok;
            });
    }

    private static Table Show(SuppressionsView state)
    {
        var table = Report.Table("suppression", "");
        table.Row("kept by the policy", state.On ? "yes" : "no");
        if (state.On)
        {
            table.Row("purpose, legal basis", $"{state.Purpose}, {state.LegalBasis}");
            table.Row("ground", state.Ground!);
            table.Row("identifiers", string.Join(", ", state.Identifiers));
            table.Row("months", state.Months!.Value.ToString(CultureInfo.InvariantCulture));
        }

        table.Row("erasures", state.Erasures.ToString("N0", CultureInfo.InvariantCulture));
        table.Row("marks", state.Marks.ToString("N0", CultureInfo.InvariantCulture));
        table.Row("next to end", state.NextExpiry?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "–");
        return table;
    }
}
