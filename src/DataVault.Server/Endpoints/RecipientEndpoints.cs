using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>To whom data go: who they are, what they were given, and what they are told (GDPR 15(1)(c), 19, 28, 44).</summary>
internal static class RecipientEndpoints
{
    private const string Tag = "recipients";

    private delegate Task<NoticeView> Step(Notices notices, CallReader call, Guid id);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/policy/recipients", RecipientsAsync).Gives<RecipientList>().As(
            new("getRecipients", Tag, "To whom data go outside the controller's own departments, and what keeps one from receiving any"), AccessRule.With("policy.read"));
        routes.MapGet("/v1/customers/{id}/disclosures", DisclosuresAsync).Gives<Disclosures>().As(
            new("getDisclosures", Tag, "Who was given what of a person, for what and when, by recipient; asked of the log")
            {
                Query = [new("format", "csv for a table.")], Problems = ["not-found"],
            },
            AccessRule.OwnOr("audit.read"));
        routes.MapGet("/v1/me/disclosures", OwnDisclosuresAsync).Gives<Disclosures>().As(
            new("getMyDisclosures", Tag, "Who was given what of me, for what and when, by recipient") { Query = [new("format", "csv for a table.")] }, AccessRule.Customers);
        routes.MapGet("/v1/notices", ListAsync).Gives<Page<RecipientNotice>>().As(
            new("listNotices", Tag, "What recipients are told of rectifications, erasures and restrictions, newest first")
            {
                Query =
                [
                    new("request", "Of this request."), new("customer", "About this person."), new("state", "open: only those of whom somebody has still to be told."),
                    QueryParameter.Limit, QueryParameter.Cursor,
                ],
            },
            AccessRule.With("requests.read"));
        routes.MapGet("/v1/me/notices", OwnAsync).Gives<Page<RecipientNotice>>().As(
            new("getMyNotices", Tag, "Which recipients were told of my rectifications and restrictions") { Query = [QueryParameter.Limit, QueryParameter.Cursor] }, AccessRule.Customers);
        MapSteps(routes);
    }

    private static void MapSteps(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/notices/{id}/waive", WaiveAsync).Takes<WaiveNotice>().Gives<RecipientNotice>().As(
            new("waiveNotice", Tag, "Tell a recipient nothing, for a reason of GDPR 19: impossible or disproportionate-effort; by a person")
            {
                RequestExample = new JsonObject { ["reason"] = "disproportionate-effort" }, Problems = ["not-found", "invalid-state", "invalid-fields"],
            },
            AccessRule.With("requests.decide").OfPeople());
        MapStep(routes, "done", "An officer has told the recipient; by a person", AccessRule.With("requests.decide").OfPeople(), (n, c, id) => n.DoneAsync(c.Caller, id, c.RequestId, c.Cancellation));
        MapStep(routes, "acknowledge", "The recipient knows of it; by one of its own applications", AccessRule.NotCustomers, (n, c, id) => n.AcknowledgeAsync(c.Caller, id, c.RequestId, c.Cancellation));
    }

    private static void MapStep(IEndpointRouteBuilder routes, string step, string summary, AccessRule rule, Step take) =>
        routes.MapPost("/v1/notices/{id}/" + step, async (HttpContext context, Notices notices, PolicySet policy) =>
        {
            var call = new CallReader(context, policy);
            await Answer.JsonAsync(context, View(await take(notices, call, call.RouteId()), forOfficer: false));
        }).Gives<RecipientNotice>().As(new(step + "Notice", Tag, summary) { Problems = ["not-found", "invalid-state"] }, rule);

    private static Task RecipientsAsync(HttpContext context, PolicySet policy) =>
        Answer.JsonAsync(context, new RecipientList(policy.Version, [.. policy.Recipients.All.Select(View)]));

    internal static RecipientView View(DeclaredRecipient one) => new(one.Name, one.Title, one.Role, one.Country, one.Contact, one.Obstacles)
    {
        Agreement = one.Agreement, Transfer = View(one.Transfer), Clients = one.Clients, Analytics = one.Analytics,
        SubProcessors = [.. one.SubProcessors.Select(sub => new SubProcessorView(sub.Name, sub.Country, View(sub.Transfer)))],
    };

    private static async Task DisclosuresAsync(HttpContext context, AccessHistory history, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        await GiveAsync(context, history, call, await call.CustomerAsync());
    }

    private static Task OwnDisclosuresAsync(HttpContext context, AccessHistory history, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        return GiveAsync(context, history, call, call.Self());
    }

    private static async Task GiveAsync(HttpContext context, AccessHistory history, CallReader call, SubjectId subject)
    {
        var format = QueryReader.Of(context, "format").OneOf("format", "json", "csv");
        var lines = await history.DisclosuresAsync(call.Caller, subject, call.RequestId, call.Cancellation);
        if (format == "csv")
        {
            AuditReportEndpoints.Attach(context, "text/csv; charset=utf-8", "disclosures.csv");
            await AuditCsv.WriteAsync(context.Response.Body, lines, call.Cancellation);
            return;
        }

        await Answer.JsonAsync(context, new Disclosures(
        [
            .. lines.Select(line => new DisclosureView(
                line.Recipient, line.Title, line.Declared?.Role, line.Declared?.Country, View(line.Declared?.Transfer), line.Through, line.Kind, line.Purpose, line.Items, line.Times,
                line.First, line.Last, line.Entries) { Domain = line.Domain?.Name }),
        ]));
    }

    private static async Task ListAsync(HttpContext context, Notices notices, PolicySet policy)
    {
        var query = QueryReader.Of(context, "request", "customer", "state", "limit", "cursor");
        var call = new CallReader(context, policy);
        var customer = query.Id("customer") is { } id ? new SubjectId(id) : (SubjectId?)null;
        var asked = new RecipientNoticeQuery(query.Id("request"), customer, query.OneOf("state", "open", "all") == "open", query.Limit(50, Notices.LargestPage), query.Text("cursor"));
        var page = await notices.ListAsync(call.Caller, asked, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<RecipientNotice>([.. page.Items.Select(notice => View(notice, forOfficer: true))], page.Next));
    }

    private static async Task OwnAsync(HttpContext context, Notices notices, PolicySet policy)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var call = new CallReader(context, policy);
        var page = await notices.ListAsync(call.Caller, new RecipientNoticeQuery(Limit: query.Limit(50, Notices.LargestPage), Cursor: query.Text("cursor")), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<RecipientNotice>([.. page.Items.Select(notice => View(notice, forOfficer: false))], page.Next));
    }

    private static async Task WaiveAsync(HttpContext context, Notices notices, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<WaiveNotice>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        await Answer.JsonAsync(context, View(await notices.WaiveAsync(call.Caller, call.RouteId(), body.Reason, call.RequestId, call.Cancellation), forOfficer: true));
    }

    // What a recipient knows the person by is for whoever has to tell them.
    private static RecipientNotice View(NoticeView notice, bool forOfficer) => new(
        notice.Id, notice.Subject?.Value, notice.Request, notice.Kind, notice.State, notice.IsOpen, notice.Recipient, notice.Declared?.Title, notice.Declared?.Contact, notice.Items)
    {
        Reference = forOfficer && notice.IsOpen ? notice.Reference : null, Reason = notice.Reason, At = notice.At, ChangedAt = notice.ChangedAt, Attempts = notice.Attempts,
        Failure = notice.Failure, Dead = notice.IsDead, Damage = notice.IsChanged ? "changed" : null,
    };

    private static TransferView? View(TransferMechanism? transfer) => transfer is null ? null : new TransferView(transfer.Mechanism, transfer.Reference);
}
