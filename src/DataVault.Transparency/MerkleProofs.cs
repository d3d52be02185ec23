// Proofs over an RFC 6962 tree.
//
//   inclusion    that a leaf stands at an index of the tree of a given size   (RFC 6962 §2.1.1, verified as in RFC 9162 §2.1.3.2)
//   consistency  that the tree of one size is the beginning of a larger one    (RFC 6962 §2.1.2, verified as in RFC 9162 §2.1.4.2)
//
// Building asks for nodes by (height, index): the root over the 2^height leaves that start at index * 2^height. Only perfect subtrees inside
// the tree are asked for, so a builder can be fed from stored tiles (TlogTiles.NodeReader). Verifying is strict: a hash too many, a hash too
// few, a length other than 32 or a size of zero is a refusal.

using System.Numerics;

namespace DataVault.Transparency;

/// <summary>Builds and verifies RFC 6962 inclusion proofs.</summary>
public static class InclusionProof
{
    /// <summary>The audit path of the leaf at <paramref name="index"/> in the tree of <paramref name="size"/> leaves, from the leaf's sibling upwards.</summary>
    /// <param name="index">Zero-based index of the leaf.</param>
    /// <param name="size">Leaves in the tree.</param>
    /// <param name="node">The root of the perfect subtree (height, index).</param>
    public static IReadOnlyList<byte[]> Build(long index, long size, Func<int, long, byte[]> node)
    {
        if (index < 0 || index >= size)
            throw new ArgumentOutOfRangeException(nameof(index), $"A tree of {size} leaves has no leaf {index}.");
        var path = new List<byte[]>();
        // SPEC rfc6962 §2.1.1: PATH(m, D[n]), unrolled from the root down; reversed at the end.
        for (long low = 0, high = size; high - low > 1;)
        {
            var middle = low + Subtree.LargestPowerBelow(high - low);
            path.Add(index < middle ? Subtree.Root(middle, high, node) : Subtree.Root(low, middle, node));
            (low, high) = index < middle ? (low, middle) : (middle, high);
        }
        path.Reverse();
        return path;
    }

    /// <summary>True when <paramref name="proof"/> leads from the leaf hash at <paramref name="index"/> to <paramref name="root"/> in a tree of <paramref name="size"/> leaves.</summary>
    public static bool Verify(long index, long size, ReadOnlySpan<byte> leafHash, IReadOnlyList<byte[]> proof, ReadOnlySpan<byte> root)
    {
        // SPEC rfc9162 §2.1.3.2
        if (index < 0 || index >= size || leafHash.Length != MerkleHash.Size || root.Length != MerkleHash.Size)
            return false;
        Span<byte> running = stackalloc byte[MerkleHash.Size];
        leafHash.CopyTo(running);
        var (fn, sn) = (index, size - 1);
        foreach (var step in proof)
        {
            if (sn == 0 || step.Length != MerkleHash.Size)
                return false;
            if ((fn & 1) == 1 || fn == sn)
            {
                MerkleHash.Node(step, running, running);
                var shift = (fn & 1) == 1 ? 0 : BitOperations.TrailingZeroCount(fn);
                (fn, sn) = (fn >> shift, sn >> shift);
            }
            else
            {
                MerkleHash.Node(running, step, running);
            }
            (fn, sn) = (fn >> 1, sn >> 1);
        }
        return sn == 0 && running.SequenceEqual(root);
    }
}

