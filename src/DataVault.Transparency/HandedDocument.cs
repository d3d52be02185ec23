using System.Globalization;

namespace DataVault.Transparency;

/// <summary>A file that a person was handed: an erasure certificate, or the proof of an entry.</summary>
/// <param name="Kind"><c>erasure-certificate</c> or <c>tlog-proof</c>.</param>
/// <param name="Problem">The first thing wrong with it; null when it holds.</param>
/// <param name="States">What it says, by name.</param>
public sealed record HandedDocument(string Kind, string? Problem, IReadOnlyDictionary<string, string> States)
{
    /// <summary>Far above any certificate; a proof has at most 63 hashes.</summary>
    public const int LongestFile = 256 * 1024;

    /// <summary>Reads and checks a text; null when it is neither.</summary>
    public static HandedDocument? Check(string text, NoteVerifier key)
    {
        if (ErasureCertificate.TryParse(text, out var certificate))
            return new HandedDocument("erasure-certificate", certificate!.Verify(key), Describe(certificate.Statement));
        return TlogProof.TryParse(text, out var proof) ? new HandedDocument("tlog-proof", Verify(proof!, key), Describe(proof!)) : null;
    }

    private static string? Verify(TlogProof proof, NoteVerifier key)
    {
        if (proof.Extra.IsEmpty)
            return "the proof does not carry its entry";
        return proof.Verify(proof.Extra.Span, key) ? null : "the proof does not lead from its entry to a checkpoint that the log's key has signed";
    }

    private static Dictionary<string, string> Describe(ErasureStatement statement)
    {
        var facts = new Dictionary<string, string>
        {
            ["log"] = statement.Log,
            ["request"] = $"{statement.Request}",
            ["requested"] = Place(statement.RequestedIndex, statement.RequestedAt),
            ["executed"] = Place(statement.ExecutedIndex, statement.ExecutedAt),
        };
        foreach (var (what, count) in statement.Erased)
            facts[$"erased {what}"] = count.ToString(CultureInfo.InvariantCulture);
        return facts;
    }

    private static Dictionary<string, string> Describe(TlogProof proof)
    {
        var facts = new Dictionary<string, string> { ["entry"] = proof.Index.ToString(CultureInfo.InvariantCulture) };
        try
        {
            var entry = LogEntry.Decode(proof.Extra);
            facts["type"] = EntryTypes.NameOf(entry.Type);
            facts["at"] = $"{DateTimeOffset.FromUnixTimeMilliseconds(entry.Time):u}";
            facts["purpose"] = entry.Purpose;
            facts["result"] = EntryTypes.NameOf(entry.Result);
        }
        catch (FormatException)
        {
            facts["type"] = "not an entry of a DataVault log";
        }
        return facts;
    }

    private static string Place(long index, DateTimeOffset at) => string.Create(CultureInfo.InvariantCulture, $"entry {index}, {at:u}");
}
