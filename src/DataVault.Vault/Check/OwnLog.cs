using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>The vault's own log, as a verifier reads any.</summary>
internal sealed class OwnLog(AuditReader log, LogMirror mirror) : ILogSource
{
    public Task<string?> CheckpointAsync(CancellationToken cancellationToken) => log.CheckpointAsync(cancellationToken);

    public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) => log.TileAsync(level, n, width, cancellationToken);

    // What was pruned is in the mirror.
    public async Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken)
    {
        if (await log.EntryBundleAsync(n, width, cancellationToken) is { } bundle) return bundle;
        var entries = await mirror.EntriesAsync(n * TlogTiles.Width, n * TlogTiles.Width + width, cancellationToken).ToListAsync(cancellationToken);
        return entries.Count == width ? EntryBundle.Encode(entries) : null;
    }

    public async Task<byte[]?> MembersAsync(long n, CancellationToken cancellationToken) =>
        await log.MembersAsync(n, cancellationToken) ?? await mirror.MembersAsync(n, cancellationToken);
}
