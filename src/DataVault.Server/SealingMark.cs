using DataVault.Issuer;
using DataVault.Vault.Keys;

namespace DataVault.Server;

/// <summary>The issuer's marks, in the keys database.</summary>
internal sealed class SealingMark(OnceBook book) : ISealingMark
{
    public Task<bool> IsSetAsync(string what, CancellationToken cancellationToken) => book.IsDoneAsync(what, cancellationToken);

    public Task SetAsync(string what, CancellationToken cancellationToken) => book.NoteAsync(what, cancellationToken);
}

/// <summary>How new the issuer's rows have been, in the keys database.</summary>
internal sealed class IssuerRowMemory(RowMemory memory) : IRowMemory
{
    public Task<bool> IsNewestAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) => memory.IsNewestAsync(row.ToArray(), version, cancellationToken);

    public Task ReachedAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) => memory.ReachedAsync(row.ToArray(), version, cancellationToken);

    public Task<long> NewestAsync(ReadOnlyMemory<byte> row, CancellationToken cancellationToken) => memory.NewestAsync(row.ToArray(), cancellationToken);

    public Task<IReadOnlyList<int>> OlderAsync(IReadOnlyList<(byte[] Row, long Version)> rows, CancellationToken cancellationToken) => memory.OlderAsync(rows, cancellationToken);

    public Task LowerAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken) => memory.LowerAsync(row.ToArray(), version, cancellationToken);
}
