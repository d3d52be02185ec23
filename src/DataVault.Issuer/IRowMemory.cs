namespace DataVault.Issuer;

/// <summary>
/// Remembers how new each sealed row has been, where whoever writes into the issuer's database cannot reach it: a seal says that the vault wrote a row, not that it
/// wrote it last. Names are opaque.
/// </summary>
public interface IRowMemory
{
    /// <summary>False when a newer version was reached; a version that is newer than that is reached herewith.</summary>
    Task<bool> IsNewestAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken);

    /// <summary>A version is committed: what is older is refused from now on.</summary>
    Task ReachedAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken);

    /// <summary>The newest version that was reached; 0 when none is known.</summary>
    Task<long> NewestAsync(ReadOnlyMemory<byte> row, CancellationToken cancellationToken);

    /// <summary>Of these rows those that are older than they were, by their places in the list.</summary>
    Task<IReadOnlyList<int>> OlderAsync(IReadOnlyList<(byte[] Row, long Version)> rows, CancellationToken cancellationToken);

    /// <summary>An operator stands behind an older row: it is the newest again.</summary>
    Task LowerAsync(ReadOnlyMemory<byte> row, long version, CancellationToken cancellationToken);
}
