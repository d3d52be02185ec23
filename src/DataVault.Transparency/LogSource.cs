using System.Text;

namespace DataVault.Transparency;

/// <summary>Where a verifier reads a log from: the resources of c2sp.org/tlog-tiles. Null means that there is none.</summary>
public interface ILogSource
{
    /// <summary>The newest signed checkpoint, as text.</summary>
    Task<string?> CheckpointAsync(CancellationToken cancellationToken);

    /// <summary>The bytes of a hash tile.</summary>
    Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken);

    /// <summary>The bytes of an entry bundle.</summary>
    Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken);

    /// <summary>The lists of persons of an entry bundle (<see cref="MembersBundle"/>); null also where lists are not kept.</summary>
    Task<byte[]?> MembersAsync(long n, CancellationToken cancellationToken) => Task.FromResult<byte[]?>(null);
}

/// <summary>A log in a directory: <c>checkpoint</c>, <c>tile/0/000</c>, <c>tile/entries/000</c> …</summary>
public sealed class TileDirectory(string path) : ILogSource
{
    /// <inheritdoc/>
    public async Task<string?> CheckpointAsync(CancellationToken cancellationToken)
    {
        var bytes = await ReadAsync("checkpoint", cancellationToken);
        return bytes is null ? null : Encoding.UTF8.GetString(bytes);
    }

    /// <inheritdoc/>
    public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) =>
        ReadAsync(TlogTiles.TilePath(level, n, width), cancellationToken);

    /// <inheritdoc/>
    public Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken) =>
        ReadAsync(TlogTiles.EntriesPath(n, width), cancellationToken);

    /// <inheritdoc/>
    public Task<byte[]?> MembersAsync(long n, CancellationToken cancellationToken) => ReadAsync(TlogTiles.MembersPath(n), cancellationToken);

    // Not asynchronous inside: for files of this size the detour by way of the thread pool costs more than the reading, and the callers have threads of their own.
    private Task<byte[]?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var file = Path.Combine(path, name);
        return Task.FromResult(File.Exists(file) ? File.ReadAllBytes(file) : null);
    }
}

/// <summary>Reads the tree of one size from a source that may have grown past it.</summary>
internal sealed class SizedLog(ILogSource source, long size)
{
    public long Size => size;

    /// <summary>Number of entry bundles, the last perhaps partial.</summary>
    public long Bundles => (size + TlogTiles.Width - 1) / TlogTiles.Width;

    public int EntriesIn(long bundle) => (int)Math.Min(TlogTiles.Width, size - (bundle * TlogTiles.Width));

    /// <summary>The hashes of a tile, exactly as many as the tree of this size has there; null when the tile is missing or of another length.</summary>
    public async Task<byte[]?> TileAsync(int level, long n, CancellationToken cancellationToken)
    {
        var width = (int)Math.Min(TlogTiles.Width, TlogTiles.HashesAt(level, size) - (n * TlogTiles.Width));
        var tile = await source.TileAsync(level, n, width, cancellationToken);
        if (tile is null && width < TlogTiles.Width && await source.TileAsync(level, n, TlogTiles.Width, cancellationToken) is { Length: TlogTiles.Width * MerkleHash.Size } full)
            tile = full[..(width * MerkleHash.Size)];
        return tile?.Length == width * MerkleHash.Size ? tile : null;
    }

    /// <summary>The bytes of an entry bundle, cut to the entries of this size if they come from a full one; null when it is missing.</summary>
    public async Task<byte[]?> BundleAsync(long n, CancellationToken cancellationToken)
    {
        var width = EntriesIn(n);
        var bundle = await source.EntryBundleAsync(n, width, cancellationToken);
        if (bundle is not null || width == TlogTiles.Width)
            return bundle;
        var full = await source.EntryBundleAsync(n, TlogTiles.Width, cancellationToken);
        if (full is null || !EntryBundle.TryDecode(full, out var entries) || entries.Count < width)
            return full;
        return EntryBundle.Encode([.. entries.Take(width)]);
    }
}
