using System.Security.Cryptography;
using DataVault.Transparency;

namespace DataVault.Benchmarks;

/// <summary>
/// Times the whole of <c>audit verify</c> over a log on disk. The peers read the same bundles and only hash them: what hashing and
/// reading cost at the least, so the ratio says what decoding, the tree and the comparison with the tiles add.
/// </summary>
internal static class VerifyBenchmark
{
    private const string Origin = "vault.example/log";

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (count, rounds) = (options.Number("entries", 1_000_000), options.Number("rounds", 5));
        var folder = Directory.CreateTempSubdirectory("datavault-verify-");
        try
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var signer = new NoteSigner(Origin, key);
            var bundles = await BenchmarkLog.WriteAsync(folder.FullName, count, signer);
            var bytes = bundles.Sum(bundle => new FileInfo(bundle).Length);
            Console.WriteLine($"audit verify: {count:N0} entries, {bytes / 1e6:F0} MB");
            var verifier = new LogVerifier(NoteVerifier.Parse(signer.VerifierKey));

            async Task VerifyAsync()
            {
                var report = await verifier.VerifyAsync(new TileDirectory(folder.FullName));
                if (!report.Ok)
                    throw new InvalidOperationException(report.Problem);
            }

            await new Paired("audit verify", "SHA-256 of each bundle, all cores", rounds).RunAsync(count, "entries", VerifyAsync, () => HashBundlesAsync(bundles));
            await new Paired("audit verify", "SHA-256 of each entry, all cores", rounds).RunAsync(count, "entries", VerifyAsync, () => HashEntriesAsync(bundles));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static Task HashBundlesAsync(IReadOnlyList<string> bundles) => Parallel.ForEachAsync(bundles, async (bundle, cancellation) =>
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        SHA256.HashData(await File.ReadAllBytesAsync(bundle, cancellation), hash);
    });

    private static Task HashEntriesAsync(IReadOnlyList<string> bundles) => Parallel.ForEachAsync(bundles, async (bundle, cancellation) =>
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        foreach (var entry in EntryBundle.Decode(await File.ReadAllBytesAsync(bundle, cancellation)))
            SHA256.HashData(entry.Span, hash);
    });
}

/// <summary>Writes a log of made-up disclosures into a folder.</summary>
internal static class BenchmarkLog
{
    public static async Task<IReadOnlyList<string>> WriteAsync(string folder, int count, NoteSigner signer)
    {
        var random = new Random(1);
        var bundles = new List<string>();
        var range = CompactRange.Empty();
        var hashes = new List<byte[]>();
        for (var first = 0; first < count; first += TlogTiles.Width)
        {
            var entries = Enumerable.Range(first, Math.Min(TlogTiles.Width, count - first)).Select(i => (ReadOnlyMemory<byte>)Entry(i, random).Encode()).ToList();
            bundles.Add(await WriteAsync(folder, TlogTiles.EntriesPath(first / TlogTiles.Width, entries.Count), EntryBundle.Encode(entries)));
            foreach (var entry in entries)
            {
                hashes.Add(MerkleHash.Leaf(entry.Span));
                range.Append(hashes[^1]);
            }
        }
        for (var level = 0; hashes.Count > 0; level++)
            hashes = await WriteLevelAsync(folder, level, hashes);
        await File.WriteAllTextAsync(Path.Combine(folder, "checkpoint"), signer.Sign(new Checkpoint(signer.Name, count, range.Root()).ToText()).ToString());
        return bundles;
    }

    private static async Task<List<byte[]>> WriteLevelAsync(string folder, int level, List<byte[]> hashes)
    {
        var above = new List<byte[]>();
        foreach (var (n, tile) in hashes.Chunk(TlogTiles.Width).Index())
        {
            await WriteAsync(folder, TlogTiles.TilePath(level, n, tile.Length), [.. tile.SelectMany(hash => hash)]);
            var subtree = CompactRange.Empty();
            foreach (var hash in tile)
                subtree.Append(hash);
            if (tile.Length == TlogTiles.Width)
                above.Add(subtree.Root());
        }
        return above;
    }

    private static async Task<string> WriteAsync(string folder, string name, byte[] bytes)
    {
        var path = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllBytesAsync(path, bytes);
        return path;
    }

    private static LogEntry Entry(int index, Random random)
    {
        var noise = new byte[80];
        random.NextBytes(noise);
        return new LogEntry
        {
            Type = EntryType.FieldRead,
            Time = 1_750_000_000_000 + index,
            Actor = noise.AsMemory(0, 16),
            Subject = noise.AsMemory(16, 16),
            Purpose = "customer-support",
            Items = [1, 2, 5, 7, 9, 11],
            RecordVersion = 3,
            DetailHash = noise.AsMemory(32, 32),
            RequestId = noise.AsMemory(64, 16),
            Policy = new byte[16],
            Rules = ["support-reads-contact", "support-reads-identity"],
        };
    }
}
