using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// What an erasure does outside the rows of the person: their accounts are removed, recipients of their data are told (GDPR 19), and so are they, by a letter that was
/// written while there was somebody to write to.
/// </summary>
internal sealed class ErasureAftermath(
    IEnumerable<ISubjectAccounts> accounts, RecipientNotices notices, PartingLetters letters, HoldStore holds, ErasureMarks marks, ActivePolicy policy)
{
    public async Task RemoveAccountsAsync(SubjectId subject, CancellationToken cancellation)
    {
        foreach (var keeper in accounts) await keeper.RemoveForSubjectAsync(subject.Value, cancellation);
    }

    /// <summary>The letter that tells of the erasure, before anything goes. Null when nobody is to be told.</summary>
    /// <param name="work">The transaction in which the erasure begins.</param>
    /// <param name="row">The request.</param>
    /// <param name="person">Their keys, where these open, and by what the log knows them.</param>
    /// <param name="kept">Codes of the items that holds keep.</param>
    /// <param name="marked">What is kept so that nobody takes them in again.</param>
    public async Task<PendingParting?> WriteAsync(
        DutyWork work, RequestRow row, (SubjectKeys? Held, ReadOnlyMemory<byte> Tag) person, IReadOnlyList<int> kept, IReadOnlyList<SuppressionMark> marked)
    {
        var order = kept.Count == 0 ? new LetterOrder(LetterKind.Erased) : await PartOfAsync(row, kept, work.Cancellation);
        return await letters.WriteAsync(work, row, person, order with { Marked = marked.Count > 0 ? marked[0].Expires : null }, row.Id);
    }

    /// <inheritdoc cref="ErasureMarks.KeepAsync"/>
    public Task<IReadOnlyList<SuppressionMark>> MarkAsync(DutyWork work, RequestRow row, SealedRecord record, SubjectKeys held) => marks.KeepAsync(work, row, record, held);

    /// <inheritdoc cref="ErasureMarks.RememberAsync"/>
    public Task RememberAsync(IReadOnlyList<SuppressionMark> marked, CancellationToken cancellation) => marks.RememberAsync(marked, cancellation);

    /// <inheritdoc cref="PartingLetters.KeepAsync"/>
    public Task KeepAsync(DutyWork work, PendingParting? letter, long index) => letter is null ? Task.CompletedTask : letters.KeepAsync(work, letter, index);

    /// <summary>
    /// Writes a notice for each recipient, and lets the letter out, in the transaction of the first deletion; the entries about the notices are for the caller to append.
    /// </summary>
    public async Task<List<LogEntry>> TellAsync(DutyWork step, RequestRow request, SubjectId subject, ErasureWork work)
    {
        await letters.LetOutAsync(step, request.Id);
        return await notices.TellAsync(step, new NoticeCause(NoticeKinds.Erased, subject, work.Tag, request.Id, work.Pseudonyms));
    }

    // What stays, why, and when somebody looks at it again: the soonest of several holds.
    private async Task<LetterOrder> PartOfAsync(RequestRow row, IReadOnlyList<int> kept, CancellationToken cancellation)
    {
        var subject = row.Subject!.Value;
        var grounds = (await holds.GroundsAsync([subject], cancellation))[subject].OrderBy(ground => ground.ReviewAt).ToList();
        return new LetterOrder(LetterKind.PartlyRefused)
        {
            Kept = [.. policy.Current.Items.Where(item => kept.Contains(item.Code)).Select(item => item.Class.Name).Distinct()],
            Reason = grounds.Count > 0 ? grounds[0].Authority : LetterCodes.Other,
            Until = grounds.Count > 0 ? grounds[0].ReviewAt : null,
        };
    }
}
