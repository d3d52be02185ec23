using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What an operator does with the signer: changes its key, or tells it what it last signed when its memory is lost. Each act is an entry of the log.</summary>
public sealed class SignerCare
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly AuditLog log;
    private readonly LogStore store;
    private readonly SignerKeys keys;
    private readonly SignerMemory memory;
    private readonly AuditReader reader;
    private readonly VaultOptions options;

    internal SignerCare(AuditLog log, LogStore store, SignerKeys keys, SignerMemory memory, AuditReader reader, VaultOptions options) =>
        (this.log, this.store, this.keys, this.memory, this.reader, this.options) = (log, store, keys, memory, reader, options);

    /// <summary>Every key there ever was, and for which trees each is accepted.</summary>
    /// <exception cref="VaultException">The keys cannot be opened.</exception>
    public LogKeys Keys => KeysOrNull() ?? throw VaultException.Unavailable();

    /// <summary>Null when they cannot be opened; then the signer says why.</summary>
    public LogKeys? KeysOrNull()
    {
        try
        {
            return keys.List;
        }
        catch (SignerRefusalException)
        {
            return null;
        }
    }

    /// <summary>Makes a new key, announces it in the log and lets it sign beside the old one.</summary>
    /// <exception cref="VaultException">The old key and the one before it both sign still.</exception>
    public async Task<LogKey> RotateAsync(CancellationToken ct = default)
    {
        using var held = Claim();
        if (Keys.Keys.Count(key => key.Until is null) > 1) throw VaultException.InvalidState("Two keys sign already: retire the older one first.");
        var next = keys.Prepare();
        var announced = await EnterAsync(entry => entry with { KeyCommitment = LogKey.CommitmentOf(next) }, EntryType.SignerRotate, ct);
        keys.Begin(next, announced + 1);
        return Keys.Keys[^1];
    }

    /// <summary>Ends the older of two keys that sign, and destroys it. First keeps the proof, signed by it, that it announced its successor.</summary>
    /// <exception cref="VaultException">Only one key signs, or the newer one has not signed yet.</exception>
    public async Task<LogKey> RetireAsync(CancellationToken ct = default)
    {
        using var held = Claim();
        if (Keys.Keys.Where(key => key.Until is null).ToList() is not [var old, var successor]) throw VaultException.InvalidState("Only one key signs: make another first (signer rotate).");
        if (await ProofAsync(old, successor, ct) is not { } proof) throw VaultException.InvalidState("No checkpoint bears both signatures yet: see that the log is signed, then try again.");
        keys.Keep(ProofPath(successor), proof);
        var ended = await EnterAsync(entry => entry with { KeyCommitment = old.Commitment, Reference = successor.From - 1 }, EntryType.SignerRotate, ct);
        keys.End(old.VerifierKey, ended);
        return Keys.Keys.Single(key => key.VerifierKey == old.VerifierKey);
    }

    /// <summary>
    /// The proof that a key was announced, under a checkpoint that the key before it has signed; null for the first key, and while there is none yet.
    /// </summary>
    /// <param name="keyId">The key's id, 8 hexadecimal digits.</param>
    public async Task<string?> AnnouncementAsync(string keyId, CancellationToken ct = default)
    {
        var all = Keys.Keys;
        var at = all.ToList().FindIndex(key => key.VerifierKey.Split('+')[1] == keyId);
        if (at < 1) return null;
        var kept = ProofPath(all[at]);
        return File.Exists(kept) ? await File.ReadAllTextAsync(kept, ct) : await ProofAsync(all[at - 1], all[at], ct);
    }

    /// <summary>
    /// Takes the word of an operator for what was last signed, after everything that can be checked was: the log's entries lead to the stated root, to the
    /// memory that there is, and to the newest checkpoint in the database.
    /// </summary>
    /// <param name="stated">The newest checkpoint that an auditor or a witness holds.</param>
    /// <exception cref="VaultException">The log is not the one stated, or the signer remembers more than that.</exception>
    public async Task<SignedTree> AdoptAsync(Checkpoint stated, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(stated);
        using var held = Claim();
        if (stated.Origin != options.Origin) throw VaultException.InvalidState("The checkpoint is of another log.");
        var due = new Dictionary<long, byte[]> { [stated.Size] = stated.Root.ToArray() };
        var known = memory.TryRecall();
        if (known?.Size > stated.Size) throw VaultException.InvalidState($"The signer remembers {known.Size} entries, more than stated.");
        if (known is not null) Expect(due, known.Size, known.Root());
        if (await NewestAsync(ct) is { } newest) Expect(due, newest.Size, newest.Root.ToArray());
        var tree = await ReplayAsync(due, ct);
        await EnterAsync(entry => entry with { KeyCommitment = stated.Root, RecordVersion = stated.Size }, EntryType.SignerAdopt, ct);
        memory.Remember(tree);
        return new SignedTree(tree.Size, Convert.ToBase64String(tree.Root()));
    }

    private static void Expect(Dictionary<long, byte[]> due, long size, byte[] root)
    {
        if (due.TryAdd(size, root) || due[size].AsSpan().SequenceEqual(root)) return;
        throw VaultException.InvalidState($"Two trees of {size} entries were signed: this is a fork, no memory may be made of it.");
    }

    private async Task<CompactRange> ReplayAsync(Dictionary<long, byte[]> due, CancellationToken ct)
    {
        var (tree, leaf, end) = (CompactRange.Empty(), new byte[MerkleHash.Size], due.Keys.Max());
        Compare(due, tree);
        await foreach (var (index, entry) in store.EntriesAsync(0, end, ct))
        {
            if (index != tree.Size) break;
            MerkleHash.Leaf(entry.Span, leaf);
            tree.Append(leaf);
            Compare(due, tree);
        }

        return tree.Size == end ? tree : throw VaultException.InvalidState($"The log ends at {tree.Size} entries, but {end} were signed: bring the missing ones back first.");
    }

    private static void Compare(Dictionary<long, byte[]> due, CompactRange tree)
    {
        if (due.TryGetValue(tree.Size, out var root) && !tree.Root().AsSpan().SequenceEqual(root))
            throw VaultException.InvalidState($"The first {tree.Size} entries of the log are not those that were signed.");
    }

    private async Task<Checkpoint?> NewestAsync(CancellationToken ct) =>
        await store.CheckpointAsync(ct) is { } newest && SignedNote.TryParse(newest.Note, out var note) && Keys.Verify(note!)
        && Checkpoint.TryParse(note!.Text, out var checkpoint) ? checkpoint : null;

    private async Task<string?> ProofAsync(LogKey before, LogKey key, CancellationToken ct)
    {
        await reader.SignAsync(ct);
        if (await store.CheckpointAsync(ct) is not { } newest || newest.Size < key.From) return null;
        var text = (await reader.ProofAsync(key.From - 1, ct)).Text;
        return TlogProof.TryParse(text, out var proof) && LogKeys.CheckAnnouncement(before, key, proof!) is null ? text : null;
    }

    private string ProofPath(LogKey key) => Path.Combine(options.Home, $"log-signer.{key.VerifierKey.Split('+')[1]}.tlog-proof");

    private Task<long> EnterAsync(Func<LogEntry, LogEntry> with, EntryType type, CancellationToken ct) =>
        log.AppendAsync(with(log.Entry(type, LogWorker.Keeper, default, "", EntryResult.Ok, [])), null, ct).WaitAsync(Patience, ct);

    // Two operators at once would make two keys, or two memories.
    private FileStream Claim()
    {
        try
        {
            return new FileStream(Path.Combine(options.Home, "log-signer.care.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException)
        {
            throw VaultException.InvalidState("Somebody else sees to the signer at this moment.");
        }
    }
}
