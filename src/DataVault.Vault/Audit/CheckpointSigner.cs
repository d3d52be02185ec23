using System.Security.Cryptography;
using System.Text;
using DataVault.Cryptography;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// Signs the log's size and root. Remembers the last signed tree in a file outside the database, hashes every entry that came since, and signs only if the
/// result is the database's root: a restored, shortened or rewritten log gets no second history signed.
/// </summary>
/// <remarks>One process signs at a time (a lock on a file in the home folder); the others read the newest checkpoint from the database.</remarks>
internal sealed class CheckpointSigner : IDisposable
{
    private readonly LogStore store;
    private readonly VaultKeyring keyring;
    private readonly LogMirror mirror;
    private readonly VaultOptions options;
    private readonly VaultClock clock;
    private readonly ILogger<CheckpointSigner> logger;
    private readonly SemaphoreSlim turn = new(1, 1);
    private FileStream? leadership;
    private ECDsa? key;
    private NoteSigner? signer;
    private CompactRange? memory;
    private SignedTree? latest;
    private string? refusal;

    public CheckpointSigner(LogStore store, LogMirror mirror, VaultKeyring keyring, VaultOptions options, VaultClock clock, ILogger<CheckpointSigner> logger) =>
        (this.store, this.mirror, this.keyring, this.options, this.clock, this.logger) = (store, mirror, keyring, options, clock, logger);

    /// <summary>The newest signed tree; null before the first.</summary>
    public SignedTree? Latest => Volatile.Read(ref latest);

    /// <summary>Why the log is not signed any more; null while all is well.</summary>
    public string? Refusal => refusal ?? mirror.Trouble;

    /// <summary>The key by which anybody verifies this log's checkpoints.</summary>
    public string VerifierKey => Signer.VerifierKey;

    /// <summary>Also signs erasure certificates, whose text no checkpoint can be.</summary>
    public NoteSigner Signer => signer ?? OpenKey();

    private TreeFile Memory => TreeFile.OfSigner(options);

    /// <summary>Signs the log as it stands, if it has grown and this process is the one that signs.</summary>
    public async Task SignAsync(CancellationToken ct = default)
    {
        await turn.WaitAsync(ct);
        try
        {
            if (refusal is not null) return;
            if (!TakeLeadership()) await FollowAsync(ct);
            else await SignGrowthAsync(ct);
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose()
    {
        leadership?.Dispose();
        key?.Dispose();
        turn.Dispose();
    }

    private async Task SignGrowthAsync(CancellationToken ct)
    {
        memory ??= await RecallAsync(ct);
        var (size, root) = await store.HeadAsync(ct);
        if (size == memory.Size && Latest?.Size == size && root.AsSpan().SequenceEqual(memory.Root())) return;
        if (size < memory.Size)
        {
            Refuse($"the log has {size} entries, fewer than the {memory.Size} that were signed: the database is an older copy");
            return;
        }

        var extended = await ExtendAsync(memory.Clone(), size, ct);
        if (extended.Size != size || !extended.Root().AsSpan().SequenceEqual(root))
        {
            Refuse($"the log of {size} entries does not continue the {memory.Size} that were signed");
            return;
        }

        await PublishAsync(extended, ct);
    }

    // INVARIANT: what will be signed is on disk before it is signed, the entries in the mirror first: nothing signed can be lost with the database. After a crash in between, the same tree may be signed again, no other.
    private async Task PublishAsync(CompactRange tree, CancellationToken ct)
    {
        if (tree.Size == 0) return;
        if (!await mirror.KeepAsync(tree.Size, tree.Root(), ct))
        {
            Refuse($"the log of {tree.Size} entries does not continue its mirror");
            return;
        }

        Memory.Write(tree, clock.Random);
        memory = tree;
        var note = Signer.Sign(new Checkpoint(options.Origin, tree.Size, tree.Root()).ToText()).ToString();
        await store.KeepCheckpointAsync(tree.Size, note, clock.Now, ct);
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

    private async Task<CompactRange> RecallAsync(CancellationToken ct)
    {
        if (Memory.Read() is { } remembered) return remembered;
        if (await store.CheckpointAsync(ct) is not null)
            throw new VaultStartException("The log has checkpoints, but the signer's memory is gone from the home folder: restore it, the log must not be signed blindly.");
        return CompactRange.Empty();
    }

    private void Refuse(string reason)
    {
        refusal = reason;
        logger.LogCritical("The log is not signed any more: {Reason}.", reason);
    }

    private NoteSigner OpenKey()
    {
        var path = Path.Combine(options.Home, "log-signer.key");
        using var sealing = keyring.Derive("log-signer");
        var context = new AssociatedData(stackalloc byte[AssociatedData.Limit], "log-signer").Add(Encoding.UTF8.GetBytes(options.Origin)).Bytes;
        if (!File.Exists(path)) DurableFile.CreateOnce(path, NewKey(sealing.Span, context), clock.Random);
        using var pkcs8 = SealedValue.OpenSecret(sealing.Span, File.ReadAllBytes(path), context);
        var opened = ECDsa.Create();
        opened.ImportPkcs8PrivateKey(pkcs8.Span, out _);
        (key, signer) = (opened, new NoteSigner(options.Origin, opened));
        return signer;
    }

    private byte[] NewKey(ReadOnlySpan<byte> sealing, ReadOnlySpan<byte> context)
    {
        using var fresh = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pkcs8 = fresh.ExportPkcs8PrivateKey();
        var value = SealedValue.Seal(sealing, 1, 0, pkcs8, context, clock.Random);
        CryptographicOperations.ZeroMemory(pkcs8);
        return value;
    }
}

/// <summary>A tree that was signed.</summary>
public sealed record SignedTree(long Size, string Root64);
