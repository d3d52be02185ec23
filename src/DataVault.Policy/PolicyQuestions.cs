namespace DataVault.Policy;

/// <summary>One combination that may release an item, at best: with all consents given and all conditions met.</summary>
/// <param name="Role">Role.</param>
/// <param name="Purpose">Purpose.</param>
/// <param name="Action">Action.</param>
/// <param name="Item">Field or event type.</param>
/// <param name="Form">The widest form.</param>
/// <param name="NeedsConsent">Without a consent this is withheld.</param>
/// <param name="Conditions">What else must hold, such as <c>own-record</c>, <c>mfa</c>, <c>consent:wellbeing</c>.</param>
/// <param name="RuleIds">The determining rules.</param>
public sealed record PolicyGrant(
    string Role, string Purpose, AccessAction Action, CatalogueItem Item, Form Form, bool NeedsConsent,
    IReadOnlyList<string> Conditions, IReadOnlyList<string> RuleIds);

/// <summary>Exact answers by enumeration: the language is finite, so nothing is sampled or guessed.</summary>
public sealed class PolicyQuestions
{
    private readonly PolicySet policy;

    internal PolicyQuestions(PolicySet policy) => this.policy = policy;

    /// <summary>Decides for an imagined recipient, bound to the purpose, looking at its own record if a customer.</summary>
    /// <param name="roles">Roles of the recipient.</param>
    /// <param name="purpose">Purpose asked for.</param>
    /// <param name="action">Action asked for.</param>
    /// <param name="items">Items, or null for every field.</param>
    /// <param name="facts">State of the imagined subject.</param>
    /// <param name="now">For the expiry of consents.</param>
    public Decision Explain(
        IReadOnlyList<string> roles, string purpose, AccessAction action, IReadOnlyList<RequestedItem>? items, DecisionFacts facts, DateTimeOffset now) =>
        policy.Decisions.Decide(Imagine(roles, purpose, action, items), facts, now);

    /// <summary>Who can, for what purpose, do what with the item, in which form.</summary>
    public IReadOnlyList<PolicyGrant> WhoCan(CatalogueItem item, string? purpose = null) =>
    [
        .. from role in policy.Roles.All
           from one in policy.Purposes.All
           where purpose is null || one.Name == purpose
           from grant in Grants(role, one, [new RequestedItem(item, null)])
           select grant,
    ];

    /// <summary>What a role can do with which items, for what purpose, in which form.</summary>
    public IReadOnlyList<PolicyGrant> WhatCan(string role) =>
        policy.Roles.Find(role) is not { } found
            ? []
            : [.. policy.Purposes.All.SelectMany(purpose => Grants(found, purpose, [.. policy.Items.Select(item => new RequestedItem(item, null))]))];

    /// <summary>What the rule is for, in the words of its author.</summary>
    public string? WhyOf(string ruleId) => policy.Rules.FirstOrDefault(rule => rule.Id == ruleId)?.Why;

    /// <summary>What some rule lets somebody read, search by, hand out or analyse for a purpose.</summary>
    public IEnumerable<CatalogueItem> UsedFor(Purpose purpose) => policy.Rules
        .Where(rule => !rule.Forbids && rule.Purposes.Contains(purpose) && rule.Actions.Any(action => action == AccessAction.Search || ActionNames.Discloses(action)))
        .SelectMany(rule => rule.Items).Distinct();

    private IEnumerable<PolicyGrant> Grants(Role role, Purpose purpose, IReadOnlyList<RequestedItem> items) =>
        from action in Enum.GetValues<AccessAction>()
        let best = policy.Decisions.Decide(Imagine([role.Name], purpose.Name, action, items), AllConsented, DateTimeOffset.UnixEpoch)
        from decision in best.Items
        where decision.Permit is not null
        let conditions = Conditions(decision.RuleIds)
        select new PolicyGrant(
            role.Name, purpose.Name, action, decision.Item, decision.Form,
            purpose.NeedsConsent || conditions.Any(condition => condition.StartsWith("consent:", StringComparison.Ordinal)), conditions, decision.RuleIds);

    private DecisionFacts AllConsented =>
        new([.. policy.Purposes.All.Select(purpose => new ConsentFact(purpose.Id, ConsentStatus.Given, null))], [], false, false);

    private static AccessRequest Imagine(IReadOnlyList<string> roles, string purpose, AccessAction action, IReadOnlyList<RequestedItem>? items)
    {
        var subject = CaseRunner.Subject;
        var recipient = new Recipient(RecipientKind.Application, "imagined", "imagined", roles, [purpose], subject, Recipient.MultiFactor);
        return new AccessRequest(recipient, subject, action, purpose, items);
    }

    /// <summary>The conditions that stand in every determining rule: with one rule free of conditions none is needed.</summary>
    private string[] Conditions(IReadOnlyList<string> ruleIds) =>
        [.. ruleIds.Select(ConditionsOf).Aggregate((left, right) => left.Intersect(right)).Order(StringComparer.Ordinal)];

    private IEnumerable<string> ConditionsOf(string ruleId) => policy.Rules.First(rule => rule.Id == ruleId).Guard.Words(policy.Purposes);
}
