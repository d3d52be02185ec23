namespace DataVault.Vault;

/// <summary>The suppression list against its seals, its journal and its keys.</summary>
internal sealed class SuppressionCheck(CheckRun run, SuppressionList list, SuppressionJournal journal, SuppressionKeys keys, VaultClock clock) : IToldCheck
{
    private const string Name = "suppression";

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        var rows = await run.Snapshot.ListAsync(SuppressionList.Living, SuppressionList.Row, ct);
        run.Count("suppression marks", rows.Count);
        foreach (var _ in rows.Where(row => list.Genuine(row) is null)) run.Wrong(Name, "a mark of somebody who was erased is not what the vault wrote: it keeps nobody out");
        foreach (var epoch in rows.Select(row => row.Mark.Epoch).Distinct().Order())
        {
            if (await keys.EpochAsync(epoch, ct) is null) run.Wrong(Name, $"the key of the marks of epoch {epoch} does not open: they keep nobody out");
        }

        await JournalAsync([.. rows.Select(row => (row.Mark.Group, row.Mark.Number))], ct);
    }

    // What came or ended since the state that is looked at is looked for again: the journal is written after the database.
    private async Task JournalAsync(HashSet<(Guid, int)> there, CancellationToken ct)
    {
        var told = await journal.ReadAsync(ct);
        if (told.Damaged > 0) run.Wrong(Name, $"the suppression journal has {told.Damaged} lines that the vault did not write");
        var lacking = told.Marks.Values.Where(mark => mark.Expires > clock.Today && !there.Contains((mark.Group, mark.Number))).ToList();
        if (lacking.Count == 0) return;
        var (marks, ended) = await list.AllAsync(ct);
        there.UnionWith(marks.Select(mark => (mark.Group, mark.Number)));
        var gone = lacking.Count(mark => !there.Contains((mark.Group, mark.Number)) && !ended.Contains(mark.Group));
        if (gone > 0) run.Wrong(Name, $"{gone} marks of people who were erased are gone from the database; the next start puts them back from the journal");
    }
}
