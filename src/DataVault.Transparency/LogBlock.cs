using System.Buffers.Binary;

namespace DataVault.Transparency;

/// <summary>Who wants to see some of the entries while a log is replayed; asked in the order of the log, told in the order of the log.</summary>
internal interface IEntryReader
{
    /// <summary>Asked of every entry, from several threads.</summary>
    bool Wants(in EntryGlance entry, ReadOnlySpan<byte> encoded);

    /// <summary>Told one after the other. The bytes are the reader's to keep.</summary>
    void Read(long index, ReadOnlyMemory<byte> encoded);
}

/// <summary>Up to 256 entries and the hash tile over them.</summary>
internal sealed class LogBlock(long first, int count, byte[]? bundle, byte[]? tile, IReadOnlyList<IEntryReader> readers)
{
    public long First => first;

    public int Count => count;

    public byte[]? Tile => tile;

    /// <summary>True when the bundle has just the entries that its place asks for.</summary>
    public bool Complete { get; private set; }

    /// <summary>True when there are no entries, only the hashes of the tile.</summary>
    public bool IsPruned { get; private set; }

    public byte[] Leaves { get; private set; } = [];

    /// <summary>Root over the leaves of a full block.</summary>
    public byte[] Root { get; } = new byte[MerkleHash.Size];

    public List<LogFinding> Findings { get; } = [];

    /// <summary>The entries that somebody wants to see.</summary>
    public List<(IEntryReader Reader, long Index, ReadOnlyMemory<byte> Entry)> Wanted { get; } = [];

    public long? FirstTime { get; private set; }

    public long? LastTime { get; private set; }

    public static string Reversed(long index) => $"entry {index} is earlier than the entry before it";

    public void Hash(bool opaqueEntries)
    {
        if (bundle is null)
        {
            TakeHashes(opaqueEntries);
            return;
        }
        Leaves = new byte[count * MerkleHash.Size];
        var (at, read) = (0, 0);
        for (; read < count && at + 2 <= bundle.Length; read++)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(bundle.AsSpan(at));
            if (at + 2 + length > bundle.Length)
                break;
            Take(read, bundle.AsMemory(at + 2, length), opaqueEntries);
            at += 2 + length;
        }
        Complete = read == count && at == bundle.Length;
        if (!Complete || count < TlogTiles.Width)
            return;
        Fold();
    }

    private void Fold()
    {
        Span<byte> hashes = stackalloc byte[TlogTiles.Width * MerkleHash.Size];
        Leaves.CopyTo(hashes);
        MerkleHash.FoldPerfect(hashes, Root);
    }

    // Whether the entries may be missing is not for the block to say: their hashes lead on to what does.
    private void TakeHashes(bool opaque)
    {
        if (opaque || count < TlogTiles.Width || tile?.Length != TlogTiles.Width * MerkleHash.Size)
            return;
        Leaves = [.. tile];
        (IsPruned, Complete) = (true, true);
        Fold();
    }

    private void Take(int place, ReadOnlyMemory<byte> entry, bool opaque)
    {
        MerkleHash.Leaf(entry.Span, Leaves.AsSpan(place * MerkleHash.Size, MerkleHash.Size));
        if (opaque)
            return;
        var index = first + place;
        if (!EntryGlance.TryRead(entry.Span, out var glance))
        {
            Findings.Add(new LogFinding(LogFault.Malformed, index, index, $"entry {index} is not well formed: {Explain(entry)}"));
            return;
        }
        if (LastTime > glance.Time)
            Findings.Add(new LogFinding(LogFault.TimeReversed, index, index, Reversed(index)));
        FirstTime ??= glance.Time;
        LastTime = glance.Time;
        foreach (var reader in readers)
        {
            if (reader.Wants(glance, entry.Span))
                Wanted.Add((reader, index, entry));
        }
    }

    private static string Explain(ReadOnlyMemory<byte> entry)
    {
        try
        {
            return LogEntry.Decode(entry).ToString();
        }
        catch (FormatException exception)
        {
            return exception.Message;
        }
    }
}

/// <summary>What the log says of entries that are not in it any more: <c>log.prune</c>, with the first index that stays and the root of what went.</summary>
internal sealed class PruneNotes : IEntryReader
{
    private readonly Dictionary<long, byte[]> _roots = [];

    public bool Wants(in EntryGlance entry, ReadOnlySpan<byte> encoded) => entry.Type == EntryType.LogPrune;

    public void Read(long index, ReadOnlyMemory<byte> encoded)
    {
        var entry = LogEntry.Decode(encoded);
        if (entry is { Result: EntryResult.Ok, Reference: { } below } && below <= index && !entry.Seal.IsEmpty)
            _roots[below] = entry.Seal.ToArray();
    }

    /// <summary>True when some entry says that those below went, and had this root.</summary>
    public bool Cover(long below, byte[]? root) => root is not null && _roots.TryGetValue(below, out var told) && told.AsSpan().SequenceEqual(root);
}
