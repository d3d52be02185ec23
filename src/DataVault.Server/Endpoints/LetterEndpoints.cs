using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Letters to people about their requests: read by the person and by officers, posted by officers where nothing else reaches the person.</summary>
internal static class LetterEndpoints
{
    private const string Tag = "requests";
    private const int LargestPage = 200;

    public static void Map(IEndpointRouteBuilder routes)
    {
        var read = AccessRule.OwnOr("requests.read");
        routes.MapGet("/v1/requests/{id}/letters", OfRequestAsync).Gives<Page<Letter>>().As(
            new("listRequestLetters", Tag, "Letters about a request, oldest first") { Problems = ["not-found"] }, read);
        routes.MapGet("/v1/letters", ToPostAsync).Gives<Page<Letter>>().As(
            new("listLettersToPost", Tag, "Letters that wait for an officer to post them, oldest first")
            {
                Description = "To people of whom no address is held that may be used, and what could not be sent.", Query = [QueryParameter.Limit, QueryParameter.Cursor],
            },
            AccessRule.With("requests.read"));
        routes.MapGet("/v1/letters/{id}", ReadAsync).Gives<LetterText>().As(new("getLetter", Tag, "A letter with its words; reading it is an entry") { Problems = ["not-found"] }, read);
        routes.MapGet("/v1/letters/{id}/page", PageAsync).Produces(200, contentType: "text/html").As(
            new("getLetterPage", Tag, "A letter as a page to print; reading it is an entry") { Problems = ["not-found"] }, read);
        routes.MapPost("/v1/letters/{id}/posted", PostedAsync).Gives<Letter>().As(
            new("markLetterPosted", Tag, "Say that a letter was posted or handed over") { Problems = ["not-found", "invalid-state"] }, AccessRule.With("requests.decide"));
    }

    private static async Task OfRequestAsync(HttpContext context, RequestLetters letters, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, new Page<Letter>([.. (await letters.ListAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)).Select(View)], null));
    }

    private static async Task ToPostAsync(HttpContext context, RequestLetters letters, PolicySet policy)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var call = new CallReader(context, policy);
        var page = await letters.ToPostAsync(call.Caller, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<Letter>([.. page.Items.Select(View)], page.Next));
    }

    private static async Task ReadAsync(HttpContext context, RequestLetters letters, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var letter = await letters.ReadAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        var printed = letter.Printed;
        await Answer.JsonAsync(context, new LetterText(
            View(letter.About), printed.Language, printed.Subject, [.. printed.Blocks.Select(block => new LetterPart(block.Kind.ToString().ToLowerInvariant(), block.Lines))], printed.Text(),
            Convert.ToHexStringLower(letter.Salt.Span)));
    }

    private static async Task PageAsync(HttpContext context, RequestLetters letters, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var letter = await letters.ReadAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        await Answer.TextAsync(context, letter.Printed.Html(), "text/html; charset=utf-8");
    }

    private static async Task PostedAsync(HttpContext context, RequestLetters letters, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await letters.PostedAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)));
    }

    private static Letter View(LetterView letter) => new(letter.Id, letter.Request, letter.Kind, letter.Way, letter.At, letter.GoneAt, letter.LogIndex, letter.Subject?.Value);
}
