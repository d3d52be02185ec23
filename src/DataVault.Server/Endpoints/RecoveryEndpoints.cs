using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;

namespace DataVault.Server.Endpoints;

/// <summary>Customers who lost their second factor: begun by staff who established who it is, told to the mailbox, and carried out after the days of the policy.</summary>
internal static class RecoveryEndpoints
{
    private const string Tag = "administration";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var rule = AccessRule.With("accounts.manage").OfPeople();
        routes.MapPost("/v1/accounts/recoveries", BeginAsync).Takes<BeginRecovery>().Gives<AccountRecovery>(201).As(
            new("beginRecovery", Tag, "Have a customer's lost second factor taken away, in some days, unless its owner stops it")
            {
                Description = "The method is one of rights.yaml whose level its `recovery` needs; a sign-in is none, since that is what is lost. The account's mailbox is told at once, and can stop it, as does whoever shows the factor. The password stays.",
                RequestExample = JsonNode.Parse("""{ "customer": "01a20120-1ce2-7ae1-9322-e92c76de7769", "method": "document-seen" }"""),
                Problems = ["not-found", "conflict", "forbidden", "invalid-fields"],
            },
            rule.WithFreshSignIn());
        routes.MapGet("/v1/accounts/recoveries", ListAsync).Gives<Page<AccountRecovery>>().As(new("listRecoveries", Tag, "Second factors that are to be taken away, the next first"), rule);
        routes.MapPost("/v1/accounts/recoveries/{id:guid}/stop", StopAsync).Produces(204).As(new("stopRecovery", Tag, "Leave a second factor where it is") { Problems = ["not-found", "conflict"] }, rule);
    }

    private static async Task BeginAsync(HttpContext context, FactorRecoveries recoveries, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<BeginRecovery>(context, RequestBody.Small);
        RequireKnown(body.Method, policy.Rights);
        try
        {
            var begun = await recoveries.BeginAsync(body.Customer, body.Method, Caller.PartyOf(context), TimeSpan.FromDays(policy.Rights.Recovery.Days), context.RequestAborted);
            await Answer.JsonAsync(context, View(begun), StatusCodes.Status201Created);
        }
        catch (IssuerException e) when (e.Slug == "forbidden")
        {
            await Authorisation.RecordDenialAsync(context, Caller.Of(context), null);
            throw;
        }
    }

    private static void RequireKnown(string name, RightsRules rules)
    {
        var isSignIn = name is VerificationMethod.SignedIn or VerificationMethod.SignedInTwice;
        if (isSignIn || rules.Method(name) is not { } method || method.Level < rules.Recovery.Level)
            throw ProblemException.Member("/method", "not-allowed", $"Name a method of rights.yaml that makes it {AssuranceNames.Of(rules.Recovery.Level)}, and no sign-in.");
    }

    private static async Task ListAsync(HttpContext context, FactorRecoveries recoveries) =>
        await Answer.JsonAsync(context, new Page<AccountRecovery>([.. (await recoveries.ListAsync(context.RequestAborted)).Select(View)], null));

    private static async Task StopAsync(HttpContext context, Guid id, FactorRecoveries recoveries)
    {
        await recoveries.StopAsync(id, Caller.PartyOf(context), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static AccountRecovery View(FactorRecovery one) => new(one.Id, one.Customer, one.Method, one.Officer, one.AskedAt, one.DueAt);
}
