using System.Collections.Frozen;
using System.Text;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>What somebody says with a step.</summary>
/// <param name="Reason">A code: of a refusal, an extension, an outcome, a choice; of a question its cause.</param>
/// <param name="Note">In words; kept sealed under the person's key, and the person may read it.</param>
public sealed record StepTerms(string? Reason = null, string? Note = null)
{
    /// <summary>Of a verification, by which method of rights.yaml.</summary>
    public string? Method { get; init; }

    /// <summary>Of a verification, what was shown: kept sealed, for a short time, and for officers alone.</summary>
    public string? Evidence { get; init; }

    /// <summary>The verification was tried, and failed.</summary>
    public bool Failed { get; init; }

    /// <summary>Of a contested decision that is changed, what it comes to now: a code of its model.</summary>
    public string? Outcome { get; init; }

    /// <summary>Of a choice, which fields and event types.</summary>
    public IReadOnlyList<string>? Items { get; init; }

    /// <summary>Of an answer, that none came: the request goes on without it.</summary>
    internal bool Silence { get; init; }

    /// <summary>Of a choice about an objection, which purposes go on in spite of it.</summary>
    public IReadOnlyList<string>? Purposes { get; init; }

    /// <summary>Of what an erasure leaves, when somebody looks again.</summary>
    public DateTimeOffset? ReviewAt { get; init; }

    /// <summary>The newest entry of the request that whoever decides has seen: it is refused when there is a newer one.</summary>
    public long? Seen { get; init; }
}

/// <summary>
/// Takes requests from one state to the next. Each step is decided under the lock of the row, upon the row that whoever decides has seen: of two officers at
/// once one wins, and the other is told.
/// </summary>
internal sealed class RequestSteps(RequestStore store, RequestNotes notes, SecondOfficer second, RequestIntake intake)
{
    private const int LongestNote = 4_000;
    private const int MostQuestions = 20;
    private const int MostChecks = 50;
    private static readonly FrozenSet<RequestAct> s_inWords = FrozenSet.ToFrozenSet([RequestAct.Ask, RequestAct.Extend, RequestAct.Refuse]);

    public RequestNotes Notes => notes;

    /// <inheritdoc cref="SecondOfficer.CanSignInAsync"/>
    public Task<bool> CanSignInAsync(SubjectId subject, CancellationToken ct) => second.CanSignInAsync(subject, ct);

    private RightsRules Rules => second.Policy.Rights;

    /// <exception cref="VaultException">invalid-fields: something is missing; invalid-state: the law or the state does not allow it, or somebody was quicker.</exception>
    public async Task<RequestRow> TakeAsync(Recipient recipient, RequestRow before, RequestAct act, StepTerms terms, Guid requestId, CancellationToken ct)
    {
        Check(act, terms);
        if (terms.Seen is { } seen && seen != before.LogIndex) throw Overtaken();
        var by = recipient.Kind == RecipientKind.Customer ? "customer" : "officer";
        var note = await notes.AddAsync(before, by, Checked(terms.Note), ct);
        var evidence = await notes.AddAsync(before, by, Checked(terms.Evidence, "/evidence"), ct, RequestNotes.OfIdentity);
        var rules = act == RequestAct.Approve && before.State == RequestStates.Verified ? await second.NeededForAsync(before, ct) : [];
        var verdict = act == RequestAct.Complete && before.Kind == RequestKinds.Contest ? await store.Contests.VerdictAsync(recipient, before, terms.Reason!, terms, ct) : null;
        using var step = intake.Objections.Step();
        RequestRow Decide(RequestRow row) => row.LogIndex != before.LogIndex ? throw Overtaken()
            : Decided(recipient, row, act, terms, rules) with { Notes = RequestNotes.Joined(row.Notes, note), Evidence = RequestNotes.Joined(row.Evidence, evidence), Objecting = step, Verdict = verdict };
        var after = NoticeOf(act, terms) is { } notice
            ? await store.TellAsync(recipient, before.Id, Decide, notice, requestId, ct)
            : await store.ChangeAsync(recipient, before.Id, Decide, requestId, ct);
        await step.CommittedAsync(ct);
        return after;
    }

