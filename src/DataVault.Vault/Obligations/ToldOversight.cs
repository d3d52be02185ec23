using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What the log tells of approvals, reviews, alerts and planted people, for those who check their rows.</summary>
internal sealed class ToldOversight
{
    /// <summary>Approvals that somebody agreed to.</summary>
    public HashSet<Guid> Approved { get; } = [];

    /// <summary>The release that used an approval.</summary>
    public Dictionary<Guid, long> Used { get; } = [];

    /// <summary>Releases of which a review is due.</summary>
    public List<long> Reviewed { get; } = [];

    /// <summary>Of the first release of a review, the entry that decided it.</summary>
    public Dictionary<long, long> Decided { get; } = [];

    public List<long> Alerts { get; } = [];

    /// <summary>Of an alert, the entry that acknowledged it.</summary>
    public Dictionary<long, long> Acknowledged { get; } = [];

    public void Read(long index, LogEntry entry)
    {
        switch (entry.Type)
        {
            case EntryType.ApprovalChange when entry.Rules.Contains("approved"):
                Approved.UnionWith(ApprovalsOf(entry));
                break;
            case EntryType.ReviewChange when entry.Reference is { } of:
                Decided[of] = index;
                break;
            case EntryType.Alert:
                ReadAlert(index, entry);
                break;
            case EntryType.FieldRead or EntryType.EventRead when entry.Result == EntryResult.Ok:
                foreach (var approval in ApprovalsOf(entry)) Used[approval] = index;
                if (entry.Rules.Contains(ReleaseTerms.ReviewRule)) Reviewed.Add(index);
                break;
        }
    }

    private void ReadAlert(long index, LogEntry entry)
    {
        if (entry.Rules.Contains("acknowledged") && entry.Reference is { } of) Acknowledged[of] = index;
        else if (entry.Rules is [AlertKinds.BudgetExhausted or AlertKinds.HoneyTouched, ..]) Alerts.Add(index);
    }

    private static IEnumerable<Guid> ApprovalsOf(LogEntry entry)
    {
        foreach (var rule in entry.Rules.Where(rule => rule.StartsWith(ReleaseTerms.ApprovalRule, StringComparison.Ordinal)))
        {
            if (Guid.TryParseExact(rule[ReleaseTerms.ApprovalRule.Length..], "D", out var id)) yield return id;
        }
    }
}
