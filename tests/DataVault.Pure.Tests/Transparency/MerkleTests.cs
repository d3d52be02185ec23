using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

public sealed class MerkleTests
{
    // The eight leaves and the root that implementations of RFC 6962 have shared since the first one.
    private static readonly string[] ReferenceLeaves =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    private const string ReferenceRoot = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";

    [Fact]
    public void The_empty_tree_has_the_published_root()
    {
        Assert.Equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Convert.ToHexStringLower(MerkleHash.Empty));
        Assert.Equal(MerkleHash.Empty.ToArray(), CompactRange.Empty().Root());
    }

    [Fact]
    public void The_reference_leaves_lead_to_the_published_root()
    {
        var range = CompactRange.Empty();
        foreach (var leaf in ReferenceLeaves)
            range.Append(MerkleHash.Leaf(Convert.FromHexString(leaf)));
        Assert.Equal(ReferenceRoot, Convert.ToHexStringLower(range.Root()));
    }

    [Fact]
    public void A_leaf_of_any_length_hashes_as_the_definition_says()
    {
        foreach (var length in new[] { 0, 1, 250, 2047, 2048, 2049, 65535 })
        {
            var entry = new byte[length];
            new Random(length).NextBytes(entry);
            Assert.Equal(SHA256.HashData([0, .. entry]), MerkleHash.Leaf(entry));
        }
    }

    [Fact]
    public void A_compact_range_of_any_size_equals_the_naive_tree_and_survives_storage()
    {
        var leaves = Leaves(700);
        var range = CompactRange.Empty();
        for (var size = 0; size <= leaves.Count; size++)
        {
            Assert.Equal(size, range.Size);
            Assert.Equal(MemoryLog.NaiveRoot(leaves, 0, size), range.Root());
            range = CompactRange.Parse(size, range.ToBytes());
            if (size < leaves.Count)
                range.Append(leaves[size]);
        }
    }

    [Fact]
    public void A_frontier_of_the_wrong_length_is_refused()
    {
        Assert.Throws<FormatException>(() => CompactRange.Parse(3, new byte[32]));
        Assert.Throws<FormatException>(() => CompactRange.Parse(-1, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => CompactRange.Empty().Append(new byte[31]));
    }

    [Fact]
    public void A_clone_grows_apart()
    {
        var range = CompactRange.Empty();
        range.Append(new byte[32]);
        var clone = range.Clone();
        clone.Append(new byte[32]);
        Assert.Equal((1, 2), (range.Size, clone.Size));
        Assert.NotEqual(range.Root(), clone.Root());
    }

    [Fact]
    public void Every_inclusion_proof_verifies_and_none_of_another_leaf_size_or_index()
    {
        var leaves = Leaves(130);
        for (var size = 1; size <= leaves.Count; size += size < 20 ? 1 : 11)
        {
            var root = MemoryLog.NaiveRoot(leaves, 0, size);
            for (var index = 0; index < size; index++)
            {
                var proof = InclusionProof.Build(index, size, Nodes(leaves));
                Assert.True(InclusionProof.Verify(index, size, leaves[index], proof, root));
                Assert.False(InclusionProof.Verify(index, size, leaves[(index + 1) % leaves.Count], proof, root));
                Assert.False(InclusionProof.Verify(index + 1, size, leaves[index], proof, root));
                Assert.False(InclusionProof.Verify(index, size, leaves[index], [.. proof, root], root));
                Assert.False(proof.Count > 0 && InclusionProof.Verify(index, size, leaves[index], [.. proof.Skip(1)], root));
            }
        }
    }

    [Fact]
    public void Every_consistency_proof_verifies_and_none_with_other_roots()
    {
        var leaves = Leaves(70);
        for (var newSize = 1; newSize <= leaves.Count; newSize++)
            for (var oldSize = 1; oldSize <= newSize; oldSize++)
            {
                var (oldRoot, newRoot) = (MemoryLog.NaiveRoot(leaves, 0, oldSize), MemoryLog.NaiveRoot(leaves, 0, newSize));
                var proof = ConsistencyProof.Build(oldSize, newSize, Nodes(leaves));
                Assert.True(ConsistencyProof.Verify(oldSize, newSize, oldRoot, newRoot, proof));
                Assert.False(ConsistencyProof.Verify(oldSize, newSize, leaves[0].AsSpan(0, 31), newRoot, proof));
                Assert.False(ConsistencyProof.Verify(oldSize, newSize, oldRoot, SHA256.HashData(newRoot), proof));
                Assert.False(ConsistencyProof.Verify(oldSize, newSize, SHA256.HashData(oldRoot), newRoot, proof));
                Assert.False(ConsistencyProof.Verify(oldSize, newSize, oldRoot, newRoot, [.. proof, oldRoot]));
            }
    }

    [Fact]
    public void Any_flipped_bit_of_a_proof_fails()
    {
        var leaves = Leaves(100);
        var (oldRoot, newRoot) = (MemoryLog.NaiveRoot(leaves, 0, 37), MemoryLog.NaiveRoot(leaves));
        var inclusion = InclusionProof.Build(37, 100, Nodes(leaves));
        var consistency = ConsistencyProof.Build(37, 100, Nodes(leaves));
        for (var bit = 0; bit < 256; bit++)
        {
            for (var i = 0; i < inclusion.Count; i++)
                Assert.False(InclusionProof.Verify(37, 100, leaves[37], Flipped(inclusion, i, bit), newRoot));
            for (var i = 0; i < consistency.Count; i++)
                Assert.False(ConsistencyProof.Verify(37, 100, oldRoot, newRoot, Flipped(consistency, i, bit)));
        }
    }

    [Fact]
    public void Proofs_built_from_tiles_are_those_of_the_tree()
    {
        var entries = MemoryLog.Entries(66_000);
        var log = MemoryLog.Of(entries);
        var node = TlogTiles.NodeReader(entries.Count, (level, n, width) => log.Files[TlogTiles.TilePath(level, n, width)]);
        foreach (var index in new[] { 0, 1, 255, 256, 65_535, 65_536, 65_999 })
        {
            var proof = InclusionProof.Build(index, entries.Count, node);
            Assert.True(InclusionProof.Verify(index, entries.Count, MerkleHash.Leaf(entries[index]), proof, log.Root));
        }
        var old = MemoryLog.NaiveRoot([.. entries.Take(65_600).Select(entry => MerkleHash.Leaf(entry))]);
        Assert.True(ConsistencyProof.Verify(65_600, entries.Count, old, log.Root, ConsistencyProof.Build(65_600, entries.Count, node)));
    }

    [Fact]
    public void Sizes_without_a_proof_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => InclusionProof.Build(3, 3, Nodes(Leaves(3))));
        Assert.Throws<ArgumentOutOfRangeException>(() => ConsistencyProof.Build(0, 3, Nodes(Leaves(3))));
        Assert.Throws<ArgumentOutOfRangeException>(() => ConsistencyProof.Build(4, 3, Nodes(Leaves(3))));
        Assert.False(ConsistencyProof.Verify(0, 0, MerkleHash.Empty, MerkleHash.Empty, []));
        Assert.False(InclusionProof.Verify(0, 0, new byte[32], [], MerkleHash.Empty));
    }

    [Fact]
    public void The_published_inclusion_proofs_are_judged_as_expected()
    {
        var judged = 0;
        foreach (var (file, test) in PublishedVectors.Cases(Path.Combine("merkle", "testdata", "inclusion")))
        {
            var accepted = InclusionProof.Verify(
                Number(test, "leafIdx"), Number(test, "treeSize"), Bytes(test, "leafHash"), Proof(test), Bytes(test, "root"));
            Assert.True(accepted != test.GetProperty("wantErr").GetBoolean(), file);
            judged++;
        }
        Assert.Equal(98, judged);
    }

    [Fact]
    public void The_published_consistency_proofs_are_judged_as_expected()
    {
        var judged = 0;
        foreach (var (file, test) in PublishedVectors.Cases(Path.Combine("merkle", "testdata", "consistency")))
        {
            var accepted = ConsistencyProof.Verify(
                Number(test, "size1"), Number(test, "size2"), Bytes(test, "root1"), Bytes(test, "root2"), Proof(test));
            Assert.True(accepted != test.GetProperty("wantErr").GetBoolean(), file);
            judged++;
        }
        Assert.Equal(98, judged);
    }

    // Sizes of the suite go beyond what a signed number holds; such a size is no size of ours.
    private static long Number(JsonElement test, string name) => test.GetProperty(name).TryGetInt64(out var value) ? value : -1;

    private static byte[] Bytes(JsonElement test, string name) => test.GetProperty(name).ValueKind == JsonValueKind.Null ? [] : test.GetProperty(name).GetBytesFromBase64();

    private static byte[][] Proof(JsonElement test) =>
        test.GetProperty("proof") is { ValueKind: JsonValueKind.Array } proof ? [.. proof.EnumerateArray().Select(step => step.GetBytesFromBase64())] : [];

    private static List<byte[]> Leaves(int count) => [.. Enumerable.Range(0, count).Select(i => MerkleHash.Leaf(BitConverter.GetBytes(i)))];

    private static Func<int, long, byte[]> Nodes(IReadOnlyList<byte[]> leaves) =>
        (height, index) => MemoryLog.NaiveRoot(leaves, (int)index << height, ((int)index + 1) << height);

    private static byte[][] Flipped(IReadOnlyList<byte[]> proof, int step, int bit)
    {
        var copy = proof.Select(hash => hash.ToArray()).ToArray();
        copy[step][bit / 8] ^= (byte)(1 << (bit % 8));
        return copy;
    }
}
