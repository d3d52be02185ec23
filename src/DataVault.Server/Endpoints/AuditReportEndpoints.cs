using System.Globalization;
using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Server.Outbound;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What officers ask of the log as a whole: counts, exports, and whom a breach concerns. Questions are bodies, so that no address names a person.</summary>
internal static class AuditReportEndpoints
{
    private const string Tag = "audit";
    private const int StandardPage = 50;
    private const int StandardDays = 90;

    private static readonly string[] Unknown = ["unknown-field", "unknown-purpose"];

    public static void Map(IEndpointRouteBuilder routes)
    {
        MapProcessing(routes);
        routes.MapPost("/v1/audit/counts", CountAsync).Takes<AuditQuestion>().Gives<AuditCountsView>().TakesLong().As(
            new("countEntries", Tag, "How many log entries match, by type, result, purpose, actor, field and day")
            {
                RequestExample = JsonNode.Parse("""{ "type": "field.read", "field": "email", "from": "2026-01-01T00:00:00Z" }"""), Problems = Unknown,
            },
            AccessRule.With("audit.read"));
        routes.MapPost("/v1/audit/export", ExportAsync).Takes<AuditQuestion>().TakesLong().As(
            new("exportEntries", Tag, "All log entries that match, as CSV or as OCSF events")
            {
                Description = "format is csv (the standard) or ocsf: one event of the Open Cybersecurity Schema Framework to a line.",
                RequestExample = JsonNode.Parse("""{ "actor": "support-desk", "oldestFirst": true, "format": "csv" }"""), Problems = Unknown,
            },
            AccessRule.With("audit.read"));
        routes.MapPost("/v1/audit/impact", ImpactAsync).Takes<ImpactQuestion>().Gives<ImpactView>().TakesLong().As(
            new("getImpact", Tag, "Whom and what a credential, an actor, a purpose or a stretch of time concerned")
            {
                Description = "For the notice of a breach: distinct people, fields and categories, special ones, first and last time, what was changed and what was refused. The report is an entry of the log itself.",
                RequestExample = JsonNode.Parse("""{ "actor": "support-desk", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z" }"""), Problems = ["unknown-purpose"],
            },
            AccessRule.With("audit.read"));
        routes.MapPost("/v1/audit/impact/people", PeopleAsync).Takes<ImpactQuestion>().Gives<Page<ImpactPersonView>>().TakesLong().As(
            new("getImpactPeople", Tag, "The people whom a breach concerns")
            {
                Description = "By tag; with resolve also by customer id, for those who were not erased.",
                RequestExample = JsonNode.Parse("""{ "actor": "support-desk", "resolve": true, "limit": 100 }"""), Problems = ["unknown-purpose"],
            },
            AccessRule.With("audit.read"));
        routes.MapPost("/v1/audit/impact/export", ExportPeopleAsync).Takes<ImpactQuestion>().TakesLong().As(
            new("exportImpactPeople", Tag, "The people whom a breach concerns, as CSV")
            {
                RequestExample = JsonNode.Parse("""{ "actor": "support-desk", "resolve": true }"""), Problems = ["unknown-purpose"],
            },
            AccessRule.With("audit.read"));
    }

    private static void MapProcessing(IEndpointRouteBuilder routes) => routes.MapGet("/v1/audit/processing", ProcessingAsync).Gives<ProcessingRecordView>().TakesLong().As(
        new("getProcessingRecord", Tag, "The record of processing activities (GDPR 30), made from the policy in force and compared with the log")
        {
            Description = "Each purpose with its basis, categories, periods, roles and forms, beside who acted for it; and what was done that nothing in force declares.",
            Query = [new("days", "How far back the log is looked at; 90 if left out.")],
        },
        AccessRule.With("audit.read"));

