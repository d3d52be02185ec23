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

    /// <summary>Messages to people, each with the entry that it tells of and the person's tag.</summary>
    public Dictionary<Guid, (long Index, string Tag)> Messages { get; } = [];

    /// <summary>By tag, when somebody's erasure began: from then on messages of before may be gone, also where a hold keeps something of the person.</summary>
    public Dictionary<string, long> Erasing { get; } = [];

    public List<long> Alerts { get; } = [];

    /// <summary>Of an alert, the entry that acknowledged it.</summary>
    public Dictionary<long, long> Acknowledged { get; } = [];

    public void Read(long index, LogEntry entry)
    {
        foreach (var message in IdsOf(entry, SubjectInbox.MessageRule)) Messages[message] = (index, Convert.ToHexString(entry.Subject.Span));
        switch (entry.Type)
        {
            case EntryType.EraseRequest:
                Erasing[Convert.ToHexString(entry.Subject.Span)] = index;
                break;
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

    private static IEnumerable<Guid> ApprovalsOf(LogEntry entry) => IdsOf(entry, ReleaseTerms.ApprovalRule);

    private static IEnumerable<Guid> IdsOf(LogEntry entry, string before)
    {
        foreach (var rule in entry.Rules.Where(rule => rule.StartsWith(before, StringComparison.Ordinal)))
        {
            if (Guid.TryParseExact(rule[before.Length..], "D", out var id)) yield return id;
        }
    }
}
