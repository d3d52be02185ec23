using System.Numerics;

namespace DataVault.Transparency;

/// <summary>
/// The right edge of a growing tree: the roots of its perfect subtrees, largest first, one for each bit set in the size.
/// It is all that appending needs, at most 63 hashes, so a writer keeps this and no leaf.
/// </summary>
/// <remarks>Not safe for concurrent use.</remarks>
public sealed class CompactRange
{
    private byte[] _nodes;
    private int _count;

    private CompactRange(long size, byte[] nodes, int count)
    {
        Size = size;
        _nodes = nodes;
        _count = count;
    }

    /// <summary>Number of leaves.</summary>
    public long Size { get; private set; }

    /// <summary>The range of a tree without leaves.</summary>
    public static CompactRange Empty() => new(0, new byte[8 * MerkleHash.Size], 0);

    /// <summary>Reads what <see cref="ToBytes"/> wrote for a tree of <paramref name="size"/> leaves.</summary>
    /// <exception cref="FormatException">The frontier has not one hash for each bit set in the size.</exception>
    public static CompactRange Parse(long size, ReadOnlySpan<byte> frontier)
    {
        if (size < 0 || frontier.Length != BitOperations.PopCount((ulong)size) * MerkleHash.Size)
            throw new FormatException($"A tree of {size} leaves has not a frontier of {frontier.Length} bytes.");
        var count = frontier.Length / MerkleHash.Size;
        var nodes = new byte[(count + 8) * MerkleHash.Size];
        frontier.CopyTo(nodes);
        return new CompactRange(size, nodes, count);
    }

    /// <summary>Adds one leaf hash at the right.</summary>
    public void Append(ReadOnlySpan<byte> leafHash) => AppendSubtree(0, leafHash);

    /// <summary>Adds the root of a perfect subtree of 2^<paramref name="height"/> leaves; the size must be a multiple of that.</summary>
    internal void AppendSubtree(int height, ReadOnlySpan<byte> hash)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(hash.Length, MerkleHash.Size);
        if ((Size & ((1L << height) - 1)) != 0)
            throw new ArgumentException($"A subtree of height {height} does not start at leaf {Size}.", nameof(height));
        if (_nodes.Length < (_count + 1) * MerkleHash.Size)
            Array.Resize(ref _nodes, _nodes.Length * 2);
        hash.CopyTo(At(_count++));
        // INVARIANT: node i is the root of the perfect subtree of the i-th highest bit set in Size.
        for (var bit = height; (Size >> bit & 1) == 1; bit++)
        {
            MerkleHash.Node(At(_count - 2), At(_count - 1), At(_count - 2));
            _count--;
        }
        Size = checked(Size + (1L << height));
    }

    /// <summary>The subtree roots, largest first, laid end to end.</summary>
    public byte[] ToBytes() => _nodes.AsSpan(0, _count * MerkleHash.Size).ToArray();

    /// <summary>The RFC 6962 root over all leaves.</summary>
    public byte[] Root()
    {
        if (_count == 0)
            return MerkleHash.Empty.ToArray();
        var root = At(_count - 1).ToArray();
        for (var i = _count - 2; i >= 0; i--)
            MerkleHash.Node(At(i), root, root);
        return root;
    }

    /// <summary>An independent copy.</summary>
    public CompactRange Clone() => new(Size, _nodes.ToArray(), _count);

    private Span<byte> At(int node) => _nodes.AsSpan(node * MerkleHash.Size, MerkleHash.Size);
}
