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
    public static int Run(string file, NoteVerifier key, Report report)
    {
        if (new FileInfo(file) is { Exists: false } or { Length: > HandedDocument.LongestFile })
            throw new UsageException($"{file}: there is no such file, or it is too large to be a certificate or a proof.");
        var document = HandedDocument.Check(File.ReadAllText(file), key) ?? throw new UsageException($"{file} is neither an erasure certificate nor the proof of an entry.");
        report.Show(
            new { document.Kind, ok = document.Problem is null, document.Problem, document.States },
            () => new Rows(
                Report.Facts([("kind", document.Kind), .. document.States.Select(f => (f.Key, (string?)f.Value))]),
                new Text(document.Problem is null ? "OK: it holds under the log's key.\n" : $"FAILED: {document.Problem}.\n") as IRenderable));
        return document.Problem is null ? ExitCode.Ok : ExitCode.Failed;
    }
}
