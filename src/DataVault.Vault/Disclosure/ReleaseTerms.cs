using System.Text;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>
/// What a release is bound to beyond the policy's yes: a reason, room in the budget, a second person's agreement, a message to the person, a review.
/// INVARIANT: what an obligation demands is written in the transaction of the entry, so it is durable before anything leaves; and where neither an obligation
/// nor a budget speaks, this costs no round trip.
/// </summary>
internal sealed class ReleaseTerms(VaultDatabase database, AuditLog log, Decider decider, DisclosureBudgets budgets, Brakes brakes, Duties duties)
{
    /// <summary>SPEC log-entry §8: before the id of the approval that is used.</summary>
    public const string ApprovalRule = "approval:";

    /// <summary>SPEC log-entry §8: a review is due.</summary>
    public const string ReviewRule = "review";

    /// <summary>SPEC log-entry §8: in a refusal, that the credential was stopped.</summary>
    public const string StoppedRule = "stopped";

    /// <summary>Why a decision to release cannot be followed; the problem is what the caller is told once the refusal is in the log.</summary>
    internal sealed record Refusal(string Reason, VaultException? Problem);

    /// <summary>Null when nothing that is known beforehand stands in the way.</summary>
    public Refusal? Refuse(ReadQuery query, Decision decision)
    {
        var purpose = decider.Purpose(query.Purpose);
        if (decision.Obligations.Count == 0 && purpose.Justification is null) return null;
        foreach (var obligation in decision.Obligations)
        {
            // Pseudonymising is what the analytics feed does, and nobody here.
            if (!Duties.Known.Contains(obligation)) return new Refusal(Reasons.NotPermitted, null);
        }

        // An emergency that was justified may still be going on: that is known in the transaction, in which the review is looked for.
        var perhapsCovered = purpose.BreakGlass && decision.Obligations.Contains(ObligationNames.Review) && !query.OfMany && query.Justification is null;
        var problem = perhapsCovered ? null : ReasonProblem(query.Recipient, purpose, decision, query.Justification);
        if (problem is not null) return new Refusal(Reasons.NotPermitted, problem);
        var agreed = !decision.Obligations.Contains(ObligationNames.FourEyes) || (query.Approval is not null && !query.OfMany);
        return agreed ? null : new Refusal(Reasons.NotPermitted, VaultException.ApprovalRequired());
    }

    /// <summary>What is wrong with the reason; null when there is nothing to say against it, or none is asked for.</summary>
    public static VaultException? ReasonProblem(Recipient recipient, Purpose purpose, Decision decision, string? reason)
    {
        return decision.Obligations.Contains(ObligationNames.Justification) ? Check(purpose, reason) : ReasonProblem(recipient, purpose, reason);
    }

    /// <summary>The same of what the purpose itself asks for, before anything is decided.</summary>
    public static VaultException? ReasonProblem(Recipient recipient, Purpose purpose, string? reason) =>
        purpose.Justification is not null && recipient.Kind is RecipientKind.Application or RecipientKind.Staff ? Check(purpose, reason) : null;

    private static VaultException? Check(Purpose purpose, string? reason)
    {
        if (reason is null) return VaultException.ReasonRequired();
        var taken = JustificationRule.IsReason(reason) && purpose.Justification?.IsMetBy(reason) != false;
        return taken ? null : VaultException.ReasonMismatch();
    }

    /// <summary>The release with the entry that says what became of it.</summary>
    public Release Draft(Release release, EntryType type)
    {
        var (query, decision) = (release.Query, release.Decision);
        var entry = release.Refused is null
            ? log.Entry(type, query.Recipient, release.Keys.Tag, query.Purpose, EntryResult.Ok, Decider.LogIds(release.Shown), query.RequestId)
            : log.Entry(EntryType.Denied, query.Recipient, release.Keys.Tag, query.Purpose, EntryResult.Denied, Decider.LogIds(decision.Items), query.RequestId);
        entry = entry with { RecordVersion = release.Record.RowVersion, Rules = RulesOf(release) };
        if (query.Justification is null) return release with { Entry = new PendingEntry(entry, null) };
        var (justified, detail) = log.WithDetail(entry, release.Keys, Encoding.UTF8.GetBytes(query.Justification), decider.Clock.Random);
        return release with { Entry = new PendingEntry(justified, detail) };
    }

