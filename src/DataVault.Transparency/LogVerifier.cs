// Verifies a log from its tiles alone, offline, sharing nothing with the code that writes it.
//
//   1. The checkpoint parses, its origin is the key's name, the key has signed it.
//   2. Replay: every entry is hashed to its leaf, the leaves to tiles, the tiles to the root; the root is the signed one. On the way every
//      entry is decoded, its time is not before the last one's, every stored hash tile is what the entries give.
//   3. The root after the first m entries is that of each earlier checkpoint of size m. A replay shows this without a consistency proof.
//
// When the replay does not end at the signed root, LogDamage looks for the entries to blame.

namespace DataVault.Transparency;

/// <summary>Verifies a whole log against its signed checkpoint.</summary>
public sealed class LogVerifier
{
    // Read and hashed ahead of the block that is being added: enough to keep every core and a slow source busy.
    private const int BlocksAhead = 64;

    private readonly NoteVerifier _key;
    private readonly bool _opaqueEntries;

    /// <summary>A verifier of the log of a key.</summary>
    /// <param name="key">The log's key; its name is the log's origin.</param>
    /// <param name="opaqueEntries">True for a log of another program, whose entries are not decoded.</param>
    public LogVerifier(NoteVerifier key, bool opaqueEntries = false) => (_key, _opaqueEntries) = (key, opaqueEntries);

    /// <summary>Told now and then how many entries have been replayed.</summary>
    public IProgress<long>? Progress { get; init; }

    /// <summary>Reads the whole log and reports all that is wrong with it.</summary>
    /// <param name="source">Where the log is read from.</param>
    /// <param name="earlier">Checkpoints that were seen before and that the log must continue.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public Task<VerificationReport> VerifyAsync(ILogSource source, IReadOnlyList<SignedNote>? earlier = null, CancellationToken cancellationToken = default) =>
        VerifyAsync(source, earlier ?? [], [], [], cancellationToken);

    // The trees are what the log must continue besides, and for whose signatures the caller answers. What the readers saw counts only if nothing was found.
    internal async Task<VerificationReport> VerifyAsync(
        ILogSource source, IReadOnlyList<SignedNote> earlier, IReadOnlyList<Checkpoint> trees, IReadOnlyList<IEntryReader> readers, CancellationToken cancellationToken)
    {
        var problem = Open(await source.CheckpointAsync(cancellationToken), out var checkpoint);
        if (problem is not null)
            return new VerificationReport { Findings = [new LogFinding(LogFault.Checkpoint, null, null, $"the checkpoint {problem}")] };
        var chain = new SignerChain();
        var replay = new LogReplay(new SizedLog(source, checkpoint!.Size), checkpoint, _opaqueEntries ? null : [chain, .. readers]) { Progress = Progress };
        foreach (var note in earlier)
            Expect(note, replay);
        foreach (var tree in trees)
            replay.Expect(tree);
        var report = await replay.RunAsync(BlocksAhead, cancellationToken);
        // SPEC checkpoint §7: nobody need believe the list of keys, the log itself says which key follows which. A key may have been announced since this checkpoint.
        if (_key is not LogKeys listed || _opaqueEntries || !replay.IsAsSigned)
            return report;
        var findings = chain.Problems(listed, report.PrunedBelow, checkpoint.Size).Select(found => new LogFinding(LogFault.Keys, null, null, found));
        return report with { Findings = [.. report.Findings.Concat(findings).Take(VerificationReport.MaxFindings)] };
    }

    private string? Open(string? text, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        if (text is null)
            return "is missing";
        if (!SignedNote.TryParse(text, out var note))
            return "is not a signed note";
        return Open(note!, out checkpoint);
    }

    private string? Open(SignedNote note, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        var check = _key.Check(note);
        if (check != NoteCheck.Valid)
            return Explain(check);
        if (!Checkpoint.TryParse(note.Text, out checkpoint))
            return "is signed, but is not a checkpoint";
        return checkpoint!.Origin == _key.Name ? null : $"is of the log {checkpoint.Origin}, not of {_key.Name}";
    }

    private void Expect(SignedNote note, LogReplay replay)
    {
        var problem = Open(note, out var checkpoint);
        if (problem is null)
            replay.Expect(checkpoint!);
        else
            replay.Report(LogFault.EarlierCheckpoint, null, null, $"the earlier checkpoint {problem}");
    }

