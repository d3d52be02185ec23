using System.Diagnostics;
using System.Globalization;
using DataVault.Transparency;

namespace DataVault.Benchmarks;

/// <summary>Sizes of proofs, and what building and verifying one costs, in trees of several sizes: both must grow as the logarithm does. Nodes are in memory.</summary>
internal static class ProofBenchmark
{
    private const int Proofs = 2_000;

    public static Task RunAsync(BenchmarkOptions options)
    {
        foreach (var size in options.Text("sizes", "10000,1000000,10000000").Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture)))
            Measure(new Tree(size));
        return Task.CompletedTask;
    }

    private static void Measure(Tree tree)
    {
        var (root, random) = (tree.Root(), new Random(1));
        var indexes = Enumerable.Range(0, Proofs).Select(_ => (long)random.Next(tree.Size)).ToArray();
        var built = Time(() => Array.ConvertAll(indexes, index => InclusionProof.Build(index, tree.Size, tree.Node)), out var proofs);
        var verified = Time(() => indexes.Zip(proofs).All(pair => InclusionProof.Verify(pair.First, tree.Size, tree.Node(0, pair.First), pair.Second, root)), out var sound);
        var consistency = ConsistencyProof.Build(tree.Size / 3, tree.Size, tree.Node);
        if (!sound || !ConsistencyProof.Verify(tree.Size / 3, tree.Size, tree.RootOf(tree.Size / 3), root, consistency))
            throw new InvalidOperationException("A proof does not verify.");
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {tree.Size,12:N0} entries   inclusion {proofs.Average(proof => proof.Count):F1} hashes, {proofs.Max(proof => proof.Count) * MerkleHash.Size:N0} bytes at most, built in {built:F1} µs, verified in {verified:F1} µs   consistency {consistency.Count * MerkleHash.Size:N0} bytes"));
    }

    private static double Time<T>(Func<T> work, out T result)
    {
        result = work();
        var start = Stopwatch.GetTimestamp();
        result = work();
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / Proofs;
    }

    /// <summary>The perfect subtrees of a tree of made-up leaf hashes, level by level.</summary>
    private sealed class Tree
    {
        private readonly List<byte[]> levels = [];

        public Tree(int size)
        {
            Size = size;
            var hashes = new byte[(long)size * MerkleHash.Size];
            new Random(size).NextBytes(hashes);
            for (levels.Add(hashes); hashes.Length >= 2 * MerkleHash.Size; levels.Add(hashes)) hashes = Above(hashes);
        }

        public int Size { get; }

        public byte[] Node(int height, long index) => levels[height].AsSpan((int)index * MerkleHash.Size, MerkleHash.Size).ToArray();

        public byte[] Root() => RootOf(Size);

        public byte[] RootOf(int size)
        {
            var range = CompactRange.Empty();
            for (var i = 0; i < size; i++) range.Append(levels[0].AsSpan(i * MerkleHash.Size, MerkleHash.Size));
            return range.Root();
        }

        private static byte[] Above(byte[] hashes)
        {
            var above = new byte[hashes.Length / MerkleHash.Size / 2 * MerkleHash.Size];
            Parallel.For(0, above.Length / MerkleHash.Size, i => MerkleHash.Node(
                hashes.AsSpan(2 * i * MerkleHash.Size, MerkleHash.Size), hashes.AsSpan((2 * i + 1) * MerkleHash.Size, MerkleHash.Size), above.AsSpan(i * MerkleHash.Size, MerkleHash.Size)));
            return above;
        }
    }
}
