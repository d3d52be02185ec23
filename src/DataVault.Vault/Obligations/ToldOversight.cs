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

    /// <summary>Of these the letters, each with the entry that says it was written and the rule that names its kind.</summary>
    public Dictionary<Guid, (long Index, string Rule)> Letters { get; } = [];

    /// <summary>Letters that were sent or posted, with the entry that says so.</summary>
    public Dictionary<Guid, long> Gone { get; } = [];

    /// <summary>By tag, when somebody's erasure began: from then on messages of before may be gone, also where a hold keeps something of the person.</summary>
    public Dictionary<string, long> Erasing { get; } = [];

    public List<long> Alerts { get; } = [];

    /// <summary>Of an alert, the entry that acknowledged it.</summary>
    public Dictionary<long, long> Acknowledged { get; } = [];

    public void Read(long index, LogEntry entry)
    {
        foreach (var message in IdsOf(entry, SubjectInbox.MessageRule)) ReadMessage(message, index, entry);
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

    private void ReadMessage(Guid message, long index, LogEntry entry)
    {
        // Later entries say how a letter went on; it is there since the first.
        Messages.TryAdd(message, (index, Convert.ToHexString(entry.Subject.Span)));
        if (entry.Type == EntryType.LetterWritten) Letters[message] = (index, entry.Rules[0]);
        if (entry.Type == EntryType.LetterPosted || (entry.Type == EntryType.LetterWay && entry.Rules[0] == "way:sent")) Gone[message] = index;
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
