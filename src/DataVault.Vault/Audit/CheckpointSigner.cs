using DataVault.Transparency;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// Signs the log's size and root. Remembers the last signed tree in a file outside the database, hashes every entry that came since, and signs only if the
/// result is the database's root: a restored, shortened or rewritten log gets no second history signed.
/// </summary>
/// <remarks>
/// One process signs at a time (a lock on a file in the home folder); the others read the newest checkpoint from the database. A signer that refuses looks
/// again from time to time and when its memory was written anew: what an operator puts right needs no restart.
/// </remarks>
internal sealed class CheckpointSigner(
    LogStore store, LogMirror mirror, SignerKeys keys, VaultOptions options, TimeProvider clock, ILogger<CheckpointSigner> logger) : IDisposable
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(15);

    private readonly SemaphoreSlim turn = new(1, 1);
    private FileStream? leadership;
    private CompactRange? remembered;
    private SignedTree? latest;
    private (long At, FileStamp Stamp) refused;
    private string? refusal;

    /// <summary>The newest signed tree; null before the first.</summary>
    public SignedTree? Latest => Volatile.Read(ref latest);

    /// <summary>Why the log is not signed any more; null while all is well.</summary>
    public string? Refusal => refusal ?? mirror.Trouble;

    /// <summary>Why the database's log is not the one that was signed; null while it is, or while nobody can tell.</summary>
    public string? Contradiction { get; private set; }

    /// <summary>Whether this process is the one that signs.</summary>
    public bool Leads => leadership is not null;

    /// <summary>The newest of the keys by which anybody verifies this log's checkpoints.</summary>
    public string VerifierKey => Signer.VerifierKey;

    /// <summary>All keys that ever signed this log, each for the trees that it signed.</summary>
    /// <exception cref="SignerRefusalException">They cannot be opened.</exception>
    public LogKeys Keys => keys.List;

    /// <summary>Also signs erasure certificates, whose text no checkpoint can be.</summary>
    /// <exception cref="VaultStartException">The key cannot be opened.</exception>
    public NoteSigner Signer
    {
        get
        {
            try
            {
                return keys.SignerOf(null);
            }
            catch (SignerRefusalException e)
            {
                throw new VaultStartException($"The log cannot be signed: {e.Message}.");
            }
        }
    }

    /// <summary>Signs the log as it stands, if it has grown and this process is the one that signs.</summary>
    public async Task SignAsync(CancellationToken ct = default)
    {
        await turn.WaitAsync(ct);
        try
        {
            if (refusal is not null && !IsTimeToLookAgain()) return;
            try
            {
                await TakeTurnAsync(ct);
            }
            catch (Exception e) when (DatabaseFailure.IsBroken(e))
            {
                // A connection that died in the pool: to read again, and to sign the same again, harms nothing.
                store.Forget(e);
                await TakeTurnAsync(ct);
            }

            (refusal, Contradiction) = (null, null);
        }
        catch (Exception e) when (e is SignerRefusalException or FormatException)
        {
            Refuse(e is FormatException ? "an entry or a checkpoint in the database is not well formed" : e.Message);
            Contradiction = e is SignerRefusalException { IsContradiction: true } ? e.Message : null;
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose()
    {
        leadership?.Dispose();
        turn.Dispose();
    }

    private Task TakeTurnAsync(CancellationToken ct) => TakeLeadership() ? SignGrowthAsync(ct) : FollowAsync(ct);

    private async Task SignGrowthAsync(CancellationToken ct)
    {
        var list = keys.List;
        var before = remembered ??= await RecallAsync(list, ct);
        var (size, root) = await store.HeadAsync(ct);
        if (size == before.Size && Latest?.Size == size && root.AsSpan().SequenceEqual(before.Root())) return;
        if (size < before.Size)
            throw new SignerRefusalException($"the log has {size} entries, fewer than the {before.Size} that were signed: the database is an older copy") { IsContradiction = true };
        var extended = await ExtendAsync(before.Clone(), size, ct);
        if (extended.Size != size || !extended.Root().AsSpan().SequenceEqual(root))
            throw new SignerRefusalException($"the log of {size} entries does not continue the {before.Size} that were signed") { IsContradiction = true };
        await PublishAsync(extended, ct);
    }

    // INVARIANT: what will be signed is on disk before it is signed, the entries in the mirror first: nothing signed can be lost with the database. After a crash in between, the same tree may be signed again, no other.
    private async Task PublishAsync(CompactRange tree, CancellationToken ct)
    {
        if (tree.Size == 0) return;
        if (!await mirror.KeepAsync(tree.Size, tree.Root(), ct)) throw new SignerRefusalException($"the log of {tree.Size} entries does not continue its mirror") { IsContradiction = true };
        keys.Memory.Remember(tree);
        remembered = tree;
        var note = keys.SignerOf(tree.Size).Sign(new Checkpoint(options.Origin, tree.Size, tree.Root()).ToText()).ToString();
        await store.KeepCheckpointAsync(tree.Size, note, clock.GetUtcNow(), ct);
        mirror.Publish(note);
        Volatile.Write(ref latest, new SignedTree(tree.Size, Convert.ToBase64String(tree.Root())));
    }

    private async Task<CompactRange> ExtendAsync(CompactRange tree, long size, CancellationToken ct)
    {
        var leaf = new byte[MerkleHash.Size];
        await foreach (var (index, entry) in store.EntriesAsync(tree.Size, size, ct))
        {
            if (index != tree.Size) break;
            MerkleHash.Leaf(entry.Span, leaf);
            tree.Append(leaf);
        }

        return tree;
    }

    private async Task FollowAsync(CancellationToken ct)
    {
        if (await store.CheckpointAsync(ct) is not { } newest || newest.Size <= (Latest?.Size ?? 0)) return;
        if (SignedNote.TryParse(newest.Note, out var note) && Checkpoint.TryParse(note!.Text, out var checkpoint))
            Volatile.Write(ref latest, new SignedTree(checkpoint!.Size, Convert.ToBase64String(checkpoint.Root.Span)));
    }

    // The operating system drops the lock when the process ends, however it ends.
    private bool TakeLeadership()
    {
        if (leadership is not null) return true;
        try
        {
            DurableFile.EnsureFolder(options.Home);
            leadership = new FileStream(Path.Combine(options.Home, "log-signer.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    // A memory that is older than a checkpoint of ours came from a backup: what was signed since could be signed a second time, differently.
    private async Task<CompactRange> RecallAsync(LogKeys list, CancellationToken ct)
    {
        var tree = keys.Memory.Recall();
        if (await store.CheckpointAsync(ct) is { } newest && newest.Size > tree.Size && SignedNote.TryParse(newest.Note, out var note) && list.Verify(note!))
            throw new SignerRefusalException($"the signer's memory ends at {tree.Size} entries, but {newest.Size} were signed: restore the newer one, or state what was last signed (signer adopt)");
        return tree;
    }

    private bool IsTimeToLookAgain() => clock.GetElapsedTime(refused.At) >= LookAgain || keys.Memory.Stamp != refused.Stamp;

    private void Refuse(string reason)
    {
        if (refusal != reason) logger.LogCritical("The log is not signed any more: {Reason}.", reason);
        (refusal, remembered, refused) = (reason, null, (clock.GetTimestamp(), keys.Memory.Stamp));
    }
}

/// <summary>A tree that was signed.</summary>
public sealed record SignedTree(long Size, string Root64);
