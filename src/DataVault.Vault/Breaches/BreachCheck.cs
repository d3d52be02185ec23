using System.Globalization;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>The steps of breaches that the log tells of: which entry, and the hash of what the step says.</summary>
internal sealed class ToldBreaches
{
    public Dictionary<(Guid Case, int Number), (long Index, string Kind, string Content)> Steps { get; } = [];

    public void Read(long index, LogEntry entry)
    {
        if (entry is not { Type: EntryType.BreachChange, Rules: [var of, var step, var kind, var content] }) return;
        if (!of.StartsWith(BreachBook.CaseRule, StringComparison.Ordinal) || !Guid.TryParseExact(of[BreachBook.CaseRule.Length..], "D", out var id)) return;
        if (!step.StartsWith(BreachBook.StepRule, StringComparison.Ordinal) || !int.TryParse(step[BreachBook.StepRule.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return;
        // What a restore lost may be written once more under the same number: the later entry tells of what is there.
        Steps[(id, number)] = (index, kind, content);
    }
}

/// <summary>The register of breaches against its seals and against the log, both ways.</summary>
internal sealed class BreachCheck(CheckRun run, BreachBook book) : IToldCheck
{
    private const string Name = "breaches";

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        var rows = await run.Snapshot.ListAsync($"select {BreachBook.Columns} from vault.breach_step", BreachBook.Row, ct);
        run.Count("breach steps", rows.Count);
        foreach (var row in rows)
        {
            if (!book.Matches(row)) run.Wrong(Name, $"step {row.Number} of the breach {row.Case} is not what the vault wrote");
            else if (!log.Breaches.Steps.TryGetValue((row.Case, row.Number), out var told)) run.Wrong(Name, $"no entry of the log tells of step {row.Number} of the breach {row.Case}");
            else if (told != (row.LogIndex, row.Kind, BreachBook.HashOf(row.Sealed))) run.Wrong(Name, $"step {row.Number} of the breach {row.Case} is not the one that entry {told.Index} tells of");
        }

        var there = rows.Select(row => (row.Case, row.Number)).ToHashSet();
        foreach (var ((id, number), told) in log.Breaches.Steps.Where(step => !there.Contains(step.Key) && !log.IsLost(step.Value.Index)))
            run.Wrong(Name, $"step {number} of the breach {id}, of which entry {told.Index} tells, is gone");
    }
}
