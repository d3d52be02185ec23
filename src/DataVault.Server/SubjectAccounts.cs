using System.Runtime.CompilerServices;
using DataVault.Issuer;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>The issuer's part of an erasure: whoever is erased cannot sign in any more, here or through somebody else's provider.</summary>
internal sealed class SubjectAccounts(AccountRegistry accounts, OutsideLinks links) : ISubjectAccounts
{
    public async Task RemoveForSubjectAsync(Guid subject, CancellationToken cancellation)
    {
        await accounts.RemoveForSubjectAsync(subject, cancellation);
        await links.RemoveForSubjectAsync(subject, cancellation);
    }

    public async Task<bool> HasForSubjectAsync(Guid subject, CancellationToken cancellation) =>
        await accounts.HasForSubjectAsync(subject, cancellation) || await links.HasForSubjectAsync(subject, cancellation);

    public async IAsyncEnumerable<LinkedAccount> ListAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var (subject, createdAt) in accounts.SubjectsAsync(cancellation))
            yield return new LinkedAccount(subject, createdAt);
        await foreach (var (subject, createdAt) in links.SubjectsAsync(cancellation))
            yield return new LinkedAccount(subject, createdAt);
    }
}