    /// <summary>How long the credential is stopped for the purpose; null while it is not.</summary>
    public TimeSpan? Stopped(Recipient recipient, string purpose) => brakes.Wait(recipient, purpose);

    /// <summary>
    /// Takes what is released out of the budget; without room, the release becomes a refusal. Held or not: that somebody has no such value is told by the answer too.
    /// </summary>
    public ValueTask<Release> CountAsync(Release release, CancellationToken ct)
    {
        if (release.Refused is not null || release.Query.Recipient.Kind is not (RecipientKind.Application or RecipientKind.Staff)) return new(release);
        var purpose = decider.Purpose(release.Query.Purpose);
        return IsUnlimited(purpose) ? new(release) : CountOneAsync(release, purpose, ct);
    }

    /// <summary>The same for all of them together: either there is room for every one, or none is released.</summary>
    /// <param name="reads">Without a release where nothing could be decided.</param>
    /// <param name="foundBy">What each has been found by, which the answer tells too.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="VaultException">budget-exhausted, reviews-overdue; an entry for each is in the log.</exception>
    public async Task CountAllAsync(IReadOnlyList<(PendingEntry Entry, Release? Release)> reads, IReadOnlyList<CatalogueItem> foundBy, CancellationToken ct)
    {
        List<Release> going = [.. reads.Select(read => read.Release).OfType<Release>().Where(release => release.Refused is null)];
        if (going.Count == 0 || going[0].Query.Recipient.Kind is not (RecipientKind.Application or RecipientKind.Staff)) return;
        var (recipient, requestId) = (going[0].Query.Recipient, going[0].Query.RequestId);
        var purpose = decider.Purpose(going[0].Query.Purpose);
        if (IsUnlimited(purpose)) return;
        if (await duties.OwesAsync(recipient, purpose, ct)) throw await RefuseAllAsync(reads, Owing, ct);
        var shown = going.SelectMany(release => release.Permits.Select(permit => permit.Item).Concat(foundBy).Select(item => (release.Query.Subject, item)));
        if (await WaitAsync(recipient, purpose, shown, requestId, ct) is not { } wait) return;
        throw await RefuseAllAsync(reads, release => Stop(release, wait), ct);
    }

    /// <summary>What would have been released is refused, and all of it is in the log.</summary>
    private async Task<VaultException> RefuseAllAsync(IReadOnlyList<(PendingEntry Entry, Release? Release)> reads, Func<Release, Release> refuse, CancellationToken ct)
    {
        List<(PendingEntry Entry, VaultException? Problem)> refusals =
            [.. reads.Select(read => read.Release is { Refused: null } release && refuse(release) is var refused ? (refused.Entry, refused.Problem) : (read.Entry, null))];
        await database.RunAsync((connection, transaction) => log.AppendWithinAsync(connection, transaction, [.. refusals.Select(refusal => refusal.Entry)], ct), ct);
        return refusals.First(refusal => refusal.Problem is not null).Problem!;
    }

    private bool IsUnlimited(Purpose purpose) => purpose is { Budget: null, StopsAtOverdue: null } && brakes.AreOff;

    /// <summary>Takes whom a search found, and does not show, out of the budget. Null when there was room.</summary>
    public ValueTask<TimeSpan?> CountFoundAsync(
        Recipient recipient, Purpose purpose, IReadOnlyList<SubjectId> found, IReadOnlyList<CatalogueItem> foundBy, Guid requestId, CancellationToken ct) =>
        recipient.Kind is RecipientKind.Application or RecipientKind.Staff
            ? WaitAsync(recipient, purpose, found.SelectMany(subject => foundBy.Select(item => (subject, item))), requestId, ct)
            : new((TimeSpan?)null);

    /// <summary>Makes the entry durable, together with what the obligations demand.</summary>
    /// <returns>The entry's index.</returns>
    /// <exception cref="VaultException">What stood in the way; the refusal is in the log.</exception>
    public Task<long> AppendAsync(Release release, CancellationToken ct)
    {
        if (release.Problem is not null) return RefuseAsync(release, release.Problem, ct);
        return Duties.AreDue(release) ? CarryOutAsync(release, ct) : log.AppendAsync(release.Entry, ct);
    }

