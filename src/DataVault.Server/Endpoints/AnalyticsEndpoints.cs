using DataVault.Analytics;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Counts and sums over pseudonymised rows, above the domain's minimum cohort. Every answer is a log entry.</summary>
internal static class AnalyticsEndpoints
{
    private const string Tag = "analytics";
    private const string AnalyticsPurpose = "analytics";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var rule = AccessRule.With("analytics.query");
        routes.MapGet("/v1/analytics/domains", DomainsAsync).Gives<Page<DomainView>>().As(new("listDomains", Tag, "The pseudonym domains and their dimensions"), rule);
        routes.MapGet("/v1/analytics/segments", SegmentsAsync).Gives<Segments>().As(
            new("getSegments", Tag, "How many people by up to three dimensions; too small cells are suppressed")
            {
                Query = [new("domain", "Domain.", Required: true), new("by", "Comma-separated dimensions.", Required: true)],
                Problems = ["not-found"],
            },
            rule);
        routes.MapGet("/v1/analytics/series", SeriesAsync).Gives<Series>().As(
            new("getSeries", Tag, "A measure over time; points of too small cohorts are null")
            {
                Query = [new("domain", "Domain.", Required: true), new("measure", "purchases, revenue or interactions.", Required: true), new("by", "month.")],
                Problems = ["not-found"],
            },
            rule);
    }

    private static Task DomainsAsync(HttpContext context, PolicySet policy) => Answer.JsonAsync(context, new Page<DomainView>(
        [.. policy.Analytics.Select(d => new DomainView(d.Name, d.Title, d.MinimumCohort, d.Dimensions))], null));

    private static async Task SegmentsAsync(HttpContext context, SegmentQuery segments, PolicySet policy, AuditTrail trail)
    {
        var query = QueryReader.Of(context, "domain", "by");
        var domain = Domain(query, policy);
        var by = query.List("by", SegmentQuery.MostDimensions) ?? throw QueryReader.Bad("by", "missing-parameter", "is required");
        if (by.Any(name => !domain.Dimensions.Contains(name)) || by.Distinct().Count() != by.Count)
            throw QueryReader.Bad("by", "unknown-word", "must name dimensions of the domain: " + string.Join(", ", domain.Dimensions));
        await RecordAsync(context, trail);
        var answer = await segments.RunAsync(domain, by, context.RequestAborted);
        await Answer.JsonAsync(context, new Segments(
            domain.Name, by, domain.MinimumCohort, [.. answer.Cells.Select(c => new SegmentCell(c.Values, c.Count))], answer.SuppressedCells, null));
    }

    private static async Task SeriesAsync(HttpContext context, SeriesQuery series, PolicySet policy, AuditTrail trail)
    {
        var query = QueryReader.Of(context, "domain", "measure", "by");
        var domain = Domain(query, policy);
        var measure = query.OneOf("measure", [.. SeriesQuery.Measures]) ?? throw QueryReader.Bad("measure", "missing-parameter", "is required");
        query.OneOf("by", "month");
        await RecordAsync(context, trail);
        var answer = await series.RunAsync(domain, measure, context.RequestAborted);
        await Answer.JsonAsync(context, new Series(domain.Name, measure, domain.MinimumCohort, [.. answer.Points.Select(p => new SeriesPoint(p.Period, p.Value))]));
    }

    private static AnalyticsDomain Domain(QueryReader query, PolicySet policy)
    {
        var name = query.Required("domain");
        return policy.Analytics.FirstOrDefault(d => d.Name == name) ?? throw VaultException.NotFound();
    }

    private static Task<long> RecordAsync(HttpContext context, AuditTrail trail) => trail.RecordAsync(
        EntryType.AnalyticsQuery, Caller.Of(context), AnalyticsPurpose, EntryResult.Ok, null, context.Request.QueryString.Value, context.RequestAborted);
}
