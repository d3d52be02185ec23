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
            return;
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
        Span<byte> hashes = stackalloc byte[TlogTiles.Width * MerkleHash.Size];
        Leaves.CopyTo(hashes);
        MerkleHash.FoldPerfect(hashes, Root);
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
