using System.Security.Cryptography;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Transparency;

/// <summary>The rules of c2sp.org/tlog-witness, one by one.</summary>
public sealed class WitnessTests : IDisposable
{
    private const string Origin = "vault.example/log";
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly CosignatureKey witnessKey = new("witness.example/w1", RandomNumberGenerator.GetBytes(32));
    private readonly Memory memory = new();
    private readonly NoteSigner signer;
    private readonly Witness witness;
    private readonly byte[][] leaves = [.. Enumerable.Range(0, 100).Select(i => MerkleHash.Leaf([(byte)i]))];

    public WitnessTests()
    {
        signer = new NoteSigner(Origin, key);
        witness = new Witness([NoteVerifier.Parse(signer.VerifierKey)], witnessKey, memory, TimeProvider.System);
    }

    [Fact]
    public void A_log_that_grows_is_cosigned_step_by_step()
    {
        foreach (var (old, size) in new[] { (0, 1), (1, 7), (7, 7), (7, 64), (64, 100) })
        {
            var answer = witness.Add(Submission(old, size).ToString());
            Assert.Equal(200, answer.Status);
            Assert.True(SignedNote.TryParse(Note(size).ToString() + answer.Body, out var cosigned));
            Assert.True(NoteVerifier.Parse(witnessKey.VerifierKey).Verify(cosigned!));
            Assert.True(NoteVerifier.Parse(signer.VerifierKey).Verify(cosigned!));
            Assert.Equal(size, memory.Latest(Origin)!.Size);
        }
    }

    [Fact]
    public void An_unknown_log_is_404_and_a_strange_signature_403()
    {
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(404, Status(Submission(0, 3) with { Note = new NoteSigner("other.example/log", key).Sign(new Checkpoint("other.example/log", 3, Root(3)).ToText()) }));
        Assert.Equal(403, Status(Submission(0, 3) with { Note = new NoteSigner(Origin, other).Sign(Tree(3).ToText()) }));
        Assert.Null(memory.Latest(Origin));
    }

    [Fact]
    public void An_old_size_above_the_checkpoints_is_400_and_so_is_what_is_no_submission()
    {
        Assert.Equal(400, Status(Submission(0, 3) with { OldSize = 4 }));
        var good = Submission(0, 3).ToString();
        string[] bad =
        [
            "", "\n\n", good.Replace("old 0", "old 00", StringComparison.Ordinal), good.Replace("old 0", "old -1", StringComparison.Ordinal), good.Replace("old 0", "old  0", StringComparison.Ordinal),
            good.Replace("old 0\n", "old 0\nAAAA\n", StringComparison.Ordinal), good.Replace("old 0\n", "", StringComparison.Ordinal), good.Replace(Origin + "\n3\n", Origin + "\n03\n", StringComparison.Ordinal),
            good.Replace("old 0\n", "old 0\n" + string.Concat(Enumerable.Repeat(Convert.ToBase64String(leaves[0]) + "\n", 64)), StringComparison.Ordinal),
        ];
        Assert.All(bad, body => Assert.Equal(400, witness.Add(body).Status));
        Assert.Equal(200, witness.Add(good).Status);
    }

    [Fact]
    public void An_old_size_that_the_witness_does_not_hold_is_409_with_the_size_that_it_holds()
    {
        Assert.Equal(409, Status(Submission(2, 5)));
        Assert.Equal(200, Status(Submission(0, 5)));
        var answer = witness.Add(Submission(0, 9).ToString());
        Assert.Equal((409, "5\n", "text/x.tlog.size"), (answer.Status, answer.Body, answer.ContentType));
        Assert.Equal(409, Status(Submission(4, 9)));
        Assert.Equal(200, Status(Submission(5, 9)));
        Assert.Equal(409, Status(Submission(5, 7)));
        Assert.Equal(9, memory.Latest(Origin)!.Size);
    }

    [Fact]
    public void Another_root_of_the_same_size_is_409_and_a_proof_that_does_not_hold_422()
    {
        Assert.Equal(200, Status(Submission(0, 5)));
        var fork = signer.Sign(new Checkpoint(Origin, 5, SHA256.HashData([1])).ToText());
        Assert.Equal(409, Status(new AddCheckpoint(5, [], fork)));
        var longer = signer.Sign(new Checkpoint(Origin, 9, SHA256.HashData([1])).ToText());
        Assert.Equal(422, Status(Submission(5, 9) with { Note = longer }));
        Assert.Equal(422, Status(Submission(5, 9) with { Proof = [] }));
        Assert.Equal(422, Status(Submission(5, 5) with { Proof = [leaves[0]] }));
        Assert.Equal(5, memory.Latest(Origin)!.Size);
        Assert.Equal(200, Status(Submission(5, 9)));
    }

    [Fact]
    public void A_first_submission_proves_nothing_and_an_empty_log_has_one_root()
    {
        Assert.Equal(422, Status(Submission(0, 5) with { Proof = [leaves[0]] }));
        Assert.Equal(409, Status(new AddCheckpoint(0, [], signer.Sign(new Checkpoint(Origin, 0, leaves[0]).ToText()))));
        Assert.Equal(200, Status(new AddCheckpoint(0, [], signer.Sign(new Checkpoint(Origin, 0, MerkleHash.Empty.ToArray()).ToText()))));
    }

    [Fact]
    public async Task Of_many_at_once_no_older_tree_replaces_a_newer_one()
    {
        Assert.Equal(200, Status(Submission(0, 1)));
        var answers = await Task.WhenAll(Enumerable.Range(2, 60).Select(size => Task.Run(() => (size, Status(Submission(1, size))))));
        var winner = Assert.Single(answers, answer => answer.Item2 == 200);
        Assert.Equal(winner.size, memory.Latest(Origin)!.Size);
        Assert.Equal(2, memory.Kept);
    }

    [Fact]
    public void A_submission_reads_back_as_it_was_written()
    {
        var submission = Submission(7, 64);
        Assert.True(AddCheckpoint.TryParse(submission.ToString(), out var read));
        Assert.Equal(submission.ToString(), read!.ToString());
        Assert.Equal(submission.Proof.Count, read.Proof.Count);
    }

    public void Dispose()
    {
        key.Dispose();
        witnessKey.Dispose();
    }

    private int Status(AddCheckpoint submission) => witness.Add(submission.ToString()).Status;

    private AddCheckpoint Submission(int old, int size) => new(old, old == 0 ? [] : ConsistencyProof.Build(old, size, Node), Note(size));

    private SignedNote Note(int size) => signer.Sign(Tree(size).ToText());

    private Checkpoint Tree(int size) => new(Origin, size, Root(size));

    private byte[] Root(int size)
    {
        var range = CompactRange.Empty();
        foreach (var leaf in leaves.Take(size)) range.Append(leaf);
        return range.Root();
    }

    private byte[] Node(int height, long index) =>
        height == 0 ? leaves[index] : MerkleHash.Node(Node(height - 1, 2 * index), Node(height - 1, 2 * index + 1));

    private sealed class Memory : IWitnessMemory
    {
        private readonly Dictionary<string, Checkpoint> trees = [];

        public int Kept { get; private set; }

        public Checkpoint? Latest(string origin) => trees.GetValueOrDefault(origin);

        public void Keep(Checkpoint tree) => (trees[tree.Origin], Kept) = (tree, Kept + 1);
    }
}
