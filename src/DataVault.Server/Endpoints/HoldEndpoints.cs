using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Legal holds: officers place, list and release them.</summary>
internal static class HoldEndpoints
{
    private const string Tag = "holds";
    private const int LargestPage = 200;

    public static void Map(IEndpointRouteBuilder routes)
    {
        var manage = AccessRule.With("holds.manage").OfPeople();
        routes.MapPost("/v1/holds", PlaceAsync).Takes<PlaceHold>().Gives<LegalHold>(201).As(
            new("placeHold", Tag, "Keep something of people from being erased")
            {
                Description = "Items are fields, event types (event:purchase) and classes (class:identity); none means everything. An erasure takes what no hold keeps.",
                RequestExample = JsonNode.Parse(
                    """
                    { "customers": ["01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77"], "items": ["email", "event:purchase"], "purposes": ["legal-obligation"],
                      "authority": "legal-claim", "caseReference": "File 12/2031", "reviewAt": "2031-03-01T00:00:00Z" }
                    """),
                Problems = ["not-found", "invalid-fields", "invalid-state"],
            },
            manage);
        routes.MapGet("/v1/holds", ListAsync).Gives<Page<LegalHold>>().As(
            new("listHolds", Tag, "Legal holds, newest first")
            {
                Query =
                [
                    new("state", "open or ended."), new("overdue", "true: only those whose review date has passed."), new("customer", "About this person."),
                    QueryParameter.Limit, QueryParameter.Cursor,
                ],
            },
            manage);
        routes.MapGet("/v1/holds/{id}", GetAsync).Gives<LegalHold>().As(
            new("getHold", Tag, "One legal hold")
            {
                Description = "`damage` says what is wrong with what is stored of it: `changed`, `deleted` (then the rest is what the log knows), `unreadable`.", Problems = ["not-found"],
            },
            manage);
        routes.MapPost("/v1/holds/{id}/release", ReleaseAsync).Takes<ReleaseHold>().Gives<LegalHold>().As(
            new("releaseHold", Tag, "End a hold; erasures that waited for it go on by themselves")
            {
                Description = "The body may be left out. The reason is kept sealed beside the case. A hold whose row somebody deleted is ended too, as the log knows it.",
                RequestExample = JsonNode.Parse("""{ "reason": "The claim was settled." }"""),
                Problems = ["not-found", "invalid-fields", "invalid-state"],
            },
            manage);
    }

    private static async Task PlaceAsync(HttpContext context, LegalHolds holds, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<PlaceHold>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var hold = new NewHold(
            [.. body.Customers.Select(id => new SubjectId(id))], body.Items, body.Purposes ?? [], body.Authority, body.CaseReference, body.ReviewAt, body.ExpiresAt);
        await Answer.JsonAsync(context, View(await holds.PlaceAsync(call.Caller, hold, call.RequestId, call.Cancellation)), StatusCodes.Status201Created);
    }

    private static async Task ListAsync(HttpContext context, LegalHolds holds, PolicySet policy)
    {
        var query = QueryReader.Of(context, "state", "overdue", "customer", "limit", "cursor");
        var call = new CallReader(context, policy);
        bool? open = query.OneOf("state", "open", "ended") switch { "open" => true, "ended" => false, _ => null };
        var filter = new HoldFilter(open, query.Flag("overdue"), query.Id("customer") is { } id ? new SubjectId(id) : null);
        var page = await holds.ListAsync(call.Caller, filter, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<LegalHold>([.. page.Items.Select(View)], page.Next));
    }

    private static async Task GetAsync(HttpContext context, LegalHolds holds, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await holds.GetAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)));
    }

    private static async Task ReleaseAsync(HttpContext context, LegalHolds holds, PolicySet policy)
    {
        var body = context.Request.ContentLength is 0 or null && context.Request.ContentType is null ? new ReleaseHold() : await RequestBody.ReadAsync<ReleaseHold>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await holds.ReleaseAsync(call.Caller, call.RouteId(), body.Reason, call.RequestId, call.Cancellation)));
    }

    private static LegalHold View(HoldView hold) => new(
        hold.Id, [.. hold.Subjects.Select(subject => subject.Value)], hold.Items, hold.Purposes, hold.Authority, hold.CaseReference, hold.PlacedAt, hold.PlacedBy,
        hold.ReviewAt, hold.ExpiresAt, hold.ReleasedAt, hold.ReleasedBy, hold.Overdue, hold.LogIndex)
    {
        ReleaseReason = hold.ReleaseReason, Damage = hold.Damage, Deferred = hold.Deferred,
    };
}
