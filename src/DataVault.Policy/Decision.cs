using System.Diagnostics.CodeAnalysis;

namespace DataVault.Policy;

/// <summary>One question to the decision point.</summary>
/// <param name="Recipient">Who asks.</param>
/// <param name="Subject">About whom.</param>
/// <param name="Action">To do what.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Items">Which items; null for every field (not events).</param>
public sealed record AccessRequest(Recipient Recipient, SubjectId Subject, AccessAction Action, string Purpose, IReadOnlyList<RequestedItem>? Items);

/// <summary>An item asked for, in a narrower form if the caller wants less than it may have.</summary>
public sealed record RequestedItem(CatalogueItem Item, Form? Narrower)
{
    /// <summary>Parses <c>email</c>, <c>email.masked</c>, <c>event:purchase</c>. Events have the forms plain and generalised only.</summary>
    public static bool TryParse(string text, Catalogue catalogue, TrackingPlan plan, [NotNullWhen(true)] out RequestedItem? item)
    {
        item = null;
        var dot = text.LastIndexOf('.');
        var name = dot < 0 ? text : text[..dot];
        var isEvent = name.StartsWith(EventTypeDefinition.Prefix, StringComparison.Ordinal);
        Form? narrower = null;
        if (dot >= 0)
        {
            if (!FormNames.TryParse(text[(dot + 1)..], out var form) || form == Form.Withheld) return false;
            if (isEvent && form is Form.Masked or Form.Token) return false;
            narrower = form;
        }

        CatalogueItem? found = isEvent ? plan.Find(name) : catalogue.Find(name);
        if (found is not null) item = new RequestedItem(found, narrower);
        return found is not null;
    }
}

/// <summary>State of a consent; expiry is computed from <see cref="ConsentFact.Expires"/>. Given and renewed count, nothing else does.</summary>
public enum ConsentStatus
{
    Unknown,
    Given,
    Withdrawn,
    Refused,

    /// <summary>Asked for and not answered yet.</summary>
    Requested,

    /// <summary>The person wants to decide later.</summary>
    Deferred,

    /// <summary>Given again.</summary>
    Renewed,

    /// <summary>Found never to have been valid, such as for a wrong notice.</summary>
    Invalidated,

    /// <summary>Ended by the controller.</summary>
    Revoked,
}

/// <summary>On whose word a consent rests, where age matters.</summary>
public enum ConsentBacking
{
    /// <summary>The person's, and no rule has asked yet how old they are, or it takes them for a child as long as that is not known.</summary>
    Own,

    /// <summary>The person's, who was old enough by the sealed date of birth.</summary>
    OfAge,

    /// <summary>A guardian's.</summary>
    Guardian,

    /// <summary>The person's, of whose age nothing is known, and the purpose's rule takes such a person for grown up.</summary>
    TakenForGrown,
}

/// <summary>How a subject stands to one purpose.</summary>
public sealed record ConsentFact(int PurposeId, ConsentStatus Status, DateTimeOffset? Expires)
{
    public ConsentBacking Backing { get; init; }

    /// <summary>Given knowing of an opt-out signal: the same signal does not stop it again.</summary>
    public bool DespiteSignal { get; init; }

    public bool IsGiven => Status is ConsentStatus.Given or ConsentStatus.Renewed;

    /// <summary>Whether it may be the word of a child alone. INVARIANT: where nobody knows, it may.</summary>
    /// <param name="child">Whether the person is a child; null when that is not known.</param>
    public bool MayBeAChilds(bool? child) => Backing switch
    {
        ConsentBacking.Own => child != false,
        ConsentBacking.TakenForGrown => child == true,
        _ => false,
    };

    public bool HoldsAt(DateTimeOffset now) => IsGiven && (Expires is null || Expires > now);
}

/// <summary>What a legal hold keeps from being erased, and for what it may still be seen afterwards.</summary>
/// <param name="Items">Codes of items (<see cref="CatalogueItem.Code"/>). No items and no classes: everything.</param>
/// <param name="Classes">Ids of classes, each with every item that it has at the time of the decision.</param>
/// <param name="Purposes">Ids of the purposes that may see what is left once the rest has been erased.</param>
public sealed record HoldFact(IReadOnlyList<int> Items, IReadOnlyList<int> Classes, IReadOnlyList<int> Purposes)
{
    /// <summary>Which hold it is; empty where that is not known.</summary>
    public Guid Id { get; init; }

    public bool Covers(CatalogueItem item)
    {
        ArgumentNullException.ThrowIfNull(item);
        return (Items.Count == 0 && Classes.Count == 0) || Items.Contains(item.Code) || Classes.Contains(item.Class.Id);
    }
}

/// <summary>What is known of a person as a whole, apart from the fields. Null: not known.</summary>
/// <param name="Jurisdiction">Name of a jurisdiction (jurisdictions.yaml).</param>
/// <param name="Residency">Name of a residency (people.yaml): where the data must stay.</param>
/// <param name="Brand">Name of a brand (people.yaml).</param>
/// <param name="RecordedAt">When the person was first recorded.</param>
public sealed record SubjectTraits(string? Jurisdiction, string? Residency, string? Brand, DateTimeOffset? RecordedAt)
{
    public static SubjectTraits None { get; } = new(null, null, null, null);
}

/// <summary>That a recipient stands in a relation to a person.</summary>
/// <param name="Relation">A name of people.yaml, such as <c>assigned-agent</c>.</param>
/// <param name="Recipient">The recipient's id: an account or an application.</param>
public sealed record RelationFact(string Relation, string Recipient);

