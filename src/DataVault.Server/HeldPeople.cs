using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Vault;

namespace DataVault.Server;

/// <summary>Joins the issuer, which knows no profile, and the vault, which knows no account: whose an address is, as the policy lets letters know it.</summary>
internal sealed class HeldPeople(HeldAddresses addresses) : IHeldPeople
{
    public async Task<Guid?> FindAsync(string email, Guid question, CancellationToken cancellationToken) =>
        (await addresses.FindAsync(email, question, cancellationToken))?.Value;

    public Task<string?> AddressOfAsync(Guid subject, Guid question, CancellationToken cancellationToken) =>
        addresses.ReadAsync(new SubjectId(subject), question, cancellationToken);
}
