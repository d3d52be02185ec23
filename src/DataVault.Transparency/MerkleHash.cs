using System.Security.Cryptography;

namespace DataVault.Transparency;

/// <summary>
/// The three hashes of an RFC 6962 tree, all SHA-256: a leaf is <c>H(0x00 ‖ entry)</c>, a node is <c>H(0x01 ‖ left ‖ right)</c>,
/// the empty tree is <c>H("")</c>. The prefixes keep a leaf from ever being taken for a node (RFC 6962 §2.1).
/// </summary>
public static class MerkleHash
{
    /// <summary>Bytes in a hash.</summary>
    public const int Size = 32;

    private static readonly byte[] EmptyRoot = SHA256.HashData([]);

    /// <summary>Root of the tree without entries.</summary>
    public static ReadOnlySpan<byte> Empty => EmptyRoot;

    /// <summary>Writes the leaf hash of <paramref name="entry"/> into <paramref name="hash32"/>.</summary>
    public static void Leaf(ReadOnlySpan<byte> entry, Span<byte> hash32) =>
        // SPEC rfc6962 §2.1: MTH({d(0)}) = SHA-256(0x00 || d(0)).
        Sha256.Hash(0x00, entry, default, hash32);

    /// <summary>The leaf hash of <paramref name="entry"/> as a new array.</summary>
    public static byte[] Leaf(ReadOnlySpan<byte> entry)
    {
        var hash = new byte[Size];
        Leaf(entry, hash);
        return hash;
    }

    /// <summary>Writes the hash of the node over two subtrees into <paramref name="hash32"/>, which may overlap either input.</summary>
    public static void Node(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right, Span<byte> hash32) =>
        // SPEC rfc6962 §2.1: MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])).
        Sha256.Hash(0x01, left, right, hash32);

    /// <summary>The hash of the node over two subtrees as a new array.</summary>
    public static byte[] Node(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        var hash = new byte[Size];
        Node(left, right, hash);
        return hash;
    }

    /// <summary>Folds 2^k hashes, laid end to end in <paramref name="hashes"/>, into the root over them; destroys its input.</summary>
    internal static void FoldPerfect(Span<byte> hashes, Span<byte> root)
    {
        for (var count = hashes.Length / Size; count > 1; count /= 2)
            for (var i = 0; i < count / 2; i++)
                Node(hashes.Slice(2 * i * Size, Size), hashes.Slice(((2 * i) + 1) * Size, Size), hashes.Slice(i * Size, Size));
        hashes[..Size].CopyTo(root);
    }
}
