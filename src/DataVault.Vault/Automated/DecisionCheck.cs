using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What the log tells of automated decisions, for those who check their rows.</summary>
internal sealed class ToldDecisions
{
    /// <summary>By id: about whom, the entry that recorded it, the newest one, and where that puts it.</summary>
    public Dictionary<Guid, (string Tag, long Recorded, long Newest, string State)> All { get; } = [];

    public void Read(long index, LogEntry entry)
    {
        if (entry.Type is not (EntryType.DecisionRecord or EntryType.DecisionChange) || DecisionLog.IdOf(entry) is not { } id) return;
        if (entry.Type == EntryType.DecisionRecord)
        {
            All[id] = (Convert.ToHexString(entry.Subject.Span), index, index, DecisionStates.Recorded);
            return;
        }

        var state = entry.Rules.FirstOrDefault(rule => rule.StartsWith(DecisionLog.StateRule, StringComparison.Ordinal));
        if (state is not null && All.TryGetValue(id, out var told)) All[id] = told with { Newest = index, State = state[DecisionLog.StateRule.Length..] };
    }
}

/// <summary>Automated decisions against their seals, and against the log: none is gone but with its person or after its time, none is as it was before.</summary>
internal sealed class DecisionCheck(CheckRun run, DecisionRows rows) : IToldCheck
{
    private const string Name = "decisions";

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        var there = (await run.Snapshot.ListAsync($"select {DecisionRows.Columns} from vault.automated_decision", DecisionRows.Read, ct)).ToDictionary(row => row.Id);
        run.Count("automated decisions", there.Count);
        foreach (var row in there.Values)
        {
            if (!rows.Fits(row)) run.Wrong(Name, $"the automated decision {row.Id} is not what the vault wrote");
            else if (!log.Decisions.All.TryGetValue(row.Id, out var told)) run.Wrong(Name, $"no entry of the log records the automated decision {row.Id}");
            else if ((told.Newest, told.State) != (row.ChangeIndex, row.State) && !log.IsLost(told.Newest))
                run.Wrong(Name, $"the automated decision {row.Id} is {row.State}, and entry {told.Newest} says {told.State}");
        }

        foreach (var (id, told) in log.Decisions.All.Where(one => !there.ContainsKey(one.Key) && one.Value.State != DecisionLog.Forgotten))
        {
            var goes = log.IsErased(told.Tag) || log.IsLost(told.Recorded) || (log.Oversight.Erasing.TryGetValue(told.Tag, out var since) && told.Recorded < since);
            if (!goes) run.Wrong(Name, $"the automated decision {id}, which entry {told.Recorded} records, is gone");
        }
    }
}
