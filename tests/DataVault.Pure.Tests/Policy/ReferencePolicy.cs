using DataVault.Policy;

namespace DataVault.Pure.Tests.Policy;

/// <summary>A rule as a generator makes it, in the words of the file.</summary>
internal sealed record RuleSpec(string Id, bool Forbids)
{
    public required string[] Roles { get; init; }

    public required string[] Purposes { get; init; }

    public required string[] Items { get; init; }

    public required string[] Actions { get; init; }

    public required Form Form { get; init; }

    public bool OwnRecord { get; init; }

    public bool MultiFactor { get; init; }

    public string[] Consents { get; init; } = [];

    public bool IsConditional => OwnRecord || MultiFactor || Consents.Length > 0;

    public string Yaml()
    {
        var lines = new List<string>
        {
            $"  - id: {Id}", "    why: Test", $"    effect: {(Forbids ? "forbid" : "permit")}",
            $"    roles: [{string.Join(", ", Roles)}]", $"    purposes: [{string.Join(", ", Purposes)}]", $"    actions: [{string.Join(", ", Actions)}]",
        };
        var (fields, events) = (Items.Where(item => !item.StartsWith("event:", StringComparison.Ordinal)).ToList(), Items.Where(item => item.StartsWith("event:", StringComparison.Ordinal)).ToList());
        if (fields.Count > 0) lines.Add($"    fields: [{string.Join(", ", fields)}]");
        if (events.Count > 0) lines.Add($"    events: [{string.Join(", ", events.Select(item => $"\"{item}\""))}]");
        if (!Forbids && Actions.Any(action => action is "read" or "export")) lines.Add($"    form: {FormNames.Of(Form)}");
        var condition = new List<string>();
        if (OwnRecord) condition.Add("ownRecord: true");
        if (MultiFactor) condition.Add("assurance: mfa");
        if (Consents.Length > 0) condition.Add($"consent: [{string.Join(", ", Consents)}]");
        if (condition.Count > 0) lines.Add($"    {(Forbids ? "unless" : "when")}: {{ {string.Join(", ", condition)} }}");
        return string.Join('\n', lines) + "\n";
    }
}

/// <summary>
/// The meaning of rules, written as slowly and plainly as can be over the small policy's words: no tables, no sharing, nothing compiled.
/// </summary>
internal sealed class ReferencePolicy(PolicySet words, IReadOnlyList<RuleSpec> rules)
{
    private static readonly string[] NearestFirst =
        [Reasons.AssuranceTooLow, Reasons.OnHold, Reasons.Restricted, Reasons.Objected, Reasons.ConsentExpired, Reasons.ConsentWithdrawn, Reasons.ConsentMissing, Reasons.NotPermitted];

    public (string Outcome, string[] RuleIds) Decide(AccessRequest request, RequestedItem requested, DecisionFacts facts, DateTimeOffset now)
    {
        var stranger = request.Recipient.Subject != request.Subject;
        if (request.Recipient.Kind == RecipientKind.Customer && stranger) return (Reasons.NotPermitted, []);
        if (!request.Recipient.Roles.Any(role => words.Roles.Find(role) is not null)) return (Reasons.NotPermitted, []);
        var purpose = words.Purposes.Find(request.Purpose);
        if (purpose is null) return (Reasons.NotPermitted, []);
        if (!request.Recipient.Purposes.Contains(request.Purpose)) return (Reasons.PurposeNotBound, []);

        var speaking = rules.Where(rule => Speaks(rule, request, requested.Item)).ToList();
        string[] Failures(RuleSpec rule) => [.. Failing(rule, request, facts, now)];
        var permits = speaking.Where(rule => !rule.Forbids).Select(rule => (Rule: rule, Failures: Failures(rule))).Where(pair => !pair.Failures.Contains(Reasons.NotPermitted)).ToList();
        var forbids = speaking.Where(rule => rule.Forbids).Select(rule => (Rule: rule, Failures: rule.IsConditional ? Failures(rule) : [Reasons.NotPermitted])).Where(pair => pair.Failures.Length > 0).ToList();

        var forbidding = forbids.Select(pair => pair.Rule.Id).Order(StringComparer.Ordinal).ToArray();
        if (permits.Count == 0) return (Reasons.NotPermitted, forbidding);
        if (forbids.Count > 0) return (Farthest(forbids.SelectMany(pair => pair.Failures)), forbidding);
        if (Held(purpose, request.Action, requested.Item, facts)) return (Reasons.OnHold, []);
        if (Stopped(purpose, facts, now) is { } stop) return (stop, []);
        var holding = permits.Where(pair => pair.Failures.Length == 0).Select(pair => pair.Rule).ToList();
        if (holding.Count == 0) return (Nearest(permits.Select(pair => Farthest(pair.Failures))), []);

        var widest = holding.Max(rule => FormOf(rule, request.Action, requested.Item));
        var ids = holding.Where(rule => FormOf(rule, request.Action, requested.Item) == widest).Select(rule => rule.Id).Order(StringComparer.Ordinal).ToArray();
        var shown = Discloses(request.Action) && requested.Narrower < widest ? requested.Narrower.Value : widest;
        return (FormNames.Of(shown), ids);
    }