    /// <summary>The entries of many reads in one transaction, after the one given first, with what the obligations of each demand.</summary>
    /// <returns>Index of the first entry.</returns>
    public Task<long> AppendAllAsync(IReadOnlyList<(PendingEntry Entry, Release? Release)> reads, PendingEntry? first, CancellationToken ct) =>
        database.RunAsync(
            async (connection, transaction) =>
            {
                var work = new DutyWork(connection, transaction, ct);
                await using var due = new DueDuties();
                foreach (var (read, at) in reads.Select((read, at) => (read, at + (first is null ? 0 : 1))))
                {
                    if (read.Release is { Problem: null } release && Duties.AreDue(release)) due.Add(await duties.PrepareAsync(work, release), at);
                }

                List<PendingEntry> entries = [.. reads.Select(read => read.Entry)];
                foreach (var (duty, at) in due.All.Where(one => one.Duty.MessageKeys is not null))
                {
                    var place = first is null ? at : at - 1;
                    entries[place] = new PendingEntry(SubjectInbox.Named(entries[place].Entry, duty.Message), entries[place].Detail, entries[place].Members);
                }

                if (first is not null) entries.Insert(0, first);
                var index = await log.AppendWithinAsync(connection, transaction, entries, ct);
                await duties.FollowAsync(work, due, index);
                return index;
            },
            ct);

    private async Task<long> CarryOutAsync(Release release, CancellationToken ct)
    {
        try
        {
            return await AppendAllAsync([(release.Entry, release)], null, ct);
        }
        catch (VaultException e) when (e.Slug is "approval-required" or "reason-required")
        {
            return await RefuseAsync(Draft(release with { Refused = Reasons.NotPermitted }, EntryType.Denied), e, ct);
        }
    }

    private async Task<long> RefuseAsync(Release release, VaultException problem, CancellationToken ct)
    {
        await log.AppendAsync(release.Entry, ct);
        throw problem;
    }

    private async ValueTask<Release> CountOneAsync(Release release, Purpose purpose, CancellationToken ct)
    {
        if (await duties.OwesAsync(release.Query.Recipient, purpose, ct)) return Owing(release);
        var shown = release.Permits.Select(permit => (release.Query.Subject, permit.Item));
        return await WaitAsync(release.Query.Recipient, purpose, shown, release.Query.RequestId, ct) is { } wait ? Stop(release, wait) : release;
    }

    private async ValueTask<TimeSpan?> WaitAsync(Recipient recipient, Purpose purpose, IEnumerable<(SubjectId Subject, CatalogueItem Item)> shown, Guid requestId, CancellationToken ct)
    {
        if (brakes.Wait(recipient, purpose.Name) is { } wait) return wait;
        return purpose.Budget is null ? null : await budgets.TakeAsync(recipient, purpose, shown, requestId, ct);
    }

    private Release Owing(Release release) =>
        Draft(release with { Refused = Reasons.NotPermitted, Problem = VaultException.ReviewsOverdue() }, EntryType.Denied);

    private Release Stop(Release release, TimeSpan wait) =>
        Draft(release with { Refused = Reasons.BudgetExhausted, Problem = VaultException.BudgetExhausted(wait) }, EntryType.Denied);

    // SPEC log-entry §8: an approval that is used is named, and that a review is due, and that the credential was stopped.
    private static IReadOnlyList<string> RulesOf(Release release)
    {
        var (query, decision) = (release.Query, release.Decision);
        if (release.Refused == Reasons.BudgetExhausted) return [.. decision.RuleIds, StoppedRule];
        if (release.Refused is not null || decision.Obligations.Count == 0) return decision.RuleIds;
        List<string> rules = [.. decision.RuleIds];
        if (query.Approval is { } approval && decision.Obligations.Contains(ObligationNames.FourEyes)) rules.Add($"{ApprovalRule}{approval:D}");
        if (decision.Obligations.Contains(ObligationNames.Review)) rules.Add(ReviewRule);
        return rules;
    }
}
