using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Questions about the policy in force. The catalogue is for every caller; who may do what is for those who review it, and asking is logged.</summary>
internal static class PolicyEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/policy", ViewAsync).Gives<PolicyView>().As(
            new("getPolicy", "policy", "The policy in force: fields, purposes, roles, event types") { Description = "Without the rules; ask explain, who-can and what-can for those." },
            AccessRule.Anyone);
        routes.MapPost("/v1/policy/explain", ExplainAsync).Takes<ExplainRequest>().Gives<Explanation>().As(
            new("explainDecision", "policy", "What would be decided, field by field, and by which rules")
            {
                RequestExample = JsonNode.Parse("""{ "roles": ["marketing"], "purpose": "marketing", "action": "read", "fields": ["email"], "consents": { "marketing": "given" } }"""),
                Problems = ["unknown-field", "unknown-purpose"],
            },
            AccessRule.With("policy.read"));
        routes.MapPost("/v1/policy/who-can", WhoCanAsync).Takes<WhoCanRequest>().Gives<Grants>().As(
            new("whoCan", "policy", "Every role and purpose that the policy lets see a field")
            {
                RequestExample = JsonNode.Parse("""{ "field": "email" }"""),
                Problems = ["unknown-field", "unknown-purpose"],
            },
            AccessRule.With("policy.read"));
        routes.MapPost("/v1/policy/what-can", WhatCanAsync).Takes<WhatCanRequest>().Gives<Grants>().As(
            new("whatCan", "policy", "Everything that the policy lets a role see") { RequestExample = JsonNode.Parse("""{ "role": "marketing" }""") },
            AccessRule.With("policy.read"));
    }

    private static Task ViewAsync(HttpContext context, PolicySet policy) => Answer.JsonAsync(context, new PolicyView(
        policy.Version,
        [.. policy.Catalogue.Fields.Select(View)],
        [.. policy.Purposes.All.Select(p => new PurposeView(p.Name, p.Title, p.LegalBasis, p.NeedsConsent, p.Notice, p.NoticeVersion) { NoticeLanguage = p.Notices is [var own, ..] ? own.Language : null, OtherNotices = p.Notices.Count > 1 ? p.Notices.Skip(1).ToDictionary(n => n.Language, n => n.Text) : null })],
        [.. policy.Roles.All.Select(r => new RoleView(r.Name, r.Title, r.Parents))],
        [.. policy.Events.Types.Select(t => new EventTypeView(t.Type, t.Label, [.. t.Properties.Select(p => p.Name)]))]));

    private static FieldView View(FieldDefinition field) => new(
        field.Name, field.Label, Kebab(field.Rules.Type.ToString()), field.Class.Name, field.Category, field.IsSpecialCategory,
        field.Index == FieldIndex.None ? null : Kebab(field.Index.ToString()));

    private static async Task ExplainAsync(HttpContext context, PolicySet policy, AuditTrail trail, TimeProvider clock)
    {
        var question = await RequestBody.ReadAsync<ExplainRequest>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        if (!ActionNames.TryParse(question.Action, out var action))
            throw ProblemException.Member("/action", "unknown-word", "The action must be one of " + string.Join(", ", ActionNames.All) + ".");
        var facts = DecisionFacts.None with { Consents = Consents(question, policy) };
        var decision = policy.Questions.Explain(question.Roles, call.Purpose(question.Purpose), action, Items(question.Fields, policy), facts, clock.GetUtcNow());
        await RecordAsync(context, trail);
        await Answer.JsonAsync(context, new Explanation(
            policy.Version,
            [.. decision.Items.Select(i => new ExplainedField(i.Item.Name, i.Permit is null ? null : FormNames.Of(i.Form), i.Reason, i.RuleIds))]));
    }

    private static async Task WhoCanAsync(HttpContext context, PolicySet policy, AuditTrail trail)
    {
        var question = await RequestBody.ReadAsync<WhoCanRequest>(context, RequestBody.Small);
        var item = Items([question.Field], policy)![0].Item;
        var purpose = question.Purpose is null ? null : new CallReader(context, policy).Purpose(question.Purpose);
        await RecordAsync(context, trail);
        await GiveAsync(context, policy, policy.Questions.WhoCan(item, purpose));
    }

    private static async Task WhatCanAsync(HttpContext context, PolicySet policy, AuditTrail trail)
    {
        var question = await RequestBody.ReadAsync<WhatCanRequest>(context, RequestBody.Small);
        if (policy.Roles.Find(question.Role) is null)
            throw ProblemException.Member("/role", "unknown-word", "The policy knows no such role.");
        await RecordAsync(context, trail);
        await GiveAsync(context, policy, policy.Questions.WhatCan(question.Role));
    }

    private static Task GiveAsync(HttpContext context, PolicySet policy, IReadOnlyList<PolicyGrant> grants) => Answer.JsonAsync(context, new Grants(
        policy.Version,
        [.. grants.Where(g => g.Action == AccessAction.Read)
            .Select(g => new Grant(g.Role, g.Purpose, g.Item.Name, FormNames.Of(g.Form), g.NeedsConsent, g.RuleIds))]));

    internal static Task<long> RecordAsync(HttpContext context, AuditTrail trail) =>
        trail.RecordAsync(EntryType.PolicyQuestion, Caller.Of(context), "", EntryResult.Ok, null, OperationInfo.NameOf(context), context.RequestAborted);

    private static List<ConsentFact> Consents(ExplainRequest question, PolicySet policy)
    {
        var facts = new List<ConsentFact>();
        foreach (var (name, state) in question.Consents ?? new Dictionary<string, string>())
        {
            var purpose = policy.Purposes.Find(name) ?? throw new ProblemException("unknown-purpose");
            if (!Enum.TryParse<ConsentStatus>(state, ignoreCase: true, out var status) || int.TryParse(state, out _))
                throw ProblemException.Member("/consents", "unknown-word", "A consent is unknown, given, withdrawn or refused.");
            facts.Add(new ConsentFact(purpose.Id, status, null));
        }
        return facts;
    }

    private static List<RequestedItem>? Items(IReadOnlyList<string>? names, PolicySet policy) =>
        names?.Select(name => RequestedItem.TryParse(name, policy.Catalogue, policy.Events, out var item) ? item : throw new ProblemException("unknown-field")).ToList();

    private static string Kebab(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 ? "-" + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));
}
