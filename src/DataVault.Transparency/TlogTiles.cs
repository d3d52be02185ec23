// Tiles (c2sp.org/tlog-tiles). The tree is cut into tiles of height 8: tile (level, n) holds up to 256 hashes end to end, the roots of the
// perfect subtrees of 256^level leaves from number 256 n on. Entries lie in bundles of up to 256, each behind its length as a big-endian u16.
//
//    tile/<level>/<n>[.p/<width>]       tile/entries/<n>[.p/<width>]       n in groups of three digits, all but the last with an x: x001/234
//
// Ours besides: tile/members/<n>, whom the entries of a bundle are about that are about several persons (SPEC log-entry §10). It has no width: it grows
// with the bundle, and what it should hold is in the entries.
//
// A tile or bundle with fewer than 256 members is partial and names its width. When the log has outgrown a partial tile, it may be gone;
// whoever still needs it reads the beginning of the full one.

using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace DataVault.Transparency;

/// <summary>Where the tiles of a log lie and how one finds a node of the tree in them.</summary>
public static class TlogTiles
{
    /// <summary>Hashes in a full tile, entries in a full bundle.</summary>
    public const int Width = 256;

    /// <summary>The level that stands for entry bundles in <see cref="TryParsePath"/>.</summary>
    public const int EntriesLevel = -1;

    /// <summary>The level that stands for lists of persons in <see cref="TryParsePath"/>.</summary>
    public const int MembersLevel = -2;

    /// <summary>The highest level that a log can have.</summary>
    public const int TopLevel = 7;

    private const int TileHeight = 8;

    /// <summary>Path of a hash tile, relative to the log's root, such as <c>tile/0/x001/234.p/7</c>.</summary>
    public static string TilePath(int level, long n, int width = Width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, TopLevel);
        return $"tile/{level}/{Number(n, width)}";
    }

    /// <summary>Path of an entry bundle, relative to the log's root, such as <c>tile/entries/000.p/7</c>.</summary>
    public static string EntriesPath(long n, int width = Width) => $"tile/entries/{Number(n, width)}";

    /// <summary>Path of the lists of persons that belong to an entry bundle, relative to the log's root, such as <c>tile/members/000</c>.</summary>
    public static string MembersPath(long n) => $"tile/members/{Number(n, Width)}";

    /// <summary>Reads a path that <see cref="TilePath"/>, <see cref="EntriesPath"/> or <see cref="MembersPath"/> could have written; no other spelling.</summary>
    /// <param name="path">The path, beginning with <c>tile/</c>.</param>
    /// <param name="level">The tile's level, <see cref="EntriesLevel"/> or <see cref="MembersLevel"/>.</param>
    /// <param name="n">The tile's number.</param>
    /// <param name="width">Its width, 1 to 256.</param>
    public static bool TryParsePath(string path, out int level, out long n, out int width)
    {
        (level, n, width) = (0, 0, Width);
        var parts = path.Split('/');
        if (path.Length > 64 || parts.Length < 3 || parts[0] != "tile")
            return false;
        level = parts[1] switch { "entries" => EntriesLevel, "members" => MembersLevel, [>= '0' and <= '7'] => parts[1][0] - '0', _ => TopLevel + 1 };
        if (parts[^2].EndsWith(".p", StringComparison.Ordinal) && parts.Length > 3)
        {
            if (!Decimals.TryParse(parts[^1], out var partial) || partial is 0 or >= Width)
                return false;
            width = (int)partial;
            parts = [.. parts[..^2], parts[^2][..^2]];
        }
        if (level > TopLevel || !long.TryParse(string.Concat(parts[2..]).Replace("x", "", StringComparison.Ordinal), NumberStyles.None, CultureInfo.InvariantCulture, out n))
            return false;
        return path == level switch { EntriesLevel => EntriesPath(n, width), MembersLevel => MembersPath(n), _ => TilePath(level, n, width) };
    }

    /// <summary>Number of hashes that a log of <paramref name="size"/> entries has at a tile level.</summary>
    public static long HashesAt(int level, long size) => TileHeight * level >= 63 ? 0 : size >> (TileHeight * level);

    /// <summary>
    /// Reads nodes out of tiles, for building proofs: the result gives the root of the perfect subtree (height, index) of the tree of
    /// <paramref name="size"/> leaves, by folding hashes of the tile that holds it.
    /// </summary>
    /// <param name="size">Leaves in the tree.</param>
    /// <param name="tile">Gives the bytes of the tile (level, n, width).</param>
    public static Func<int, long, byte[]> NodeReader(long size, Func<int, long, int, ReadOnlyMemory<byte>> tile) => (height, index) =>
    {
        var level = height / TileHeight;
        var count = 1 << (height % TileHeight);
        var first = index * count;
        var n = first / Width;
        var width = (int)Math.Min(Width, HashesAt(level, size) - (n * Width));
        var hashes = tile(level, n, width).Slice((int)(first % Width) * MerkleHash.Size, count * MerkleHash.Size).ToArray();
        var root = new byte[MerkleHash.Size];
        MerkleHash.FoldPerfect(hashes, root);
        return root;
    };

    private static string Number(long n, int width)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, Width);
        var text = (n % 1000).ToString("D3", CultureInfo.InvariantCulture);
        for (n /= 1000; n > 0; n /= 1000)
            text = $"x{n % 1000:D3}/{text}";
        return width == Width ? text : string.Create(CultureInfo.InvariantCulture, $"{text}.p/{width}");
    }
}

/// <summary>The encoding of a bundle of entries.</summary>
public static class EntryBundle
{
    /// <summary>Lays entries end to end, each behind its length as a big-endian u16.</summary>
    public static byte[] Encode(IReadOnlyCollection<ReadOnlyMemory<byte>> entries)
    {
        var bundle = new byte[entries.Sum(entry => 2 + entry.Length)];
        var position = 0;
        foreach (var entry in entries)
        {
            BinaryPrimitives.WriteUInt16BigEndian(bundle.AsSpan(position), checked((ushort)entry.Length));
            entry.Span.CopyTo(bundle.AsSpan(position + 2));
            position += 2 + entry.Length;
        }
        return bundle;
    }

    /// <summary>The entries of a bundle, as slices of it.</summary>
    /// <exception cref="FormatException">The bundle ends in the middle of an entry.</exception>
    public static IReadOnlyList<ReadOnlyMemory<byte>> Decode(ReadOnlyMemory<byte> bundle) =>
        TryDecode(bundle, out var entries) ? entries : throw new FormatException("The entry bundle ends in the middle of an entry.");

    /// <summary>The entries of a bundle up to its end or to the first that is cut off; false when one is.</summary>
    public static bool TryDecode(ReadOnlyMemory<byte> bundle, out IReadOnlyList<ReadOnlyMemory<byte>> entries)
    {
        var found = new List<ReadOnlyMemory<byte>>(TlogTiles.Width);
        entries = found;
        while (!bundle.IsEmpty)
        {
            if (bundle.Length < 2)
                return false;
            var length = BinaryPrimitives.ReadUInt16BigEndian(bundle.Span);
            if (bundle.Length < 2 + length)
                return false;
            found.Add(bundle.Slice(2, length));
            bundle = bundle[(2 + length)..];
        }
        return true;
    }
}
