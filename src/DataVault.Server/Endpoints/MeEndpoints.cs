using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>The signed-in person: who they are, and a customer's own record without having to know its id.</summary>
internal static class MeEndpoints
{
    private const string Tag = "me";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/me", (Delegate)WhoAmIAsync).Gives<Me>().As(new("getMe", Tag, "Who the token's bearer is"), AccessRule.Anyone);
        routes.MapGet("/v1/me/profile", ProfileAsync).Gives<Disclosed>().As(
            new("readMyProfile", Tag, "What is held of me")
            {
                Query = [QueryParameter.Purpose with { Required = false }, new("fields", "Comma-separated field names."), new("provenance", "Also where each value came from.", "boolean")],
            },
            AccessRule.Customers);
        routes.MapGet("/v1/me/events", EventsAsync).Gives<ReleasedEvents>().As(
            new("readMyEvents", Tag, "What happened, newest first")
            {
                Query = [QueryParameter.Purpose with { Required = false }, new("types", "Comma-separated event types."), QueryParameter.Limit, QueryParameter.Cursor],
            },
            AccessRule.Customers);
        routes.MapGet("/v1/me/consents", ConsentsAsync).Gives<Consents>().As(new("getMyConsents", Tag, "My consents with their history"), AccessRule.Customers);
        routes.MapPut("/v1/me/consents/{purpose}", SetConsentAsync).Takes<SetConsent>().Gives<ConsentWritten>().As(
            new("setMyConsent", Tag, "Give, refuse or withdraw a consent")
            {
                RequestExample = JsonNode.Parse("""{ "state": "given", "channel": "web" }"""),
                Problems = ["unknown-purpose", "invalid-fields"],
            },
            AccessRule.Customers);
        routes.MapGet("/v1/me/consents/{purpose}/receipt", ReceiptAsync).Gives<object>().As(ConsentEndpoints.ReceiptInfo("getMyConsentReceipt", Tag), AccessRule.Customers);
        routes.MapGet("/v1/me/accesses", AccessesAsync).Gives<Page<Access>>().As(
            new("getMyAccesses", Tag, "Who received what of me") { Query = [QueryParameter.Limit, QueryParameter.Cursor] }, AccessRule.Customers);
        routes.MapGet("/v1/me/requests", RequestEndpoints.ListAsync).Gives<Page<RightsRequest>>().As(
            new("listMyRequests", Tag, "My requests")
            {
                Query = [new("state", "Where it stands."), new("kind", "Which right."), QueryParameter.Limit, QueryParameter.Cursor],
            },
            AccessRule.Customers);
        routes.MapPost("/v1/me/requests", RequestEndpoints.OpenAsync).Takes<OpenRequest>().Gives<RightsRequest>(201).As(
            new("openMyRequest", Tag, "Ask for a right")
            {
                Headers = ["Idempotency-Key"],
                RequestExample = JsonNode.Parse("""{ "kind": "erasure" }"""),
                Problems = ["invalid-fields", "idempotency-mismatch"],
            },
            AccessRule.Customers);
    }

    private static Task WhoAmIAsync(HttpContext context)
    {
        var caller = Caller.Of(context);
        var realm = caller.Kind.ToString().ToLowerInvariant();
        return Answer.JsonAsync(context, new Me(realm, caller.Roles, caller.Subject?.Value, caller.DisplayName));
    }

    private static Task ProfileAsync(HttpContext context, DisclosureGate gate, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return CustomerEndpoints.ReleaseAsync(context, gate, call, call.Self());
    }

    private static Task EventsAsync(HttpContext context, DisclosureGate gate, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return EventEndpoints.ReleaseAsync(context, gate, call, call.Self());
    }

    private static Task ConsentsAsync(HttpContext context, ConsentLedger ledger, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return ConsentEndpoints.GiveStatesAsync(context, ledger, call, call.Self());
    }

    private static Task SetConsentAsync(HttpContext context, ConsentLedger ledger, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return ConsentEndpoints.SetAsync(context, ledger, call, call.Self());
    }

    private static Task ReceiptAsync(HttpContext context, ConsentReceipts receipts, ServerSettings settings, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return ConsentEndpoints.GiveReceiptAsync(context, receipts, settings, call, call.Self());
    }

    private static Task AccessesAsync(HttpContext context, AccessHistory history, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return ConsentEndpoints.GiveAccessesAsync(context, history, call, call.Self());
    }
}
