using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Server.Http;

namespace DataVault.Server.Endpoints;

/// <summary>What somebody allowed applications of others, and the end of it.</summary>
internal static class MyApplicationEndpoints
{
    private const string Tag = "me";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var people = AccessRule.Anyone.OfPeople();
        routes.MapGet("/v1/me/applications", ListAsync).Gives<Page<MyApplication>>().As(
            new("listMyApplications", Tag, "The applications of others that I allowed something, what it is, since when, and when it was last used"), people);
        routes.MapDelete("/v1/me/applications/{id}", WithdrawAsync).Produces(204).As(
            new("withdrawMyApplication", Tag, "Take back what I allowed an application; its tokens end at once") { Problems = ["not-found"] }, people);
    }

    private static async Task ListAsync(HttpContext context, ClientConsents consents)
    {
        var allowed = await consents.ListAsync(AccountOf(context), context.RequestAborted);
        await Answer.JsonAsync(context, new Page<MyApplication>([.. allowed.Select(one => new MyApplication(one.Id, one.Name, one.Scopes, one.Since, one.UsedAt))], null));
    }

    private static async Task WithdrawAsync(HttpContext context, ClientConsents consents)
    {
        var client = (string)context.Request.RouteValues["id"]!;
        await consents.WithdrawAsync(Caller.PartyOf(context), AccountOf(context), Caller.Of(context).Subject?.Value, client, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    // Who signs in at somebody else's provider allows there, and has nothing here.
    private static Guid AccountOf(HttpContext context) => Guid.TryParseExact(Caller.Of(context).Id, "D", out var account) ? account : throw new ProblemException("not-found");
}
