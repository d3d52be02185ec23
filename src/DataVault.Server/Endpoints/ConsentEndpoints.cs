using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Consents, and who received what: about any customer for whom the policy allows it, and about oneself.</summary>
internal static class ConsentEndpoints
{
    private const string Tag = "consents";
    private const int LargestPage = 500;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/customers/{id}/consents", GetAsync).Gives<Consents>().As(
            new("getConsents", Tag, "Consent states with their history") { Problems = ["not-found"] }, AccessRule.Anyone);
        routes.MapPut("/v1/customers/{id}/consents/{purpose}", PutAsync).Takes<SetConsent>().Gives<ConsentWritten>().As(
            new("setConsent", Tag, "Give, refuse or withdraw a consent; in force everywhere once answered")
            {
                RequestExample = JsonNode.Parse("""{ "state": "withdrawn", "channel": "web" }"""),
                Problems = ["unknown-purpose", "not-found", "invalid-fields"],
            },
            AccessRule.Anyone);
        routes.MapGet("/v1/customers/{id}/accesses", AccessesAsync).Gives<Page<Access>>().As(
            new("getAccesses", Tag, "Who received what, when and for what purpose, newest first")
            {
                Query = [QueryParameter.Limit, QueryParameter.Cursor],
                Problems = ["not-found"],
            },
            AccessRule.OwnOr("audit.read"));
    }

    public static async Task GiveStatesAsync(HttpContext context, ConsentLedger ledger, CallReader call, SubjectId subject)
    {
        var overview = await ledger.GetAsync(call.Caller, subject, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Consents(subject.Value, [.. overview.Items.Select(View)]));
    }

    public static async Task SetAsync(HttpContext context, ConsentLedger ledger, CallReader call, SubjectId subject)
    {
        var body = await RequestBody.ReadAsync<SetConsent>(context, RequestBody.Small);
        var purpose = call.Purpose((string?)context.Request.RouteValues["purpose"]);
        var changed = await ledger.SetAsync(
            call.Caller, subject, new ConsentStatement(purpose, body.State, body.Notice, body.Channel, body.Expires), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new ConsentWritten(View(changed.Consent), new Receipt(changed.LogIndex)));
    }

    public static async Task GiveAccessesAsync(HttpContext context, AccessHistory history, CallReader call, SubjectId subject)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var page = await history.ListAsync(call.Caller, subject, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<Access>(
            [.. page.Items.Select(a => new Access(a.Index, a.At, a.Type, a.Actor, a.Purpose, a.Result, a.Fields))], page.Next));
    }

    private static async Task GetAsync(HttpContext context, ConsentLedger ledger, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await GiveStatesAsync(context, ledger, call, await call.CustomerAsync());
    }

    private static async Task PutAsync(HttpContext context, ConsentLedger ledger, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await SetAsync(context, ledger, call, await call.CustomerAsync());
    }

    private static async Task AccessesAsync(HttpContext context, AccessHistory history, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await GiveAccessesAsync(context, history, call, await call.CustomerAsync());
    }

    private static ConsentState View(ConsentView consent) => new(
        consent.Purpose.Name, consent.Purpose.Title, consent.State, consent.Since, consent.Expires, consent.Notice, consent.Purpose.LegalBasis,
        [.. consent.History.Select(e => new ConsentEvent(e.State, e.At, e.Notice, e.Channel, e.LogIndex))]);
}
