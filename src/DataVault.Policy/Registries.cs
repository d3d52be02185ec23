using System.Collections.Concurrent;
using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>A declared goal of processing.</summary>
public sealed class Purpose
{
    internal Purpose(int id, string name, PurposeTerms terms)
    {
        (Id, Name, Terms) = (id, name, terms);
    }

    public int Id { get; }

    public string Name { get; }

    public string Title => Terms.Titles.Text;

    /// <summary>The title in each language.</summary>
    public Wording Titles => Terms.Titles;

    /// <summary><c>consent</c>, <c>explicit-consent</c>, <c>contract</c>, <c>legal-obligation</c>, <c>vital-interests</c>, <c>public-task</c> or <c>legitimate-interests</c>.</summary>
    public string LegalBasis => Terms.LegalBasis;

    public bool NeedsConsent => Terms.LegalBasis is "consent" or "explicit-consent";

    /// <summary>The text that a person agrees to or is told.</summary>
    public string Notice => Terms.Notice;

    public string NoticeVersion => Terms.NoticeVersion;

    /// <summary>The notice in each of its languages, its own first; none when there is no notice.</summary>
    public IReadOnlyList<NoticeText> Notices => Terms.Consent.Notices;

    /// <summary>How many days before its end a consent should be asked for again; null where nobody is reminded.</summary>
    public int? RenewalDays => Terms.Consent.RenewalDays;

    /// <summary>From which age on a person consents alone; null where age does not matter.</summary>
    public ChildRule? Child => Terms.Consent.Child;

    /// <summary>The signal Global Privacy Control is an objection to this purpose.</summary>
    public bool Gpc => Terms.Consent.Gpc;

    /// <summary>How long a consent holds; null without an end.</summary>
    public int? ConsentMonths => Terms.ConsentMonths;

    /// <summary>An emergency: needs justification, notice to the subject and a review.</summary>
    public bool BreakGlass => Terms.BreakGlass;

    /// <summary>How an emergency runs; null for other purposes.</summary>
    public EmergencyTerms? Emergency => Terms.BreakGlass ? Terms.Emergency : null;

    /// <summary>The reason that every release for this purpose asks of staff and applications; null where only a rule's obligation asks for one.</summary>
    public JustificationRule? Justification => Terms.Justification;

    /// <summary>How many disclosures of sensitive items one credential may get; null without a limit.</summary>
    public DisclosureBudget? Budget => Terms.Budget;

    /// <summary>Days that an officer has to review a release that asks for it.</summary>
    public int ReviewDays => Terms.ReviewDays;

    /// <summary>With so many releases of theirs waiting for an overdue review a recipient gets nothing further for this purpose; null where none stops anybody.</summary>
    public int? StopsAtOverdue => Terms.StopsAtOverdue;

    /// <summary>Whoever objects to direct marketing (GDPR Article 21(2)) objects to this purpose, whatever its basis.</summary>
    public bool DirectMarketing => Terms.DirectMarketing;

    // SPEC GDPR 21(1) processing on the grounds of 6(1)(e) and (f); 21(2) direct marketing, whatever its ground.
    /// <summary>Whether there is a right to object to it (GDPR Article 21).</summary>
    public bool CanBeObjectedTo => DirectMarketing || (StopsOnObjection && LegalBasis is "legitimate-interests" or "public-task");

    /// <summary>W3C DPV identifier, such as <c>dpv:DirectMarketing</c>.</summary>
    public string Dpv => Terms.Dpv;

    /// <summary>An objection (GDPR Article 21) stops this purpose. Not so where the law obliges or life is at stake.</summary>
    public bool StopsOnObjection => Terms.StopsOnObjection;

    /// <summary>A restriction (GDPR Article 18) stops this purpose. Not so for the person's own rights, legal duties, or life at stake.</summary>
    public bool StopsOnRestriction => Terms.StopsOnRestriction;

    /// <summary>Ground of GDPR Article 9(2), such as <c>A9-2-a</c>; null where special categories are not for this purpose.</summary>
    public string? SpecialBasis => Terms.SpecialBasis;