/// <summary>Builds and verifies RFC 6962 consistency proofs.</summary>
public static class ConsistencyProof
{
    /// <summary>The proof that the tree of <paramref name="oldSize"/> leaves begins the tree of <paramref name="newSize"/> leaves; empty when they are equal.</summary>
    /// <param name="oldSize">Leaves in the earlier tree, at least one.</param>
    /// <param name="newSize">Leaves in the later tree.</param>
    /// <param name="node">The root of the perfect subtree (height, index).</param>
    public static IReadOnlyList<byte[]> Build(long oldSize, long newSize, Func<int, long, byte[]> node)
    {
        if (oldSize < 1 || oldSize > newSize)
            throw new ArgumentOutOfRangeException(nameof(oldSize), $"No proof leads from {oldSize} to {newSize} leaves.");
        var proof = new List<byte[]>();
        var (low, high, whole) = (0L, newSize, true);
        // SPEC rfc6962 §2.1.2: SUBPROOF(m, D[n], b), unrolled from the root down; reversed at the end.
        while (oldSize != high)
        {
            var middle = low + Subtree.LargestPowerBelow(high - low);
            proof.Add(oldSize <= middle ? Subtree.Root(middle, high, node) : Subtree.Root(low, middle, node));
            whole &= oldSize <= middle;
            (low, high) = oldSize <= middle ? (low, middle) : (middle, high);
        }
        if (!whole)
            proof.Add(Subtree.Root(low, high, node));
        proof.Reverse();
        return proof;
    }

    /// <summary>
    /// True when <paramref name="proof"/> shows that the tree of <paramref name="oldSize"/> leaves with <paramref name="oldRoot"/> begins the
    /// tree of <paramref name="newSize"/> leaves with <paramref name="newRoot"/>. Sizes below one are refused: nothing follows from an empty tree.
    /// </summary>
    public static bool Verify(long oldSize, long newSize, ReadOnlySpan<byte> oldRoot, ReadOnlySpan<byte> newRoot, IReadOnlyList<byte[]> proof)
    {
        if (oldSize < 1 || oldSize > newSize)
            return false;
        if (oldSize == newSize)
            return proof.Count == 0 && oldRoot.SequenceEqual(newRoot);
        if (proof.Count == 0 || proof.Any(step => step.Length != MerkleHash.Size))
            return false;
        // SPEC rfc9162 §2.1.4.2: an old tree that is a perfect subtree of the new one is itself the first step.
        return BitOperations.IsPow2(oldSize)
            ? Walk(oldSize, newSize, oldRoot, oldRoot, newRoot, proof, 0)
            : Walk(oldSize, newSize, proof[0], oldRoot, newRoot, proof, 1);
    }

    private static bool Walk(
        long oldSize, long newSize, ReadOnlySpan<byte> start, ReadOnlySpan<byte> oldRoot, ReadOnlySpan<byte> newRoot, IReadOnlyList<byte[]> proof, int first)
    {
        if (start.Length != MerkleHash.Size)
            return false;
        Span<byte> fr = stackalloc byte[MerkleHash.Size], sr = stackalloc byte[MerkleHash.Size];
        start.CopyTo(fr);
        start.CopyTo(sr);
        var shift = BitOperations.TrailingZeroCount(~(oldSize - 1));
        var (fn, sn) = ((oldSize - 1) >> shift, (newSize - 1) >> shift);
        for (var i = first; i < proof.Count; i++)
        {
            if (sn == 0)
                return false;
            if ((fn & 1) == 1 || fn == sn)
            {
                MerkleHash.Node(proof[i], fr, fr);
                MerkleHash.Node(proof[i], sr, sr);
                var skip = (fn & 1) == 1 || fn == 0 ? 0 : BitOperations.TrailingZeroCount(fn);
                (fn, sn) = (fn >> skip, sn >> skip);
            }
            else
            {
                MerkleHash.Node(sr, proof[i], sr);
            }
            (fn, sn) = (fn >> 1, sn >> 1);
        }
        return sn == 0 && fr.SequenceEqual(oldRoot) && sr.SequenceEqual(newRoot);
    }
}

internal static class Subtree
{
    /// <summary>The largest power of two smaller than <paramref name="count"/>, the split point of RFC 6962 §2.1.</summary>
    public static long LargestPowerBelow(long count) => 1L << BitOperations.Log2((ulong)count - 1);

    /// <summary>The root over the leaves low..high-1, from perfect subtrees; low is a multiple of the next power of two above the width.</summary>
    public static byte[] Root(long low, long high, Func<int, long, byte[]> node)
    {
        var width = high - low;
        if (BitOperations.IsPow2(width))
        {
            var height = BitOperations.Log2((ulong)width);
            return node(height, low >> height);
        }
        var middle = low + LargestPowerBelow(width);
        return MerkleHash.Node(Root(low, middle, node), Root(middle, high, node));
    }
}
