using System.Text.Json;
using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Rectification (GDPR 16): which values are wanted, and what an officer decides about each.</summary>
internal static class RectificationEndpoints
{
    private const string Tag = "requests";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/requests/{id}/wanted", WantAsync).Takes<WantValues>().Gives<RectificationState>().As(
            new("wantValues", Tag, "Say which values are right, with an open request for rectification; what was said before is replaced, by the person until it is approved")
            {
                RequestExample = JsonNode.Parse("""{ "fields": { "familyName": "Solberg" } }"""), Problems = ["not-found", "invalid-state", "invalid-fields"],
            },
            AccessRule.OwnOr("requests.decide"));
        routes.MapGet("/v1/requests/{id}/rectification", GetAsync).Gives<RectificationState>().As(
            new("getRectification", Tag, "Which values are wanted, and what was decided about each") { Problems = ["not-found", "invalid-state"] }, AccessRule.OwnOr("requests.decide"));
        routes.MapPost("/v1/requests/{id}/rectification", DecideAsync).Takes<DecideRectification>().Gives<RectificationState>().As(
            new("decideRectification", Tag, "Accept, change or refuse every wanted value; writes them, tells recipients and completes the approved request; by a person")
            {
                RequestExample = JsonNode.Parse("""{ "accept": { "familyName": null }, "refuse": { "birthDate": "fulfilment-impossible" }, "seen": 4711 }"""),
                Problems = ["not-found", "invalid-state", "invalid-fields", "conflict"],
            },
            AccessRule.With("requests.decide").OfPeople());
    }

    private static async Task WantAsync(HttpContext context, Rectification desk, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<WantValues>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await desk.AskAsync(call.Caller, call.RouteId(), body.Fields, call.RequestId, call.Cancellation, body.Seen)));
    }

    private static async Task GetAsync(HttpContext context, Rectification desk, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await desk.GetAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)));
    }

    private static async Task DecideAsync(HttpContext context, Rectification desk, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<DecideRectification>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var decision = new RectificationDecision(body.Accept ?? new Dictionary<string, JsonElement?>(), body.Refuse ?? new Dictionary<string, string>(), body.Note) { Seen = body.Seen };
        await Answer.JsonAsync(context, View(await desk.DecideAsync(call.Caller, call.RouteId(), decision, call.RequestId, call.Cancellation)));
    }

    private static RectificationState View(RectificationView view) =>
        new(view.Request, view.Wanted, [.. view.Decided.Select(one => new RectifiedValue(one.Field, one.Outcome, one.Reason))]);
}
