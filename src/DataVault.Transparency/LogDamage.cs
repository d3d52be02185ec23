// Finds the entries to blame when a log does not lead to its signed root.
//
// A root alone says that something is wrong, never where. The stored hash tiles say where, once they are known to be the signed ones, and that
// can be shown from the top down: the hashes at the right edge of each tile level fold to the root, so if those of the tiles (or, where a tile
// was altered too, those computed from the entries) fold to the signed root, they are authentic; a hash of one level then vouches for the
// tile under it; and so on down to the leaf hashes. What the entries give is compared with those.
//
//   1. Compute   entries, end to end whatever the bundles' borders -> hashes of every level
//   2. Edge      per level, the tile's hashes or the computed ones: the choice that folds to the signed root
//   3. Descend   per full tile, the stored hashes or the computed ones: those whose root the level above vouches for
//   4. Blame     the first block of 256 whose leaves are not vouched for, leaf by leaf (LeafComparison)

namespace DataVault.Transparency;

internal sealed class LogDamage(SizedLog log, Checkpoint checkpoint, long confirmed, long? denied)
{
    // Enough to find a leaf that moved far, and no more than 64 MB however large the log.
    private const int WindowLeaves = 1 << 20;

    private readonly List<LogFinding> _findings = [];
    private readonly List<LogFinding> _layout = [];
    private readonly HashList[] _computed = [.. Enumerable.Range(0, 9).Select(_ => new HashList())];
    private long _entries;

    /// <summary>What is wrong with a hash tile whose entries are as signed.</summary>
    public static LogFinding TileFinding(int level, long n, ReadOnlySpan<byte> due, ReadOnlySpan<byte> stored)
    {
        var hash = stored.IsEmpty ? 0 : due.CommonPrefixLength(stored) / MerkleHash.Size;
        var first = ((n * TlogTiles.Width) + hash) << (8 * level);
        var last = (((n * TlogTiles.Width) + (stored.IsEmpty ? due.Length / MerkleHash.Size : hash + 1)) << (8 * level)) - 1;
        var what = stored.IsEmpty ? "is missing or has another length" : $"was altered at hash {hash}";
        return new LogFinding(LogFault.Tile, first, last, $"{TlogTiles.TilePath(level, n, due.Length / MerkleHash.Size)} {what}, over {Span(first, last)}, which the signed root confirms");
    }

    public async Task<IReadOnlyList<LogFinding>> FindAsync(CancellationToken cancellationToken)
    {
        await ComputeAsync(cancellationToken);
        if (await EdgeAsync(cancellationToken) is { } edge)
            await BlameAsync(edge, await DescendAsync(edge, cancellationToken), cancellationToken);
        else
            await BlameWithoutTrustAsync(cancellationToken);
        // An odd bundle is the trace of whatever was found; alone, it is what is wrong.
        return _findings.Count > 0 ? _findings : _layout;
    }

    private static string Span(long first, long last) => first == last ? $"entry {first}" : $"entries {first} to {last}";

    private static int Top(long size)
    {
        var level = 0;
        while (TlogTiles.HashesAt(level + 1, size) > 0)
            level++;
        return level;
    }

    // 1 ---------------------------------------------------------------------------------------------------------------------------------

    private async Task ComputeAsync(CancellationToken cancellationToken)
    {
        await foreach (var leaf in LeavesAsync(report: true, cancellationToken))
        {
            _entries++;
            AddComputed(0, leaf);
        }
    }

    // INVARIANT: level 0 keeps the last, incomplete tile only; the other levels keep all their hashes.
    private void AddComputed(int level, ReadOnlySpan<byte> hash)
    {
        var hashes = _computed[level];
        hashes.Add(hash);
        if (hashes.Count % TlogTiles.Width != 0)
            return;
        Span<byte> root = stackalloc byte[MerkleHash.Size];
        MerkleHash.FoldPerfect(hashes.Tile((hashes.Count / TlogTiles.Width) - 1), root);
        if (level == 0)
            hashes.Clear();
        AddComputed(level + 1, root);
    }

