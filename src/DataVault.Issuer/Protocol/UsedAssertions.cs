using System.Security.Cryptography;
using System.Text;
using DataVault.Issuer.Storage;

namespace DataVault.Issuer.Protocol;

/// <summary>What a client may show once, across all processes: one insert decides. It is remembered until it is too old to be shown anyway.</summary>
internal sealed class UsedAssertions(IssuerDatabase database)
{
    /// <summary>False when it was shown before.</summary>
    /// <param name="kind">What is shown.</param>
    /// <param name="owner">The client, or the thumbprint of the key that signed: ids of one say nothing about another's.</param>
    /// <param name="id">The <c>jti</c>.</param>
    /// <param name="until">When it is refused for its age.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task<bool> TryUseAsync(string kind, string owner, string id, DateTimeOffset until, CancellationToken cancellationToken) =>
        await database.ExecuteAsync(
            "INSERT INTO issuer.used_assertion (hash, until) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
            cancellationToken,
            SHA256.HashData(Encoding.UTF8.GetBytes($"{kind}\0{owner}\0{id}")),
            until) == 1;
}
