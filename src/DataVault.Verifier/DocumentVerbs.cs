using System.CommandLine;
using DataVault.Transparency;

namespace DataVault.Verifier;

/// <summary>The verbs that do without a copy of the log: proofs, certificates, notes, two people's checkpoints.</summary>
internal static class DocumentVerbs
{
    public static IEnumerable<Command> Build(Desk desk, SharedOptions shared) =>
    [
        Documents(desk, shared, "inclusion", "Check proofs that entries stand in the log (.tlog-proof), such as the receipts of one's own data.", "tlog-proof"),
        Documents(desk, shared, "certificate", "Check an erasure certificate; with --log also that no entry of the log contradicts it.", "erasure-certificate"),
        Documents(desk, shared, "receipt", "Check consent receipts: signature, act, notice, and that the log holds the act.", "consent-receipt"),
        Compare(desk, shared, "compare", "Compare two people's checkpoints: the same tree, one continues the other, or a fork."),
        Compare(desk, shared, "consistency", "Check that the log of one checkpoint continues that of another."),
        Note(desk, shared),
    ];

    private static Command Documents(Desk desk, SharedOptions shared, string name, string description, string kind)
    {
        var files = new Argument<string[]>("files") { Description = "The files.", Arity = ArgumentArity.OneOrMore };
        var log = new Option<string?>("--log") { Description = "Folder with a copy of the log, to be replayed whole: it must continue what the files rest on, and no entry may contradict a certificate." };
        return Verb.Of(name, description, [files, log], desk, async (parsed, cancellation) =>
        {
            var key = LogVerbs.Key(shared, parsed);
            var checkedFiles = parsed.GetRequiredValue(files).Select(file => (file, document: HandedDocument.Check(Given.Text(file), key))).ToList();
            if (checkedFiles.Find(one => one.document?.Kind != kind) is { file: not null } other) throw new UnreadableException($"{other.file} is no {kind}.");
            IReadOnlyList<HandedDocument> documents = [.. checkedFiles.Select(one => one.document!)];
            VerificationReport? replayed = null;
            if (parsed.GetValue(log) is { } folder) (replayed, documents) = await HandedDocument.CompareAsync(documents, Given.Log(folder), key, desk.Progress, cancellation);
            await WriteAsync(desk, [.. checkedFiles.Select(one => one.file).Zip(documents)], replayed, parsed.GetValue(shared.Json));
            return documents.All(document => document.Problem is null) && replayed is not { Ok: false } ? ExitCode.Sound : ExitCode.Wrong;
        });
    }

    private static async Task WriteAsync(Desk desk, IReadOnlyList<(string File, HandedDocument Document)> all, VerificationReport? log, bool json)
    {
        foreach (var (file, document) in all) await desk.Output.WriteLineAsync(json ? Json(file, document, log) : Text(file, document));
        if (log is not null && !json) await desk.Output.WriteLineAsync(VerificationText.Describe(log));
    }

    internal static string Json(string file, HandedDocument document, VerificationReport? log) => VerificationText.Json((object)new
    {
        file, ok = document.Problem is null && log is not { Ok: false }, document.Kind, document.Problem, document.States,
        log = log is null ? null : new { log.Ok, log.Origin, log.Size, log.PrunedBelow, log.Problem },
    });

    internal static string Text(string file, HandedDocument document) => string.Join(
        Environment.NewLine,
        [file, .. document.States.Select(state => $"  {state.Key,-24} {state.Value}"), document.Problem is null ? "  OK: it holds under the log's key" : $"  BAD: {document.Problem}"]);

    private static Command Compare(Desk desk, SharedOptions shared, string name, string description)
    {
        var one = new Argument<string>("one") { Description = "A checkpoint." };
        var other = new Argument<string>("other") { Description = "Another of the same log." };
        var log = new Option<string?>("--log") { Description = "Folder with the log's hash tiles; needed when the two are of different sizes and there is no --proof." };
        var proof = new Option<string?>("--proof") { Description = "File with the consistency proof: one hash in base64 to a line." };
        return Verb.Of(name, description, [one, other, log, proof], desk, async (parsed, cancellation) =>
        {
            var notes = (One: Given.Note(parsed.GetRequiredValue(one)), Other: Given.Note(parsed.GetRequiredValue(other)));
            var comparison = await CheckpointComparison.OfAsync(
                notes.One, notes.Other, LogVerbs.Key(shared, parsed), parsed.GetValue(log) is { } folder ? Given.Log(folder) : null,
                parsed.GetValue(proof) is { } file ? Hashes(file) : null, cancellation);
            await desk.Output.WriteLineAsync(parsed.GetValue(shared.Json) ? Json(comparison, notes.One, notes.Other) : Text(comparison, notes.One, notes.Other));
            return comparison.Relation is CheckpointRelation.Same or CheckpointRelation.Continues ? ExitCode.Sound : ExitCode.Wrong;
        });
    }

    private static List<byte[]> Hashes(string file)
    {
        try
        {
            return [.. Given.Text(file).Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Convert.FromBase64String)];
        }
        catch (FormatException)
        {
            throw new UnreadableException($"{file} is not a consistency proof.");
        }
    }

    private static string Json(CheckpointComparison comparison, SignedNote one, SignedNote other) => VerificationText.Json((object)new
    {
        ok = comparison.Relation is CheckpointRelation.Same or CheckpointRelation.Continues, comparison.Relation, comparison.Message,
        evidence = comparison.Relation == CheckpointRelation.Fork ? new[] { one.ToString(), other.ToString() } : null,
    });

    private static string Text(CheckpointComparison comparison, SignedNote one, SignedNote other)
    {
        var verdict = comparison.Relation switch
        {
            CheckpointRelation.Same or CheckpointRelation.Continues => "OK      ",
            CheckpointRelation.Fork => "FORK    ",
            _ => "UNPROVED",
        };
        return comparison.Relation != CheckpointRelation.Fork
            ? $"{verdict}  {comparison.Message}"
            : $"{verdict}  {comparison.Message}{Environment.NewLine}The evidence, which anybody can check with the log's key:{Environment.NewLine}{Environment.NewLine}{one}{Environment.NewLine}{other}";
    }

    private static Command Note(Desk desk, SharedOptions shared)
    {
        var file = new Argument<string>("file") { Description = "A checkpoint or another signed note." };
        return Verb.Of("note", "Check the signatures of a checkpoint, of witnesses too when --key is a trust policy.", [file], desk, async (parsed, _) =>
        {
            var (note, key) = (Given.Note(parsed.GetRequiredValue(file)), LogVerbs.Key(shared, parsed));
            var check = key.Check(note);
            var said = check switch
            {
                NoteCheck.Valid => "signed as the key or policy asks",
                NoteCheck.Invalid => "a signature of a known key is false",
                NoteCheck.NotAvailable => "this machine cannot verify the kind of signature (Ed25519 needs libcrypto 3)",
                _ => "not signed by the key, or not by the witnesses that the policy asks for",
            };
            var signers = note.Signatures.Select(signature => signature.Name).ToList();
            await desk.Output.WriteLineAsync(parsed.GetValue(shared.Json)
                ? VerificationText.Json((object)new { ok = check == NoteCheck.Valid, check, said, signers, note.Text })
                : string.Join(Environment.NewLine, [note.Text.TrimEnd(), $"signature lines: {string.Join(", ", signers)}", check == NoteCheck.Valid ? $"OK   {said}" : $"BAD  {said}"]));
            return check == NoteCheck.Valid ? ExitCode.Sound : ExitCode.Wrong;
        });
    }
}
