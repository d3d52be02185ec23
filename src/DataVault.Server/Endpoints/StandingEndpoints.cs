using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Where customers stand, which is who reaches them.</summary>
internal static class StandingEndpoints
{
    private const string Tag = "customers";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/customers/{id}/standing", GetAsync).Gives<CustomerStanding>().As(
            new("getStanding", Tag, "Where a customer stands: jurisdiction, residency, brand, and who stands how to them")
            {
                Query = [QueryParameter.Purpose],
                Problems = ["unknown-purpose", "not-found"],
            },
            AccessRule.With("standing.manage"));
        routes.MapPut("/v1/customers/{id}/standing", PutAsync).Takes<SetStanding>().Gives<CustomerStanding>().As(
            new("setStanding", Tag, "Say anew where a customer stands; what is left out is not known any more")
            {
                Description = "In force everywhere once answered: who no longer reaches the customer finds nobody.",
                Headers = ["If-Match"],
                RequestExample = JsonNode.Parse("""
                    { "standing": { "jurisdiction": "eu", "residency": "eu", "brand": "house", "relations": [{ "name": "assigned-agent", "recipient": "support-desk" }] }, "purpose": "service-delivery" }
                    """),
                Problems = ["unknown-purpose", "not-found", "invalid-fields", "version-mismatch", "precondition-required"],
            },
            AccessRule.With("standing.manage"));
    }

    public static PersonStanding Of(Standing standing) =>
        new(standing.Jurisdiction, standing.Residency, standing.Brand, [.. (standing.Relations ?? []).Select(relation => new RelationFact(relation.Name, relation.Recipient))]);

    private static async Task GetAsync(HttpContext context, SubjectStanding standing, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var purpose = call.Purpose(QueryReader.Of(context, "purpose").Text("purpose"));
        await GiveAsync(context, await standing.GetAsync(call.Caller, await call.CustomerAsync(), purpose, call.RequestId, call.Cancellation));
    }

    private static async Task PutAsync(HttpContext context, SubjectStanding standing, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<SetStanding>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var subject = await call.CustomerAsync();
        await GiveAsync(context, await standing.SetAsync(
            call.Caller, subject, Answer.RequiredVersion(context), Of(body.Standing), call.Purpose(body.Purpose), call.RequestId, call.Cancellation));
    }

    private static Task GiveAsync(HttpContext context, StandingView view)
    {
        Answer.SetVersion(context, view.Version);
        var (jurisdiction, residency, brand, relations) = view.Standing;
        return Answer.JsonAsync(context, new CustomerStanding(
            view.Id.Value, view.Version, new Standing(jurisdiction, residency, brand, [.. relations.Select(fact => new Relation(fact.Relation, fact.Recipient))]), new Receipt(view.LogIndex)));
    }
}
