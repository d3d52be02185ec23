// An offline-verifiable inclusion proof as text (c2sp.org/tlog-proof@v1):
//
//    c2sp.org/tlog-proof@v1
//    extra <base64>                 optional, not authenticated by the format; DataVault puts the entry's bytes there
//    index <decimal>
//    <base64 hash>                  zero or more, from the leaf's sibling upwards
//                                   (an empty line)
//    <the checkpoint note, verbatim>

using System.Globalization;
using System.Text;

namespace DataVault.Transparency;

/// <summary>That an entry stands at an index of a log whose checkpoint is signed. Files end in <c>.tlog-proof</c>.</summary>
/// <param name="Index">Zero-based index of the entry.</param>
/// <param name="Hashes">The inclusion proof, from the leaf's sibling upwards.</param>
/// <param name="Checkpoint">The signed checkpoint of the tree that the proof leads to.</param>
/// <param name="Extra">Data of the application, which the format does not authenticate; empty for none.</param>
public sealed record TlogProof(long Index, IReadOnlyList<byte[]> Hashes, SignedNote Checkpoint, ReadOnlyMemory<byte> Extra)
{
    private const string Header = "c2sp.org/tlog-proof@v1";
    private const string ExtraStart = "extra ";
    private const string IndexStart = "index ";
    private const int MaxHashes = 63;

    /// <summary>Reads a proof.</summary>
    public static bool TryParse(string text, out TlogProof? proof)
    {
        proof = null;
        var blank = text.IndexOf("\n\n", StringComparison.Ordinal);
        if (blank < 0 || !SignedNote.TryParse(text[(blank + 2)..], out var note) || !Transparency.Checkpoint.TryParse(note!.Text, out _))
            return false;
        var lines = new Queue<string>(text[..blank].Split('\n'));
        byte[] extra = [];
        if (lines.Dequeue() != Header || !lines.TryDequeue(out var line))
            return false;
        if (line.StartsWith(ExtraStart, StringComparison.Ordinal))
        {
            if (!Base64Strict.TryDecode(line.AsSpan(ExtraStart.Length), out extra) || extra.Length == 0 || !lines.TryDequeue(out line))
                return false;
        }
        if (!line.StartsWith(IndexStart, StringComparison.Ordinal) || !Decimals.TryParse(line.AsSpan(IndexStart.Length), out var index))
            return false;
        if (!TryReadHashes(lines, out var hashes))
            return false;
        proof = new TlogProof(index, hashes, note!, extra);
        return true;
    }

    /// <summary>The text of the proof.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Header).Append('\n');
        if (!Extra.IsEmpty)
            text.Append(ExtraStart).Append(Convert.ToBase64String(Extra.Span)).Append('\n');
        text.Append(IndexStart).Append(Index.ToString(CultureInfo.InvariantCulture)).Append('\n');
        foreach (var hash in Hashes)
            text.Append(Convert.ToBase64String(hash)).Append('\n');
        return text.Append('\n').Append(Checkpoint).ToString();
    }

    /// <summary>
    /// True when the key has signed the checkpoint, the checkpoint's origin is the key's name, and the proof leads from the leaf hash of
    /// <paramref name="entry"/> to its root.
    /// </summary>
    public bool Verify(ReadOnlySpan<byte> entry, NoteVerifier key) => Verify(entry, key, out _);

    internal bool Verify(ReadOnlySpan<byte> entry, NoteVerifier key, out Checkpoint? checkpoint)
    {
        checkpoint = null;
        return key.Verify(Checkpoint)
            && Transparency.Checkpoint.TryParse(Checkpoint.Text, out checkpoint)
            && checkpoint!.Origin == key.Name
            && InclusionProof.Verify(Index, checkpoint.Size, MerkleHash.Leaf(entry), Hashes, checkpoint.Root.Span);
    }

    private static bool TryReadHashes(Queue<string> lines, out List<byte[]> hashes)
    {
        hashes = new List<byte[]>(lines.Count);
        foreach (var line in lines)
        {
            if (!Base64Strict.TryDecode(line, out var hash) || hash.Length != MerkleHash.Size)
                return false;
            hashes.Add(hash);
        }
        return hashes.Count <= MaxHashes;
    }
}
