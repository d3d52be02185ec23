using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>The register of breaches: cases, their clock, what is reported and decided. For people of the staff alone.</summary>
internal static class BreachEndpoints
{
    private const string Tag = "breaches";

    private static readonly AccessRule Manage = AccessRule.With(Capabilities.BreachesManage).OfPeople();
    private static readonly AccessRule Decide = Manage.WithFreshSignIn();
    private static readonly string[] StepProblems = ["not-found", "invalid-fields", "invalid-state"];

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/breaches", ListAsync).Gives<Page<BreachSummary>>().As(
            new("listBreaches", Tag, "Breaches, newest first, with the hours that are left to tell the authority") { Query = [new("state", "open: only those that are not closed."), QueryParameter.Limit, QueryParameter.Cursor] }, Manage);
        routes.MapPost("/v1/breaches", OpenAsync).Takes<OpenBreach>().Gives<BreachView>(201).As(
            new("openBreach", Tag, "Note a breach; its clock runs from when somebody was aware of it")
            {
                RequestExample = JsonNode.Parse(
                    """{ "title": "Key of the newsletter in a public repository", "natures": ["confidentiality"], "awareAt": "2026-06-15T12:00:00Z", "zone": "Europe/Brussels", "description": "Found by a customer." }"""),
                Problems = ["invalid-fields"],
            },
            Manage);
        routes.MapGet("/v1/breaches/{id}", GetAsync).Gives<BreachView>().As(new("getBreach", Tag, "One breach, with every step, report and decision") { Problems = ["not-found"] }, Manage);
        MapImpact(routes);
        MapWords(routes);
        routes.MapPost("/v1/breaches/{id}/findings", FindAsync).Takes<BreachFacts>().Gives<BreachView>().As(
            new("findBreach", Tag, "Add what was found out, the risk with its reasons, the measures")
            {
                RequestExample = JsonNode.Parse("""{ "risk": "high", "riskReasons": "Addresses together with diets", "measures": "The key was withdrawn." }"""), Problems = StepProblems,
            },
            Manage);
        routes.MapPost("/v1/breaches/{id}/close", CloseAsync).Takes<CloseBreach>().Gives<BreachView>().As(
            new("closeBreach", Tag, "Close a case of which nothing is left that the law wants")
            {
                RequestExample = JsonNode.Parse("""{ "lessons": "Keys of applications are bound to networks now." }"""), Problems = StepProblems,
            },
            Decide);
    }

    private static void MapImpact(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/breaches/{id}/impact", AttachAsync).Takes<AttachImpact>().Gives<BreachView>().TakesLong().As(
            new("attachImpact", Tag, "Count from the log whom a breach concerned, and keep the figures with the state of the log that gives them")
            {
                Description = "Or name a copy of databases or backups: of that no entry tells, and what keys were taken decides how readable it is.",
                RequestExample = JsonNode.Parse("""{ "actor": "campaigns", "from": "2026-06-01T00:00:00Z", "to": "2026-06-15T00:00:00Z" }"""),
                Problems = [.. StepProblems, "unknown-purpose"],
            },
            Manage);
        routes.MapGet("/v1/breaches/{id}/impact", CompareAsync).Gives<ImpactComparisonView>().TakesLong().As(
            new("compareImpact", Tag, "Count an attached impact again from the log as it was then, and compare")
            {
                Query = [new("step", "The step that attached it; the newest if left out.", "integer")], Problems = ["not-found"],
            },
            Manage);
    }

    private static void MapWords(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/breaches/{id}/drafts", DraftAsync).Takes<AskBreachDraft>().Gives<BreachDraft>().As(
            new("draftBreach", Tag, "Draft what may be said to the authority, the people concerned or a controller; nothing is sent")
            {
                RequestExample = JsonNode.Parse("""{ "audience": "authority", "language": "de", "phase": "initial" }"""), Problems = StepProblems,
            },
            Manage);
        routes.MapPost("/v1/breaches/{id}/reports", ReportAsync).Takes<SubmitBreachReport>().Gives<BreachView>().As(
            new("reportBreach", Tag, "Note down a report to the authority as it went out; the first after its time with the reason for the delay")
            {
                RequestExample = JsonNode.Parse("""{ "phase": "initial", "language": "en", "text": "To: …", "reference": "APD-2026-17" }"""), Problems = StepProblems,
            },
            Decide);
        routes.MapPost("/v1/breaches/{id}/decisions", DecideAsync).Takes<BreachDecisionView>().Gives<BreachView>().As(
            new("decideBreach", Tag, "Decide whether the authority, or the people, are told, and why not")
            {
                RequestExample = JsonNode.Parse("""{ "about": "people", "outcome": "do-not-tell", "code": "risk-not-high", "reason": "Weighed by two of us." }"""), Problems = StepProblems,
            },
            Decide);
        routes.MapPost("/v1/breaches/{id}/controllers", TellAsync).Takes<ControllerNoticeView>().Gives<BreachView>().As(
            new("tellController", Tag, "Note down that a controller was told by the processor that we are")
            {
                RequestExample = JsonNode.Parse("""{ "controller": "Aurelia Ltd", "language": "en", "text": "To: …" }"""), Problems = StepProblems,
            },
            Decide);
    }

    private static async Task ListAsync(HttpContext context, BreachRegister register, PolicySet policy, TimeProvider clock)
    {
        var query = QueryReader.Of(context, "state", "limit", "cursor");
        var call = new CallReader(context, policy);
        var page = await register.ListAsync(call.Caller, query.OneOf("state", "open") is not null, query.Limit(50, 200), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<BreachSummary>([.. page.Items.Select(one => BreachViews.Summary(one, clock.GetUtcNow()))], page.Next));
    }

    private static async Task OpenAsync(HttpContext context, BreachRegister register, PolicySet policy, TimeProvider clock)
    {
        var body = await RequestBody.ReadAsync<OpenBreach>(context, RequestBody.Record);
        var call = new CallReader(context, policy);
        var opening = new BreachOpening(body.Title, body.Natures, body.AwareAt, body.Zone)
        {
            SuspectedAt = body.SuspectedAt, Jurisdiction = body.Jurisdiction, Side = body.Side ?? BreachWords.Controller, Controllers = body.Controllers ?? [], Description = body.Description ?? "",
        };
        var opened = await register.OpenAsync(call.Caller, opening, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, BreachViews.Of(opened, clock.GetUtcNow()), StatusCodes.Status201Created);
    }

    private static Task GetAsync(HttpContext context, BreachRegister register, PolicySet policy) =>
        AnswerAsync(context, policy, call => register.GetAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation));

    private static async Task FindAsync(HttpContext context, BreachRegister register, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<BreachFacts>(context, RequestBody.Record);
        await AnswerAsync(context, policy, call => register.FindAsync(call.Caller, call.RouteId(), BreachViews.Findings(body), call.RequestId, call.Cancellation));
    }

    private static async Task AttachAsync(HttpContext context, BreachRegister register, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<AttachImpact>(context, RequestBody.Small);
        var query = new ImpactQuery { Actor = body.Actor, Purpose = body.Purpose is null ? null : new CallReader(context, policy).Purpose(body.Purpose), From = body.From, Until = body.To };
        var copy = body.Copy is { } one ? new StolenCopy { Databases = one.Databases ?? [], Backups = one.Backups ?? [], Passphrases = one.Passphrases, RootKey = one.RootKey } : null;
        await AnswerAsync(context, policy, call => register.AttachAsync(call.Caller, call.RouteId(), query, copy, call.RequestId, call.Cancellation));
    }

    private static async Task CompareAsync(HttpContext context, BreachRegister register, PolicySet policy)
    {
        var query = QueryReader.Of(context, "step");
        var call = new CallReader(context, policy);
        var step = query.Text("step") is null ? (int?)null : query.Number("step", 1, int.MaxValue);
        var found = await register.CompareAsync(call.Caller, call.RouteId(), step, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new ImpactComparisonView(
            found.Step, found.RootHolds, [.. found.Differences.Select(one => new ImpactDifferenceView(one.Name, one.Said, one.Counted))], found.Unknown));
    }

    private static async Task DraftAsync(HttpContext context, BreachRegister register, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<AskBreachDraft>(context, RequestBody.Record);
        var call = new CallReader(context, policy);
        var query = new NoticeQuery(body.Audience, body.Language) { Phase = body.Phase ?? BreachWords.Initial, Controller = body.Controller, LateReason = body.LateReason };
        await Answer.JsonAsync(context, new BreachDraft(body.Audience, body.Language, await register.DraftAsync(call.Caller, call.RouteId(), query, call.RequestId, call.Cancellation)));
    }

    private static async Task ReportAsync(HttpContext context, BreachRegister register, PolicySet policy, TimeProvider clock)
    {
        var body = await RequestBody.ReadAsync<SubmitBreachReport>(context, RequestBody.Record);
        var report = new BreachReport(body.Phase, body.SubmittedAt ?? clock.GetUtcNow(), body.Language, body.Text) { Reference = body.Reference, LateReason = body.LateReason };
        await AnswerAsync(context, policy, call => register.ReportAsync(call.Caller, call.RouteId(), report, call.RequestId, call.Cancellation));
    }

    private static async Task DecideAsync(HttpContext context, BreachRegister register, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<BreachDecisionView>(context, RequestBody.Record);
        var decision = new BreachDecision(body.About, body.Outcome, body.Reason) { Code = body.Code, PublicNotice = body.PublicNotice };
        await AnswerAsync(context, policy, call => register.DecideAsync(call.Caller, call.RouteId(), decision, call.RequestId, call.Cancellation));
    }

    private static async Task TellAsync(HttpContext context, BreachRegister register, PolicySet policy, TimeProvider clock)
    {
        var body = await RequestBody.ReadAsync<ControllerNoticeView>(context, RequestBody.Record);
        var notice = new BreachControllerNotice(body.Controller, body.ToldAt ?? clock.GetUtcNow(), body.Language, body.Text);
        await AnswerAsync(context, policy, call => register.TellControllerAsync(call.Caller, call.RouteId(), notice, call.RequestId, call.Cancellation));
    }

    private static async Task CloseAsync(HttpContext context, BreachRegister register, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<CloseBreach>(context, RequestBody.Record);
        await AnswerAsync(context, policy, call => register.CloseAsync(call.Caller, call.RouteId(), new BreachClosing(body.Lessons), call.RequestId, call.Cancellation));
    }

    private static async Task AnswerAsync(HttpContext context, PolicySet policy, Func<CallReader, Task<BreachCase>> work)
    {
        var found = await work(new CallReader(context, policy));
        await Answer.JsonAsync(context, BreachViews.Of(found, context.RequestServices.GetRequiredService<TimeProvider>().GetUtcNow()));
    }
}

