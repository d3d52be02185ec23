using System.Buffers.Binary;
using System.Security.Cryptography;
using DataVault.Transparency;

namespace DataVault.Pure.Tests.Transparency;

/// <summary>A whole log as files in memory, built from the definitions and not with the code under test, and open to tampering.</summary>
internal sealed class MemoryLog : ILogSource
{
    public const string Origin = "vault.example/log";

    public Dictionary<string, byte[]> Files { get; } = [];

    public string Note { get; set; } = "";

    public byte[] Root { get; private set; } = [];

    public static ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public static NoteSigner Signer { get; } = new(Origin, Key);

    public static NoteVerifier Verifier { get; } = NoteVerifier.Parse(Signer.VerifierKey);

    public static MemoryLog Of(IReadOnlyList<byte[]> entries)
    {
        var log = new MemoryLog();
        log.WriteEntries(entries);
        log.WriteTiles(entries);
        log.Sign(entries.Count, log.Root);
        return log;
    }

    public MemoryLog Copy()
    {
        var copy = new MemoryLog { Note = Note, Root = Root.ToArray() };
        foreach (var (name, bytes) in Files)
            copy.Files[name] = bytes.ToArray();
        return copy;
    }

    public static List<byte[]> Entries(int count, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i => Entry(i, random).Encode())];
    }

    public static LogEntry Entry(int index, Random random)
    {
        byte[] Bytes(int length)
        {
            var bytes = new byte[length];
            random.NextBytes(bytes);
            return bytes;
        }
        return new LogEntry
        {
            Type = EntryType.FieldRead,
            Time = 1_700_000_000_000 + (index * 3L),
            Actor = Bytes(16),
            Subject = Bytes(16),
            Purpose = "customer-support",
            Items = [1, 5, 6, 42],
            RecordVersion = 3,
            RequestId = Bytes(16),
            Policy = Bytes(16),
            DetailHash = Bytes(32),
            Rules = ["support-reads-contact"],
        };
    }

    public void Sign(long size, byte[] root) => Note = Signer.Sign(new Checkpoint(Origin, size, root).ToText()).ToString();

    /// <summary>Replaces every bundle by the entries given, 256 to each; hash tiles and checkpoint stay.</summary>
    public void WriteEntries(IReadOnlyList<byte[]> entries, int? namedAsIfOf = null)
    {
        foreach (var name in Files.Keys.Where(name => name.StartsWith("tile/entries/", StringComparison.Ordinal)).ToList())
            Files.Remove(name);
        var size = namedAsIfOf ?? entries.Count;
        for (var n = 0; n * 256 < size; n++)
        {
            var last = (n + 1) * 256 >= size;
            var bundle = entries.Skip(n * 256).Take(last ? int.MaxValue : 256).SelectMany(WithLength).ToArray();
            Files[TlogTiles.EntriesPath(n, Math.Min(256, size - (n * 256)))] = bundle;
        }
    }

    /// <summary>Writes the hash tiles over the entries given.</summary>
    public void WriteTiles(IReadOnlyList<byte[]> entries)
    {
        var hashes = entries.Select(entry => SHA256.HashData([0, .. entry])).ToList();
        Root = NaiveRoot(hashes);
        for (var level = 0; hashes.Count > 0; level++)
        {
            var above = new List<byte[]>();
            for (var n = 0; n * 256 < hashes.Count; n++)
            {
                var tile = hashes.Skip(n * 256).Take(256).ToList();
                Files[TlogTiles.TilePath(level, n, tile.Count)] = [.. tile.SelectMany(hash => hash)];
                if (tile.Count == 256)
                    above.Add(NaiveRoot(tile));
            }
            hashes = above;
        }
    }

    /// <summary>RFC 6962 §2.1 word for word.</summary>
    public static byte[] NaiveRoot(IReadOnlyList<byte[]> leafHashes) => NaiveRoot(leafHashes, 0, leafHashes.Count);

    public static byte[] NaiveRoot(IReadOnlyList<byte[]> leafHashes, int low, int high)
    {
        if (high == low)
            return SHA256.HashData([]);
        if (high - low == 1)
            return leafHashes[low];
        var split = 1;
        while (split * 2 < high - low)
            split *= 2;
        return SHA256.HashData([1, .. NaiveRoot(leafHashes, low, low + split), .. NaiveRoot(leafHashes, low + split, high)]);
    }

    public Task<string?> CheckpointAsync(CancellationToken cancellationToken) => Task.FromResult<string?>(Note.Length == 0 ? null : Note);

    public Task<byte[]?> TileAsync(int level, long n, int width, CancellationToken cancellationToken) =>
        Task.FromResult(Files.GetValueOrDefault(TlogTiles.TilePath(level, n, width)));

    public Task<byte[]?> EntryBundleAsync(long n, int width, CancellationToken cancellationToken) =>
        Task.FromResult(Files.GetValueOrDefault(TlogTiles.EntriesPath(n, width)));

    private static byte[] WithLength(byte[] entry)
    {
        var framed = new byte[entry.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)entry.Length);
        entry.CopyTo(framed, 2);
        return framed;
    }
}
