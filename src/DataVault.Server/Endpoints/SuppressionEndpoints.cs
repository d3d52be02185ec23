using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Those who were erased and are not taken in again from an old file: how many, and letting somebody in again.</summary>
internal static class SuppressionEndpoints
{
    private const string Tag = "suppressions";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var manage = AccessRule.With("suppressions.manage").OfPeople();
        routes.MapGet("/v1/suppressions", StateAsync).Gives<SuppressionsView>().As(
            new("getSuppressions", Tag, "How many erased people are kept from being taken in again, on what ground and how long")
            {
                Description = "Nobody is named, and nobody can be: only keyed hashes are kept. For people of the staff.",
            },
            manage);
        routes.MapPost("/v1/suppressions/lift", LiftAsync).Takes<LiftSuppression>().Gives<SuppressionLifted>().As(
            new("liftSuppression", Tag, "Let somebody in again who was erased and comes back themselves")
            {
                Description = "Ends every mark of whoever was known by the value. Whoever is taken in with `returning` needs no call of this. For people of the staff.",
                RequestExample = JsonNode.Parse("""{ "field": "email", "value": "ada@example.com", "ground": "person-asked" }"""),
                Problems = ["invalid-fields", "invalid-state"],
            },
            manage);
    }

    private static async Task StateAsync(HttpContext context, Suppressions suppressions, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var (rules, figures) = await suppressions.StateAsync(call.Caller, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new SuppressionsView(
            rules is not null, rules?.Purpose.Name, rules?.Purpose.LegalBasis, rules?.Ground, [.. rules?.Identifiers.Select(field => field.Name) ?? []], rules?.Months,
            figures.Groups, figures.Marks, figures.NextExpiry));
    }

    private static async Task LiftAsync(HttpContext context, Suppressions suppressions, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<LiftSuppression>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var (erasures, index) = await suppressions.LiftAsync(call.Caller, body.Field, body.Value, body.Ground, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new SuppressionLifted(erasures, new Receipt(index)));
    }
}
