using System.Collections.Concurrent;

namespace DataVault.Policy;

/// <summary>One way to an item: with these conditions, and no others, it is released in this form.</summary>
/// <param name="Role">Role.</param>
/// <param name="Purpose">Purpose.</param>
/// <param name="Action">Action.</param>
/// <param name="Item">Field or event type.</param>
/// <param name="Form">The form.</param>
/// <param name="NeedsConsent">Without a consent this is withheld.</param>
/// <param name="Conditions">All that must hold, such as <c>own-record</c>, <c>mfa</c>, <c>consent:wellbeing</c>, <c>no-objection:marketing</c>, <c>brand:acme|nova</c>.</param>
/// <param name="RuleIds">The determining rules.</param>
public sealed record PolicyGrant(
    string Role, string Purpose, AccessAction Action, CatalogueItem Item, Form Form, bool NeedsConsent,
    IReadOnlyList<string> Conditions, IReadOnlyList<string> RuleIds)
{
    /// <summary>What must be carried out with the release.</summary>
    public IReadOnlyList<string> Obligations { get; init; } = [];

    /// <summary>The purpose is for emergencies.</summary>
    public bool BreakGlass { get; init; }
}

/// <summary>Exact answers by enumeration over the compiled table: the language is finite, so nothing is sampled or guessed.</summary>
public sealed class PolicyQuestions
{
    private readonly PolicySet policy;
    private readonly WayFinder ways;
    private readonly ConcurrentDictionary<Role, IReadOnlyList<string>> purposesOf = new();

    internal PolicyQuestions(PolicySet policy) => (this.policy, ways) = (policy, new WayFinder(policy));

    internal WayFinder Ways => ways;

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

    /// <summary>The decision with its reasons: which rules spoke, what the answer turned on, and the least that would have to be otherwise.</summary>
    public PolicyExplanation Explain(ImaginedCall call, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(call);
        return new Explainer(policy, call, now).Explain();
    }

    /// <summary>Who can, for what purpose, do what with the item, in which form.</summary>
    public IReadOnlyList<PolicyGrant> WhoCan(CatalogueItem item, string? purpose = null) => WhoCan([item], purpose);

    /// <summary>The same of every item of a class.</summary>
    public IReadOnlyList<PolicyGrant> WhoCan(FieldClass fieldClass, string? purpose = null) => WhoCan([.. policy.Items.Where(item => item.Class == fieldClass)], purpose);

    /// <summary>The same of everything there is: what a purpose is used for, by each role by itself. No credential has all roles, and none is held back by what another may not.</summary>
    public IReadOnlyList<PolicyGrant> WhoCan(Purpose purpose)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        return WhoCan(policy.Items, purpose.Name);
    }

    /// <summary>What a role can do with which items, for what purpose, in which form.</summary>
    public IReadOnlyList<PolicyGrant> WhatCan(string role) => WhatCan([role], [.. policy.Purposes.All.Select(purpose => purpose.Name)]);

    /// <summary>What a credential with these roles, bound to these purposes, can do: each way by the role that opens it.</summary>
    public IReadOnlyList<PolicyGrant> WhatCan(IReadOnlyList<string> roles, IReadOnlyList<string> purposes)
    {
        ArgumentNullException.ThrowIfNull(roles);
        return
        [
            .. from role in policy.Roles.All
               where roles.Contains(role.Name)
               from purpose in policy.Purposes.All
               where purposes.Contains(purpose.Name)
               from grant in Grants(role, purpose, policy.Items, roles)
               select grant,
        ];
    }

    /// <summary>What the rule is for, in the words of its author.</summary>
    public string? WhyOf(string ruleId) => policy.Rules.FirstOrDefault(rule => rule.Id == ruleId)?.Why;

    /// <summary>What some rule lets somebody read, search by, hand out or analyse for a purpose.</summary>
    public IEnumerable<CatalogueItem> UsedFor(Purpose purpose) => policy.Rules
        .Where(rule => !rule.Forbids && rule.Purposes.Contains(purpose) && rule.Actions.Any(action => action == AccessAction.Search || ActionNames.Discloses(action)))
        .SelectMany(rule => rule.Items).Distinct();

    /// <summary>The purposes for which some permit names the role, or one that it descends from; none for a role that is not declared.</summary>
    public IReadOnlyList<string> PurposesOf(string role) => policy.Roles.Find(role) is { } known ? purposesOf.GetOrAdd(known, NamedFor) : [];

    private IReadOnlyList<string> NamedFor(Role role)
    {
        var lineage = policy.Roles.Lineage(role);
        var named = policy.Rules.Where(rule => !rule.Forbids && rule.Roles.Any(lineage.Contains)).SelectMany(rule => rule.Purposes).ToHashSet();
        return [.. policy.Purposes.All.Where(named.Contains).Select(purpose => purpose.Name)];
    }

    private List<PolicyGrant> WhoCan(IReadOnlyList<CatalogueItem> items, string? purpose) =>
    [
        .. from role in policy.Roles.All
           from one in policy.Purposes.All
           where purpose is null || one.Name == purpose
           from grant in Grants(role, one, items, [role.Name])
           select grant,
    ];

    // A forbid on any role of a credential counts against all of them.
    private IEnumerable<PolicyGrant> Grants(Role role, Purpose purpose, IReadOnlyList<CatalogueItem> items, IReadOnlyList<string> together)
    {
        var ordinal = OrdinalOf(purpose);
        return
            from action in Enum.GetValues<AccessAction>()
            from item in items
            from way in ways.Find(role.Name, ordinal, action, item, together)
            select Grant(role.Name, purpose, action, item, way);
    }

    internal PolicyGrant Grant(string role, Purpose purpose, AccessAction action, CatalogueItem item, Way way)
    {
        var words = ways.Words(way, purpose, action);
        return new PolicyGrant(role, purpose.Name, action, item, way.Form, words.Any(word => word.StartsWith("consent:", StringComparison.Ordinal)), words, way.RuleIds)
        {
            Obligations = way.Obligations, BreakGlass = purpose.BreakGlass,
        };
    }

    internal int OrdinalOf(Purpose purpose)
    {
        for (var ordinal = 0; ordinal < policy.Purposes.All.Count; ordinal++)
        {
            if (policy.Purposes.All[ordinal] == purpose) return ordinal;
        }

        return -1;
    }

    private static AccessRequest Imagine(IReadOnlyList<string> roles, string purpose, AccessAction action, IReadOnlyList<RequestedItem>? items)
    {
        var subject = CaseRunner.Subject;
        var recipient = new Recipient(RecipientKind.Application, "imagined", "imagined", roles, [purpose], subject, Recipient.MultiFactor);
        return new AccessRequest(recipient, subject, action, purpose, items);
    }
}
