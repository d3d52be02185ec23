using System.Globalization;
using DataVault.Client.Wire;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault indexes</c></summary>
internal static class IndexVerbs
{
    private static readonly string[] s_roles = ["administrator", "compliance-officer"];

    public static Verb Build(VerbContext context) => new Verb(
            "indexes", "The blind indexes: where each stands, what it tells whoever reads the database, and what the planner advises.",
            "datavault indexes", "datavault indexes --json")
        .Does(context, async (session, cancellation) =>
        {
            var report = await session.Open(s_roles).IndexesAsync(cancellation);
            session.Report.Show(report, () => Show(report));
            return ExitCode.Ok;
        });

    private static Rows Show(IndexReportView report)
    {
        var standing = Report.Table("index", "on", "state", "epoch", "bits", "partitions", "verdict");
        var figures = Report.Table("index", "people", "buckets", "smallest", "median", "p99", "largest", "others in it", "bits told", "by counting");
        foreach (var index in report.Indexes)
        {
            standing.Row(
                index.Name, string.Join(" + ", index.On), State(index), Say(index.Epoch), index.Bits == 128 ? "full" : Say(index.Bits), Say(index.Partitions),
                index.Verdict ?? "not surveyed");
            if (index.Stored is not { } stored) continue;
            figures.Row(
                index.Name, $"{stored.Rows:N0}", $"{stored.Buckets:N0}", $"{stored.Smallest:N0}", $"{stored.Median:N0}", $"{stored.P99:N0}", $"{stored.Largest:N0}",
                Say($"{stored.Coincidences:F1}"), Say($"{stored.LeakedBits:F1}"), index.Values is { } values ? Say($"{values.Recoverable:P1}") : "");
        }

        List<IRenderable> parts = [standing, figures, .. report.Indexes.Where(index => index.Reason is not null).Select(index => new Text($"{index.Name}: {index.Reason}\n"))];
        if (report.Warning is { } warning) parts.Add(new Text(warning + "\n"));
        return new Rows(parts);
    }

    private static string State(IndexView index) => index.NextEpoch is { } next ? $"{index.State}, filling epoch {next} ({index.Done:N0})" : index.State;

    private static string Say(int? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
