using DataVault.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>The policy in force, asked at the time of the injected clock.</summary>
internal sealed class Decider(ActivePolicy policy, VaultClock clock)
{
    /// <summary>The version that the call took.</summary>
    public PolicySet Policy => policy.Current;

    public VaultClock Clock => clock;

    /// <exception cref="VaultException">An item stands elsewhere than in the version that the call took: nothing is decided by a mix of two.</exception>
    public Decision Decide(Recipient recipient, SubjectId subject, AccessAction action, string purpose, IReadOnlyList<RequestedItem>? items, DecisionFacts facts)
    {
        var version = policy.Current;
        for (var index = 0; index < (items?.Count ?? 0); index++)
        {
            var item = items![index].Item;
            if (item.Ordinal >= version.Items.Count || version.Items[item.Ordinal].Code != item.Code) throw VaultException.Unavailable();
        }

        return Decide(version, new AccessRequest(recipient, subject, action, purpose, items), facts, clock.Now);
    }

    /// <summary>The same of a given policy. Since when a person is recorded stands in the id, and is read there when a rule asks.</summary>
    public static Decision Decide(PolicySet policy, AccessRequest request, DecisionFacts facts, DateTimeOffset now) =>
        policy.Decisions.Decide(request, policy.Decisions.AsksRecordAge ? Recorded(request.Subject, facts) : facts, now);

    public bool CanReach(Recipient recipient, SubjectId subject, DecisionFacts facts) => policy.Current.Decisions.CanReach(recipient, subject, facts);

    /// <summary>What a caller is told of a person whose record or keys are damaged: whoever may not know of everybody is told as much as of nobody.</summary>
    public VaultException Told(Recipient recipient, VaultException damage) =>
        ReachesEverybody(recipient) || recipient.Kind == RecipientKind.Customer ? damage : VaultException.NotFound();

    public bool ReachesEverybody(Recipient recipient) => policy.Current.Decisions.ReachesEverybody(recipient);

    /// <exception cref="VaultException">There is no such purpose.</exception>
    public Purpose Purpose(string name) => policy.Current.Purposes.Find(name) ?? throw VaultException.UnknownPurpose();

    private static DecisionFacts Recorded(SubjectId subject, DecisionFacts facts) =>
        facts with { Traits = facts.Traits with { RecordedAt = Uuid.TimeOf(subject.Value) } };

    public static int[] LogIds(IReadOnlyList<FieldPermit> permits)
    {
        var ids = new int[permits.Count];
        for (var index = 0; index < ids.Length; index++) ids[index] = AuditLog.ItemCode(permits[index].Item);
        return ids;
    }

    public static int[] LogIds(IReadOnlyList<ItemDecision> items)
    {
        var ids = new int[items.Count];
        for (var index = 0; index < ids.Length; index++) ids[index] = AuditLog.ItemCode(items[index].Item);
        return ids;
    }

    /// <summary>
    /// Whether an obligation stands in the way of what is no release: a search, a consent, an erasure, an export by the vault itself. None of these can meet one;
    /// what a read can, <see cref="ReleaseTerms"/> sees to.
    /// </summary>
    public static bool IsBound(Decision decision) => decision.Obligations.Count > 0;
}