    /// <summary>What was shown of the identity, until some days after the request was closed, also where nobody has swept it away yet.</summary>
    public async Task<IReadOnlyList<RequestNote>> EvidenceAsync(RequestRow row, CancellationToken ct) =>
        row.CompletedAt?.AddDays(Rules.EvidenceDays) <= store.Now ? [] : await notes.ReadEvidenceAsync(row, ct);

    // What the person is told in the transaction of the step.
    private static Func<RequestRow, RequestNotice>? NoticeOf(RequestAct act, StepTerms terms) => act switch
    {
        RequestAct.Acknowledge => _ => new("request.acknowledged", new LetterOrder(LetterKind.Received)),
        RequestAct.Ask => row => new("request.asked-" + terms.Reason, new LetterOrder(terms.Reason == "identity" ? LetterKind.VerificationNeeded : LetterKind.Paused)
        {
            Reason = terms.Reason, Until = row.Course.Questions[^1].AnswerBy,
        }),
        // Whoever did not answer is not thanked for an answer.
        RequestAct.Answer when terms.Silence => _ => new("request.went-on", null),
        RequestAct.Answer => _ => new("request.answered", new LetterOrder(LetterKind.Resumed)),
        RequestAct.Extend => _ => new("request.extended", new LetterOrder(LetterKind.Extended) { Reason = terms.Reason }),
        RequestAct.Refuse => _ => new("request.refused", new LetterOrder(LetterKind.Refused) { Reason = terms.Reason }),
        RequestAct.Withdraw => _ => new("request.withdrawn", new LetterOrder(LetterKind.Withdrawn)),
        RequestAct.Complete => row => row.Kind == RequestKinds.Contest
            ? new("request.contest-decided", new LetterOrder(LetterKind.ContestDecided) { Reason = row.Outcome }) : new("request.rectified", new LetterOrder(LetterKind.Rectified)),
        RequestAct.Expire => _ => new("request.expired", new LetterOrder(LetterKind.Expired)),
        _ => null,
    };

    private RequestRow Decided(Recipient recipient, RequestRow row, RequestAct act, StepTerms terms, IReadOnlyList<string> rules)
    {
        var state = RequestLifecycle.Next(row.Kind, row.State, act) ?? throw NotNow(row.State);
        var now = store.Now;
        return act switch
        {
            RequestAct.Verify => Verified(row, terms),
            RequestAct.Acknowledge when row.Course.AcknowledgedAt is not null => throw VaultException.InvalidState("Receipt is acknowledged already."),
            RequestAct.Acknowledge => row with { Course = row.Course with { AcknowledgedAt = now }, Said = ["acknowledged"] },
            RequestAct.Ask => Asked(row, terms.Reason!),
            RequestAct.Answer => Answered(row, terms, now),
            RequestAct.Extend => Extended(row, terms.Reason!),
            RequestAct.Choose => Chosen(row with { State = state }, terms),
            RequestAct.Approve => Approved(recipient, row, rules),
            // SPEC GDPR 12(4): a refusal says where to complain; without an authority there is nothing to say.
            RequestAct.Refuse when second.Policy.Letters is not null && intake.Law(row.Jurisdiction).Breach.Authority is null =>
                throw Invalid("/reason", "no-authority", "The policy names no authority of this regime for the person to complain to: add it to jurisdictions.yaml."),
            RequestAct.Withdraw when row.Work is not null => throw VaultException.InvalidState("The erasure has begun, and there is no way back."),
            RequestAct.Complete => row.Done(now) with { State = state, Reason = terms.Reason },
            _ => Closed(row, state, terms.Reason) with { Said = ["reason:" + terms.Reason] },
        };
    }

    // What was open is over, so that nobody waits for an answer.
    private RequestRow Closed(RequestRow row, string state, string? reason) =>
        row with { State = state, CompletedAt = store.Now, Reason = reason, Course = row.Course.Answered(store.Now) };

