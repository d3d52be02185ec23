using DataVault.Policy;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What an erasure does outside the rows of the person: their accounts are removed, and recipients of their data are told (GDPR 19).</summary>
internal sealed class ErasureAftermath(IEnumerable<ISubjectAccounts> accounts, ErasureNotices notices)
{
    public async Task RemoveAccountsAsync(SubjectId subject, CancellationToken cancellation)
    {
        foreach (var keeper in accounts) await keeper.RemoveForSubjectAsync(subject.Value, cancellation);
    }

    /// <summary>Puts a notice for each recipient into the outbox, in the transaction of the first deletion.</summary>
    public Task TellAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, (RequestRow Request, SubjectId Subject) erased, ErasureWork work, CancellationToken cancellation) =>
        notices.EnqueueAsync(connection, transaction, erased, work, cancellation);
}
