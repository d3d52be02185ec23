using DataVault.Transparency;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli.Verbs;

/// <summary>
/// The verb <c>audit check</c>: verifies what a person was handed, an erasure certificate or the proof of an entry, without a vault. It needs the
/// file and the log's key, and uses DataVault.Transparency alone; with a copy of the log it also replays that. Exit code 0: it holds; 1: it does not.
/// </summary>
internal static class AuditCheck
{
    public static async Task<int> RunAsync(string file, string? log, NoteVerifier key, Report report, CancellationToken cancellation)
    {
        if (new FileInfo(file) is { Exists: false } or { Length: > HandedDocument.LongestFile })
            throw new UsageException($"{file}: there is no such file, or it is too large to be a certificate or a proof.");
        var document = HandedDocument.Check(File.ReadAllText(file), key) ?? throw new UsageException($"{file} is neither an erasure certificate nor the proof of an entry.");
        if (log is not null) document = await AgainstAsync(document, log, key, cancellation);
        report.Show(
            new { document.Kind, ok = document.Problem is null, document.Problem, document.States },
            () => new Rows(
                Report.Facts([("kind", document.Kind), .. document.States.Select(f => (f.Key, (string?)f.Value))]),
                new Text(document.Problem is null ? "OK: it holds under the log's key.\n" : $"FAILED: {document.Problem}.\n") as IRenderable));
        return document.Problem is null ? ExitCode.Ok : ExitCode.Failed;
    }

    private static async Task<HandedDocument> AgainstAsync(HandedDocument document, string log, NoteVerifier key, CancellationToken cancellation)
    {
        if (!Directory.Exists(log)) throw new UsageException($"{log}: there is no such folder. `datavault audit save {log}` makes one.");
        var (report, compared) = await HandedDocument.CompareAsync([document], new TileDirectory(log), key, cancellationToken: cancellation);
        return report.Ok ? compared[0] : compared[0] with { Problem = compared[0].Problem ?? $"the log itself: {report.Problem}" };
    }
}