    // SPEC GDPR 12(6): no more than the request needs, and no end of attempts.
    private RequestRow Verified(RequestRow row, StepTerms terms)
    {
        if (Rules.Methods.Count == 0) return terms.Failed ? throw VaultException.InvalidState("The policy names no methods of verification.") : row with { State = RequestStates.Verified };
        var method = Rules.Method(terms.Method ?? "") ?? throw Invalid("/method", "unknown", $"The method is one of {string.Join(", ", Rules.Methods.Select(one => one.Name))}.");
        var failed = row.Course.Checks.Count(check => check.Method == method.Name && !check.Passed);
        if (failed >= method.Attempts) throw VaultException.InvalidState($"By {method.Name} it was tried {failed} times: this way is closed for this request.");
        if (row.Course.Checks.Count >= MostChecks) throw VaultException.InvalidState("The identity was looked at too often: refuse the request, or let the person open another.");
        var check = new IdentityCheck(method.Name, terms.Failed ? Assurance.None : method.Level, store.Now, !terms.Failed);
        var course = row.Course with { Checks = [.. row.Course.Checks, check] };
        var enough = check.Passed && course.Assurance >= Rules.Needed(row.Kind);
        row = row with { Course = course, Said = [$"identity:{method.Name}", $"assurance:{AssuranceNames.Of(check.Level)}"] };
        return enough ? Resumed(row with { State = RequestStates.Verified }, "identity", store.Now) : row;
    }

    private RequestRow Asked(RequestRow row, string cause)
    {
        if (row.Course.Questions.Any(question => question.Cause == cause && question.Until is null)) throw VaultException.InvalidState("The person was asked for this and has not answered yet.");
        if (row.Course.Questions.Count >= MostQuestions) throw VaultException.InvalidState("The person was asked too often.");
        var rule = Rules.Question(cause);
        var question = new RequestQuestion(cause, store.Now, store.Now.AddDays(rule.Days), null);
        return row with { Course = row.Course with { Questions = [.. row.Course.Questions, question] }, Said = ["asked:" + cause] };
    }

    private RequestRow Answered(RequestRow row, StepTerms terms, DateTimeOffset at)
    {
        var cause = terms.Reason;
        if (row.Course.Questions.All(question => question.Until is not null || (cause is not null && question.Cause != cause))) throw VaultException.InvalidState("The person was not asked for this.");
        return Resumed(row, cause, at, terms.Silence ? "unanswered:" : "answered:");
    }

    private RequestRow Resumed(RequestRow row, string? cause, DateTimeOffset at, string mark = "answered:")
    {
        var open = row.Course.Questions.Where(question => question.Until is null && (cause is null || question.Cause == cause)).ToList();
        if (open.Count == 0) return row;
        row = row with
        {
            Course = row.Course with { Questions = [.. row.Course.Questions.Select(question => open.Contains(question) ? question with { Until = at } : question)] },
            Said = [.. row.Said, .. open.Select(question => mark + question.Cause)],
        };
        return row with { DueAt = intake.ClockOf(row).DueAt };
    }

    // SPEC GDPR 12(3): once, for one of two reasons, within the first period, counted from receipt, and the person is told in the same transaction.
    private RequestRow Extended(RequestRow row, string reason)
    {
        var clock = intake.ClockOf(row);
        if (row.ExtendedAt is not null) throw VaultException.InvalidState("The request was extended already.");
        if (store.Now > clock.DueAt) throw VaultException.InvalidState("The first due date has passed: it is too late to extend.");
        if (intake.Law(row.Jurisdiction).ExtensionAmount == 0) throw VaultException.InvalidState("The law that the request is under knows no extension.");
        row = row with { ExtendedAt = store.Now, Reason = reason, Course = row.Course with { FirstDueAt = clock.DueAt, ExtendedFor = reason }, Said = ["extended:" + reason] };
        return row with { DueAt = intake.ClockOf(row).DueAt };
    }