    private string Explain(NoteCheck check) => check switch
    {
        NoteCheck.NotSigned => $"bears no signature of the key {_key.Name}+{_key.KeyId:x8}",
        NoteCheck.NotAvailable => "is signed in a way that this machine cannot verify (Ed25519 needs libcrypto 3)",
        _ => $"bears a false signature of the key {_key.Name}+{_key.KeyId:x8}",
    };
}

/// <summary>One pass over a log: entries to root, with everything compared on the way. Readers are null when the entries are not ours to decode.</summary>
internal sealed class LogReplay(SizedLog log, Checkpoint checkpoint, IReadOnlyList<IEntryReader>? readers)
{
    private readonly CompactRange _range = CompactRange.Empty();
    private readonly TileLevels _levels = new();
    private readonly List<Checkpoint> _earlier = [];
    private readonly List<LogFinding> _findings = [];
    private readonly List<LogFinding> _tileFindings = [];
    private readonly PruneNotes _prunes = new();
    private long? _firstTime, _lastTime;
    private long _confirmed;
    private long? _denied;
    private int _continued;
    private long _pruned;
    private byte[]? _prunedRoot;

    public IProgress<long>? Progress { get; init; }

    /// <summary>True when the entries led to the signed root.</summary>
    public bool IsAsSigned { get; private set; }

    public void Expect(Checkpoint earlier)
    {
        if (earlier.Size > 0)
            _earlier.Add(earlier);
        else if (!earlier.Root.Span.SequenceEqual(MerkleHash.Empty))
            Report(LogFault.EarlierCheckpoint, null, null, "the earlier checkpoint of no entries has not the root of the empty tree");
        else
            _continued++;
    }

    public void Report(LogFault fault, long? first, long? last, string message)
    {
        if (_findings.Count < VerificationReport.MaxFindings)
            _findings.Add(new LogFinding(fault, first, last, message));
    }

    public async Task<VerificationReport> RunAsync(int blocksAhead, CancellationToken cancellationToken)
    {
        _earlier.Sort((a, b) => a.Size.CompareTo(b.Size));
        var complete = await ReplayAsync(blocksAhead, cancellationToken) && (_pruned == 0 || _prunes.Cover(_pruned, _prunedRoot));
        foreach (var beyond in _earlier.Where(earlier => earlier.Size > log.Size))
            Report(LogFault.EarlierCheckpoint, log.Size, beyond.Size - 1, $"the log had {beyond.Size} entries before and now ends at {log.Size}");
        IReadOnlyList<LogFinding> damage = _tileFindings;
        if (!complete || !_range.Root().AsSpan().SequenceEqual(checkpoint.Root.Span))
            damage = await new LogDamage(log, checkpoint, _confirmed, _denied).FindAsync(cancellationToken);
        else
            IsAsSigned = true;
        return new VerificationReport
        {
            Origin = checkpoint.Origin,
            Size = checkpoint.Size,
            Root = checkpoint.Root,
            EarlierCheckpoints = _continued,
            PrunedBelow = IsAsSigned ? _pruned : 0,
            FirstTime = _firstTime,
            LastTime = _lastTime,
            Findings = [.. damage.Concat(_findings).Take(VerificationReport.MaxFindings)],
        };
    }

    /// <summary>False when a bundle is missing or has not its due number of entries, so that the pass could not go on.</summary>
    private async Task<bool> ReplayAsync(int blocksAhead, CancellationToken cancellationToken)
    {
        var under = new Queue<Task<LogBlock>>();
        var next = 0L;
        while (next < log.Bundles || under.Count > 0)
        {
            for (; next < log.Bundles && under.Count < blocksAhead; next++)
            {
                var n = next;
                under.Enqueue(Task.Run(() => ReadAsync(n, cancellationToken), cancellationToken));
            }
            var block = await under.Dequeue();
            // SPEC log-entry §11: entries may be missing from the beginning on, and nowhere else.
            if (!block.Complete || (block.IsPruned && block.First != _pruned))
            {
                await Task.WhenAll(under);
                return false;
            }
            if (block.IsPruned) _pruned += block.Count;
            else if (_pruned > 0) _prunedRoot ??= _range.Root();
            Add(block);
            await CheckLevelsAsync(final: false, cancellationToken);
            if (block.First / TlogTiles.Width % 1024 == 0)
                Progress?.Report(_range.Size);
        }
        await CheckLevelsAsync(final: true, cancellationToken);
        return true;
    }

    private async Task<LogBlock> ReadAsync(long n, CancellationToken cancellationToken)
    {
        var bundle = log.BundleAsync(n, cancellationToken);
        var tile = log.TileAsync(0, n, cancellationToken);
        var block = new LogBlock(n * TlogTiles.Width, log.EntriesIn(n), await bundle, await tile, readers is null ? [] : [_prunes, .. readers]);
        block.Hash(opaqueEntries: readers is null);
        return block;
    }

