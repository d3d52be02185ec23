using System.Runtime.CompilerServices;
using DataVault.Issuer;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>The issuer's part of an erasure: whoever is erased cannot sign in any more.</summary>
internal sealed class SubjectAccounts(AccountRegistry accounts) : ISubjectAccounts
{
    public Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellation) => accounts.RemoveForSubjectAsync(subject, cancellation);

    public async IAsyncEnumerable<LinkedAccount> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var (subject, createdAt) in accounts.SubjectsAsync(cancellation))
            yield return new LinkedAccount(subject, createdAt);
    }
}