/// <summary>A case as callers see it.</summary>
internal static class BreachViews
{
    public static BreachSummary Summary(BreachCase one, DateTimeOffset now) => new(
        one.Id, one.Opening?.Title ?? "", one.ClosedAt is null ? "open" : "closed", one.Opening?.AwareAt, one.Opening?.Jurisdiction, one.DueAt, one.ClockRuns,
        one.ClockRuns && one.DueAt is { } due ? Math.Round((due - now).TotalHours, 1) : null, one.Findings.People, one.Findings.Risk, one.Reports.Count, one.Damage);

    public static BreachView Of(BreachCase one, DateTimeOffset now) => new(
        Summary(one, now), one.Opening is { } opening ? Opening(opening) : null, Facts(one.Findings), one.Missing,
        [.. one.Steps.Select(step => new BreachStepView(step.Number, step.Kind, step.At, step.By, step.LogIndex))], [.. one.Impacts.Select(pair => Impact(pair.Step, pair.Impact))],
        [.. one.Reports.Select(report => new BreachReportView(report.Phase, report.SubmittedAt, report.Language, report.Text, report.Reference, report.LateReason, report.Missing))],
        [.. one.ControllersTold.Select(told => new ControllerNoticeView(told.Controller, told.Language, told.Text) { ToldAt = told.ToldAt })])
    {
        AuthorityDecision = Decision(one.AuthorityDecision),
        PeopleDecision = Decision(one.PeopleDecision),
        Lessons = one.Closing?.Lessons,
    };

