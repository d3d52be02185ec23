using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Server.Http;

namespace DataVault.Server.Endpoints;

/// <summary>Which customers sign in at a provider of somebody else.</summary>
internal static class OutsideAccountEndpoints
{
    // Who somebody is, is said by somebody with a name, like who gets an account.
    private static readonly AccessRule Fresh = AccessRule.With("accounts.manage").WithFreshSignIn();

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/outside-accounts", LinkAsync).Takes<LinkOutsideAccount>().Gives<OutsideAccountLinked>(201).As(
            new("linkOutsideAccount", "administration", "Say that a subject of an outside identity provider is a customer")
            {
                Description = "Check who the person is first: no claim of a token makes anybody a customer, this does.",
                RequestExample = JsonNode.Parse("""{ "authority": "company", "subject": "8c5f6c1e-8a52-4d0c-9b1f-0d6f0a3b7e21", "customer": "01a20120-1ce2-7ae1-9322-e92c76de7769" }"""),
                Problems = ["not-found", "conflict", "invalid-fields"],
            },
            Fresh);
        routes.MapDelete("/v1/outside-accounts/{id:guid}", UnlinkAsync).Produces(204).As(
            new("unlinkOutsideAccount", "administration", "End every link of a customer to outside identity providers") { Problems = ["not-found"] },
            Fresh);
    }

    private static async Task LinkAsync(HttpContext context, OutsideLinks links)
    {
        var body = await RequestBody.ReadAsync<LinkOutsideAccount>(context, RequestBody.Small);
        var id = await links.LinkAsync(body.Authority, body.Subject, body.Customer, Caller.PartyOf(context), context.RequestAborted);
        await Answer.JsonAsync(context, new OutsideAccountLinked(id), StatusCodes.Status201Created);
    }

    private static async Task UnlinkAsync(HttpContext context, Guid id, OutsideLinks links)
    {
        await links.UnlinkAsync(id, Caller.PartyOf(context), context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }
}