/// <summary>What is known of the subject that a decision depends on.</summary>
/// <param name="Consents">At most one per purpose; a purpose that is absent has no consent.</param>
/// <param name="ObjectedPurposes">Ids of purposes objected to.</param>
/// <param name="Restricted">Processing is restricted (GDPR Article 18).</param>
/// <param name="OnHold">Erasure is suspended for every item, by no hold that is known in detail.</param>
public sealed record DecisionFacts(IReadOnlyList<ConsentFact> Consents, IReadOnlyList<int> ObjectedPurposes, bool Restricted, bool OnHold)
{
    public static DecisionFacts None { get; } = new([], [], false, false);

    /// <summary>Legal holds in force.</summary>
    public IReadOnlyList<HoldFact> Holds { get; init; } = [];

    /// <summary>The person has been erased but for what the holds keep: nobody sees that, save for the purposes that a hold names.</summary>
    public bool Remainder { get; init; }

    public SubjectTraits Traits { get; init; } = SubjectTraits.None;

    /// <summary>Whether the person is a child; null when that is not known, which is neither.</summary>
    public bool? Child { get; init; }

    /// <summary>Names (people.yaml) in which the recipient stands to this subject, such as <c>assigned-agent</c>.</summary>
    public IReadOnlyList<string> Relations { get; init; } = [];

    /// <summary>Whether the person objects to a purpose.</summary>
    internal bool ObjectsTo(int purpose)
    {
        for (var index = 0; index < ObjectedPurposes.Count; index++)
        {
            if (ObjectedPurposes[index] == purpose) return true;
        }

        return false;
    }

    /// <summary>Who stands how to the person. A decision turns those of its recipient into <see cref="Relations"/>.</summary>
    public IReadOnlyList<RelationFact> RelatedTo { get; init; } = [];

    /// <summary>The facts as one recipient stands to the person; the same object where nobody stands in a relation.</summary>
    internal DecisionFacts SeenBy(Recipient recipient) =>
        RelatedTo.Count == 0 ? this : RelatedOf(recipient.Id);

    private DecisionFacts RelatedOf(string recipient) => this with
    {
        Relations = [.. Relations, .. RelatedTo.Where(fact => string.Equals(fact.Recipient, recipient, StringComparison.Ordinal)).Select(fact => fact.Relation)],
        RelatedTo = [],
    };

    /// <summary>Whether a hold keeps the item from being erased.</summary>
    public bool Keeps(CatalogueItem item)
    {
        for (var index = 0; index < Holds.Count; index++)
        {
            if (Holds[index].Covers(item)) return true;
        }

        return OnHold;
    }

    /// <summary>Whether what is left of an erased person may be disclosed for a purpose.</summary>
    internal bool KeepsFor(CatalogueItem item, int purpose)
    {
        for (var index = 0; index < Holds.Count; index++)
        {
            if (Holds[index].Covers(item) && Holds[index].Purposes.Contains(purpose)) return true;
        }

        return false;
    }
}

/// <summary>
/// Proof that the decision point released an item. What opens envelopes takes one, so that a forgotten check does not compile.
/// INVARIANT: minted by <see cref="PolicyDecisionPoint"/> alone.
/// </summary>
public sealed class FieldPermit
{
    internal FieldPermit(CatalogueItem item, Form form, AccessAction action, SubjectId subject) =>
        (Item, Form, Action, Subject) = (item, form, action, subject);

    public CatalogueItem Item { get; }

    public Form Form { get; }

    public AccessAction Action { get; }

    public SubjectId Subject { get; }
}

/// <summary>What was decided of one item.</summary>
public readonly struct ItemDecision
{
    internal ItemDecision(CatalogueItem item, string reason, string[] ruleIds) => (Item, Reason, RuleIds) = (item, reason, ruleIds);

    internal ItemDecision(FieldPermit permit, string[] ruleIds) => (Item, RuleIds, Permit) = (permit.Item, ruleIds, permit);

    public CatalogueItem Item { get; }

    public Form Form => Permit?.Form ?? Form.Withheld;

    /// <summary>A code of <see cref="Reasons"/> when withheld.</summary>
    public string? Reason { get; }

    /// <summary>The rules that determined this; empty when no rule speaks of the item.</summary>
    public IReadOnlyList<string> RuleIds { get; }

    public FieldPermit? Permit { get; }
}

/// <summary>The answer of the decision point.</summary>
public sealed class Decision
{
    internal Decision(IReadOnlyList<ItemDecision> items, IReadOnlyList<FieldPermit> permits, IReadOnlyList<string> obligations, IReadOnlyList<string> ruleIds) =>
        (Items, Permits, Obligations, RuleIds) = (items, permits, obligations, ruleIds);

    /// <summary>One per item asked for, in that order.</summary>
    public IReadOnlyList<ItemDecision> Items { get; }

    /// <summary>One per released item.</summary>
    public IReadOnlyList<FieldPermit> Permits { get; }

    /// <summary>Codes of <see cref="ObligationNames"/>: each is carried out or nothing is released.</summary>
    public IReadOnlyList<string> Obligations { get; }

    /// <summary>All determining rules, sorted.</summary>
    public IReadOnlyList<string> RuleIds { get; }

    public bool Released => Permits.Count > 0;

    /// <summary>False: the recipient may not even know that the person is there (<see cref="PolicyDecisionPoint.CanReach"/>). Answer as for nobody.</summary>
    public bool Reachable { get; internal init; } = true;

    /// <summary>When nothing is released: the reason that all items share, or <see cref="Reasons.NotPermitted"/>.</summary>
    public string? OverallReason
    {
        get
        {
            if (Released) return null;
            var first = Items.Count > 0 ? Items[0].Reason : null;
            return first is not null && Items.All(item => item.Reason == first) ? first : Reasons.NotPermitted;
        }
    }
}
