using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What somebody decided who looked at a contested decision.</summary>
/// <param name="Result">One of <see cref="RequestReasons.Outcomes"/>.</param>
/// <param name="Outcome">What it comes to now; of a change alone.</param>
/// <param name="Words">To the person.</param>
/// <param name="By">Account of whoever looked.</param>
internal sealed record DecisionVerdict(string Result, string? Outcome, string? Words, string By);

/// <summary>A decision as a step of its contest leaves it.</summary>
/// <param name="Entry">To be appended with the entries of the step; null where only its date moves.</param>
internal sealed record ContestStep(DecisionRow Row, LogEntry? Entry);

/// <summary>
/// Lets a decision follow its contest: in the transaction of each step of the request, so that neither says what the other does not.
/// <code>
/// recorded  -- the contest is opened -->  contested  -- a person looks -->  upheld, changed or annulled
///     ^------- refused, withdrawn or expired --'
/// </code>
/// </summary>
internal sealed class ContestedDecisions(DecisionRows rows, SubjectInbox inbox, ActivePolicy policy)
{
    /// <summary>Whether it can be contested is looked at under its lock, when the request is written: a call that is repeated finds its request first.</summary>
    /// <exception cref="VaultException">invalid-fields: the person has no such decision.</exception>
    public async Task CheckAsync(SubjectId subject, Guid id, CancellationToken ct)
    {
        if (await rows.FindAsync(id, ct) is not { } row || row.Subject != subject)
            throw VaultException.Invalid([new FieldProblem("/decision", "unknown", "The person has no such decision.")]);
    }

    /// <summary>Whether somebody may look at the decision that a request contests: a person, of the roles that the policy names, and none of those who operate the model.</summary>
    public async Task<bool> MayReviewAsync(Recipient officer, RequestRow request, CancellationToken ct)
    {
        if (request.Course.Decision is not { } id) return true;
        if (await rows.FindAsync(id, ct) is not { } row || policy.Current.Models.Find(row.Model)?.Review is not { } review) return true;
        var roles = policy.Current.Roles;
        return (review.Roles.Count == 0 || roles.Descends(officer.Roles, review.Roles)) && !roles.Descends(officer.Roles, review.Operators);
    }

    /// <summary>What is decided, checked; null of a request that contests no recorded decision.</summary>
    /// <exception cref="VaultException">invalid-fields: something is missing.</exception>
    public async Task<DecisionVerdict?> VerdictAsync(Recipient officer, RequestRow request, string result, StepTerms terms, CancellationToken ct)
    {
        if (request.Course.Decision is not { } id)
            return terms.Outcome is null ? null : throw Invalid("/outcome", "not-kept", "The request contests no recorded decision.");
        // SPEC GDPR 22(3): the person expressed a view, and is told what became of it.
        if (terms.Note is not { Length: > 0 }) throw Invalid("/note", "missing", "The person is told why, in words.");
        var changed = DecisionStates.Of(result) == DecisionStates.Changed;
        if (changed != terms.Outcome is not null) throw Invalid("/outcome", changed ? "missing" : "not-kept", "What a decision comes to now is said of one that is changed, and of no other.");
        if (changed && await rows.FindAsync(id, ct) is { } row && policy.Current.Models.Find(row.Model) is { } model && model.Outcome(terms.Outcome!) is null)
            throw Invalid("/outcome", "unknown", $"The outcome is one of {string.Join(", ", model.Outcomes.Select(one => one.Code))}.");
        return new DecisionVerdict(result, terms.Outcome, terms.Note, officer.Id);
    }

    /// <summary>Appends the entries of a step with a request, the last of them about the request itself, and the decision's own where it contests one.</summary>
    /// <param name="work">The transaction of the step. INVARIANT: the request is locked in it, or new.</param>
    /// <param name="request">As the step leaves it.</param>
    /// <param name="entries">Of the step.</param>
    /// <param name="append">Locks the head of the log; gives the index of the first.</param>
    /// <returns>The index of the last.</returns>
    public async Task<long> AppendAsync(DutyWork work, RequestRow request, IReadOnlyList<LogEntry> entries, Func<IReadOnlyList<LogEntry>, Task<long>> append)
    {
        var step = await FollowAsync(work, request, entries[^1]);
        IReadOnlyList<LogEntry> all = step?.Entry is { } followed ? [followed, .. entries] : entries;
        var first = await append(all);
        if (step is not null) await rows.SaveAsync(work.Connection, step.Entry is null ? step.Row : step.Row with { ChangeIndex = first }, work.Cancellation);
        return first + all.Count - 1;
    }

    private async Task<ContestStep?> FollowAsync(DutyWork work, RequestRow request, LogEntry about)
    {
        if (request is not { Kind: RequestKinds.Contest, Subject: { } subject, Course.Decision: { } id }) return null;
        using var held = await inbox.KeysAsync(work, subject);
        if (await DecisionRows.LockAsync(work.Connection, subject, id, work.Cancellation) is not { } row) return null;
        if (!rows.Fits(row)) throw VaultException.InvalidState("The decision is not as the vault wrote it.");
        if (row.Request is { } other && other != request.Id && row.State == DecisionStates.Contested) throw VaultException.InvalidState("The decision is contested already.");
        var after = Followed(row, request);
        if (request.Verdict is { } verdict && after.State != row.State)
            after = after with { Review = rows.Seal(held, id, new DecisionReview(verdict.Result, verdict.Outcome, verdict.Words, verdict.By, rows.Clock.Now)) };
        if (after.State == row.State) return after.ReviewBy == row.ReviewBy ? null : new ContestStep(after, null);
        var entry = about with { Type = EntryType.DecisionChange, Rules = [DecisionLog.Of(id), DecisionLog.StateRule + after.State, $"request:{request.Id:D}"] };
        return new ContestStep(after with { ChangedAt = rows.Clock.Now }, entry);
    }

    private DecisionRow Followed(DecisionRow row, RequestRow request)
    {
        if (RequestStates.IsOpen(request.State))
        {
            if (row.State is not (DecisionStates.Recorded or DecisionStates.Contested)) throw VaultException.InvalidState($"The decision is {row.State}.");
            return row with { State = DecisionStates.Contested, Request = request.Id, ReviewBy = ReviewBy(row, request) };
        }

        if (row.State != DecisionStates.Contested) return row;
        var state = request is { State: RequestStates.Completed, Reason: { } result } ? DecisionStates.Of(result) : DecisionStates.Recorded;
        return row with { State = state, ReviewBy = null };
    }

    // The law's date is the last; a model may promise an earlier one.
    private DateTimeOffset ReviewBy(DecisionRow row, RequestRow request)
    {
        var promised = policy.Current.Models.Find(row.Model)?.Review.Days is { } days ? request.OpenedAt.AddDays(days) : request.DueAt;
        return promised < request.DueAt ? promised : request.DueAt;
    }

    private static VaultException Invalid(string pointer, string code, string message) => VaultException.Invalid([new FieldProblem(pointer, code, message)]);
}
