// Whom an entry about several persons is about.
//
// The entry holds their number and the RFC 6962 root over their sorted, distinct tags (log-entry key 15). The list itself stands outside the tree; that
// a person is among them is shown by an inclusion proof in that small tree, which names no other, together with the proof of the entry.

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
