// The witness protocol (c2sp.org/tlog-witness): a log submits a checkpoint with a proof that it continues the last one that the witness saw,
//
//    old <size>
//    <base64 hash>            zero to 63 lines, the consistency proof from old size to the checkpoint's size
//                             (an empty line)
//    <checkpoint note>
//
// and gets a cosignature. The witness keeps one tree per log and never cosigns one that does not continue it.

using System.Globalization;
using System.Text;

namespace DataVault.Transparency;

/// <summary>What a log submits to a witness.</summary>
/// <param name="OldSize">Size of the tree that the witness is believed to know; 0 for none.</param>
/// <param name="Proof">RFC 6962 consistency proof from there.</param>
/// <param name="Note">The checkpoint, signed by the log.</param>
public sealed record AddCheckpoint(long OldSize, IReadOnlyList<byte[]> Proof, SignedNote Note)
{
    private const string OldStart = "old ";
    private const int MaxHashes = 63;

    /// <summary>Reads a request's body.</summary>
    public static bool TryParse(string body, out AddCheckpoint? request)
    {
        request = null;
        var blank = body.IndexOf("\n\n", StringComparison.Ordinal);
        if (blank < 0 || !SignedNote.TryParse(body[(blank + 2)..], out var note))
            return false;
        var lines = body[..blank].Split('\n');
        if (lines.Length > MaxHashes + 1 || !lines[0].StartsWith(OldStart, StringComparison.Ordinal) || !Decimals.TryParse(lines[0].AsSpan(OldStart.Length), out var old))
            return false;
        var proof = new List<byte[]>(lines.Length - 1);
        foreach (var line in lines.Skip(1))
        {
            if (!Base64Strict.TryDecode(line, out var hash) || hash.Length != MerkleHash.Size)
                return false;
            proof.Add(hash);
        }
        request = new AddCheckpoint(old, proof, note!);
        return true;
    }

    /// <summary>The body.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(OldStart).Append(OldSize.ToString(CultureInfo.InvariantCulture)).Append('\n');
        foreach (var hash in Proof)
            text.Append(Convert.ToBase64String(hash)).Append('\n');
        return text.Append('\n').Append(Note).ToString();
    }
}

/// <summary>What a witness answers.</summary>
/// <param name="Status">Status code of HTTP.</param>
/// <param name="Body">Signature lines, the size that the witness knows, or a sentence.</param>
/// <param name="ContentType">The body's type.</param>
public sealed record WitnessAnswer(int Status, string Body, string ContentType = "text/plain; charset=utf-8")
{
    /// <summary>Type of the body of a conflict: the size of the witness's tree.</summary>
    public const string SizeType = "text/x.tlog.size";
}

/// <summary>Where a witness keeps the newest tree of each log.</summary>
public interface IWitnessMemory
{
    /// <summary>The newest tree of a log; null when none was cosigned.</summary>
    Checkpoint? Latest(string origin);

    /// <summary>Replaces it. INVARIANT: durable when it returns.</summary>
    void Keep(Checkpoint tree);
}

/// <summary>A witness without its web server: decides, remembers, cosigns.</summary>
/// <param name="logs">Keys of the logs that it knows, each named by its log's origin; several of one origin are all trusted.</param>
/// <param name="key">The witness's own key.</param>
/// <param name="memory">What it has seen. Nobody else writes to it.</param>
/// <param name="clock">The time of cosignatures.</param>
public sealed class Witness(IReadOnlyList<NoteVerifier> logs, CosignatureKey key, IWitnessMemory memory, TimeProvider clock)
{
    private readonly Lock _turn = new();

    /// <summary>Answers a submission.</summary>
    /// <param name="body">The request's body.</param>
    public WitnessAnswer Add(string body)
    {
        if (!AddCheckpoint.TryParse(body, out var request) || !Checkpoint.TryParse(request!.Note.Text, out var tree))
            return new WitnessAnswer(400, "not a submission of a checkpoint\n");
        var keys = logs.Where(log => log.Name == tree!.Origin).ToList();
        if (keys.Count == 0)
            return new WitnessAnswer(404, "unknown log\n");
        if (LogKeys.Combine(keys.Select(log => log.Check(request.Note))) != NoteCheck.Valid)
            return new WitnessAnswer(403, "not signed by a key of this log\n");
        if (request.OldSize > tree!.Size)
            return new WitnessAnswer(400, "the old size is larger than the checkpoint's\n");
        // INVARIANT: between looking at the memory and writing it nobody else does either, or an older tree could replace a newer one.
        lock (_turn)
            return Extend(request, tree, memory.Latest(tree.Origin));
    }

    private WitnessAnswer Extend(AddCheckpoint request, Checkpoint tree, Checkpoint? known)
    {
        var size = known?.Size ?? 0;
        ReadOnlyMemory<byte> root = known?.Root ?? MerkleHash.Empty.ToArray();
        if (request.OldSize != size || (tree.Size == size && !tree.Root.Span.SequenceEqual(root.Span)))
            return new WitnessAnswer(409, string.Create(CultureInfo.InvariantCulture, $"{size}\n"), WitnessAnswer.SizeType);
        // Nothing follows from an empty tree, and nothing need be proved of it.
        var proved = size == 0 ? request.Proof.Count == 0 : ConsistencyProof.Verify(size, tree.Size, root.Span, tree.Root.Span, request.Proof);
        if (!proved)
            return new WitnessAnswer(422, "the consistency proof does not hold\n");
        memory.Keep(tree);
        return new WitnessAnswer(200, key.Cosign(tree, clock.GetUtcNow()).ToLine());
    }
}
