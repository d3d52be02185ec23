namespace DataVault.Vault;

/// <summary>Approvals, reviews and alerts against their seals and against the log.</summary>
internal sealed class OversightCheck(CheckRun run, OversightSeals seals) : IToldCheck
{
    private const string Name = "oversight";

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        Approvals(log, await run.Snapshot.ListAsync($"select {ApprovalBook.Columns} from vault.approval", ApprovalBook.Row, ct));
        Reviews(log, await run.Snapshot.ListAsync($"select {ReviewBook.Columns} from vault.review", ReviewBook.Row, ct));
        Alerts(log, await run.Snapshot.ListAsync($"select {AlertBook.OwnColumns} from vault.alert", AlertBook.Own, ct));
    }

    private void Approvals(LogCheck log, List<ApprovalRow> rows)
    {
        run.Count("approvals", rows.Count);
        foreach (var row in rows)
        {
            if (!seals.Matches(row)) run.Wrong(Name, $"the approval {row.Id} is not what the vault wrote");
            else if (row.State is "approved" or "used" && !log.Oversight.Approved.Contains(row.Id)) run.Wrong(Name, $"no entry of the log agrees to the approval {row.Id}");
            else if (row.State != "used" && log.Oversight.Used.TryGetValue(row.Id, out var used) && !log.IsLost(used))
                run.Wrong(Name, $"the approval {row.Id} was used by entry {used}, and its row says {row.State}");
        }
    }

    private void Reviews(LogCheck log, List<ReviewRow> rows)
    {
        run.Count("reviews", rows.Count);
        foreach (var row in rows)
        {
            var decided = log.Oversight.Decided.TryGetValue(row.Entries.FirstOrDefault(-1), out var entry);
            if (!seals.Matches(row)) run.Wrong(Name, $"the review {row.Id} is not what the vault wrote");
            else if ((row.State == ReviewStates.Open) == decided && !(decided && log.IsLost(entry)))
                run.Wrong(Name, $"the review {row.Id} is {row.State}, and the log has it {(decided ? $"decided by entry {entry}" : "undecided")}");
        }

        var about = rows.SelectMany(row => row.Entries).ToHashSet();
        foreach (var index in log.Oversight.Reviewed.Where(index => !about.Contains(index) && !log.IsLost(index)))
            run.Wrong(Name, $"entry {index} releases under a review, and no review is about it");
    }

    private void Alerts(LogCheck log, List<AlertView> rows)
    {
        run.Count("alerts", rows.Count);
        foreach (var row in rows)
        {
            var answered = log.Oversight.Acknowledged.TryGetValue(row.LogIndex, out var entry);
            if (!seals.Matches(row)) run.Wrong(Name, $"the alert {row.Id} is not what the vault wrote");
            else if ((row.AcknowledgedAt is not null) != answered && !(answered && log.IsLost(entry)))
                run.Wrong(Name, $"the alert {row.Id} is {(answered ? "not acknowledged" : "acknowledged")}, and the log says otherwise");
        }

        var raised = rows.Select(row => row.LogIndex).ToHashSet();
        foreach (var index in log.Oversight.Alerts.Where(index => !raised.Contains(index) && !log.IsLost(index))) run.Wrong(Name, $"the alert that entry {index} raised is gone");
    }
}
