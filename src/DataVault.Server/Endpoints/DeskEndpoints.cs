using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>The officer's desk: figures as of a state of the log, and the list behind each.</summary>
internal static class DeskEndpoints
{
    private const string Tag = "desk";
    private const int StandardPage = 50;
    private const int LargestPage = 500;

    private static readonly QueryParameter Of = new("of", "Narrows the list to a group of the figure: a state, a reason, a span of days.");

    public static void Map(IEndpointRouteBuilder routes)
    {
        // What the screen shows of requests and of the log together: the vault asks for both capabilities, a person, and reach of everybody.
        var officers = AccessRule.With(Capabilities.AuditRead);
        routes.MapGet("/v1/desk", LookAsync).Gives<OfficerDeskView>().TakesLong().As(
            new("getDesk", Tag, "Deadlines, funnel, erasures, consents, purposes, retention, access, log and keys in figures, each as of a checkpoint of the log")
            {
                Description = "Nobody is named. A figure is red where somebody has to act; from where on is configured (limits). Those that take long to count are minutes old and say so.",
            },
            officers);
        routes.MapGet("/v1/desk/export", ExportDeskAsync).TakesLong().As(new("exportDesk", Tag, "All figures of the desk as CSV"), officers);
        routes.MapGet("/v1/desk/{tile}/{figure}", ListAsync).Gives<DeskListView>().TakesLong().As(
            new("listDeskFigure", Tag, "What a figure of the desk counts, by the numbers of requests, holds, reviews, alerts or entries")
            {
                Query = [Of, QueryParameter.Limit, QueryParameter.Cursor], Problems = ["not-found"],
            },
            officers);
        routes.MapGet("/v1/desk/{tile}/{figure}/export", ExportListAsync).TakesLong().As(
            new("exportDeskFigure", Tag, "The same list, whole, as CSV with the same columns") { Query = [Of], Problems = ["not-found"] }, officers);
    }

    private static async Task LookAsync(HttpContext context, OfficerDesk desk, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var view = await desk.LookAsync(call.Caller, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new OfficerDeskView(
            view.MadeAt, view.PolicyVersion, View(view.Limits), [.. view.Tiles.Select(tile => new DeskTileView(tile.Name, tile.IsRed, [.. tile.Figures.Select(View)]))], View(view.Next)));
    }

    private static async Task ExportDeskAsync(HttpContext context, OfficerDesk desk, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var view = await desk.LookAsync(call.Caller, call.RequestId, call.Cancellation);
        AuditReportEndpoints.Attach(context, "text/csv; charset=utf-8", "desk.csv");
        await AuditCsv.WriteAsync(context.Response.Body, view, call.Cancellation);
    }

    private static async Task ListAsync(HttpContext context, string tile, string figure, OfficerDesk desk, PolicySet policy)
    {
        var query = QueryReader.Of(context, "of", "limit", "cursor");
        var call = new CallReader(context, policy);
        var page = (query.Limit(StandardPage, LargestPage), query.Text("cursor"));
        await Answer.JsonAsync(context, View(await desk.ListAsync(call.Caller, (tile, figure), query.Text("of"), page, call.RequestId, call.Cancellation)));
    }

    private static async Task ExportListAsync(HttpContext context, string tile, string figure, OfficerDesk desk, PolicySet policy)
    {
        var of = QueryReader.Of(context, "of").Text("of");
        var call = new CallReader(context, policy);
        // A question that is refused is refused before the file begins.
        var first = await desk.ListAsync(call.Caller, (tile, figure), of, (LargestPage, null), call.RequestId, call.Cancellation);
        AuditReportEndpoints.Attach(context, "text/csv; charset=utf-8", $"{first.Tile}-{first.Figure}.csv");
        await AuditCsv.WriteAsync(context.Response.Body, first, desk.ExportAsync(call.Caller, (tile, figure), of, first, call.RequestId, call.Cancellation), call.Cancellation);
    }

    private static DeskFigureView View(DeskFigure figure) => new(figure.Name, figure.Of, figure.Count, figure.At, figure.IsRed, figure.HasList, View(figure.AsOf));

    private static DeskAsOf View(AsOf asOf) => new(asOf.Size, asOf.RootHash, asOf.At, asOf.Unsigned);

    private static DeskLimitsView View(DeskLimits limits) => new(
        limits.DueSoon.TotalHours, limits.Stuck.TotalHours, limits.Erasure.TotalHours, limits.Unacknowledged.TotalHours, limits.Anchored.TotalHours, limits.BreachLeft.TotalHours, limits.Drill.TotalHours,
        limits.ClockAhead.TotalSeconds, limits.ReaderFactor, limits.ReaderFloor, limits.BulkPeople);

    private static DeskListView View(DeskList list) => new(
        list.Tile, list.Figure, list.Of, list.About, View(list.AsOf),
        [.. list.Columns.Select(column => new DeskColumnView(column.Name, column.Cells switch { DeskCells.Instant => "instant", DeskCells.Number => "number", _ => "text" }))],
        [.. list.Rows.Select(row => new DeskRowView(row.Cells, row.Key))], list.Next);
}
