using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>The policy in force, asked at the time of the injected clock.</summary>
internal sealed class Decider(ActivePolicy policy, VaultClock clock)
{
    /// <summary>The version that the call took.</summary>
    public PolicySet Policy => policy.Current;

    public VaultClock Clock => clock;

    public Decision Decide(Recipient recipient, SubjectId subject, AccessAction action, string purpose, IReadOnlyList<RequestedItem>? items, DecisionFacts facts) =>
        policy.Current.Decisions.Decide(new AccessRequest(recipient, subject, action, purpose, items), facts, clock.Now);

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
    /// What stands in the way of a release although items are permitted: an obligation that nobody here carries out. An entry in the log is neither
    /// a notice to the person nor a review by an officer, so neither counts as met.
    /// </summary>
    public static string? Unmet(Decision decision, string? justification)
    {
        foreach (var obligation in decision.Obligations)
        {
            var met = obligation switch
            {
                ObligationNames.Justification => !string.IsNullOrWhiteSpace(justification),
                _ => false,
            };
            if (!met) return obligation;
        }
        return null;
    }
}