    private async IAsyncEnumerable<byte[]> LeavesAsync(bool report, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var n = 0L; n < log.Bundles; n++)
        {
            var bundle = await log.BundleAsync(n, cancellationToken);
            IReadOnlyList<ReadOnlyMemory<byte>> entries = [];
            var whole = bundle is not null && EntryBundle.TryDecode(bundle, out entries);
            if (report && (!whole || entries.Count != log.EntriesIn(n)))
                ReportBundle(n, bundle is null, whole, entries.Count);
            foreach (var entry in entries)
                yield return MerkleHash.Leaf(entry.Span);
        }
    }

    private void ReportBundle(long n, bool missing, bool whole, int entries)
    {
        var first = n * TlogTiles.Width;
        var last = first + log.EntriesIn(n) - 1;
        var what = missing ? "is missing" : whole ? $"holds {entries} entries where {log.EntriesIn(n)} are due" : $"is cut off after {entries} entries";
        if (_layout.Count < VerificationReport.MaxFindings)
            _layout.Add(new LogFinding(LogFault.Bundle, first + Math.Min(entries, last - first), last, $"{TlogTiles.EntriesPath(n, log.EntriesIn(n))} {what}"));
    }

    // 2 ---------------------------------------------------------------------------------------------------------------------------------

    /// <summary>Per level the authentic hashes right of the last full tile; null when no choice folds to the signed root.</summary>
    private async Task<byte[][]?> EdgeAsync(CancellationToken cancellationToken)
    {
        var top = Top(log.Size);
        var stored = new byte[]?[top + 1];
        var computed = new byte[]?[top + 1];
        for (var level = 0; level <= top; level++)
        {
            var width = (int)(TlogTiles.HashesAt(level, log.Size) % TlogTiles.Width);
            stored[level] = width == 0 ? [] : await log.TileAsync(level, TlogTiles.HashesAt(level, log.Size) / TlogTiles.Width, cancellationToken);
            computed[level] = _entries == log.Size ? _computed[level].Last(width) : null;
        }
        for (var choice = 0; choice < 1 << (top + 1); choice++)
        {
            var edge = Enumerable.Range(0, top + 1).Select(level => (choice >> level & 1) == 0 ? stored[level] : computed[level]).ToArray();
            if (edge.All(hashes => hashes is not null) && FoldsToRoot(edge!))
                return ReportEdge(edge!, stored);
        }
        return null;
    }

    private bool FoldsToRoot(byte[][] edge)
    {
        var range = CompactRange.Empty();
        for (var level = edge.Length - 1; level >= 0; level--)
            for (var i = 0; i < edge[level].Length; i += MerkleHash.Size)
                range.AppendSubtree(8 * level, edge[level].AsSpan(i, MerkleHash.Size));
        return range.Root().AsSpan().SequenceEqual(checkpoint.Root.Span);
    }

    private byte[][] ReportEdge(byte[][] edge, byte[]?[] stored)
    {
        for (var level = 0; level < edge.Length; level++)
            if (!edge[level].AsSpan().SequenceEqual(stored[level]))
                _findings.Add(TileFinding(level, TlogTiles.HashesAt(level, log.Size) / TlogTiles.Width, edge[level], stored[level]));
        return edge;
    }

    // 3 ---------------------------------------------------------------------------------------------------------------------------------

    /// <summary>The authentic hashes of level 1, one for each full block of 256 entries; zeros where nothing vouches for one.</summary>
    private async Task<HashList> DescendAsync(byte[][] edge, CancellationToken cancellationToken)
    {
        var above = new HashList();
        for (var level = edge.Length - 1; level >= 1; level--)
        {
            var hashes = new HashList();
            for (var n = 0; n < above.Count; n++)
                hashes.AddMany(await VouchedAsync(level, n, above[n].ToArray(), cancellationToken));
            hashes.AddMany(edge[level]);
            above = hashes;
        }
        return above;
    }

    private async Task<byte[]> VouchedAsync(int level, long n, byte[] root, CancellationToken cancellationToken)
    {
        var stored = await log.TileAsync(level, n, cancellationToken);
        if (stored is not null && IsRootOf(stored, root))
            return stored;
        var computed = _computed[level].Count >= (n + 1) * TlogTiles.Width ? _computed[level].Tile((int)n) : null;
        if (computed is null || !IsRootOf(computed, root))
            return new byte[TlogTiles.Width * MerkleHash.Size];
        Report(TileFinding(level, n, computed, stored));
        return computed;
    }

    private static bool IsRootOf(byte[] hashes, ReadOnlySpan<byte> root)
    {
        Span<byte> folded = stackalloc byte[MerkleHash.Size];
        MerkleHash.FoldPerfect(hashes.AsSpan().ToArray(), folded);
        return folded.SequenceEqual(root);
    }

    // 4 ---------------------------------------------------------------------------------------------------------------------------------

    private async Task BlameAsync(byte[][] edge, HashList blocks, CancellationToken cancellationToken)
    {
        for (var block = 0L; block < log.Bundles; block++)
        {
            if (IsSound(block, edge, blocks))
                continue;
            if (await TrustedLeavesAsync(block, edge, blocks, cancellationToken) is not { } trusted)
            {
                var (first, last) = (block * TlogTiles.Width, (block * TlogTiles.Width) + log.EntriesIn(block) - 1);
                Report(new LogFinding(LogFault.AlteredWithTile, first, last, $"among {Span(first, last)} one or more were altered, and the hash tile over them too"));
                // With a leaf too many or too few, nothing after this block stands where it is due.
                if (_entries != log.Size)
                    return;
                continue;
            }
            var (expected, complete) = await WindowAsync(block, trusted, edge, blocks, cancellationToken);
            var actual = await ActualAsync(block * TlogTiles.Width, complete ? int.MaxValue : expected.Count, cancellationToken);
            foreach (var finding in LeafComparison.Compare(block * TlogTiles.Width, expected, actual, complete))
                Report(finding);
            return;
        }
        if (_entries > log.Size)
            Report(new LogFinding(LogFault.Inserted, log.Size, log.Size, $"{_entries - log.Size} entries were inserted at index {log.Size}"));
    }

    private bool IsSound(long block, byte[][] edge, HashList blocks)
    {
        if (block < blocks.Count)
            return block < _computed[1].Count && _computed[1][(int)block].SequenceEqual(blocks[(int)block]);
        return _computed[1].Count == block && _computed[0].Last(_computed[0].Count).AsSpan().SequenceEqual(edge[0]);
    }

    private async Task<byte[]?> TrustedLeavesAsync(long block, byte[][] edge, HashList blocks, CancellationToken cancellationToken)
    {
        if (block >= blocks.Count)
            return edge[0];
        var root = blocks[(int)block].ToArray();
        return await log.TileAsync(0, block, cancellationToken) is { } tile && IsRootOf(tile, root) ? tile : null;
    }

    /// <summary>The authentic leaf hashes from a block on, up to the window's size or the first block without any; and whether that is the log's end.</summary>
    private async Task<(HashList Leaves, bool Complete)> WindowAsync(long block, byte[]? trusted, byte[][] edge, HashList blocks, CancellationToken cancellationToken)
    {
        var leaves = new HashList();
        while (trusted is not null && leaves.Count < WindowLeaves)
        {
            leaves.AddMany(trusted);
            if (++block == log.Bundles)
                return (leaves, true);
            trusted = await TrustedLeavesAsync(block, edge, blocks, cancellationToken);
        }
        return (leaves, false);
    }

    private async Task<HashList> ActualAsync(long first, int most, CancellationToken cancellationToken)
    {
        var actual = new HashList();
        var position = 0L;
        await foreach (var leaf in LeavesAsync(report: false, cancellationToken))
        {
            if (position++ < first)
                continue;
            if (actual.Count == most)
                break;
            actual.Add(leaf);
        }
        return actual;
    }

    /// <summary>Says what can be said when neither tiles nor entries lead to the signed root.</summary>
    private async Task BlameWithoutTrustAsync(CancellationToken cancellationToken)
    {
        var (first, last) = (confirmed, (denied ?? log.Size) - 1);
        var index = await FirstUnlikeTileAsync(cancellationToken);
        if (index is { } bad)
            Report(new LogFinding(LogFault.Root, bad, bad, $"entry {bad} is not what the hash tile over it holds, and the tiles do not lead to the signed root either"));
        else if (_entries < log.Size)
            Report(new LogFinding(LogFault.Truncated, _entries, log.Size - 1, $"the log ends before entry {_entries}: {log.Size - _entries} signed entries are gone, and the hash tiles over them"));
        else
            Report(new LogFinding(LogFault.Root, first, last, $"among {Span(first, last)} one or more are not as signed, and every hash tile was altered to fit"));
    }

    private async Task<long?> FirstUnlikeTileAsync(CancellationToken cancellationToken)
    {
        var index = 0L;
        var tile = Array.Empty<byte>();
        await foreach (var leaf in LeavesAsync(report: false, cancellationToken))
        {
            if (index == log.Size)
                break;
            var at = (int)(index % TlogTiles.Width) * MerkleHash.Size;
            if (at == 0)
                tile = await log.TileAsync(0, index / TlogTiles.Width, cancellationToken) ?? [];
            if (tile.Length > 0 && !leaf.AsSpan().SequenceEqual(tile.AsSpan(at, MerkleHash.Size)))
                return index;
            index++;
        }
        return null;
    }

    private void Report(LogFinding finding)
    {
        if (_findings.Count < VerificationReport.MaxFindings)
            _findings.Add(finding);
    }
}

/// <summary>Hashes end to end.</summary>
internal sealed class HashList
{
    private byte[] _bytes = new byte[16 * MerkleHash.Size];

    public int Count { get; private set; }

    public ReadOnlySpan<byte> this[int index] => _bytes.AsSpan(0, Count * MerkleHash.Size).Slice(index * MerkleHash.Size, MerkleHash.Size);

    public void Add(ReadOnlySpan<byte> hash) => AddMany(hash);

    public void AddMany(ReadOnlySpan<byte> hashes)
    {
        var length = Count * MerkleHash.Size;
        if (_bytes.Length < length + hashes.Length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, length + hashes.Length));
        hashes.CopyTo(_bytes.AsSpan(length));
        Count += hashes.Length / MerkleHash.Size;
    }

    public void Clear() => Count = 0;

    /// <summary>A copy of the n-th 256 hashes.</summary>
    public byte[] Tile(int n) => _bytes.AsSpan(n * TlogTiles.Width * MerkleHash.Size, TlogTiles.Width * MerkleHash.Size).ToArray();

    /// <summary>A copy of the last hashes.</summary>
    public byte[] Last(int count) => _bytes.AsSpan((Count - count) * MerkleHash.Size, count * MerkleHash.Size).ToArray();
}
