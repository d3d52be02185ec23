using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What is kept how long, and the sweeps that delete what has been kept long enough.</summary>
internal static class RetentionEndpoints
{
    private const string Tag = "retention";
    private static readonly AccessRule Manage = AccessRule.With("retention.manage");

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/retention", StateAsync).Gives<RetentionView>().As(new("getRetention", Tag, "The retention rules in force, the last sweep, and when the next is due"), Manage);
        routes.MapPost("/v1/retention/runs", StartAsync).Takes<StartRetention>().Gives<RetentionRunView>(202).As(
            new("startRetention", Tag, "Sweep now, in the background; or only count what is due")
            {
                Description = "A sweep also comes by itself, once a day. It begins within a minute; what it did stands in the run and, person by person, in the log.",
                RequestExample = JsonNode.Parse("""{ "dry": true }"""),
                Problems = ["invalid-state"],
            },
            Manage);
        routes.MapGet("/v1/retention/runs", ListAsync).Gives<Page<RetentionRunView>>().As(new("listRetentionRuns", Tag, "Sweeps, newest first") { Query = [QueryParameter.Limit] }, Manage);
        routes.MapGet("/v1/retention/runs/{id}", GetAsync).Gives<RetentionRunView>().As(new("getRetentionRun", Tag, "One sweep and how far it is") { Problems = ["not-found"] }, Manage);
    }

    private static async Task StateAsync(HttpContext context, Retention retention, AuditTrail trail)
    {
        await LookAsync(context, trail);
        var state = await retention.StateAsync(Caller.Of(context), context.RequestAborted);
        await Answer.JsonAsync(context, new RetentionView(
            [.. state.Rules.Select(one => new RetentionRuleView(one.Rule.Name, one.Rule.Title, one.Rule.Trigger, one.Rule.Months, one.Rule.Ground, one.Items))],
            state.Last is null ? null : View(state.Last), state.NextAt, state.Waiting));
    }

    private static async Task StartAsync(HttpContext context, Retention retention, DataVault.Policy.PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<StartRetention>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await retention.StartAsync(call.Caller, body.Dry, call.RequestId, call.Cancellation)), StatusCodes.Status202Accepted);
    }

    private static async Task ListAsync(HttpContext context, Retention retention, AuditTrail trail)
    {
        var limit = QueryReader.Of(context, "limit").Limit(50, Retention.MostRuns);
        await LookAsync(context, trail);
        await Answer.JsonAsync(context, new Page<RetentionRunView>([.. (await retention.RunsAsync(Caller.Of(context), limit, context.RequestAborted)).Select(View)], null));
    }

    private static async Task GetAsync(HttpContext context, Guid id, Retention retention, AuditTrail trail)
    {
        await LookAsync(context, trail);
        await Answer.JsonAsync(context, View(await retention.RunAsync(Caller.Of(context), id, context.RequestAborted)));
    }

    private static Task<long> LookAsync(HttpContext context, AuditTrail trail) =>
        trail.RecordAsync(EntryType.StatusRead, Caller.Of(context), "", EntryResult.Ok, null, null, context.RequestAborted);

    private static RetentionRunView View(RetentionRun run) => new(
        run.Id, run.Dry, run.StartedAt, run.FinishedAt, run.Looked, run.People, run.Values, run.Events, run.Erasures, run.Frozen, run.Failed, run.ByRule)
    {
        AskedBy = run.AskedBy,
    };
}
