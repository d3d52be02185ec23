namespace DataVault.Vault;

/// <summary>Approvals, reviews and alerts against their seals and against the log; brakes, planted people and how far the alarms have read against what is kept of them.</summary>
internal sealed class OversightCheck(CheckRun run, OversightSeals seals, OversightMemory memory, HoneyBook honey, BudgetBook budgets, VaultDatabase database) : IToldCheck
{
    private const string Name = "oversight";

    public async Task RunAsync(LogCheck log, CancellationToken ct)
    {
        Approvals(log, await run.Snapshot.ListAsync($"select {ApprovalBook.Columns} from vault.approval", ApprovalBook.Row, ct));
        Reviews(log, await run.Snapshot.ListAsync($"select {ReviewBook.Columns} from vault.review", ReviewBook.Row, ct));
        Alerts(log, await run.Snapshot.ListAsync($"select {AlertBook.OwnColumns} from vault.alert", AlertBook.Own, ct));
        var messages = await run.Snapshot.ListAsync(
            "select message_id, letter, way from vault.message", row => (Id: row.GetGuid(0), Letter: row.IsDBNull(1) ? null : row.GetString(1), Way: row.IsDBNull(2) ? null : row.GetString(2)), ct);
        Messages(log, [.. messages.Select(message => message.Id)]);
        foreach (var (id, letter, way) in messages) Letter(log, id, letter, way);
        foreach (var one in await MissingAsync(OversightMemory.Brake, "select uuid_send(actor_tag) || convert_to(purpose, 'UTF8') from vault.brake", ct))
            run.Wrong(Name, $"the brake of the alert {new Guid(one.Value, bigEndian: true)} is gone; it holds");
        foreach (var one in await MissingAsync(OversightMemory.Honey, "select uuid_send(honey_id) from vault.honey", ct))
            run.Wrong(Name, $"the mark {new Guid(one.Id, bigEndian: true)} of somebody planted is gone; it holds");
        foreach (var budget in await budgets.LoosenedAsync(ct)) run.Wrong(Name, $"the budget of the application {budget.Client} for {budget.Purpose} is gone or larger than it was set; it holds as it was set");
        foreach (var (id, value) in await run.Snapshot.ListAsync("select honey_id, sealed from vault.honey", row => (row.GetGuid(0), row.GetFieldValue<byte[]>(1)), ct))
        {
            if (honey.TryOpen(id, value) is null) run.Wrong(Name, $"the mark {id} of somebody planted does not open");
        }
    }

    // What came or went since the state that is looked at is looked for again, in this order.
    private async Task<IReadOnlyList<Kept>> MissingAsync(string kind, string ids, CancellationToken ct)
    {
        var there = (await run.Snapshot.ListAsync(ids, row => Convert.ToHexString(row.GetFieldValue<byte[]>(0)), ct)).ToHashSet();
        if ((await memory.ReadAsync(kind, ct)).All(one => there.Contains(Convert.ToHexString(one.Id)))) return [];
        await using var command = database.Source.CreateCommand(ids);
        there.UnionWith(await Rows.ReadAsync(command, row => Convert.ToHexString(row.GetFieldValue<byte[]>(0)), ct));
        return [.. (await memory.ReadAsync(kind, ct)).Where(one => !there.Contains(Convert.ToHexString(one.Id)))];
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

    // Who is erased has no messages any more.
    private void Messages(LogCheck log, List<Guid> rows)
    {
        run.Count("messages", rows.Count);
        var there = rows.ToHashSet();
        bool MayBeGone(string tag, long index) => log.IsErased(tag) || log.IsLost(index) || (log.Oversight.Erasing.TryGetValue(tag, out var since) && index < since);
        foreach (var (id, (index, tag)) in log.Oversight.Messages.Where(told => !there.Contains(told.Key) && !MayBeGone(told.Value.Tag, told.Value.Index)))
            run.Wrong(Name, $"the message {id} that tells a person of entry {index} is gone");
    }

    // A letter that is taken off the list of the post reaches nobody; one that is put back on it reaches somebody twice.
    private void Letter(LogCheck log, Guid id, string? kind, string? way)
    {
        if (!log.Oversight.Letters.TryGetValue(id, out var written))
        {
            if (kind is not null) run.Wrong(Name, $"no entry of the log tells of the letter {id}");
            return;
        }

        var (isGone, entry) = (log.Oversight.Gone.TryGetValue(id, out var index), index);
        if (written.Rule != "letter:" + kind) run.Wrong(Name, $"the letter {id} is not of the kind that entry {written.Index} names");
        else if (isGone != way is LetterWays.Sent or LetterWays.Posted && !(isGone && log.IsLost(entry)))
            run.Wrong(Name, $"the letter {id} is on the way {way}, and the log has it {(isGone ? $"gone by entry {entry}" : "waiting")}");
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
