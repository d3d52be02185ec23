using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// What silence and time do to requests: those whose person did not answer expire, or go on without the answer, as the policy says; what was noted of people's
/// identities is forgotten some days after the request was closed.
/// </summary>
internal sealed class UnansweredRequests(RequestStore store, RequestSteps steps, ActivePolicy policy) : RoundsWorker(store.Clock.Provider, store.Logger)
{
    internal static readonly Recipient Keeper = Recipient.Process("vault-maintenance", SubjectRequests.Purpose);

    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(1);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await policy.EnsureNewestAsync(cancellation);
        using var taken = policy.Take();
        return await TryAsync("unanswered questions", ExpireAsync, cancellation)
            & await TryAsync("evidence of identities", ct => store.ForgetEvidenceAsync(store.Now.AddDays(-policy.Current.Rights.EvidenceDays), ct), cancellation);
    }

    private async Task ExpireAsync(CancellationToken cancellation)
    {
        // A row that somebody else wrote keeps no other from being ended.
        foreach (var row in await store.UnansweredAsync(cancellation)) await TryAsync($"the unanswered request {row.Id}", ct => ExpireAsync(row, ct), cancellation);
    }

    private async Task ExpireAsync(RequestRow row, CancellationToken ct)
    {
        // The course is what counts, which is sealed; the column beside it only finds the row.
        if (store.Genuine(row).Course.Questions.FirstOrDefault(question => question.Until is null && question.AnswerBy <= store.Now) is not { } question) return;
        var ends = policy.Current.Rights.Question(question.Cause).Expires && row.State != RequestStates.Approved;
        var terms = ends ? new StepTerms(RequestReasons.Unanswered) : new StepTerms(question.Cause) { Silence = true };
        await steps.TakeAsync(Keeper, row, ends ? RequestAct.Expire : RequestAct.Answer, terms, row.Id, ct);
    }
}
