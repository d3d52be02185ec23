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
    private const int BlocksAtOnce = 64;

    private readonly NoteVerifier _key;
    private readonly bool _opaqueEntries;

    /// <summary>A verifier of the log of a key.</summary>
    /// <param name="key">The log's key; its name is the log's origin.</param>
    /// <param name="opaqueEntries">True for a log of another program, whose entries are not decoded.</param>
    public LogVerifier(NoteVerifier key, bool opaqueEntries = false) => (_key, _opaqueEntries) = (key, opaqueEntries);

    /// <summary>Reads the whole log and reports all that is wrong with it.</summary>
    /// <param name="source">Where the log is read from.</param>
    /// <param name="earlier">Checkpoints that were seen before and that the log must continue.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public async Task<VerificationReport> VerifyAsync(ILogSource source, IReadOnlyList<SignedNote>? earlier = null, CancellationToken cancellationToken = default)
    {
        var problem = Open(await source.CheckpointAsync(cancellationToken), out var checkpoint);
        if (problem is not null)
            return new VerificationReport { Findings = [new LogFinding(LogFault.Checkpoint, null, null, $"the checkpoint {problem}")] };
        var replay = new LogReplay(new SizedLog(source, checkpoint!.Size), checkpoint, _opaqueEntries, _key as LogKeys);
        foreach (var note in earlier ?? [])
            Expect(note, replay);
        return await replay.RunAsync(BlocksAtOnce, cancellationToken);
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

/// <summary>One pass over a log: entries to root, with everything compared on the way.</summary>
internal sealed class LogReplay(SizedLog log, Checkpoint checkpoint, bool opaqueEntries, LogKeys? keys = null)
{
    private readonly SignerChain _chain = new();
    private readonly CompactRange _range = CompactRange.Empty();
    private readonly TileLevels _levels = new();
    private readonly List<Checkpoint> _earlier = [];
    private readonly List<LogFinding> _findings = [];
    private readonly List<LogFinding> _tileFindings = [];
    private long? _firstTime, _lastTime;
    private long _confirmed;
    private long? _denied;
    private int _continued;

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

    public async Task<VerificationReport> RunAsync(int blocksAtOnce, CancellationToken cancellationToken)
    {
        _earlier.Sort((a, b) => a.Size.CompareTo(b.Size));
        var complete = await ReplayAsync(blocksAtOnce, cancellationToken);
        foreach (var beyond in _earlier.Where(earlier => earlier.Size > log.Size))
            Report(LogFault.EarlierCheckpoint, log.Size, beyond.Size - 1, $"the log had {beyond.Size} entries before and now ends at {log.Size}");
        IReadOnlyList<LogFinding> damage = _tileFindings;
        if (!complete || !_range.Root().AsSpan().SequenceEqual(checkpoint.Root.Span))
            damage = await new LogDamage(log, checkpoint, _confirmed, _denied).FindAsync(cancellationToken);
        else if (keys is not null && !opaqueEntries)
            CheckKeys(keys);
        return new VerificationReport
        {
            Origin = checkpoint.Origin,
            Size = checkpoint.Size,
            Root = checkpoint.Root,
            EarlierCheckpoints = _continued,
            FirstTime = _firstTime,
            LastTime = _lastTime,
            Findings = [.. damage.Concat(_findings).Take(VerificationReport.MaxFindings)],
        };
    }

    // SPEC checkpoint §7: nobody need believe the list of keys, the log itself says which key follows which. A key may have been announced since this checkpoint.
    private void CheckKeys(LogKeys listed)
    {
        foreach (var problem in _chain.Problems(listed, checkpoint.Size))
            Report(LogFault.Keys, null, null, problem);
    }

    /// <summary>False when a bundle is missing or has not its due number of entries, so that the pass could not go on.</summary>
    private async Task<bool> ReplayAsync(int blocksAtOnce, CancellationToken cancellationToken)
    {
        var reading = ReadAsync(0, blocksAtOnce, cancellationToken);
        for (var first = 0L; first < log.Bundles; first += blocksAtOnce)
        {
            var blocks = await reading;
            // The next blocks are read while these are hashed.
            reading = ReadAsync(first + blocksAtOnce, blocksAtOnce, cancellationToken);
            Parallel.ForEach(blocks, block => block.Hash(opaqueEntries));
            foreach (var block in blocks)
            {
                if (!block.Complete)
                    return false;
                Add(block);
                await CheckLevelsAsync(final: false, cancellationToken);
            }
        }
        await CheckLevelsAsync(final: true, cancellationToken);
        return true;
    }

    private async Task<LogBlock[]> ReadAsync(long first, int count, CancellationToken cancellationToken)
    {
        var last = Math.Min(log.Bundles, first + count);
        var blocks = new List<Task<LogBlock>>();
        for (var n = first; n < last; n++)
            blocks.Add(ReadAsync(n, cancellationToken));
        return await Task.WhenAll(blocks);
    }

    private async Task<LogBlock> ReadAsync(long n, CancellationToken cancellationToken)
    {
        var bundle = log.BundleAsync(n, cancellationToken);
        var tile = log.TileAsync(0, n, cancellationToken);
        return new LogBlock(n * TlogTiles.Width, log.EntriesIn(n), await bundle, await tile);
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
        foreach (var (index, entry) in block.Rotations)
            _chain.Read(index, entry);
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

/// <summary>Up to 256 entries and the hash tile over them.</summary>
internal sealed class LogBlock(long first, int count, byte[]? bundle, byte[]? tile)
{
    public long First => first;

    public int Count => count;

    public byte[]? Tile => tile;

    /// <summary>True when the bundle has just the entries that its place asks for.</summary>
    public bool Complete { get; private set; }

    public byte[] Leaves { get; private set; } = [];

    /// <summary>Root over the leaves of a full block.</summary>
    public byte[] Root { get; } = new byte[MerkleHash.Size];

    public List<LogFinding> Findings { get; } = [];

    /// <summary>What the entries say of the log's own keys.</summary>
    public List<(long Index, LogEntry Entry)> Rotations { get; } = [];

    public long? FirstTime { get; private set; }

    public long? LastTime { get; private set; }

    public static string Reversed(long index) => $"entry {index} is earlier than the entry before it";

    public void Hash(bool opaqueEntries)
    {
        Complete = bundle is not null && EntryBundle.TryDecode(bundle, out var entries) && entries.Count == count && HashAll(entries, opaqueEntries);
    }

    private bool HashAll(IReadOnlyList<ReadOnlyMemory<byte>> entries, bool opaqueEntries)
    {
        Leaves = new byte[count * MerkleHash.Size];
        for (var i = 0; i < count; i++)
        {
            MerkleHash.Leaf(entries[i].Span, Leaves.AsSpan(i * MerkleHash.Size, MerkleHash.Size));
            if (!opaqueEntries)
                Check(first + i, entries[i]);
        }
        if (count == TlogTiles.Width)
            MerkleHash.FoldPerfect(Leaves.ToArray(), Root);
        return true;
    }

    private void Check(long index, ReadOnlyMemory<byte> encoded)
    {
        try
        {
            var entry = LogEntry.Decode(encoded);
            var time = entry.Time;
            if (entry.Type == EntryType.SignerRotate)
                Rotations.Add((index, entry));
            if (LastTime > time)
                Findings.Add(new LogFinding(LogFault.TimeReversed, index, index, Reversed(index)));
            FirstTime ??= time;
            LastTime = time;
        }
        catch (FormatException exception)
        {
            Findings.Add(new LogFinding(LogFault.Malformed, index, index, $"entry {index} is not well formed: {exception.Message}"));
        }
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
