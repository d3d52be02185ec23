using System.Globalization;
using DataVault.Policy;

namespace DataVault.Pure.Tests.Policy;

/// <summary>What the reference says of one item.</summary>
internal sealed record ReferenceAnswer(bool Reachable, string Outcome, string[] RuleIds, string[] Obligations);

/// <summary>
/// The meaning of rules as docs/formats/policy.md writes it, as slowly and plainly as can be over the small policy's words:
/// no tables, no sharing, nothing compiled.
/// </summary>
internal sealed class ReferencePolicy(IReadOnlyList<RuleSpec> rules, RolesSpec roles)
{
    private static readonly string[] NearestFirst =
    [
        Reasons.AssuranceTooLow, Reasons.OutsideHours, Reasons.OnHold, Reasons.Restricted, Reasons.Objected, Reasons.ConsentExpired, Reasons.ConsentWithdrawn,
        Reasons.ConsentMissing, Reasons.NotPermitted,
    ];

    public ReferenceAnswer Decide(AccessRequest request, RequestedItem requested, DecisionFacts facts, DateTimeOffset now)
    {
        var reachable = Reaches(request.Recipient, request.Subject, facts);
        ReferenceAnswer Withheld(string reason, string[]? ids = null) => new(reachable, reason, ids ?? [], []);

        // 1
        if (!reachable) return Withheld(Reasons.NotPermitted);
        var purpose = RandomPolicy.Words.Purposes.Find(request.Purpose);
        if (purpose is null) return Withheld(Reasons.NotPermitted);
        if (!request.Recipient.Purposes.Contains(request.Purpose)) return Withheld(Reasons.PurposeNotBound);

        // 2
        var speaking = rules.Where(rule => rule.Purposes.Contains(request.Purpose) && rule.Actions.Contains(ActionNames.Of(request.Action)) && rule.Items.Contains(requested.Item.Name) && IsGrounded(rule, requested.Item)).ToList();
        var permits = speaking.Where(rule => !rule.Forbids && request.Recipient.Roles.Any(role => Has(role, rule) && RoleReaches(role, facts)))
            .Select(rule => (Rule: rule, Failures: Failing(rule, request, facts, now))).Where(pair => !pair.Failures.Contains(Reasons.NotPermitted)).ToList();
        var forbids = speaking.Where(rule => rule.Forbids && request.Recipient.Roles.Any(role => Has(role, rule)))
            .Select(rule => (Rule: rule, Failures: rule.IsConditional ? Failing(rule, request, facts, now) : [Reasons.NotPermitted])).Where(pair => pair.Failures.Count > 0).ToList();
        var forbidding = Sorted(forbids.Select(pair => pair.Rule));
        if (permits.Count == 0) return Withheld(Reasons.NotPermitted, forbidding);

        // 3, 4, 5
        if (forbids.Count > 0) return Withheld(Farthest(forbids.SelectMany(pair => pair.Failures)), forbidding);
        if (Held(purpose, request.Action, requested.Item, facts)) return Withheld(Reasons.OnHold);
        if (Stopped(purpose, facts, now) is { } stop) return Withheld(stop);
        var holding = permits.Where(pair => pair.Failures.Count == 0).Select(pair => pair.Rule).ToList();
        if (holding.Count == 0) return Withheld(Nearest(permits.Select(pair => Farthest(pair.Failures))));

        // 6
        var widest = holding.Max(rule => FormOf(rule, request.Action, requested.Item));
        var determining = holding.Where(rule => FormOf(rule, request.Action, requested.Item) == widest).ToList();
        var shown = Discloses(request.Action) && requested.Narrower < widest ? requested.Narrower.Value : widest;
        return new ReferenceAnswer(true, FormNames.Of(shown), Sorted(determining), [.. determining.SelectMany(rule => rule.Obligations).Distinct()]);
    }

    /// <summary>The one special category of the small policy is permitted on a ground of Article 9 alone: of every purpose, or of a consent that the rule asks for.</summary>
    private static bool IsGrounded(RuleSpec rule, CatalogueItem item) =>
        item.Name != "allergies" || rule.Forbids || rule.OwnRecord || rule.Actions.All(action => action is "export" or "erase" or "consent")
        || rule.Consents.Contains("wellbeing") || rule.Purposes.All(purpose => purpose == "wellbeing")
        || (rule.Actions.All(action => action == "update") && rule.Purposes.All(purpose => purpose == "rights"));

    private static string[] Sorted(IEnumerable<RuleSpec> some) => [.. some.Select(rule => rule.Id).Order(StringComparer.Ordinal)];

    private bool Reaches(Recipient recipient, SubjectId subject, DecisionFacts facts)
    {
        if (recipient.Kind == RecipientKind.Customer && recipient.Subject != subject) return false;
        return recipient.Roles.Any(role => RoleReaches(role, facts));
    }