    private RequestRow Approved(Recipient recipient, RequestRow row, IReadOnlyList<string> rules)
    {
        if (row.Course.Checks.Count > 0 && row.Course.Assurance < Rules.Needed(row.Kind)) throw VaultException.InvalidState("The policy asks for more certainty about the identity than there is.");
        if (row.Course.Objects.Count > 0 && row.Course.Objects.All(one => row.Course.Choices.Any(choice => choice.Purposes.Contains(one.Purpose))))
            throw VaultException.InvalidState("Every purpose of the objection goes on by what was decided: refuse it, so that the person is told why and where to complain.");
        if (row.State == RequestStates.Confirming)
        {
            if (recipient.Kind != RecipientKind.Staff) throw VaultException.InvalidState("Two officers have to agree, and an application is none.");
            if (recipient.Id == row.Course.ApprovedBy) throw VaultException.InvalidState("You approved it first: another officer has to agree.");
            return row with { State = RequestStates.Approved, Course = row.Course with { ConfirmedBy = recipient.Id }, Said = ["confirmed"] };
        }

        if (rules.Count == 0) return row with { State = RequestStates.Approved, Course = row.Course with { ApprovedBy = recipient.Id, ApprovedAt = store.Now } };
        if (recipient.Kind != RecipientKind.Staff) throw VaultException.InvalidState("Two officers have to agree, and an application is none.");
        return row with { State = RequestStates.Confirming, Course = row.Course with { ApprovedBy = recipient.Id, ApprovedAt = store.Now, SecondFor = rules }, Said = [.. rules.Select(rule => "second:" + rule)] };
    }

    // SPEC GDPR 17(3), 15(4), 20(4): of single items, each with its reason; what is named again is decided anew.
    private RequestRow Chosen(RequestRow row, StepTerms terms)
    {
        if (row.Kind == RequestKinds.Objection) return Weighed(row, terms);
        if (terms.Purposes is not null) throw Invalid("/purposes", "unknown", "Purposes are decided of an objection alone.");
        var erases = row.Kind == RequestKinds.Erasure;
        if (!erases && !RequestKinds.EndInPackage(row.Kind)) throw VaultException.InvalidState("Single items are decided of an erasure, an access or a portability; single purposes of an objection.");
        var items = ItemsOf(terms.Items);
        List<ItemChoice> choices =
            [.. row.Course.Choices.Select(choice => choice with { Items = [.. choice.Items.Except(items)] }).Where(choice => choice.Items.Count > 0)];
        if (terms.Reason is { } reason)
        {
            var why = Justifications.Find(reason);
            if (why is null || (erases ? why.HoldAuthority is null : !why.Withholds) || !why.Kinds.Contains(row.Kind))
                throw Invalid("/reason", "unknown", $"The reason is one of {string.Join(", ", Justifications.All.Where(one => (erases ? one.HoldAuthority is not null : one.Withholds) && one.Kinds.Contains(row.Kind)).Select(one => one.Code))}.");
            if (erases && (terms.ReviewAt is not { } review || review <= store.Now)) throw Invalid("/reviewAt", "missing", "When does somebody look whether it must still be kept?");
            choices.Add(new ItemChoice(items, reason, erases ? terms.ReviewAt : null, erases ? store.Clock.NewId() : Guid.Empty));
        }

        return row with
        {
            Course = row.Course with { Choices = choices, ApprovedBy = null, ApprovedAt = null, SecondFor = [] },
            Said = terms.Reason is null ? ["chosen:grant"] : [(erases ? "retained:" : "withheld:") + terms.Reason],
        };
    }

