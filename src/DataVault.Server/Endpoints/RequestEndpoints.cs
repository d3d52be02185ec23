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

    private sealed record Step(string Name, string Summary, RequestAct Act, AccessRule Rule, JsonObject Example);

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
                    new("state", "received, verified, confirming, approved, refused, completed, withdrawn, expired or moot."), new("kind", "Which right."), new("customer", "Of this person."),
                    QueryParameter.Limit, QueryParameter.Cursor,
                ],
            },
            AccessRule.OwnOr("requests.read"));
        routes.MapGet("/v1/requests/{id}", GetAsync).Gives<RightsRequest>().As(
            new("getRequest", Tag, "One request") { Problems = ["not-found"] }, AccessRule.OwnOr("requests.read"));
        routes.MapGet("/v1/requests/{id}/notes", NotesAsync).Gives<Page<RequestRemark>>().As(
            new("getRequestNotes", Tag, "What was written down with a request, oldest first") { Problems = ["not-found"] }, AccessRule.OwnOr("requests.read"));
        routes.MapGet("/v1/requests/{id}/evidence", EvidenceAsync).Gives<Page<RequestRemark>>().As(
            new("getRequestEvidence", Tag, "What was shown of the person's identity, until some days after the request is closed") { Problems = ["not-found"] },
            AccessRule.With("requests.decide"));
        MapSteps(routes);
        routes.MapGet("/v1/requests/{id}/package", PackageAsync).Produces(200, contentType: "application/zip").TakesLong().As(
            new("getPackage", Tag, "The export (zip), once")
            {
                Description = "For the person concerned after a sign-in within the last quarter of an hour; of a request that an officer opened for somebody without a sign-in, or that two officers approved, for an officer after a fresh sign-in with two factors.",
                Problems = ["not-found", "invalid-state"],
            },
            AccessRule.OwnOr("requests.decide").WithFreshSignIn());
        routes.MapGet("/v1/requests/{id}/certificate", CertificateAsync).Gives<ErasureCertificate>().As(
            new("getCertificate", Tag, "The signed certificate of an erasure") { Problems = ["not-found"] }, AccessRule.OwnOr("requests.read"));
        routes.MapGet("/certificates/{id:guid}", PublishedCertificateAsync).ExcludeFromDescription();
    }

    private static RightsRequest View(RequestView request, Recipient caller) => new(
        request.Id, request.Subject?.Value, request.Kind, request.State, request.OpenedAt, request.DueAt, request.CompletedAt, request.Reason,
        request.Progress, request.HasPackage, request.HasCertificate, request.LogIndex, request.OpenedBy)
    {
        Erasure = request.Erasure is not { } erasure ? null : new ErasureState(
            erasure.State, erasure.FinalAt, erasure.Deferred, [.. erasure.Because.Select(why => new HoldReason(why.Authority, why.ReviewAt, why.ExpiresAt))]),
        Jurisdiction = request.Facts.Jurisdiction, Outcome = request.Facts.Outcome, Times = Times(request), Repeats = request.Facts.Repeats, Decision = request.Facts.Decision, SecondFor = request.Facts.SecondFor,
        Questions = [.. request.Facts.Questions.Select(one => new RequestQuestion(one.Cause, one.From, one.AnswerBy, one.Until, one.Stops))],
        Identity = new IdentityAssurance(request.Facts.Assurance, request.Facts.Needed, [.. request.Facts.Checks.Select(one => new IdentityCheck(one.Method, one.Level, one.At, one.Passed))])
        {
            Methods = [.. request.Facts.Methods.Select(one => new IdentityMethod(one.Name, one.Title, AssuranceNames.Of(one.Level)))],
        },
        ApprovedFirst = caller.Kind == RecipientKind.Customer || request.Facts.ApprovedFirst is not { } first ? null : new Client.Wire.FirstApproval(first.By, first.At, first.By == caller.Id),
        Objections = [.. request.Facts.Objections.Select(one => new Client.Wire.ObjectedPurpose(one.Purpose, one.State, one.DirectMarketing, one.Since, one.Until, one.Reason, one.Term, one.Article))],
        Choices = [.. request.Facts.Choices.Select(one => new RequestChoice(one.Items, one.Reason, one.Term, one.Article, one.ReviewAt))],
    };

    private static RequestTimes Times(RequestView request) => new(
        request.Clock.StrictDueAt, request.Clock.PausedDueAt, request.Clock.Elapsed, request.Clock.Escalation, request.Clock.Overdue, request.Clock.StandsStill,
        request.Facts.FirstDueAt, request.Facts.AcknowledgeBy, request.Facts.AcknowledgedAt);

    public static async Task ListAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var query = QueryReader.Of(context, "state", "kind", "customer", "limit", "cursor");
        var call = new CallReader(context, policy);
        var customer = query.Id("customer") is { } id ? new SubjectId(id) : (SubjectId?)null;
        var filter = new RequestFilter(query.OneOf("state", [.. RequestStates.All]), query.OneOf("kind", [.. RequestKinds.All]), customer);
        var page = await requests.ListAsync(call.Caller, filter, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<RightsRequest>([.. page.Items.Select(one => View(one, call.Caller))], page.Next));
    }

    public static async Task OpenAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<OpenRequest>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var subject = body.Customer is { } customer ? new SubjectId(customer)
            : call.Caller.Subject ?? throw ProblemException.Member("/customer", "missing-member", "Whom is the request about?");
        var opened = await requests.OpenAsync(call.Caller, body.Kind, subject, body.Note, body.Jurisdiction, call.RequestId, call.Cancellation, call.Idempotency(body), new RequestWish(body.Language, body.Purposes) { Decision = body.Decision });
        context.Response.Headers.Location = $"/v1/requests/{opened.Id}";
        await Answer.JsonAsync(context, View(opened, call.Caller), StatusCodes.Status201Created);
    }

    private static void MapSteps(IEndpointRouteBuilder routes)
    {
        var (decide, own) = (AccessRule.With("requests.decide"), AccessRule.OwnOr("requests.decide"));
        // An application may keep a request's course: note who it is, ask, answer. What becomes of the request a person says.
        var person = decide.OfPeople();
        Step[] steps =
        [
            new("verify", "Somebody showed, or failed to show, who they are; by a method of rights.yaml", RequestAct.Verify, decide, new() { ["method"] = "called-back", ["evidence"] = "Called back on the number on record." }),
            new("acknowledge", "Acknowledge receipt to the person", RequestAct.Acknowledge, decide, new() { ["note"] = "You will hear from us within 45 days." }),
            new("ask", "Ask the person for something: identity, clarification or fee; the clock stands still where the law lets it", RequestAct.Ask, decide, new() { ["reason"] = "identity", ["note"] = "Please call us from the number on record." }),
            new("answer", "What the person was asked for is there; also for the person themselves", RequestAct.Answer, own, new() { ["reason"] = "clarification", ["note"] = "I mean the orders of last year." }),
            new("extend", "Prolong the due date, once, with a reason, and words that the person reads", RequestAct.Extend, decide, new() { ["reason"] = "complexity", ["note"] = "Your request covers eleven years of orders." }),
            new("choose", "Decide of single items otherwise than of the rest: an erasure leaves them, a package is without them; of an objection, purposes that go on. Without a reason they are granted again", RequestAct.Choose, person,
                new() { ["items"] = new JsonArray("event:purchase"), ["reason"] = "legal-obligation", ["reviewAt"] = "2036-01-01T00:00:00Z" }),
            new("approve", "Grant it; the vault carries out what it can, once a second officer agrees where the policy wants one", RequestAct.Approve, person, new() { ["seen"] = 4711 }),
            new("refuse", "Refuse it, with a reason, and words that the person reads", RequestAct.Refuse, own.OfPeople(), new() { ["reason"] = "process-unfounded", ["note"] = "You asked the same yesterday." }),
            new("withdraw", "Take it back, before it is carried out; for the person themselves, or an officer for them", RequestAct.Withdraw, own, new() { ["note"] = "It is no longer needed." }),
            new("complete", "Close what was carried out by hand; a contest with its outcome: decision-upheld, decision-changed or decision-annulled", RequestAct.Complete, person, new() { ["note"] = "Corrected by hand." }),
        ];
        foreach (var step in steps)
        {
            MapStep(routes, step.Name, step.Name + "Request", step.Summary, step.Rule, step.Example, (requests, call, decision) =>
                requests.TakeAsync(call.Caller, call.RouteId(), step.Act, Terms(decision), call.RequestId, call.Cancellation));
        }

        MapStep(routes, "erase-damaged", "eraseDamagedRequest", "Order the erasure of a record that does not open, with a reason", person, new() { ["reason"] = "no-sound-copy" }, (requests, call, decision) =>
            requests.EraseDamagedAsync(call.Caller, call.RouteId(), decision.Reason, decision.Note, call.RequestId, call.Cancellation));
    }

    private static StepTerms Terms(DecideRequest decision) => new(decision.Reason, decision.Note)
    {
        Method = decision.Method, Outcome = decision.Outcome, Evidence = decision.Evidence, Failed = decision.Failed ?? false, Items = decision.Items, Purposes = decision.Purposes, ReviewAt = decision.ReviewAt, Seen = decision.Seen,
    };

    private static void MapStep(
        IEndpointRouteBuilder routes, string name, string operation, string summary, AccessRule rule, JsonObject example, Func<SubjectRequests, CallReader, DecideRequest, Task<RequestView>> take) =>
        routes.MapPost("/v1/requests/{id}/" + name, async (HttpContext context, SubjectRequests requests, PolicySet policy) =>
        {
            var decision = await RequestBody.ReadAsync<DecideRequest>(context, RequestBody.Small);
            var call = new CallReader(context, policy);
            await Answer.JsonAsync(context, View(await take(requests, call, decision), call.Caller));
        }).Takes<DecideRequest>().Gives<RightsRequest>().TakesLong().As(
            new(operation, Tag, summary) { RequestExample = example, Problems = ["not-found", "invalid-state", "invalid-fields"] }, rule);

    private static async Task EvidenceAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var evidence = await requests.EvidenceAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<RequestRemark>([.. evidence.Select(n => new RequestRemark(n.At, n.By, n.Text))], null));
    }

    private static async Task GetAsync(HttpContext context, SubjectRequests requests, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await requests.GetAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation), call.Caller));
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