    /// <summary>What a role says stands; a role that says nothing reaches whom each of its parents reaches.</summary>
    private bool RoleReaches(string role, DecisionFacts facts)
    {
        if (!roles.Reach.TryGetValue(role, out var circles)) return false;
        if (circles is null) return Parents(role).All(parent => RoleReaches(parent, facts));
        return circles.Length == 0 || circles.Any(circle => IsIn(circle, facts));
    }

    private static string[] Parents(string role) => RolesSpec.Names.Single(one => one.Name == role).Parents;

    private static bool Has(string role, RuleSpec rule) =>
        rule.Roles.Contains(role) || (RolesSpec.Names.Any(one => one.Name == role) && Parents(role).Any(parent => Has(parent, rule)));

    private static bool IsIn(CircleSpec circle, DecisionFacts facts)
    {
        static bool One(string[] wanted, string? trait) => wanted.Length == 0 || (trait is not null && wanted.Contains(trait));
        return One(circle.Jurisdictions, facts.Traits.Jurisdiction) && One(circle.Residencies, facts.Traits.Residency) && One(circle.Brands, facts.Traits.Brand)
            && (circle.Relations.Length == 0 || circle.Relations.Intersect(facts.Relations).Any());
    }

    private static bool Discloses(AccessAction action) => action is AccessAction.Read or AccessAction.Export or AccessAction.Feed;

    private static Form FormOf(RuleSpec rule, AccessAction action, CatalogueItem item)
    {
        if (!Discloses(action)) return Form.Plain;
        var free = rule.OwnRecord || action == AccessAction.Export;
        return free || rule.Form < item.Class.Widest ? rule.Form : item.Class.Widest;
    }

    /// <summary>What of the condition does not hold: on the person, the hours, the assurance, the consents, and only the first of these.</summary>
    private static List<string> Failing(RuleSpec rule, AccessRequest request, DecisionFacts facts, DateTimeOffset now)
    {
        var person = (!rule.OwnRecord || request.Recipient.Subject == request.Subject)
            && IsIn(rule.Circle, facts)
            && (rule.Child is not { } child || facts.Child == child)
            && ((rule.OlderThanMonths is null && rule.YoungerThanMonths is null) || HasAge(rule, facts.Traits.RecordedAt, now));
        if (!person) return [Reasons.NotPermitted];
        if (rule.Window is { } window && !IsOpen(window, now)) return [Reasons.OutsideHours];
        if (rule.MultiFactor && request.Recipient.Assurance < Recipient.MultiFactor) return [Reasons.AssuranceTooLow];
        return [.. rule.Consents.Select(name => Consent(RandomPolicy.Words.Purposes.Find(name)!, facts, now)).OfType<string>()];
    }

    private static bool HasAge(RuleSpec rule, DateTimeOffset? recorded, DateTimeOffset now)
    {
        if (recorded is not { } since || since > now) return false;
        var months = 0;
        while (since.AddMonths(months + 1) <= now) months++;
        return (rule.OlderThanMonths ?? 0) <= months && months < (rule.YoungerThanMonths ?? int.MaxValue);
    }

    private static bool IsOpen(WindowSpec window, DateTimeOffset now)
    {
        // Clock times of one length compare as texts; 24:00 is greater than all.
        var zone = TimeZoneInfo.FindSystemTimeZoneById(window.Zone);
        var wall = now.UtcDateTime + zone.GetUtcOffset(now);
        var clock = wall.ToString("HH:mm", CultureInfo.InvariantCulture);
        bool On(DateTime day) => window.Days.Contains(day.ToString("ddd", CultureInfo.InvariantCulture).ToLowerInvariant());
        bool AtOrAfter(string time) => string.CompareOrdinal(clock, time) >= 0;
        if (string.CompareOrdinal(window.From, window.To) < 0) return On(wall) && AtOrAfter(window.From) && !AtOrAfter(window.To);
        return (On(wall) && AtOrAfter(window.From)) || (On(wall.AddDays(-1)) && !AtOrAfter(window.To));
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
            { Status: ConsentStatus.Given or ConsentStatus.Renewed, Backing: ConsentBacking.Own } when purpose.Child is not null && facts.Child is null or true => Reasons.ConsentMissing,
            { Status: ConsentStatus.Given or ConsentStatus.Renewed, Backing: ConsentBacking.TakenForGrown } when purpose.Child is not null && facts.Child == true => Reasons.ConsentMissing,
            { Status: ConsentStatus.Given or ConsentStatus.Renewed, Expires: null } => null,
            { Status: ConsentStatus.Given or ConsentStatus.Renewed } given => given.Expires > now ? null : Reasons.ConsentExpired,
            { Status: ConsentStatus.Withdrawn } => Reasons.ConsentWithdrawn,
            _ => Reasons.ConsentMissing,
        };

    private static string Nearest(IEnumerable<string> reasons) => reasons.MinBy(reason => Array.IndexOf(NearestFirst, reason))!;

    private static string Farthest(IEnumerable<string> reasons) => reasons.MaxBy(reason => Array.IndexOf(NearestFirst, reason))!;
}
