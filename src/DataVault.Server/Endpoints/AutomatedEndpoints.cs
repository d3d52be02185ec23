using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>What models and rules decide about people (GDPR 13(2)(f), 15(1)(h), 22): applications record it, people see and contest it, officers oversee it.</summary>
internal static class AutomatedEndpoints
{
    private const string Tag = "decisions";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/policy/automated", ModelsAsync).Gives<ModelRegister>().As(
            new("getModels", Tag, "What decides about people by itself: how, by what, on what ground, and who looks at it"), AccessRule.With("policy.read"));
        routes.MapPost("/v1/customers/{id}/decisions", RecordAsync).Takes<RecordDecision>().Gives<DecisionReceipt>(201).Gives<DecisionReceipt>().As(
            new("recordDecision", Tag, "Record what a model or rule decided about a customer, once for its reference")
            {
                Description = "By applications of a role that decides by the model. Refused where an input could not be read of this person for the purpose now: after an objection, under a restriction, without the consent.",
                RequestExample = JsonNode.Parse("""
                    { "reference": "order-771", "model": "invoice-limit", "version": "2026-2", "purpose": "billing", "outcome": "declined", "score": 431.5,
                      "inputs": ["paymentPreference", "event:payment"], "factors": ["late-payments"] }
                    """),
                Problems = ["unknown-purpose", "not-found", "invalid-fields", "idempotency-mismatch"],
            },
            AccessRule.NotCustomers);
        routes.MapGet("/v1/decisions", ListAsync).Gives<Page<AutomatedDecision>>().As(
            new("listDecisions", Tag, "What was decided about people, newest first")
            {
                Query =
                [
                    new("customer", "About this person."), new("model", "By this model."), new("version", "By this version of it."), new("outcome", "That came to this, or come to it now; pages may hold fewer than the limit."),
                    new("state", "recorded, contested, upheld, changed or annulled."), new("from", "Not decided before."), new("to", "Decided before."),
                    new("review", "overdue: only those that somebody should have looked at by now."), new("format", "csv for a table."), QueryParameter.Limit, QueryParameter.Cursor,
                ],
            },
            AccessRule.With("decisions.read"));
        routes.MapGet("/v1/decisions/changes", ChangesAsync).Gives<Page<AutomatedDecision>>().As(
            new("listDecisionChanges", Tag, "Of the calling application's own decisions those that were contested or looked at behind the cursor, oldest first; next is the cursor of the next call")
            {
                Query = [QueryParameter.Limit, QueryParameter.Cursor],
            },
            AccessRule.NotCustomers);
        routes.MapGet("/v1/decisions/{id}", GetAsync).Gives<AutomatedDecision>().As(
            new("getDecision", Tag, "One decision: for the person, for the application that decided, and for whoever may see decisions") { Problems = ["not-found"] }, AccessRule.Anyone);
        routes.MapGet("/v1/me/decisions", OwnAsync).Gives<Page<AutomatedDecision>>().As(
            new("getMyDecisions", Tag, "What was decided about me by itself, and how; contest one by a request of the kind contest that names it") { Query = [QueryParameter.Limit, QueryParameter.Cursor] },
            AccessRule.Customers);
    }

    private static Task ModelsAsync(HttpContext context, PolicySet policy) => Answer.JsonAsync(context, new ModelRegister(
        policy.Version, [.. policy.Models.All.Select(View)], [.. policy.Models.Laws.Select(law => new AutomationLawView(law.Jurisdiction, law.Law.Text, law.Rights))]));

    private static async Task RecordAsync(HttpContext context, DecisionRecorder recorder, PolicySet policy)
    {
        var body = await RequestBody.ReadAsync<RecordDecision>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var given = new NewDecision(body.Reference, body.Model, body.Version, call.Purpose(body.Purpose), body.Outcome, body.Inputs)
        {
            DecidedAt = body.DecidedAt, Score = body.Score, Values = body.Values, Factors = body.Factors ?? [], Explanation = body.Explanation, Human = body.Human ?? false,
        };
        var recorded = await recorder.RecordAsync(call.Caller, await call.CustomerAsync(), given, call.RequestId, call.Cancellation);
        var receipt = new DecisionReceipt(recorded.Id, recorded.RecordedAt, recorded.State, !recorded.IsNew, new Receipt(recorded.LogIndex));
        await Answer.JsonAsync(context, receipt, recorded.IsNew ? StatusCodes.Status201Created : StatusCodes.Status200OK);
    }

    private static async Task ListAsync(HttpContext context, AutomatedDecisions decisions, PolicySet policy)
    {
        var query = QueryReader.Of(context, "customer", "model", "version", "outcome", "state", "from", "to", "review", "format", "limit", "cursor");
        var call = new CallReader(context, policy);
        var asked = new DecisionQuery(query.Limit(50, 200), query.Text("cursor"))
        {
            Subject = query.Id("customer") is { } id ? new SubjectId(id) : null, Model = query.Text("model"), Version = query.Text("version"), Outcome = query.Text("outcome"),
            State = query.OneOf("state", [.. DecisionStates.All]), From = query.Instant("from"), To = query.Instant("to"), Overdue = query.OneOf("review", "overdue", "any") == "overdue",
        };
        var format = query.OneOf("format", "json", "csv");
        if (format == "csv")
        {
            var all = decisions.ExportAsync(call.Caller, asked, call.RequestId, call.Cancellation);
            AuditReportEndpoints.Attach(context, "text/csv; charset=utf-8", "decisions.csv");
            await AuditCsv.WriteAsync(context.Response.Body, all, call.Cancellation);
            return;
        }

        var page = await decisions.ListAsync(call.Caller, asked, call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<AutomatedDecision>([.. page.Items.Select(one => View(one, whole: true))], page.Next));
    }

    private static async Task OwnAsync(HttpContext context, AutomatedDecisions decisions, PolicySet policy)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var call = new CallReader(context, policy);
        var page = await decisions.ListAsync(call.Caller, new DecisionQuery(query.Limit(50, 200), query.Text("cursor")), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<AutomatedDecision>([.. page.Items.Select(one => View(one, whole: false))], page.Next));
    }

    private static async Task ChangesAsync(HttpContext context, AutomatedDecisions decisions, PolicySet policy)
    {
        var query = QueryReader.Of(context, "limit", "cursor");
        var call = new CallReader(context, policy);
        var page = await decisions.ChangesAsync(call.Caller, query.Limit(50, 200), query.Text("cursor"), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, new Page<AutomatedDecision>([.. page.Items.Select(one => View(one, whole: true))], page.Next));
    }

    private static async Task GetAsync(HttpContext context, AutomatedDecisions decisions, PolicySet policy)
    {
        var call = new CallReader(context, policy);
        var decision = await decisions.GetAsync(call.Caller, call.RouteId(), call.RequestId, call.Cancellation);
        await Answer.JsonAsync(context, View(decision, whole: call.Caller.Kind != RecipientKind.Customer));
    }

    // By what an application knows the decision is nothing to the person, who knows it by its number here.
    private static AutomatedDecision View(AutomatedDecisionView one, bool whole) => new(one.Id, one.Subject.Value, one.Model, one.Version, one.Client, one.State, one.DecidedAt, one.RecordedAt)
    {
        Declared = one.Declared is { } model ? View(model) : null, Outcome = one.Outcome, Standing = one.Standing, Score = one.Score, Reference = whole ? one.Reference : null, Inputs = one.Inputs,
        Values = one.Values, Factors = one.Factors, Explanation = one.Explanation, Human = one.Human, Request = one.Request, ReviewBy = one.ReviewBy, Overdue = one.IsOverdue,
        Review = one.Review is { } review ? new DecisionReviewState(review.Result, review.Outcome, review.Words, review.At) : null, ChangedAt = one.ChangedAt, Index = one.LogIndex,
        Damage = one.IsDamaged ? "changed" : null,
    };

    internal static ModelView View(AutomatedModel model) => new(model.Name, model.Kind, model.Purpose.Name, model.Dpv)
    {
        Title = Texts(model.Title), Logic = Texts(model.Logic), Consequences = Texts(model.Consequences), Versions = model.Versions, Roles = model.Roles, Inputs = [.. model.Inputs.Select(item => item.Name)],
        Categories = [.. model.Inputs.Select(item => item.Category).Distinct().Order(StringComparer.Ordinal)], Derives = [.. model.Derives.Select(field => field.Name)],
        Outcomes = [.. model.Outcomes.Select(View)], Factors = [.. model.Factors.Select(View)], Solely = model.Solely, Significant = model.Significant,
        Ground = model.Ground is { } ground ? new ModelGroundView(ground.Basis, ground.Reference, ground.Consent?.Name, ground.Dpv) : null, Special = model.Special,
        Reviewers = model.Review.Roles, Operators = model.Review.Operators, ReviewDays = model.Review.Days, Assessment = model.Assessment, Owner = model.Owner, Contact = model.Contact,
        KeptMonths = model.Retention.Months,
    };

    private static ModelWordView View(ModelWord word) => new(word.Code, Texts(word.Title));

    private static Dictionary<string, string> Texts(Wording wording) => wording.All.ToDictionary(said => said.Language, said => said.Text, StringComparer.Ordinal);
}
