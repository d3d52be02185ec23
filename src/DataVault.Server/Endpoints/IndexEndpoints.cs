using DataVault.Client.Wire;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>The blind indexes as the planner sees them: numbers and states, no value.</summary>
internal static class IndexEndpoints
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/indexes", ReportAsync).Gives<IndexReportView>().As(
            new("getIndexes", "administration", "What the blind indexes hold, what they tell whoever reads the database, and what would be better"), AccessRule.With("keys.read"));

    private static async Task ReportAsync(HttpContext context, IndexReporter reporter, AuditTrail trail)
    {
        await trail.RecordAsync(EntryType.StatusRead, Caller.Of(context), "", EntryResult.Ok, null, null, context.RequestAborted);
        var findings = await reporter.ReportAsync(context.RequestAborted);
        await Answer.JsonAsync(context, new IndexReportView(
            [.. findings.Indexes.Select(View)], findings.People, findings.TruncatedBits, findings.PopulationBits, findings.Warning));
    }

    private static IndexView View(IndexFinding finding)
    {
        var (at, stored, values) = (finding.Standing, finding.Stored, finding.Values);
        return new IndexView(
            finding.Definition.Name, [.. finding.Definition.Parts.Select(part => part.ToString())], finding.State, finding.IsSearchable, finding.Verdict, finding.Reason,
            at.Epoch, at.EpochAt, at.NextEpoch, at.Done, at.Bits, at.Partitions,
            stored is null ? null : new IndexBuckets(
                stored.Rows, stored.Buckets, stored.ExpectedSize, stored.Smallest, stored.Median, stored.P99, stored.Largest, stored.LargestShare, stored.Coincidences, stored.LeakedBits),
            values is null ? null : new IndexValuesView(values.At, values.Rows, values.Distinct, values.LargestShare, values.EntropyBits, values.Recoverable),
            finding.Advice is { } advice ? new IndexAdviceView(advice.Bits, advice.Partitions) : null);
    }
}
