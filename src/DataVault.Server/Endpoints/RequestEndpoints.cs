using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Requests for a person's rights: customers open their own, officers decide.</summary>
internal static class RequestEndpoints
{
    private const string Tag = "requests";
    private const int LargestPage = 200;
    private static readonly TimeSpan FreshSignIn = TimeSpan.FromMinutes(15);

    private delegate Task<RequestView> Step(SubjectRequests requests, CallReader call, Guid id, DecideRequest decision);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/requests", OpenAsync).Takes<OpenRequest>().Gives<RightsRequest>(201).As(
            new("openRequest", Tag, "Ask for a right: access, portability, rectification, erasure, restriction, objection, contest of an automated decision")
            {
                RequestExample = JsonNode.Parse("""{ "kind": "access", "note": "Please send me everything." }"""),
                Headers = ["Idempotency-Key"],
                Problems = ["not-found", "invalid-fields", "idempotency-mismatch"],
            },
            AccessRule.OwnOr("requests.decide"));
        routes.MapGet("/v1/requests", ListAsync).Gives<Page<RightsRequest>>().As(
            new("listRequests", Tag, "Requests, newest first; a customer sees their own")
            {
                Query =
                [
                    new("state", "received, verified, approved, refused or completed."), new("kind", "Which right."), new("customer", "Of this person."),
                    QueryParameter.Limit, QueryParameter.Cursor,
                ],
            },
            AccessRule.OwnOr("requests.read"));
        routes.MapGet("/v1/requests/{id}", GetAsync).Gives<RightsRequest>().As(
            new("getRequest", Tag, "One request") { Problems = ["not-found"] }, AccessRule.OwnOr("requests.read"));
        routes.MapGet("/v1/requests/{id}/notes", NotesAsync).Gives<Page<RequestRemark>>().As(
            new("getRequestNotes", Tag, "What was written down with a request, oldest first") { Problems = ["not-found"] }, AccessRule.OwnOr("requests.read"));
        MapSteps(routes);
        routes.MapGet("/v1/requests/{id}/package", PackageAsync).Produces(200, contentType: "application/zip").TakesLong().As(
            new("getPackage", Tag, "The export (zip), once")
            {
                Description = "For the person concerned after a sign-in within the last quarter of an hour; of a request that an officer opened for somebody without a sign-in, for an officer after a fresh sign-in with two factors.",
                Problems = ["not-found", "invalid-state"],
            },
            AccessRule.OwnOr("requests.decide").WithFreshSignIn());
        routes.MapGet("/v1/requests/{id}/certificate", CertificateAsync).Gives<ErasureCertificate>().As(
            new("getCertificate", Tag, "The signed certificate of an erasure") { Problems = ["not-found"] }, AccessRule.OwnOr("requests.read"));
        routes.MapGet("/certificates/{id:guid}", PublishedCertificateAsync).ExcludeFromDescription();
    }

    public static RightsRequest View(RequestView request) => new(
        request.Id, request.Subject?.Value, request.Kind, request.State, request.OpenedAt, request.DueAt, request.CompletedAt, request.Reason,
        request.Progress, request.HasPackage, request.HasCertificate, request.LogIndex, request.OpenedBy)
    {
        Erasure = request.Erasure is not { } erasure ? null : new ErasureState(
            erasure.State, erasure.FinalAt, erasure.Deferred, [.. erasure.Because.Select(why => new HoldReason(why.Authority, why.ReviewAt, why.ExpiresAt))]),
    };

    public static async Task ListAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var query = QueryReader.Of(context, "state", "kind", "customer", "limit", "cursor");
        var call = new CallReader(context, policy);
        var customer = query.Id("customer") is { } id ? new SubjectId(id) : (SubjectId?)null;
        var filter = new RequestFilter(query.OneOf("state", [.. RequestStates.All]), query.OneOf("kind", [.. RequestKinds.All]), customer);
        var page = await requests.ListAsync(call.Caller, filter, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<RightsRequest>([.. page.Items.Select(View)], page.Next));
    }

    public static async Task OpenAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<OpenRequest>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var subject = body.Customer is { } customer ? new SubjectId(customer)
            : call.Caller.Subject ?? throw ProblemException.Member("/customer", "missing-member", "Whom is the request about?");
        var opened = await requests.OpenAsync(call.Caller, body.Kind, subject, body.Note, body.Jurisdiction, call.RequestId, call.Cancellation, call.Idempotency(body));
        context.Response.Headers.Location = $"/v1/requests/{opened.Id}";
        await Answer.JsonAsync(context, View(opened), StatusCodes.Status201Created);
    }

    private static void MapSteps(IEndpointRouteBuilder routes)
    {
        var decide = AccessRule.With("requests.decide");
        MapStep(routes, "verify", "The person's identity is established", decide, (r, c, id, d) => r.VerifyAsync(c.Caller, id, d.Note, c.RequestId, c.Cancellation));
        MapStep(routes, "extend", "Prolong the due date, with a reason", decide, (r, c, id, d) => r.ExtendAsync(c.Caller, id, d.Reason, d.Note, c.RequestId, c.Cancellation));
        MapStep(routes, "approve", "Grant it; the vault carries out what it can", decide, (r, c, id, d) => r.ApproveAsync(c.Caller, id, d.Note, c.RequestId, c.Cancellation));
        MapStep(
            routes, "refuse", "Refuse it, with a reason; a customer may withdraw their own", AccessRule.OwnOr("requests.decide"),
            (r, c, id, d) => r.RefuseAsync(c.Caller, id, d.Reason, d.Note, c.RequestId, c.Cancellation));
        MapStep(
            routes, "complete", "Close what was carried out by hand; a contest with its outcome: decision-upheld, decision-changed or decision-annulled", decide,
            (r, c, id, d) => r.CompleteAsync(c.Caller, id, d.Note, c.RequestId, c.Cancellation, d.Reason));
        MapStep(
            routes, "erase-damaged", "Order the erasure of a record that does not open, with a reason", decide,
            (r, c, id, d) => r.EraseDamagedAsync(c.Caller, id, d.Reason, d.Note, c.RequestId, c.Cancellation), "eraseDamaged");
    }

    private static void MapStep(IEndpointRouteBuilder routes, string step, string summary, AccessRule rule, Step take, string? operation = null) =>
        routes.MapPost("/v1/requests/{id}/" + step, async (HttpContext context, SubjectRequests requests, PolicySet policy) =>
        {
            var decision = await RequestBody.ReadAsync<DecideRequest>(context, RequestBody.Small);
            var call = new CallReader(context, policy);
            await Answer.JsonAsync(context, View(await take(requests, call, call.RouteId(), decision)));
        }).Takes<DecideRequest>().Gives<RightsRequest>().TakesLong().As(
            new((operation ?? step) + "Request", Tag, summary)
            {
                RequestExample = step switch
                {
                    "refuse" => new JsonObject { ["reason"] = "process-unfounded" },
                    "erase-damaged" => new JsonObject { ["reason"] = "no-sound-copy" },
                    "extend" => new JsonObject { ["reason"] = "complexity" },
                    _ => new JsonObject { ["note"] = "Called back on the number on file." },
                },
                Problems = ["not-found", "invalid-state", "invalid-fields"],
            },
            rule);

    private static async Task GetAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await requests.GetAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)));
    }

    private static async Task NotesAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var notes = await requests.NotesAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<RequestRemark>([.. notes.Select(n => new RequestRemark(n.At, n.By, n.Text))], null));
    }

    private static async Task PackageAsync(HttpContext context, SubjectRequests requests, PolicySet policy, TimeProvider clock)
    {
        var call = new CallReader(context, policy);
        var signedInAt = Caller.TokenOf(context)?.AuthenticatedAt;
        // Of an officer the access rule wants more.
        if (signedInAt is null || clock.GetUtcNow() - signedInAt > FreshSignIn)
        {
            await Authorisation.RecordDenialAsync(context, call.Caller, call.Caller.Subject);
            throw new ProblemException("forbidden", "The package needs a fresh sign-in: sign in again and repeat within a quarter of an hour.");
        }
        await using var package = await requests.PackageAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        context.Response.ContentType = "application/zip";
        context.Response.Headers.ContentDisposition = call.Caller.Kind == RecipientKind.Customer ? "attachment; filename=\"my-data.zip\"" : $"attachment; filename=\"package-{call.RouteId():D}.zip\"";
        await package.CopyToAsync(context.Response.Body, call.Cancellation);
    }

    private static async Task CertificateAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var certificate = await requests.CertificateAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new ErasureCertificate(certificate));
    }

    private static async Task PublishedCertificateAsync(HttpContext context, Guid id, SubjectRequests requests) =>
        await Answer.TextAsync(context, await requests.PublishedCertificateAsync(id, context.RequestAborted));
}