    public static BreachFindings Findings(BreachFacts body) => new()
    {
        People = body.People, Records = body.Records, PeopleCategories = body.PeopleCategories, Categories = body.Categories, Special = body.Special, Places = body.Places,
        KeyState = body.KeyState, Consequences = body.Consequences, Measures = body.Measures, Risk = body.Risk, RiskReasons = body.RiskReasons,
    };

    private static BreachFacts Facts(BreachFindings found) => new()
    {
        People = found.People, Records = found.Records, PeopleCategories = found.PeopleCategories, Categories = found.Categories, Special = found.Special, Places = found.Places,
        KeyState = found.KeyState, Consequences = found.Consequences, Measures = found.Measures, Risk = found.Risk, RiskReasons = found.RiskReasons,
    };

    private static OpenBreach Opening(BreachOpening opening) => new(opening.Title, opening.Natures, opening.AwareAt, opening.Zone)
    {
        SuspectedAt = opening.SuspectedAt, Jurisdiction = opening.Jurisdiction, Side = opening.Side, Controllers = opening.Controllers, Description = opening.Description,
    };

    private static BreachImpactView Impact(int step, AttachedImpact impact) => new(
        step, impact.Size, impact.Root, impact.MadeAt, impact.Counts, impact.Items, impact.Categories, impact.Places, impact.KeyState)
    {
        Asked = new AttachImpact
        {
            Actor = impact.Query.Actor, Purpose = impact.Query.Purpose, From = impact.Query.From, To = impact.Query.Until,
            Copy = impact.Copy is { } copy ? new CopiedStores { Databases = copy.Databases, Backups = copy.Backups, Passphrases = copy.Passphrases, RootKey = copy.RootKey } : null,
        },
        Evidence = impact.Evidence is { } evidence
            ? new KeyEvidenceView(evidence.Cipher, evidence.RootKey, evidence.OldestEpoch, evidence.EpochsAlive, evidence.HasRows, evidence.HasKeys, evidence.HasRootKey, evidence.PseudonymousRows)
            : null,
        First = impact.First,
        Last = impact.Last,
    };

    private static BreachDecisionView? Decision(BreachDecision? decision) => decision is null ? null : new BreachDecisionView(decision.About, decision.Outcome, decision.Reason)
    {
        Code = decision.Code, PublicNotice = decision.PublicNotice, Evidence = decision.Evidence,
    };
}