    /// <summary>Why an impact assessment is needed, and where it stands (GDPR 35); null where no criterion is named.</summary>
    public ImpactAssessment? Assessment => Terms.Assessment;

    internal PurposeTerms Terms { get; }
}

/// <summary>The data protection impact assessment of a purpose (GDPR 35).</summary>
/// <param name="Criteria">What makes the processing likely to be a high risk, each one of <see cref="KnownCriteria"/>.</param>
/// <param name="Reference">The assessment; null when none was made.</param>
/// <param name="Review">When it is to be looked at again; null when nobody said.</param>
public sealed record ImpactAssessment(IReadOnlyList<string> Criteria, string? Reference, DateOnly? Review)
{
    /// <summary>The nine criteria of the guidelines WP 248 rev.01, III.B.a.</summary>
    public static IReadOnlyList<string> KnownCriteria { get; } =
    [
        "profiling", "automated-decisions", "monitoring", "special-categories", "large-scale", "matching", "vulnerable-people", "new-technology", "bars-from-rights",
    ];

    internal const string Special = "special-categories";

    public bool IsMade => Reference is not null && Review is not null;
}

/// <summary>What purposes.yaml says of a purpose.</summary>
internal sealed record PurposeTerms(Wording Titles, string LegalBasis, string Dpv)
{
    public string Notice { get; init; } = "";

    public string NoticeVersion { get; init; } = "";

    public int? ConsentMonths { get; init; }

    public bool BreakGlass { get; init; }

    public EmergencyTerms Emergency { get; init; } = new(EmergencyTerms.UsualMinutes);

    public JustificationRule? Justification { get; init; }

    public DisclosureBudget? Budget { get; init; }

    public int ReviewDays { get; init; } = 3;

    public int? StopsAtOverdue { get; init; }

    public bool DirectMarketing { get; init; }

    public bool StopsOnObjection { get; init; } = true;

    public bool StopsOnRestriction { get; init; } = true;

    public string? SpecialBasis { get; init; }

    public ConsentTerms Consent { get; init; } = ConsentTerms.None;

    public ImpactAssessment? Assessment { get; init; }
}

/// <summary>The purposes, by id.</summary>
public sealed class PurposeRegistry
{
    private readonly FrozenDictionary<string, Purpose> byName;
    private readonly FrozenDictionary<int, Purpose> byId;

    internal PurposeRegistry(IReadOnlyList<Purpose> all, PurposesHead head)
    {
        (All, Controller, GpcSince) = (all, head.Controller, head.GpcSince);
        Notices = new NoticeShelf(all);
        byName = all.ToFrozenDictionary(purpose => purpose.Name, StringComparer.Ordinal);
        byId = all.ToFrozenDictionary(purpose => purpose.Id);
    }

    public IReadOnlyList<Purpose> All { get; }

    /// <summary>Who decides on the processing; null where the policy does not say.</summary>
    public ControllerIdentity? Controller { get; }

    /// <summary>Since when Global Privacy Control has been honoured; null where the policy does not say.</summary>
    public DateOnly? GpcSince { get; }

    public NoticeShelf Notices { get; }

    public Purpose? Find(string name) => byName.GetValueOrDefault(name);

    public Purpose? ById(int id) => byId.GetValueOrDefault(id);
}

/// <summary>A role that a credential may carry.</summary>
public sealed class Role
{
    internal Role(string name, Wording titles, IReadOnlyList<string> parents, IReadOnlyList<string> capabilities) =>
        (Name, Titles, Parents, Capabilities) = (name, titles, parents, capabilities);

    public string Name { get; }

    public string Title => Titles.Text;

    /// <summary>The title in each language.</summary>
    public Wording Titles { get; }

    /// <summary>Roles whose rules and capabilities this one has too.</summary>
    public IReadOnlyList<string> Parents { get; }

    /// <summary>Own capabilities; those of the parents come on top.</summary>
    public IReadOnlyList<string> Capabilities { get; }

