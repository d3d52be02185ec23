using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What officers look at: reviews, approvals, alerts; and what keeps an eye on credentials: budgets and planted people.</summary>
internal static class OversightEndpoints
{
    private const string Tag = "oversight";
    private const int LargestPage = 200;

    public static void Map(IEndpointRouteBuilder routes)
    {
        MapReviews(routes, AccessRule.With(Capabilities.ReviewsManage).OfPeople());
        MapApprovals(routes);
        MapAlerts(routes, AccessRule.With(Capabilities.AlertsManage).OfPeople());
        MapHoney(routes, AccessRule.With(Capabilities.HoneyManage).OfPeople());
        MapBudgets(routes, AccessRule.With(Capabilities.ClientsManage).OfPeople());
        routes.MapGet("/v1/me/messages", MessagesAsync).Gives<Page<Message>>().As(
            new("listMyMessages", "me", "What I am told about looks at my data, newest first") { Query = [QueryParameter.Limit, QueryParameter.Cursor] }, AccessRule.Customers);
    }

    private static void MapReviews(IEndpointRouteBuilder routes, AccessRule manage)
    {
        routes.MapGet("/v1/reviews", ListReviewsAsync).Gives<Page<Review>>().As(
            new("listReviews", Tag, "Releases that are to be reviewed, newest first")
            {
                Query = [new("state", "open or decided."), new("overdue", "true: only those whose date has passed."), QueryParameter.Limit, QueryParameter.Cursor],
            },
            manage);
        routes.MapGet("/v1/reviews/{id}", ReviewAsync).Gives<Review>().As(
            new("getReview", Tag, "One review, with whom it is about, the reason that was given and what was shown") { Problems = ["not-found"] }, manage);
        routes.MapPost("/v1/reviews/{id}/outcome", DecideReviewAsync).Takes<ReviewOutcome>().Gives<Review>().As(
            new("decideReview", Tag, "Say whether a release was justified, in words; not by whoever got the data")
            {
                RequestExample = JsonNode.Parse("""{ "justified": true, "words": "The lot was recalled that morning." }"""),
                Problems = ["not-found", "invalid-state", "invalid-fields"],
            },
            manage);
    }

