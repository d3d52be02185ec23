using System.CommandLine;
using DataVault.Transparency;

namespace DataVault.Verifier;

/// <summary>The verbs that read a copy of a log.</summary>
internal static class LogVerbs
{
    public static IEnumerable<Command> Build(Desk desk, SharedOptions shared) => [Replay(desk, shared), Records(desk, shared), History(desk, shared)];

    internal static NoteVerifier Key(SharedOptions shared, ParseResult parsed) =>
        Given.Key(parsed.GetValue(shared.Key) ?? throw new UsageException("Whose log? Give --key."));

    private static Command Replay(Desk desk, SharedOptions shared)
    {
        var folder = new Argument<string>("folder") { Description = "Folder with a copy of the log: checkpoint, tile/…" };
        var seen = new Option<string[]>("--checkpoint") { Description = "A checkpoint seen before, which the log must continue (repeatable).", DefaultValueFactory = _ => [] };
        return Verb.Of("replay", "Read a whole log, and find the first entry that was changed, removed, put in or reordered.", [folder, seen], desk, async (parsed, cancellation) =>
        {
            var verifier = new LogVerifier(Key(shared, parsed)) { Progress = desk.Progress };
            var earlier = parsed.GetRequiredValue(seen).Select(Given.Note).ToList();
            var report = await verifier.VerifyAsync(Given.Log(parsed.GetRequiredValue(folder)), earlier, cancellation);
            await desk.Output.WriteLineAsync(parsed.GetValue(shared.Json) ? VerificationText.Json(report) : VerificationText.Describe(report));
            return report.Ok ? ExitCode.Sound : ExitCode.Wrong;
        });
    }

    private static Command Records(Desk desk, SharedOptions shared)
    {
        var manifest = new Argument<string>("manifest") { Description = "The records manifest of a vault." };
        return Verb.Of(
            "records", "Compare what a vault says it holds with its log: writes past the log, old states, deleted and resurrected records, events, histories, consents.",
            [manifest, SharedOptions.Log], desk, async (parsed, cancellation) =>
            {
                var verifier = new RecordsVerifier(Key(shared, parsed)) { Progress = desk.Progress };
                var report = await verifier.VerifyAsync(Given.Log(parsed.GetRequiredValue(SharedOptions.Log)), desk.Open(parsed.GetRequiredValue(manifest)), cancellation);
                await desk.Output.WriteLineAsync(parsed.GetValue(shared.Json) ? VerificationText.Json(report) : VerificationText.Describe(report));
                return report.Ok ? ExitCode.Sound : ExitCode.Wrong;
            });
    }

    private static Command History(Desk desk, SharedOptions shared)
    {
        var tag = new Option<string>("--tag") { Description = "The person's tag in the log, 32 hexadecimal digits.", Required = true };
        return Verb.Of("history", "List every entry about one person, those about several among them, from a log that is replayed whole.", [tag, SharedOptions.Log], desk, async (parsed, cancellation) =>
        {
            var digits = parsed.GetRequiredValue(tag);
            if (digits.Length != 2 * LogEntry.TagSize || !digits.All(char.IsAsciiHexDigit)) throw new UsageException("--tag is 32 hexadecimal digits.");
            var history = await SubjectHistory.ReadAsync(
                Given.Log(parsed.GetRequiredValue(SharedOptions.Log)), Key(shared, parsed), Convert.FromHexString(digits), desk.Progress, cancellation);
            await WriteAsync(desk, history, parsed.GetValue(shared.Json));
            return history.Ok ? ExitCode.Sound : ExitCode.Wrong;
        });
    }

    private static async Task WriteAsync(Desk desk, SubjectHistory history, bool json)
    {
        if (json)
        {
            var entries = history.Entries.Select(pair => new
            {
                index = pair.Key, time = DateTimeOffset.FromUnixTimeMilliseconds(pair.Value.Time), type = EntryTypes.NameOf(pair.Value.Type), result = EntryTypes.NameOf(pair.Value.Result),
                purpose = pair.Value.Purpose, actor = Convert.ToHexStringLower(pair.Value.Actor.Span), items = pair.Value.Items,
            });
            await desk.Output.WriteLineAsync(VerificationText.Json((object)new { history.Ok, history.Log.Problem, entries, history.Unlisted, history.Misled }));
            return;
        }
        foreach (var (index, entry) in history.Entries) await desk.Output.WriteLineAsync(VerificationText.Describe(index, entry));
        await desk.Output.WriteLineAsync($"{history.Entries.Count} entries");
        foreach (var index in history.Misled) await desk.Output.WriteLineAsync($"BAD         the list of those whom entry {index} is about is not the one that it was made of");
        if (history.Unlisted.Count > 0)
            await desk.Output.WriteLineAsync($"not known   whether the person is among those whom {history.Unlisted.Count} entries are about: their lists are not in this copy (the first is entry {history.Unlisted[0]})");
        await desk.Output.WriteLineAsync(VerificationText.Describe(history.Log));
    }
}