    /// <summary>Whom the role reaches by its own words: one of these circles, everybody where the list is empty; null where it says nothing.</summary>
    internal IReadOnlyList<PersonCircle>? OwnReach { get; init; }
}

/// <summary>The roles, by name.</summary>
public sealed class RoleRegistry
{
    private readonly FrozenDictionary<string, Role> byName;
    private readonly ConcurrentDictionary<Role, HashSet<Role>> lineages = new();

    internal RoleRegistry(IReadOnlyList<Role> all)
    {
        All = all;
        byName = all.ToFrozenDictionary(role => role.Name, StringComparer.Ordinal);
    }

    public IReadOnlyList<Role> All { get; }

    public Role? Find(string name) => byName.GetValueOrDefault(name);

    /// <summary>What a role says of its reach stands; where it says nothing, it reaches whom each of its parents reaches.</summary>
    internal Reach ReachOf(Role role)
    {
        var circles = new List<IReadOnlyList<PersonCircle>>();
        var open = new List<Role> { role };
        for (var index = 0; index < open.Count; index++)
        {
            if (open[index].OwnReach is not { } own) open.AddRange(open[index].Parents.Select(Find).OfType<Role>().Where(parent => !open.Contains(parent)));
            else if (own.Count > 0) circles.Add(own);
        }

        return circles.Count == 0 ? Reach.Everybody : new Reach(circles);
    }

    /// <summary>Whether one of the roles is one of those, or descends from one.</summary>
    public bool Descends(IReadOnlyList<string> roles, IReadOnlyList<string> from)
    {
        ArgumentNullException.ThrowIfNull(roles);
        return roles.Any(name => Find(name) is { } role && Lineage(role).Any(one => from.Contains(one.Name)));
    }

    /// <summary>The role and everything it descends from. Also where parents form a circle, which loading refuses.</summary>
    internal IReadOnlyCollection<Role> Lineage(Role role)
    {
        if (lineages.TryGetValue(role, out var known)) return known;
        var lineage = new HashSet<Role>();
        var open = new Stack<Role>([role]);
        while (open.TryPop(out var one))
        {
            if (!lineage.Add(one)) continue;
            foreach (var parent in one.Parents.Select(Find).OfType<Role>().Distinct()) open.Push(parent);
        }

        return lineages[role] = lineage;
    }
}

/// <summary>Names of the rights to call what is not about fields.</summary>
public static class Capabilities
{
    public const string AuditRead = "audit.read";
    public const string RequestsRead = "requests.read";
    public const string RequestsDecide = "requests.decide";

    /// <summary>Sending requests of people by OpenDSR, as a controller whose processor the vault is; of its own requests alone.</summary>
    public const string RequestsOpenDsr = "requests.opendsr";
    public const string PolicyRead = "policy.read";
    public const string PolicyManage = "policy.manage";
    public const string ClientsManage = "clients.manage";
    public const string AccountsManage = "accounts.manage";
    public const string StatusRead = "status.read";
    public const string AnalyticsQuery = "analytics.query";
    public const string KeysRead = "keys.read";
    public const string KeysManage = "keys.manage";
    public const string HoldsManage = "holds.manage";
    public const string ReviewsManage = "reviews.manage";
    public const string DisclosuresApprove = "disclosures.approve";
    public const string AlertsManage = "alerts.manage";
    public const string HoneyManage = "honey.manage";

    /// <summary>Seeing how long what is kept, what the sweeps did, and asking for one.</summary>
    public const string RetentionManage = "retention.manage";

    /// <summary>Saying where a person's data must stay, whose customer they are, and who stands how to them: which is who reaches them.</summary>
    public const string StandingManage = "standing.manage";

    /// <summary>Keeping the register of breaches, reporting them, telling people of them.</summary>
    public const string BreachesManage = "breaches.manage";

    /// <summary>Being told that somebody is kept from being taken in again, and letting them in when they come back themselves.</summary>
    public const string SuppressionsManage = "suppressions.manage";