    private static async Task ProcessingAsync(HttpContext context, ProcessingRecords records, AuditTrail trail)
    {
        var days = QueryReader.Of(context, "days").Number("days", StandardDays, ProcessingRecords.MostDays);
        await trail.RecordAsync(EntryType.AuditRead, Caller.Of(context), "", EntryResult.Ok, null, null, context.RequestAborted);
        var record = await records.MakeAsync(days, context.RequestAborted);
        await Answer.JsonAsync(context, new ProcessingRecordView(
            record.Controller is { } one ? new ControllerView(one.Name, one.Address, one.Contact) : null, record.PolicyVersion, record.MadeAt, record.From, [.. record.Activities.Select(activity => View(activity, record.MadeAt))],
            [.. record.UnknownPurposes.Select(count => new NamedCount(count.Name, count.Entries))], record.Checkpoint)
        {
            Recipients = [.. record.Recipients.Select(one => new ProcessingRecipientView(RecipientEndpoints.View(one.Recipient), one.Entries, one.Purposes))], Models = [.. record.Models.Select(AutomatedEndpoints.View)],
        });
    }

    private static ProcessingActivityView View(ProcessingActivity activity, DateTimeOffset now)
    {
        var purpose = activity.Purpose;
        return new ProcessingActivityView(
            purpose.Name, purpose.Title, purpose.LegalBasis, purpose.SpecialBasis, purpose.Dpv, purpose.NoticeVersion,
            [.. activity.Categories.Select(category => new ProcessedCategoryView(category.Category, category.Special, category.Items, category.Retention) { Used = category.Used })],
            [.. activity.Roles.Select(role => new ProcessingRoleView(role.Role, role.Title, role.Actions, role.Forms))],
            activity.Entries, [.. activity.Actors.Select(count => new NamedCount(count.Name, count.Entries))], activity.Undeclared)
        {
            Assessment = purpose.Assessment is not { } made ? null
                : new AssessmentView(made.Criteria, made.Reference, made.Review, made.Review < DateOnly.FromDateTime(now.UtcDateTime)),
        };
    }

    private static async Task CountAsync(HttpContext context, AuditReader log, PolicySet policy, AuditTrail trail)
    {
        var (call, query) = await ReadAsync(context, policy);
        await trail.RecordAsync(EntryType.AuditRead, call.Caller, "", EntryResult.Ok, query.Subject, null, call.Cancellation);
        var counts = await log.CountAsync(query, call.Cancellation);
        await Answer.JsonAsync(context, new AuditCountsView(
            counts.Entries, View(counts.Types), View(counts.Results), View(counts.Purposes), View(counts.Actors), View(counts.Items), View(counts.Days)));
    }

    private static async Task ExportAsync(HttpContext context, AuditReader log, PolicySet policy, AuditTrail trail, OcsfEvents events)
    {
        var question = await RequestBody.ReadAsync<AuditQuestion>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var query = Query(call, policy, question);
        if (question.Format is not (null or "csv" or "ocsf"))
            throw ProblemException.Member("/format", "unknown-word", "The format is csv or ocsf.");
        await trail.RecordAsync(EntryType.AuditRead, call.Caller, "", EntryResult.Ok, query.Subject, null, call.Cancellation);
        if (question.Format == "ocsf")
        {
            Attach(context, "application/x-ndjson", "log-entries.jsonl");
            await foreach (var record in log.ExportAsync(query, call.Cancellation))
                await context.Response.Body.WriteAsync(events.Line(record), call.Cancellation);
            return;
        }
        Attach(context, "text/csv; charset=utf-8", "log-entries.csv");
        await AuditCsv.WriteAsync(context.Response.Body, log.ExportAsync(query, call.Cancellation), call.Cancellation);
    }

    private static async Task ImpactAsync(HttpContext context, BreachImpact impact, PolicySet policy, AuditTrail trail)
    {
        var (call, _, query) = await ReadImpactAsync(context, policy, trail);
        var found = await impact.ReportAsync(query, call.Cancellation);
        await Answer.JsonAsync(context, new ImpactView(
            found.Size, found.First, found.Last, found.Disclosures, found.Unattributed, found.Searches, found.Changes, found.Denied, found.People,
            found.ErasedSince, found.SpecialPeople, [.. found.Items.Select(item => new ImpactFieldView(item.Name, item.Category, item.Special, item.Disclosures, item.People))],
            [.. found.Categories.Select(category => new ImpactCategoryView(category.Name, category.Special, category.People))],
            View(found.Types), View(found.Purposes), View(found.Days)));
    }