    private bool Speaks(RuleSpec rule, AccessRequest request, CatalogueItem item) =>
        request.Recipient.Roles.SelectMany(Ancestors).Any(rule.Roles.Contains)
        && rule.Purposes.Contains(request.Purpose)
        && rule.Actions.Contains(ActionNames.Of(request.Action))
        && rule.Items.Contains(item.Name);

    private IEnumerable<string> Ancestors(string role) =>
        words.Roles.Find(role) is { } known ? known.Parents.SelectMany(Ancestors).Prepend(role) : [];

    private static bool Discloses(AccessAction action) => action is AccessAction.Read or AccessAction.Export or AccessAction.Feed;

    private static Form FormOf(RuleSpec rule, AccessAction action, CatalogueItem item)
    {
        if (!Discloses(action)) return Form.Plain;
        var free = rule.OwnRecord || action == AccessAction.Export;
        return free || rule.Form < item.Class.Widest ? rule.Form : item.Class.Widest;
    }

    private IEnumerable<string> Failing(RuleSpec rule, AccessRequest request, DecisionFacts facts, DateTimeOffset now)
    {
        if (rule.OwnRecord && request.Recipient.Subject != request.Subject) yield return Reasons.NotPermitted;
        else if (rule.MultiFactor && request.Recipient.Assurance < Recipient.MultiFactor) yield return Reasons.AssuranceTooLow;
        else
        {
            foreach (var consent in rule.Consents.Select(name => Consent(words.Purposes.Find(name)!, facts, now)).OfType<string>()) yield return consent;
        }
    }

    private static bool Held(Purpose purpose, AccessAction action, CatalogueItem item, DecisionFacts facts)
    {
        var code = item.Name.StartsWith("event:", StringComparison.Ordinal) ? item.Id + 1000 : item.Id;
        var covering = facts.Holds.Where(hold => (hold.Items.Count + hold.Classes.Count == 0) || hold.Items.Contains(code) || hold.Classes.Contains(item.Class.Id)).ToList();
        if (action == AccessAction.Erase) return facts.OnHold || covering.Count > 0;
        return facts.Remainder && !(action is AccessAction.Read or AccessAction.Export && covering.Any(hold => hold.Purposes.Contains(purpose.Id)));
    }

    private static string? Stopped(Purpose purpose, DecisionFacts facts, DateTimeOffset now)
    {
        var duty = purpose.LegalBasis is "legal-obligation" or "vital-interests";
        if (facts.Restricted && !duty) return Reasons.Restricted;
        if (facts.ObjectedPurposes.Contains(purpose.Id) && !duty) return Reasons.Objected;
        return purpose.LegalBasis.EndsWith("consent", StringComparison.Ordinal) ? Consent(purpose, facts, now) : null;
    }

    private static string? Consent(Purpose purpose, DecisionFacts facts, DateTimeOffset now) =>
        facts.Consents.SingleOrDefault(fact => fact.PurposeId == purpose.Id) switch
        {
            { Status: ConsentStatus.Given, Expires: null } => null,
            { Status: ConsentStatus.Given } given => given.Expires > now ? null : Reasons.ConsentExpired,
            { Status: ConsentStatus.Withdrawn } => Reasons.ConsentWithdrawn,
            _ => Reasons.ConsentMissing,
        };

    private static string Nearest(IEnumerable<string> reasons) => reasons.MinBy(reason => Array.IndexOf(NearestFirst, reason))!;

    private static string Farthest(IEnumerable<string> reasons) => reasons.MaxBy(reason => Array.IndexOf(NearestFirst, reason))!;
}
