// A proof of an entry as JSON, for those who read it with anything but our programs: docs/formats/bag.md §4.
//
//    { "format": "datavault/log-proof/v1", "log": …, "index": …, "entry": <base64>, "hashes": [<base64>, …], "treeSize": …, "rootHash": <base64>, "checkpoint": <the signed note> }

using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DataVault.Transparency;

/// <summary>A <see cref="TlogProof"/> with its entry, as JSON.</summary>
public static class LogProofJson
{
    private const string Format = "datavault/log-proof/v1";
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The document.</summary>
    /// <param name="proof">With the entry as its extra data.</param>
    public static string Write(TlogProof proof)
    {
        var tree = TreeOf(proof.Checkpoint) ?? throw new ArgumentException("The proof leads to no checkpoint.", nameof(proof));
        return Of(proof, tree).ToJsonString(Options) + "\n";
    }

    /// <summary>Reads a document; null when it is none, or says of the tree what its checkpoint does not.</summary>
    public static TlogProof? Read(string text)
    {
        try
        {
            if (JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = 4 }) is not JsonObject read) return null;
            var lines = new StringBuilder("c2sp.org/tlog-proof@v1\n").Append("extra ").Append((string?)read["entry"]).Append("\nindex ").Append((long?)read["index"]).Append('\n');
            foreach (var hash in read["hashes"] as JsonArray ?? []) lines.Append((string?)hash).Append('\n');
            if (!TlogProof.TryParse(lines.Append('\n').Append((string?)read["checkpoint"]).ToString(), out var proof)) return null;
            return JsonNode.DeepEquals(read, Of(proof!, TreeOf(proof!.Checkpoint)!)) ? proof : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }

    internal static Checkpoint? TreeOf(SignedNote note) => Checkpoint.TryParse(note.Text, out var tree) ? tree : null;

    private static JsonObject Of(TlogProof proof, Checkpoint tree) => new()
    {
        ["format"] = Format, ["log"] = tree.Origin, ["index"] = proof.Index, ["entry"] = Convert.ToBase64String(proof.Extra.Span),
        ["hashes"] = new JsonArray([.. proof.Hashes.Select(hash => (JsonNode)Convert.ToBase64String(hash))]),
        ["treeSize"] = tree.Size, ["rootHash"] = Convert.ToBase64String(tree.Root.Span), ["checkpoint"] = proof.Checkpoint.ToString(),
    };
}