    private static async Task PeopleAsync(HttpContext context, BreachImpact impact, PolicySet policy, AuditTrail trail)
    {
        var (call, question, query) = await ReadImpactAsync(context, policy, trail);
        var page = await impact.PeopleAsync(query, question.Resolve, question.Limit ?? StandardPage, question.Cursor, call.Cancellation);
        await Answer.JsonAsync(context, new Page<ImpactPersonView>([.. page.People.Select(View)], page.Next));
    }

    private static async Task ExportPeopleAsync(HttpContext context, BreachImpact impact, PolicySet policy, AuditTrail trail)
    {
        var (call, question, query) = await ReadImpactAsync(context, policy, trail);
        // A question that is refused is refused before the file begins.
        await impact.PeopleAsync(query, resolve: false, 1, null, call.Cancellation);
        Attach(context, "text/csv; charset=utf-8", "people-concerned.csv");
        await AuditCsv.WriteAsync(context.Response.Body, impact.ExportAsync(query, question.Resolve, call.Cancellation), call.Cancellation);
    }

    private static async Task<(CallReader Call, AuditQuery Query)> ReadAsync(HttpContext context, PolicySet policy)
    {
        var question = await RequestBody.ReadAsync<AuditQuestion>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        return (call, Query(call, policy, question));
    }

    private static AuditQuery Query(CallReader call, PolicySet policy, AuditQuestion question) => new()
    {
        Subject = question.Customer is { } customer ? new SubjectId(customer) : null,
        Actor = question.Actor,
        Purpose = question.Purpose is { } purpose ? call.Purpose(purpose) : null,
        Item = question.Field is { } field ? Item(policy, field) : null,
        Type = question.Type is { } type ? (EntryTypes.TryParse(type, out var known) ? known : throw Bad("/type", "an entry type such as field.read")) : null,
        Result = question.Result switch
        {
            null => null,
            "ok" => EntryResult.Ok,
            "denied" => EntryResult.Denied,
            "error" => EntryResult.Error,
            _ => throw Bad("/result", "ok, denied or error"),
        },
        From = question.From,
        Until = question.To,
        OldestFirst = question.OldestFirst,
    };

    /// <summary>A field, or an event type with its prefix.</summary>
    internal static CatalogueItem Item(PolicySet policy, string name)
    {
        CatalogueItem? item = name.StartsWith("event:", StringComparison.Ordinal) ? policy.Events.Find(name["event:".Length..]) : policy.Catalogue.Find(name);
        return item ?? throw new ProblemException("unknown-field");
    }

    // The report itself is entered first, with what was asked sealed beside it: whoever looks into others is looked at too.
    private static async Task<(CallReader Call, ImpactQuestion Question, ImpactQuery Query)> ReadImpactAsync(HttpContext context, PolicySet policy, AuditTrail trail)
    {
        var question = await RequestBody.ReadAsync<ImpactQuestion>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var query = new ImpactQuery
        {
            Actor = question.Actor, Purpose = question.Purpose is { } purpose ? call.Purpose(purpose) : null, From = question.From, Until = question.To,
        };
        var asked = string.Create(CultureInfo.InvariantCulture, $"actor={query.Actor} purpose={query.Purpose} from={query.From:O} to={query.Until:O} resolve={question.Resolve}");
        await trail.RecordAsync(EntryType.ImpactReport, call.Caller, query.Purpose ?? "", EntryResult.Ok, null, asked, call.Cancellation);
        return (call, question, query);
    }

    internal static void Attach(HttpContext context, string type, string file)
    {
        context.Response.ContentType = type;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.Headers.ContentDisposition = $"attachment; filename=\"{file}\"";
    }

    private static ProblemException Bad(string member, string rule) => ProblemException.Member(member, "unknown-word", $"{member[1..]} must be {rule}.");

    private static ImpactPersonView View(ImpactPerson person) => new(
        person.Tag, person.Customer?.Value, person.Erased, person.Disclosures, person.First, person.Last, person.Items, person.Special);

    private static IReadOnlyList<NamedCount> View(IReadOnlyList<AuditCount> counts) => [.. counts.Select(count => new NamedCount(count.Name, count.Entries))];
}
