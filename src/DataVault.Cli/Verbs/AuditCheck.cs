using System.Globalization;
using DataVault.Transparency;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli.Verbs;

/// <summary>
/// The verb <c>audit check</c>: verifies what a person was handed, an erasure certificate or the proof of an entry, without a vault. It needs the
/// file and the log's key, and uses DataVault.Transparency alone. Exit code 0: it holds; 1: it does not.
/// </summary>
internal static class AuditCheck
{
    // Far above any certificate; a proof has at most 63 hashes.
    private const int LongestFile = 256 * 1024;

    public static int Run(string file, NoteVerifier key, Report report)
    {
        if (new FileInfo(file) is { Exists: false } or { Length: > LongestFile })
            throw new UsageException($"{file}: there is no such file, or it is too large to be a certificate or a proof.");
        var text = File.ReadAllText(file);
        if (ErasureCertificate.TryParse(text, out var certificate))
            return Tell(report, "erasure-certificate", certificate!.Verify(key), Facts(certificate.Statement));
        if (TlogProof.TryParse(text, out var proof))
            return Tell(report, "tlog-proof", Verify(proof!, key), Facts(proof!));
        throw new UsageException($"{file} is neither an erasure certificate nor the proof of an entry.");
    }

    private static string? Verify(TlogProof proof, NoteVerifier key)
    {
        if (proof.Extra.IsEmpty)
            return "the proof does not carry its entry";
        return proof.Verify(proof.Extra.Span, key) ? null : "the proof does not lead from its entry to a checkpoint that the log's key has signed";
    }

    private static int Tell(Report report, string kind, string? problem, IReadOnlyDictionary<string, string> facts)
    {
        report.Show(
            new { kind, ok = problem is null, problem, states = facts },
            () => new Rows(
                Report.Facts([("kind", kind), .. facts.Select(f => (f.Key, (string?)f.Value))]),
                new Text(problem is null ? "OK: it holds under the log's key.\n" : $"FAILED: {problem}.\n") as IRenderable));
        return problem is null ? ExitCode.Ok : ExitCode.Failed;
    }

    private static Dictionary<string, string> Facts(ErasureStatement statement)
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

    private static Dictionary<string, string> Facts(TlogProof proof)
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