    // SPEC GDPR 21(1): compelling grounds that override the person's interests, or legal claims; the grounds are in words, purpose by purpose, and the person reads them.
    private RequestRow Weighed(RequestRow row, StepTerms terms)
    {
        if (terms.Items is not null) throw Invalid("/items", "unknown", "Of an objection, purposes are decided.");
        if (terms.Purposes is not { Count: > 0 } names) throw Invalid("/purposes", "missing", "Which purposes?");
        var purposes = new SortedSet<int>();
        for (var index = 0; index < names.Count; index++)
        {
            if (row.Course.Objects.FirstOrDefault(one => intake.Objections.NameOf(one.Purpose) == names[index]) is not { } objected) throw Invalid($"/purposes/{index}", "unknown", "The person does not object to it with this request.");
            if (objected.Absolute) throw Invalid($"/purposes/{index}", "direct-marketing", "An objection to direct marketing stands whatever speaks for it (GDPR 21(3)).");
            purposes.Add(objected.Purpose);
        }

        List<ItemChoice> choices = [.. row.Course.Choices.Select(choice => choice with { Purposes = [.. choice.Purposes.Except(purposes)] }).Where(choice => choice.Purposes.Count > 0)];
        if (terms.Reason is { } reason)
        {
            if (Justifications.Find(reason) is not { Overrides: true }) throw Invalid("/reason", "unknown", $"The reason is one of {string.Join(", ", Justifications.All.Where(one => one.Overrides).Select(one => one.Code))}.");
            if (string.IsNullOrWhiteSpace(terms.Note)) throw Invalid("/note", "missing", "Say in words what weighs more than the person's interests: they read it.");
            choices.Add(new ItemChoice([], reason, null, Guid.Empty) { Purposes = [.. purposes] });
        }

        return row with
        {
            Course = row.Course with { Choices = choices, ApprovedBy = null, ApprovedAt = null, SecondFor = [] },
            Said = [.. purposes.Select(purpose => $"weighed:{intake.Objections.NameOf(purpose)}"), "weighed:" + (terms.Reason ?? "grant")],
        };
    }

    private IReadOnlyList<int> ItemsOf(IReadOnlyList<string>? names)
    {
        if (names is null or { Count: 0 }) throw Invalid("/items", "missing", "Which fields or event types?");
        var codes = new SortedSet<int>();
        for (var index = 0; index < names.Count; index++)
        {
            var item = second.Policy.Items.FirstOrDefault(item => item.Name == names[index]);
            codes.Add(item?.Code ?? throw Invalid($"/items/{index}", "unknown", "There is no such field or event type."));
        }

        return [.. codes];
    }

    /// <summary>Null of words that say nothing.</summary>
    public static string? Checked(string? text, string pointer = "/note") =>
        text is null || Encoding.UTF8.GetByteCount(text) <= LongestNote
            ? string.IsNullOrWhiteSpace(text) ? null : text
            : throw Invalid(pointer, "too-long", $"A note has at most {LongestNote} bytes.");

    private static void Check(RequestAct act, StepTerms terms)
    {
        Checked(terms.Note);
        Checked(terms.Evidence, "/evidence");
        if (s_inWords.Contains(act) && string.IsNullOrWhiteSpace(terms.Note)) throw Invalid("/note", "missing", "The person is told why, in words.");
        if (act != RequestAct.Verify && terms.Evidence is not null) throw Invalid("/evidence", "not-kept", "Only a verification has evidence.");
        if (act == RequestAct.Ask || (act == RequestAct.Answer && terms.Reason is not null)) Known(terms.Reason, ClockPause.Causes);
        if (act == RequestAct.Extend) Known(terms.Reason, RequestReasons.Extensions);
        if (act == RequestAct.Refuse) Known(terms.Reason, RequestReasons.Refusals);
    }

    private static void Known(string? reason, IReadOnlyCollection<string> reasons)
    {
        if (reason is null || !reasons.Contains(reason)) throw Invalid("/reason", "unknown", $"The reason is one of {string.Join(", ", reasons.Order())}.");
    }

    internal static VaultException Overtaken() => VaultException.InvalidState("Somebody changed the request meanwhile: look at it again.");

    private static VaultException NotNow(string state) => VaultException.InvalidState($"A request that is {state} does not allow this.");

    private static VaultException Invalid(string pointer, string code, string message) => VaultException.Invalid([new FieldProblem(pointer, code, message)]);
}