    private static void MapApprovals(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/approvals", AskAsync).Takes<AskApproval>().Gives<Approval>(201).As(
            new("askApproval", Tag, "Ask a second person to agree to a disclosure that needs four eyes")
            {
                RequestExample = JsonNode.Parse(
                    """{ "customer": "01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77", "purpose": "billing", "fields": ["iban"], "reason": "A refund came back" }"""),
                Problems = ["unknown-field", "unknown-purpose", "not-found", "invalid-fields", "invalid-state"],
            },
            AccessRule.NotCustomers);
        routes.MapGet("/v1/approvals", ListApprovalsAsync).Gives<Page<Approval>>().As(
            new("listApprovals", Tag, "Approvals, newest first: one's own, and all for whoever may approve")
            {
                Query = [new("state", "requested, approved, refused or used."), QueryParameter.Limit, QueryParameter.Cursor],
            },
            AccessRule.NotCustomers);
        var approve = AccessRule.With(Capabilities.DisclosuresApprove).WithFreshSignIn();
        routes.MapPost("/v1/approvals/{id}/approve", ApproveAsync).Gives<Approval>().As(
            new("approveDisclosure", Tag, "Agree to a disclosure that another person asked for") { Problems = ["not-found", "invalid-state"] }, approve);
        routes.MapPost("/v1/approvals/{id}/refuse", RefuseAsync).Gives<Approval>().As(
            new("refuseDisclosure", Tag, "Refuse a disclosure that another person asked for") { Problems = ["not-found", "invalid-state"] }, approve);
    }

    private static void MapAlerts(IEndpointRouteBuilder routes, AccessRule manage)
    {
        routes.MapGet("/v1/alerts", ListAlertsAsync).Gives<Page<Alert>>().As(
            new("listAlerts", Tag, "Alerts, newest first") { Query = [new("state", "open or acknowledged."), QueryParameter.Limit, QueryParameter.Cursor] }, manage);
        routes.MapPost("/v1/alerts/{id}/acknowledge", AcknowledgeAsync).Gives<Alert>().As(
            new("acknowledgeAlert", Tag, "Say that somebody has taken an alert up") { Problems = ["not-found", "invalid-state"] }, manage);
        routes.MapPost("/v1/alerts/{id}/release", ReleaseAsync).Gives<Alert>().As(
            new("releaseBrake", Tag, "Let the credential that an alert stopped go on, with its budget whole again") { Problems = ["not-found", "invalid-state"] }, manage);
    }

    private static void MapHoney(IEndpointRouteBuilder routes, AccessRule manage)
    {
        routes.MapPost("/v1/honey", PlantAsync).Takes<PlantHoney>().Gives<HoneyCustomer>(201).As(
            new("plantHoney", Tag, "Mark a made-up customer, so that whoever touches them raises an alert")
            {
                RequestExample = JsonNode.Parse("""{ "customer": "01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e77", "brake": true, "note": "In every extract of the old CRM" }"""),
                Problems = ["not-found", "invalid-state", "invalid-fields"],
            },
            manage);
        routes.MapGet("/v1/honey", ListHoneyAsync).Gives<Page<HoneyCustomer>>().As(new("listHoney", Tag, "Planted customers"), manage);
        routes.MapPost("/v1/honey/{id}/withdraw", WithdrawAsync).As(
            new("withdrawHoney", Tag, "Make a planted customer one like any other") { Problems = ["not-found"] }, manage);
    }

    private static void MapBudgets(IEndpointRouteBuilder routes, AccessRule manage)
    {
        routes.MapGet("/v1/budgets", ListBudgetsAsync).Gives<Page<ApplicationBudget>>().As(new("listBudgets", Tag, "Tighter budgets of single applications"), manage);
        routes.MapPost("/v1/budgets", SetBudgetAsync).Takes<ApplicationBudget>().Gives<ApplicationBudget>().As(
            new("setBudget", Tag, "Hold an application to less than the policy allows; without numbers, to what the policy allows")
            {
                RequestExample = JsonNode.Parse("""{ "client": "support-desk", "purpose": "emergency", "perHour": 5, "perDay": 10 }"""),
                Problems = ["unknown-purpose", "invalid-fields", "invalid-state"],
            },
            manage);
    }

    private static async Task ListReviewsAsync(HttpContext context, Reviews reviews, PolicySet policy)
    {
        var query = QueryReader.Of(context, "state", "overdue", "limit", "cursor");
        var call = new CallReader(context, policy);
        bool? open = query.OneOf("state", "open", "decided") switch { "open" => true, "decided" => false, _ => null };
        var page = await reviews.ListAsync(call.Caller, new ReviewFilter(open, query.Flag("overdue")), query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<Review>([.. page.Items.Select(View)], page.Next));
    }

    private static async Task ReviewAsync(HttpContext context, Reviews reviews, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await reviews.GetAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)));
    }

    private static async Task DecideReviewAsync(HttpContext context, Reviews reviews, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<ReviewOutcome>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await reviews.DecideAsync(call.Caller, call.RouteId(), body.Justified, body.Words, call.RequestId, call.Cancellation)));
    }

    private static async Task AskAsync(HttpContext context, Approvals approvals, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<AskApproval>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var asked = await approvals.AskAsync(
            call.Caller, new SubjectId(body.Customer), call.Purpose(body.Purpose), call.Items(body.Fields)!, body.Reason, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, View(asked), StatusCodes.Status201Created);
    }

    private static async Task ListApprovalsAsync(HttpContext context, Approvals approvals, PolicySet policy)
    {
        var query = QueryReader.Of(context, "state", "limit", "cursor");
        var call = new CallReader(context, policy);
        var state = query.OneOf("state", "requested", "approved", "refused", "used");
        var page = await approvals.ListAsync(call.Caller, state, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<Approval>([.. page.Items.Select(View)], page.Next));
    }

    private static Task ApproveAsync(HttpContext context, Approvals approvals, PolicySet policy) => AgreeAsync(context, approvals, policy, approve: true);

    private static Task RefuseAsync(HttpContext context, Approvals approvals, PolicySet policy) => AgreeAsync(context, approvals, policy, approve: false);

    private static async Task AgreeAsync(HttpContext context, Approvals approvals, PolicySet policy, bool approve)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await approvals.DecideAsync(call.Caller, call.RouteId(), approve, call.RequestId, call.Cancellation)));
    }

    private static async Task ListAlertsAsync(HttpContext context, Alerts alerts, PolicySet policy)
    {
        var query = QueryReader.Of(context, "state", "limit", "cursor");
        var call = new CallReader(context, policy);
        bool? open = query.OneOf("state", "open", "acknowledged") switch { "open" => true, "acknowledged" => false, _ => null };
        var page = await alerts.ListAsync(call.Caller, open, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<Alert>([.. page.Items.Select(View)], page.Next));
    }

    private static async Task AcknowledgeAsync(HttpContext context, Alerts alerts, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await alerts.AcknowledgeAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)));
    }

    private static async Task ReleaseAsync(HttpContext context, Alerts alerts, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await alerts.ReleaseAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation)));
    }

    private static async Task PlantAsync(HttpContext context, HoneySubjects honey, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<PlantHoney>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var planted = await honey.PlantAsync(call.Caller, new SubjectId(body.Customer), body.Brake, body.Note, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, View(planted), StatusCodes.Status201Created);
    }

    private static async Task ListHoneyAsync(HttpContext context, HoneySubjects honey, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var planted = await honey.ListAsync(call.Caller, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<HoneyCustomer>([.. planted.Select(View)], null));
    }

    private static async Task WithdrawAsync(HttpContext context, HoneySubjects honey, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await honey.WithdrawAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static async Task ListBudgetsAsync(HttpContext context, ClientBudgets budgets, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var all = await budgets.ListAsync(call.Caller, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<ApplicationBudget>([.. all.Select(one => new ApplicationBudget(one.Client, one.Purpose, one.PerHour, one.PerDay))], null));
    }

    private static async Task SetBudgetAsync(HttpContext context, ClientBudgets budgets, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<ApplicationBudget>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        await budgets.SetAsync(call.Caller, new ClientBudget(body.Client, body.Purpose, body.PerHour, body.PerDay), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, body);
    }

    private static async Task MessagesAsync(HttpContext context, SubjectMessages messages, PolicySet policy)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var call = new CallReader(context, policy);
        var page = await messages.ListAsync(call.Caller, query.Limit(50, LargestPage), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<Message>([.. page.Items.Select(one => new Message(one.Id, one.At, one.Kind, one.Purpose, one.Items, one.Who, one.LogIndex)
        {
            Letter = one.Letter is { } letter ? new LetterHead(one.Id, letter.Language, letter.Subject) : null,
        })], page.Next));
    }

    private static Review View(ReviewView review) => new(
        review.Id, review.Actor, review.Purpose, review.Entries, review.OpenedAt, review.DueAt, review.State, review.Overdue, review.Subject?.Value, review.Reason, review.Items,
        review.DecidedBy, review.DecidedAt, review.Outcome, review.LogIndex, review.Account);

    private static Approval View(ApprovalView one) => new(
        one.Id, one.Subject.Value, one.Purpose, one.Items, one.State, one.AskedBy, one.AskedAt, one.ExpiresAt, one.Reason, one.DecidedBy, one.UsedAt, one.LogIndex)
    {
        Forms = one.Forms,
    };

    private static Alert View(AlertView alert) => new(
        alert.Id, alert.Kind, alert.At, alert.Actor, alert.ActorTag, alert.Purpose, alert.About, alert.LogIndex, alert.StoppedUntil, alert.AcknowledgedBy, alert.AcknowledgedAt);

    private static HoneyCustomer View(HoneyView honey) => new(honey.Id, honey.Subject.Value, honey.Brake, honey.Note, honey.PlantedAt, honey.PlantedBy);
}
