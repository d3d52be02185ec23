using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Requests as they are shown: what stands in their rows, and of an erasure how far it has come and what keeps the rest.</summary>
internal sealed class RequestViews(HoldStore holds, ErasureNotebook notebook, PackageFolder packages, ActivePolicy policy, VaultClock clock)
{
    public async Task<RequestView> OfAsync(RequestRow row, CancellationToken cancellation) => (await OfAsync([row], cancellation))[0];

    public async Task<IReadOnlyList<RequestView>> OfAsync(IReadOnlyList<RequestRow> rows, CancellationToken cancellation)
    {
        var deferred = rows.Where(row => row.Kind == RequestKinds.Erasure && row.Work is not null).Select(row => row.Subject).OfType<SubjectId>().Distinct().ToList();
        var grounds = deferred.Count == 0 ? null : await holds.GroundsAsync(deferred, cancellation);
        return [.. rows.Select(row => View(row) with { Erasure = ProgressOf(row, row.Subject is { } subject && grounds is not null ? [.. grounds[subject]] : []) })];
    }

    private RequestView View(RequestRow row) => new(
        row.Id, row.Subject, row.Kind, row.State, row.OpenedAt, row.DueAt, row.CompletedAt, row.Reason, packages.ProgressOf(row.Id) ?? row.Progress,
        row.PackageKey is not null && row.PackageExpires > clock.Now, row.HasCertificate || IsPartCertified(row), row.LogIndex, row.OpenedBy)
    {
        Clock = RequestClocks.Of(row, policy.Current.Jurisdictions, clock.Now), Facts = FactsOf(row, row.Course),
    };

    private bool IsPartCertified(RequestRow row) => row is { Kind: RequestKinds.Erasure, Work: not null, Subject: not null } && notebook.Open(row) is { Partial: true, PartSettled: true, PartExecutedIndex: > 0 };

    // Of a refused objection, what is direct marketing was stopped all the same.
    private static bool IsPartlyRefused(RequestRow row, RequestCourse course) =>
        (course.Choices.Count > 0 && row.State is RequestStates.Completed or RequestStates.Approved) || (row.State == RequestStates.Refused && course.Objects.Any(one => one.Absolute))
        || (row.State == RequestStates.Completed && course.RefusedFor.Count > 0);

    private RequestFacts FactsOf(RequestRow row, RequestCourse course)
    {
        var (law, rules) = (policy.Current.Jurisdictions.OrDefault(row.Jurisdiction), policy.Current.Rights);
        return new RequestFacts(row.Jurisdiction, row.Outcome ?? (IsPartlyRefused(row, course) ? RequestReasons.PartlyRefused : null))
        {
            Repeats = course.Repeats, Decision = course.Decision, AcknowledgeBy = law.AcknowledgeBy(row.OpenedAt), AcknowledgedAt = course.AcknowledgedAt, FirstDueAt = course.FirstDueAt,
            Questions = [.. course.Questions.Select(one => new RequestQuestionView(one.Cause, one.From, one.AnswerBy, one.Until, law.Stops.Contains(one.Cause)))],
            Assurance = AssuranceNames.Of(course.Assurance), Needed = AssuranceNames.Of(rules.Needed(row.Kind)),
            Checks = [.. course.Checks.Select(one => new IdentityCheckView(one.Method, AssuranceNames.Of(one.Level), one.At, one.Passed))],
            Methods = [.. rules.Methods.Where(method => method.Name is not (VerificationMethod.SignedIn or VerificationMethod.SignedInTwice))],
            SecondFor = [.. course.SecondFor.Select(name => rules.SecondOfficer.FirstOrDefault(rule => rule.Name == name)?.Title ?? name)],
            ApprovedFirst = row.State == RequestStates.Confirming && course.ApprovedBy is { } by ? new FirstApproval(by, course.ApprovedAt) : null,
            Choices = [.. course.Choices.Where(one => one.Items.Count > 0).Select(one => ChoiceOf(row.Kind, one))],
            Objections = [.. course.Objects.Select(one => ObjectionOf(row, one))],
        };
    }

    private ObjectedPurposeView ObjectionOf(RequestRow row, ObjectedPurpose one)
    {
        var against = row.Course.Choices.FirstOrDefault(choice => choice.Purposes.Contains(one.Purpose))?.Reason ?? (row.State == RequestStates.Refused && !one.Absolute ? row.Reason : null);
        var why = against is null ? null : Justifications.Find(against);
        var state = one switch
        {
            { Until: not null } => against is null ? "ended" : "overridden",
            { Since: null } => RequestStates.IsOpen(row.State) ? "waiting" : "ended",
            { Absolute: false } when RequestStates.IsOpen(row.State) => "paused",
            _ => "stopped",
        };
        return new ObjectedPurposeView(policy.Current.Purposes.ById(one.Purpose)?.Name ?? $"purpose-{one.Purpose}", state, one.Since, one.Until, against, why?.Term, why?.ArticleOf(row.Kind)) { DirectMarketing = one.Absolute };
    }

    private ItemChoiceView ChoiceOf(string kind, ItemChoice choice)
    {
        var why = Justifications.Find(choice.Reason);
        return new ItemChoiceView(NamesOf(choice.Items), choice.Reason, why?.Term ?? "", why?.ArticleOf(kind) ?? "", choice.ReviewAt);
    }

    private IReadOnlyList<string> NamesOf(IEnumerable<int> codes) => [.. codes.Select(code => policy.Current.Items.FirstOrDefault(item => item.Code == code)?.Name).OfType<string>()];

    private ErasureProgress? ProgressOf(RequestRow row, IReadOnlyList<HoldGround> grounds)
    {
        if (row.HasCertificate) return new ErasureProgress(row.FinalAt is null ? "executed" : "final", row.FinalAt ?? row.FinalDue);
        if (row.Work is null) return null;
        if (notebook.Open(row) is not { Partial: true, Kept: { } kept, PartSettled: true }) return new ErasureProgress("running", null);
        return new ErasureProgress("partial", null)
        {
            Deferred = NamesOf(kept), Because = grounds,
        };
    }
}