    /// <summary>Making and fetching packs of evidence for an authority.</summary>
    public const string EvidenceExport = "evidence.export";

    /// <summary>Seeing what was decided about people by itself, and by what.</summary>
    public const string DecisionsRead = "decisions.read";

    /// <summary>What these show or count is about everybody: of no use to a role that reaches some only, and without effect in it.</summary>
    internal static readonly string[] AboutEverybody = [AuditRead, PolicyManage, AccountsManage, StatusRead, AnalyticsQuery, ReviewsManage, DisclosuresApprove, AlertsManage, HoneyManage, RetentionManage, BreachesManage, EvidenceExport, SuppressionsManage];

    internal static readonly string[] All =
        [AuditRead, RequestsRead, RequestsDecide, RequestsOpenDsr, PolicyRead, PolicyManage, ClientsManage, AccountsManage, StatusRead, AnalyticsQuery, HoldsManage, KeysRead, KeysManage, ReviewsManage, DisclosuresApprove, AlertsManage, HoneyManage, StandingManage, RetentionManage, BreachesManage, EvidenceExport, DecisionsRead, SuppressionsManage];
}

/// <summary>
/// A consumer of pseudonymised rows, with a pseudonym key and a PostgreSQL schema of its own. The schema holds three tables:
/// <code>
/// customer    (pseudonym text primary key, one text column per AnalyticsColumn.Column, updated_on date not null)
/// purchase    (pseudonym text, event_key text, month date, event_type text, amount numeric null, currency text null,
///              channel text null, country text null, primary key (pseudonym, event_key))
/// interaction (pseudonym text, event_key text, month date, event_type text, channel text null, primary key (pseudonym, event_key))
/// </code>
/// month is the first day of the month of the event; event_key is random or keyed, never the event's id; amounts of refunds are negative.
/// purchase holds the events of class <c>transaction</c>, interaction all others, both only of the types in <see cref="EventTypes"/>.
/// </summary>
public sealed class AnalyticsDomain
{
    internal AnalyticsDomain(string name, Wording titles, int minimumCohort, IReadOnlyList<AnalyticsColumn> columns, (IReadOnlyList<string> EventTypes, IReadOnlyList<string> Dimensions) contents)
    {
        (Name, Titles, MinimumCohort, CustomerColumns) = (name, titles, minimumCohort, columns);
        (EventTypes, Dimensions) = contents;
        Schema = "analytics_" + name;
    }

    public string Name { get; }

    public string Title => Titles.Text;

    /// <summary>The title in each language.</summary>
    public Wording Titles { get; }

    public string Schema { get; }

    /// <summary>Fewest people that an answer may stand for.</summary>
    public int MinimumCohort { get; }

    public IReadOnlyList<AnalyticsColumn> CustomerColumns { get; }

    /// <summary>Types of events whose rows the domain receives, without prefix.</summary>
    public IReadOnlyList<string> EventTypes { get; }

    /// <summary>Columns of the customer table that segments may be counted by.</summary>
    public IReadOnlyList<string> Dimensions { get; }
}

/// <summary>A column of an analytics customer table, and what it is made from.</summary>
public sealed record AnalyticsColumn(string Column, FieldDefinition Field, GeneralisationKind Generalisation);

/// <summary>How long an item is kept.</summary>
/// <param name="Name">Name that items refer to.</param>
/// <param name="Titles">In words.</param>
/// <param name="Trigger"><c>last-activity</c>, <c>recorded</c> or <c>occurred</c>: what the period counts from. A field occurs when it is recorded.</param>
/// <param name="Months">Length of the period.</param>
/// <param name="Grounds">Why this long: the duty or need.</param>
public sealed record RetentionRule(string Name, Wording Titles, string Trigger, int Months, Wording Grounds)
{
    public const string LastActivity = "last-activity";
    public const string Recorded = "recorded";
    public const string Occurred = "occurred";

    public string Title => Titles.Text;

    public string Ground => Grounds.Text;
}
