using System.Text.Json.Nodes;
using DataVault.Client.Wire;
using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Server.Http;
using DataVault.Transparency;
using DataVault.Vault;

namespace DataVault.Server.Endpoints;

/// <summary>Questions about the policy in force. The catalogue is for every caller; who may do what is for those who review it, and asking is logged.</summary>
internal static class PolicyEndpoints
{
    private const string ClassPrefix = "class:";
    private const string EveryAction = "all";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/policy", ViewAsync).Gives<PolicyView>().As(
            new("getPolicy", "policy", "The policy in force: fields, purposes, roles, event types")
            {
                Description = "Without the rules; ask explain, who-can and what-can for those.",
                Query = [new("language", "Labels and titles in this language (BCP 47), as far as the policy has it; in the policy's own if absent.")],
            },
            AccessRule.Anyone);
        routes.MapPost("/v1/policy/explain", ExplainAsync).Takes<ExplainRequest>().Gives<Explanation>().As(
            new("explainDecision", "policy", "What would be decided, field by field, and by which rules")
            {
                RequestExample = JsonNode.Parse("""{ "roles": ["marketing"], "purpose": "marketing", "action": "read", "fields": ["email"], "consents": { "marketing": "given" } }"""),
                Problems = ["unknown-field", "unknown-purpose"],
            },
            AccessRule.With("policy.read"));
        routes.MapPost("/v1/policy/who-can", WhoCanAsync).Takes<WhoCanRequest>().Gives<Grants>().As(
            new("whoCan", "policy", "Every role and purpose that the policy lets see a field, or the fields of a class")
            {
                RequestExample = JsonNode.Parse("""{ "field": "email" }"""),
                Problems = ["unknown-field", "unknown-purpose"],
            },
            AccessRule.With("policy.read"));
        routes.MapPost("/v1/policy/what-can", WhatCanAsync).Takes<WhatCanRequest>().Gives<Grants>().As(
            new("whatCan", "policy", "Everything that the policy lets a role or an application see") { RequestExample = JsonNode.Parse("""{ "role": "marketing" }""") },
            AccessRule.With("policy.read"));
    }

    private static Task ViewAsync(HttpContext context, PolicySet policy) => Answer.JsonAsync(context, View(policy, QueryReader.Of(context, "language").Text("language")));

    internal static PolicyView View(PolicySet policy, string? language)
    {
        string In(Wording wording) => language is null ? wording.Text : wording.In(language).Text;
        return new PolicyView(
            policy.Version,
            [.. policy.Catalogue.Fields.Select(field => View(field, In(field.Labels)))],
            [.. policy.Purposes.All.Select(p => View(p, In(p.Titles)))],
            [.. policy.Roles.All.Select(r => new RoleView(r.Name, In(r.Titles), r.Parents))],
            [.. policy.Events.Types.Select(t => new EventTypeView(t.Type, In(t.Labels), [.. t.Properties.Select(p => p.Name)])
            {
                Labels = t.Properties.Where(p => p.Labels is not null).ToDictionary(p => p.Name, p => In(p.Labels!)),
            })])
        {
            Domains = policy.Analytics.ToDictionary(domain => domain.Name, domain => In(domain.Titles)),
            Classes = policy.Catalogue.Classes.Where(one => one.Labels is not null).ToDictionary(one => one.Name, one => In(one.Labels!)),
        };
    }

    private static PurposeView View(Purpose purpose, string title) => new(purpose.Name, title, purpose.LegalBasis, purpose.NeedsConsent, purpose.Notice, purpose.NoticeVersion)
    {
        NoticeLanguage = purpose.Notices is [var own, ..] ? own.Language : null,
        OtherNotices = purpose.Notices.Count > 1 ? purpose.Notices.Skip(1).ToDictionary(n => n.Language, n => n.Text) : null,
        Objection = !purpose.CanBeObjectedTo ? null : purpose.DirectMarketing ? "at-once" : "weighed",
    };

    private static FieldView View(FieldDefinition field, string label) => new(
        field.Name, label, Kebab(field.Rules.Type.ToString()), field.Class.Name, field.Category, field.IsSpecialCategory,
        field.Index == FieldIndex.None ? null : Kebab(field.Index.ToString()));

    private static async Task ExplainAsync(HttpContext context, PolicySet policy, AuditTrail trail, TimeProvider clock)
    {
        var question = await RequestBody.ReadAsync<ExplainRequest>(context, RequestBody.Small);
        var call = new CallReader(context, policy);
        var imagined = new ImaginedCall(question.Roles, call.Purpose(question.Purpose), Action(question.Action))
        {
            BoundTo = question.BoundTo, Items = Items(question.Fields, policy), Facts = Facts(question, policy), OwnRecord = question.OwnRecord,
            Assurance = question.Assurance switch
            {
                "password" => Recipient.Password,
                "mfa" or null => Recipient.MultiFactor,
                _ => throw ProblemException.Member("/assurance", "unknown-word", "An assurance is password or mfa."),
            },
        };
        var explained = policy.Questions.Explain(imagined, clock.GetUtcNow());
        await RecordAsync(context, trail);
        await Answer.JsonAsync(context, new Explanation(policy.Version, [.. explained.Items.Select(item => View(item, policy))]) { Obligations = explained.Decision.Obligations });
    }

    private static ExplainedField View(ExplainedItem item, PolicySet policy) =>
        new(item.Decision.Item.Name, item.Decision.Permit is null ? null : FormNames.Of(item.Decision.Form), item.Decision.Reason, item.Decision.RuleIds)
        {
            Path = [.. item.Path.Select(step => new RuleStepView(
                step.RuleId, step.Forbids ? "forbid" : "permit", step.Forbids ? null : FormNames.Of(step.Form), step.Applies, step.Missing, policy.Questions.WhyOf(step.RuleId)))],
            Facts = [.. item.Facts.Select(fact => new UsedFactView(fact.Condition, fact.Holds))],
            WouldRelease = [.. item.Nearest.Select(change => new WouldReleaseView(change.Changes, FormNames.Of(change.Form)))],
        };

    private static async Task WhoCanAsync(HttpContext context, PolicySet policy, AuditTrail trail)
    {
        var question = await RequestBody.ReadAsync<WhoCanRequest>(context, RequestBody.Small);
        var purpose = question.Purpose is null ? null : new CallReader(context, policy).Purpose(question.Purpose);
        var grants = question.Field.StartsWith(ClassPrefix, StringComparison.Ordinal)
            ? policy.Questions.WhoCan(policy.Catalogue.Classes.FirstOrDefault(one => one.Name == question.Field[ClassPrefix.Length..]) ?? throw new ProblemException("unknown-field"), purpose)
            : policy.Questions.WhoCan(Items([question.Field], policy)![0].Item, purpose);
        await GiveAsync(context, policy, trail, grants, question.Action);
    }

    private static async Task WhatCanAsync(HttpContext context, PolicySet policy, AuditTrail trail, ClientRegistry registry)
    {
        var question = await RequestBody.ReadAsync<WhatCanRequest>(context, RequestBody.Small);
        if (question.Role is null == question.Client is null) throw ProblemException.Member("", "one-of", "Give either a role or a client.");
        if (question.Role is { } role && policy.Roles.Find(role) is null)
            throw ProblemException.Member("/role", "unknown-word", "The policy knows no such role.");
        var grants = question.Role is not null ? policy.Questions.WhatCan(question.Role) : await OfClientAsync(question.Client!, policy, registry, context.RequestAborted);
        await GiveAsync(context, policy, trail, grants, question.Action);
    }

    private static async Task<IReadOnlyList<PolicyGrant>> OfClientAsync(string id, PolicySet policy, ClientRegistry registry, CancellationToken cancellation)
    {
        var found = (await registry.ListAsync(cancellation)).FirstOrDefault(client => client.Registration.Id == id)
            ?? throw ProblemException.Member("/client", "unknown-word", "No such application is registered.");
        return policy.Questions.WhatCan(found.Registration.Roles, found.Registration.Purposes);
    }

    private static async Task GiveAsync(HttpContext context, PolicySet policy, AuditTrail trail, IReadOnlyList<PolicyGrant> grants, string action)
    {
        AccessAction? only = action == EveryAction ? null : Action(action);
        await RecordAsync(context, trail);
        await Answer.JsonAsync(context, new Grants(policy.Version, [.. grants.Where(grant => only is null || grant.Action == only).Select(View)]));
    }

    internal static Grant View(PolicyGrant grant) => new(grant.Role, grant.Purpose, grant.Item.Name, FormNames.Of(grant.Form), grant.NeedsConsent, grant.RuleIds)
    {
        Action = ActionNames.Of(grant.Action), Conditions = grant.Conditions, Obligations = grant.Obligations, BreakGlass = grant.BreakGlass,
    };

    private static AccessAction Action(string name) => ActionNames.TryParse(name, out var action)
        ? action
        : throw ProblemException.Member("/action", "unknown-word", "The action must be one of " + string.Join(", ", ActionNames.All) + ".");

    private static DecisionFacts Facts(ExplainRequest question, PolicySet policy) => DecisionFacts.None with
    {
        Consents = Consents(question, policy),
        Restricted = question.Restricted,
        Relations = question.Relations ?? [],
        Child = question.Child,
        ObjectedPurposes = [.. (question.Objections ?? []).Select(name => (policy.Purposes.Find(name) ?? throw new ProblemException("unknown-purpose")).Id)],
        Traits = new SubjectTraits(question.Jurisdiction, question.Residency, question.Brand, question.RecordedAt),
    };

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
            facts.Add(new ConsentFact(purpose.Id, status, null) { Backing = ConsentBacking.TakenForGrown });
        }
        return facts;
    }

    private static List<RequestedItem>? Items(IReadOnlyList<string>? names, PolicySet policy) =>
        names?.Select(name => RequestedItem.TryParse(name, policy.Catalogue, policy.Events, out var item) ? item : throw new ProblemException("unknown-field")).ToList();

    private static string Kebab(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) && i > 0 ? "-" + char.ToLowerInvariant(c) : char.ToLowerInvariant(c).ToString()));
}
