namespace DataVault.Transparency;

/// <summary>How two people's checkpoints of one log stand to each other.</summary>
public enum CheckpointRelation
{
    /// <summary>Both are of the same tree.</summary>
    Same,

    /// <summary>The later tree continues the earlier one.</summary>
    Continues,

    /// <summary>Both are signed, and no one log can have had both: the two notes are the evidence.</summary>
    Fork,

    /// <summary>They are of different sizes, and nothing at hand shows whether one continues the other.</summary>
    Unproved,

    /// <summary>One of them is not a checkpoint of the log that its key has signed.</summary>
    NotSigned,
}

/// <summary>Compares checkpoints that different people hold.</summary>
/// <param name="Relation">How they stand to each other.</param>
/// <param name="Message">A sentence about it.</param>
/// <param name="Earlier">The smaller one, where both are signed.</param>
/// <param name="Later">The larger one.</param>
public sealed record CheckpointComparison(CheckpointRelation Relation, string Message, Checkpoint? Earlier = null, Checkpoint? Later = null)
{
    /// <summary>Compares two checkpoints, with a copy of the log's hash tiles or a consistency proof where there is one.</summary>
    /// <param name="one">A checkpoint.</param>
    /// <param name="other">Another of the same log.</param>
    /// <param name="key">The log's key.</param>
    /// <param name="tiles">A log that reaches at least to the larger of the two; its hash tiles are enough.</param>
    /// <param name="proof">The consistency proof between the two.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    public static async Task<CheckpointComparison> OfAsync(
        SignedNote one, SignedNote other, NoteVerifier key, ILogSource? tiles = null, IReadOnlyList<byte[]>? proof = null, CancellationToken cancellationToken = default)
    {
        if (!TryOpen(one, key, out var earlier))
            return new(CheckpointRelation.NotSigned, "the first is not a checkpoint of the log that its key has signed");
        if (!TryOpen(other, key, out var later))
            return new(CheckpointRelation.NotSigned, "the second is not a checkpoint of the log that its key has signed");
        if (earlier!.Size > later!.Size)
            (earlier, later) = (later, earlier);
        if (earlier.Size == later.Size)
            return earlier.Root.Span.SequenceEqual(later.Root.Span) ? Say(CheckpointRelation.Same, $"both are of the same {earlier.Size} entries")
                : Say(CheckpointRelation.Fork, $"both sign {earlier.Size} entries with different roots");
        if (earlier.Size == 0)
            return Say(CheckpointRelation.Continues, "every log continues an empty one");
        if (proof is not null)
            return ConsistencyProof.Verify(earlier.Size, later.Size, earlier.Root.Span, later.Root.Span, proof)
                ? Say(CheckpointRelation.Continues, $"the {later.Size} entries begin with the {earlier.Size}")
                : Say(CheckpointRelation.Unproved, "the consistency proof does not lead from one to the other");
        if (tiles is null)
            return Say(CheckpointRelation.Unproved, $"one is of {earlier.Size} entries, the other of {later.Size}: a copy of the log's tiles or a consistency proof is needed");
        var (found, why) = await CompareAsync(earlier, later, new SizedLog(tiles, later.Size), cancellationToken);
        return Say(found, why);

        CheckpointComparison Say(CheckpointRelation relation, string message) => new(relation, message, earlier, later);
    }

    /// <summary>How a tree stands to one that was held before, with the hash tiles of the newer.</summary>
    internal static async Task<(CheckpointRelation Relation, string Message)> OfTreesAsync(Checkpoint before, Checkpoint now, ILogSource tiles, CancellationToken cancellationToken)
    {
        if (now.Size < before.Size)
            return (CheckpointRelation.Fork, $"it had {before.Size} entries before and has {now.Size} now");
        if (now.Size == before.Size)
            return now.Root.Span.SequenceEqual(before.Root.Span) ? (CheckpointRelation.Same, "") : (CheckpointRelation.Fork, $"both sign {now.Size} entries with different roots");
        return before.Size == 0 ? (CheckpointRelation.Continues, "") : await CompareAsync(before, now, new SizedLog(tiles, now.Size), cancellationToken);
    }

    private static async Task<(CheckpointRelation Relation, string Message)> CompareAsync(Checkpoint earlier, Checkpoint later, SizedLog log, CancellationToken cancellationToken)
    {
        if (await RootAsync(later.Size, log, cancellationToken) is not { } whole || !whole.AsSpan().SequenceEqual(later.Root.Span))
            return (CheckpointRelation.Unproved, $"the copy of the log does not lead to the checkpoint of {later.Size} entries: verify it by itself, or take another");
        var part = await RootAsync(earlier.Size, log, cancellationToken);
        return part.AsSpan().SequenceEqual(earlier.Root.Span)
            ? (CheckpointRelation.Continues, $"the {later.Size} entries begin with the {earlier.Size}")
            : (CheckpointRelation.Fork, $"the tree of {later.Size} entries had another root at {earlier.Size} entries than the one that was signed then");
    }

    /// <summary>The root over the first entries, from hash tiles alone; null when one is missing.</summary>
    private static async Task<byte[]?> RootAsync(long size, SizedLog log, CancellationToken cancellationToken)
    {
        // The first run finds out which tiles are needed, the second has them.
        var tiles = new Dictionary<(int Level, long N), byte[]>();
        Subtree.Root(0, size, TlogTiles.NodeReader(log.Size, (level, n, width) => tiles[(level, n)] = new byte[width * MerkleHash.Size]));
        foreach (var (level, n) in tiles.Keys.ToList())
        {
            if (await log.TileAsync(level, n, cancellationToken) is not { } tile)
                return null;
            tiles[(level, n)] = tile;
        }
        return Subtree.Root(0, size, TlogTiles.NodeReader(log.Size, (level, n, _) => tiles[(level, n)]));
    }

    private static bool TryOpen(SignedNote note, NoteVerifier key, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        return key.Check(note) == NoteCheck.Valid && Checkpoint.TryParse(note.Text, out checkpoint) && checkpoint!.Origin == key.Name;
    }
}
