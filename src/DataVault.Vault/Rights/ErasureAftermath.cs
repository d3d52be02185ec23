using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What an erasure does outside the rows of the person: their accounts are removed, and recipients of their data are told (GDPR 19).</summary>
internal sealed class ErasureAftermath(IEnumerable<ISubjectAccounts> accounts, RecipientNotices notices)
{
    public async Task RemoveAccountsAsync(SubjectId subject, CancellationToken cancellation)
    {
        foreach (var keeper in accounts) await keeper.RemoveForSubjectAsync(subject.Value, cancellation);
    }

    /// <summary>Writes a notice for each recipient, in the transaction of the first deletion; the entries about them are for the caller to append.</summary>
    public Task<List<LogEntry>> TellAsync(DutyWork step, RequestRow request, SubjectId subject, ErasureWork work) =>
        notices.TellAsync(step, new NoticeCause(NoticeKinds.Erased, subject, work.Tag, request.Id, work.Pseudonyms));
}
