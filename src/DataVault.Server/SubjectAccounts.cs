using DataVault.Issuer;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>The issuer's part of an erasure: whoever is erased cannot sign in any more.</summary>
internal sealed class SubjectAccounts(AccountRegistry accounts) : ISubjectAccounts
{
    public Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellation) => accounts.RemoveForSubjectAsync(subject, cancellation);
}