    private void Add(LogBlock block)
    {
        CheckEarlier(block.Count, block.Leaves);
        if (block.Count == TlogTiles.Width)
            _range.AppendSubtree(8, block.Root);
        else
            for (var i = 0; i < block.Count; i++)
                _range.Append(block.Leaves.AsSpan(i * MerkleHash.Size, MerkleHash.Size));
        Compare(0, block.First / TlogTiles.Width, block.Leaves, block.Tile);
        _levels.Add(block);
        foreach (var (reader, index, entry) in block.Wanted)
            reader.Read(index, entry);
        foreach (var finding in block.Findings)
            Report(finding.Fault, finding.First, finding.Last, finding.Message);
        if (block.LastTime is null)
            return;
        if (_lastTime > block.FirstTime)
            Report(LogFault.TimeReversed, block.First, block.First, LogBlock.Reversed(block.First));
        _firstTime ??= block.FirstTime;
        _lastTime = block.LastTime;
    }

    /// <summary>Compares the earlier checkpoints whose trees end within the next <paramref name="count"/> leaves.</summary>
    private void CheckEarlier(int count, ReadOnlySpan<byte> leaves)
    {
        var start = _range.Size;
        foreach (var earlier in _earlier)
        {
            if (earlier.Size <= start || earlier.Size > start + count)
                continue;
            var range = _range.Clone();
            for (var i = 0; i < earlier.Size - start; i++)
                range.Append(leaves.Slice(i * MerkleHash.Size, MerkleHash.Size));
            if (range.Root().AsSpan().SequenceEqual(earlier.Root.Span))
            {
                _continued++;
                _confirmed = _denied is null ? Math.Max(_confirmed, earlier.Size) : _confirmed;
                continue;
            }
            _denied ??= earlier.Size;
            Report(LogFault.EarlierCheckpoint, _confirmed, earlier.Size - 1,
                $"an entry between {_confirmed} and {earlier.Size - 1} is not what the earlier checkpoint of {earlier.Size} entries signed");
        }
    }

    private async Task CheckLevelsAsync(bool final, CancellationToken cancellationToken)
    {
        while (_levels.TryTake(final, out var level, out var n, out var hashes))
        {
            var stored = await log.TileAsync(level, n, cancellationToken);
            Compare(level, n, hashes, stored);
        }
    }

    private void Compare(int level, long n, ReadOnlySpan<byte> computed, ReadOnlySpan<byte> stored)
    {
        if (computed.SequenceEqual(stored) || _tileFindings.Count >= VerificationReport.MaxFindings)
            return;
        _tileFindings.Add(LogDamage.TileFinding(level, n, computed, stored));
    }
}

/// <summary>The hash tiles of level 1 and above, as they come to be while blocks are added.</summary>
internal sealed class TileLevels
{
    private const int Levels = 8;

    private readonly byte[][] _hashes = [.. Enumerable.Range(0, Levels).Select(_ => new byte[TlogTiles.Width * MerkleHash.Size])];
    private readonly int[] _filled = new int[Levels];
    private readonly long[] _done = new long[Levels];

    public void Add(LogBlock block)
    {
        if (block.Count == TlogTiles.Width)
            Add(1, block.Root);
    }

    /// <summary>Takes the next full tile; with <paramref name="final"/> the partial ones too.</summary>
    public bool TryTake(bool final, out int level, out long n, out byte[] hashes)
    {
        for (level = 1; level < Levels; level++)
        {
            var filled = _filled[level];
            if (filled != TlogTiles.Width && (!final || filled == 0))
                continue;
            hashes = _hashes[level][..(filled * MerkleHash.Size)];
            n = _done[level]++;
            _filled[level] = 0;
            if (filled == TlogTiles.Width)
                AddRoot(level + 1, hashes);
            return true;
        }
        (level, n, hashes) = (0, 0, []);
        return false;
    }

    private void AddRoot(int level, byte[] children)
    {
        Span<byte> root = stackalloc byte[MerkleHash.Size];
        MerkleHash.FoldPerfect(children.ToArray(), root);
        Add(level, root);
    }

    // INVARIANT: a full tile is taken before the next hash of its level comes, because TryTake runs after every block.
    private void Add(int level, ReadOnlySpan<byte> hash) =>
        hash.CopyTo(_hashes[level].AsSpan(_filled[level]++ * MerkleHash.Size));
}
