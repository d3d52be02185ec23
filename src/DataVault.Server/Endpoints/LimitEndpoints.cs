using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>The end of restrictions and objections.</summary>
internal static class LimitEndpoints
{
    private const string Tag = "requests";

    private delegate Task<LiftedLimit> Lifting(CallReader call, SubjectId subject, string? reason);

    public static void Map(IEndpointRouteBuilder routes)
    {
        var decide = AccessRule.OwnOr("requests.decide").OfPeople();
        routes.MapPost("/v1/customers/{id}/restriction/lift", RestrictionAsync).Takes<LiftLimit>().Gives<LimitLifted>().As(OfRestriction("liftRestriction"), decide);
        routes.MapPost("/v1/customers/{id}/objections/{purpose}/lift", ObjectionAsync).Takes<LiftLimit>().Gives<LimitLifted>().As(OfObjection("liftObjection"), decide);
        routes.MapPost("/v1/me/restriction/lift", OwnRestrictionAsync).Takes<LiftLimit>().Gives<LimitLifted>().As(OfRestriction("liftMyRestriction"), AccessRule.Customers);
        routes.MapPost("/v1/me/objections/{purpose}/lift", OwnObjectionAsync).Takes<LiftLimit>().Gives<LimitLifted>().As(OfObjection("liftMyObjection"), AccessRule.Customers);
    }

    private static OperationInfo OfRestriction(string id) => new(id, Tag, "End a restriction of processing; it counts no longer once answered")
    {
        Description = "An officer gives a reason (person-asked, accuracy-settled, claims-settled, objection-decided), and the person has a message before it ends. The person gives none.",
        RequestExample = JsonNode.Parse("""{ "reason": "person-asked" }"""),
        Problems = ["not-found", "invalid-state", "invalid-fields"],
    };

    private static OperationInfo OfObjection(string id) => new(id, Tag, "End an objection to a purpose; it counts no longer once answered")
    {
        Description = "An officer gives a reason (person-asked, compelling-grounds, legal-claim; of direct marketing person-asked alone), and the person has a message before it ends. The person gives none. A browser that still sends Sec-GPC objects again.",
        RequestExample = JsonNode.Parse("""{ "reason": "person-asked" }"""),
        Problems = ["unknown-purpose", "not-found", "invalid-state", "invalid-fields"],
    };

    private static async Task RestrictionAsync(HttpContext context, LimitLifting limits, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await LiftAsync(context, call, await call.CustomerAsync(), Restriction(limits));
    }

    private static async Task ObjectionAsync(HttpContext context, LimitLifting limits, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await LiftAsync(context, call, await call.CustomerAsync(), Objection(context, limits));
    }

    private static Task OwnRestrictionAsync(HttpContext context, LimitLifting limits, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return LiftAsync(context, call, call.Self(), Restriction(limits));
    }

    private static Task OwnObjectionAsync(HttpContext context, LimitLifting limits, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return LiftAsync(context, call, call.Self(), Objection(context, limits));
    }

    private static Lifting Restriction(LimitLifting limits) =>
        (call, subject, reason) => limits.LiftRestrictionAsync(call.Caller, subject, reason, call.RequestId, call.Cancellation);

    private static Lifting Objection(HttpContext context, LimitLifting limits) => (call, subject, reason) =>
        limits.LiftObjectionAsync(call.Caller, subject, call.Purpose((string?)context.Request.RouteValues["purpose"]), reason, call.RequestId, call.Cancellation);

    private static async Task LiftAsync(HttpContext context, CallReader call, SubjectId subject, Lifting lift)
    {
        var body = await RequestBody.ReadAsync<LiftLimit>(context, RequestBody.Small);
        var lifted = await lift(call, subject, body.Reason);
        await Answer.JsonAsync(context, new LimitLifted(subject.Value, lifted.At, new Receipt(lifted.LogIndex)));
    }
}
