// Whom an entry about several persons is about.
//
// The entry holds their number and the RFC 6962 root over their sorted, distinct tags (log-entry key 15). The list itself stands outside the tree; that
// a person is among them is shown by an inclusion proof in that small tree, which names no other, together with the proof of the entry.
//
// Beside an entry bundle stand the lists of its entries, in their order (SPEC log-entry §10):
//
//    place of the entry in the bundle, 1 byte       number of tags, u32 big-endian       the tags, 16 bytes each

using System.Buffers.Binary;

namespace DataVault.Transparency;

/// <summary>The tags of the persons whom one entry is about, sorted and distinct, one after the other.</summary>
public sealed class BulkMembers
{
    private readonly byte[] _tags;

    private BulkMembers(byte[] tags) => _tags = tags;

    /// <summary>Number of persons.</summary>
    public int Count => _tags.Length / LogEntry.TagSize;

    /// <summary>The tags, 16 bytes each.</summary>
    public ReadOnlyMemory<byte> Tags => _tags;

    /// <summary>True when an encoded entry is about several persons, and so has a list.</summary>
    public static bool AreDue(ReadOnlySpan<byte> entry) => EntryGlance.TryRead(entry, out var glance) && glance.IsAboutSeveral;

    /// <summary>Sorts the tags and leaves each once.</summary>
    public static BulkMembers Of(IEnumerable<ReadOnlyMemory<byte>> tags)
    {
        var sorted = tags.Select(tag => BinaryPrimitives.ReadUInt128BigEndian(tag.Span)).Distinct().Order().ToArray();
        var bytes = new byte[sorted.Length * LogEntry.TagSize];
        for (var i = 0; i < sorted.Length; i++)
            BinaryPrimitives.WriteUInt128BigEndian(bytes.AsSpan(i * LogEntry.TagSize), sorted[i]);
        return new BulkMembers(bytes);
    }

    /// <summary>Reads a stored list; false when it is not sorted, not distinct, empty or cut off.</summary>
    public static bool TryParse(ReadOnlySpan<byte> tags, out BulkMembers? members)
    {
        members = null;
        if (tags.IsEmpty || tags.Length % LogEntry.TagSize != 0)
            return false;
        for (var at = LogEntry.TagSize; at < tags.Length; at += LogEntry.TagSize)
        {
            if (tags.Slice(at - LogEntry.TagSize, LogEntry.TagSize).SequenceCompareTo(tags.Slice(at, LogEntry.TagSize)) >= 0)
                return false;
        }
        members = new BulkMembers(tags.ToArray());
        return true;
    }

    /// <summary>A tag by its place.</summary>
    public ReadOnlySpan<byte> this[int position] => _tags.AsSpan(position * LogEntry.TagSize, LogEntry.TagSize);

    /// <summary>The root that the entry holds.</summary>
    public byte[] Root()
    {
        var range = CompactRange.Empty();
        for (var i = 0; i < Count; i++)
            range.Append(MerkleHash.Leaf(this[i]));
        return range.Root();
    }

    /// <summary>Reads the list of <paramref name="entry"/>; false when the tags are not those that its root was made of.</summary>
    public static bool TryRead(LogEntry entry, ReadOnlySpan<byte> tags, out BulkMembers? members) =>
        TryParse(tags, out members) && members!.AreOf(entry);

    /// <summary>True when this is the list of <paramref name="entry"/>.</summary>
    public bool AreOf(LogEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return entry.BulkCount == Count && entry.BulkRoot.Span.SequenceEqual(Root());
    }

    /// <summary>The place of a tag; negative when it is not among them.</summary>
    public int Find(ReadOnlySpan<byte> tag)
    {
        var (low, high) = (0, Count - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var order = this[middle].SequenceCompareTo(tag);
            if (order == 0)
                return middle;
            (low, high) = order < 0 ? (middle + 1, high) : (low, middle - 1);
        }
        return -1;
    }

    /// <summary>The proof that the tag at <paramref name="position"/> is among them.</summary>
    public IReadOnlyList<byte[]> Prove(int position) => InclusionProof.Build(position, Count, Node);

    /// <summary>True when <paramref name="proof"/> shows that the person of <paramref name="tag"/> is among those whom <paramref name="entry"/> is about.</summary>
    public static bool Verify(LogEntry entry, ReadOnlySpan<byte> tag, int position, IReadOnlyList<byte[]> proof)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return tag.Length == LogEntry.TagSize && InclusionProof.Verify(position, entry.BulkCount, MerkleHash.Leaf(tag), proof, entry.BulkRoot.Span);
    }

    private byte[] Node(int height, long index)
    {
        var range = CompactRange.Empty();
        for (var i = index << height; i < (index + 1) << height; i++)
            range.Append(MerkleHash.Leaf(this[(int)i]));
        return range.Root();
    }
}

/// <summary>The encoding of the lists that belong to a bundle of entries.</summary>
public static class MembersBundle
{
    private const int HeadSize = 5;

    /// <summary>Lays lists end to end.</summary>
    /// <param name="lists">Place of the entry in its bundle, and the tags; in the order of the places.</param>
    public static byte[] Encode(IReadOnlyCollection<KeyValuePair<int, ReadOnlyMemory<byte>>> lists)
    {
        ArgumentNullException.ThrowIfNull(lists);
        var bundle = new byte[lists.Sum(list => HeadSize + list.Value.Length)];
        var at = 0;
        foreach (var (place, tags) in lists)
        {
            bundle[at] = checked((byte)place);
            BinaryPrimitives.WriteUInt32BigEndian(bundle.AsSpan(at + 1), (uint)(tags.Length / LogEntry.TagSize));
            tags.CopyTo(bundle.AsMemory(at + HeadSize));
            at += HeadSize + tags.Length;
        }
        return bundle;
    }

    /// <summary>The tags of the list at <paramref name="place"/>; empty when there is none, or when the bundle is damaged before its end.</summary>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> bundle, int place)
    {
        while (bundle.Length >= HeadSize)
        {
            var length = (long)BinaryPrimitives.ReadUInt32BigEndian(bundle[1..]) * LogEntry.TagSize;
            if (length > bundle.Length - HeadSize)
                return default;
            var tags = bundle.Slice(HeadSize, (int)length);
            if (bundle[0] == place)
                return tags;
            bundle = bundle[(HeadSize + tags.Length)..];
        }
        return default;
    }
}
