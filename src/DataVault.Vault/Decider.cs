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

        return version.Decisions.Decide(new AccessRequest(recipient, subject, action, purpose, items), facts, clock.Now);
    }

    /// <exception cref="VaultException">There is no such purpose.</exception>
    public Purpose Purpose(string name) => policy.Current.Purposes.Find(name) ?? throw VaultException.UnknownPurpose();

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
