using DataVault.Issuer;
using DataVault.Vault.Keys;

namespace DataVault.Server;

/// <summary>The issuer's mark, in the keys database.</summary>
internal sealed class SealingMark(OnceBook book) : ISealingMark
{
    private const string What = "issuer-rows-sealed";

    public Task<bool> IsSetAsync(CancellationToken cancellationToken) => book.IsDoneAsync(What, cancellationToken);

    public Task SetAsync(CancellationToken cancellationToken) => book.NoteAsync(What, cancellationToken);
}
