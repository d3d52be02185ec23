using System.CommandLine;
using System.Globalization;
using DataVault.Transparency;

namespace DataVault.Verifier;

/// <summary>The verb that checks a signed bag: the package of somebody's data, or a pack of evidence.</summary>
internal static class BagVerbs
{
    public static Command Build(Desk desk, SharedOptions shared)
    {
        var files = new Argument<string[]>("files") { Description = "The zips.", Arity = ArgumentArity.OneOrMore };
        return Verb.Of("package", "Check a package of one's data, or a pack of evidence: every file, the signature, and that the log holds the entry that tells of it.", [files], desk, async (parsed, cancellation) =>
        {
            var key = LogVerbs.Key(shared, parsed);
            var sound = true;
            foreach (var file in parsed.GetRequiredValue(files))
            {
                var document = Check(desk, file, key, cancellation);
                sound &= document.Problem is null;
                await desk.Output.WriteLineAsync(parsed.GetValue(shared.Json) ? DocumentVerbs.Json(file, document, null) : DocumentVerbs.Text(file, document));
            }
            return sound ? ExitCode.Sound : ExitCode.Wrong;
        });
    }

    private static HandedDocument Check(Desk desk, string file, NoteVerifier key, CancellationToken cancellation)
    {
        try
        {
            using var bag = BagReader.Open(desk.Open(file), BagLimits.Widest);
            return new HandedDocument("package", bag.CheckFiles(cancellation) ?? bag.CheckSignature(key), States(bag));
        }
        catch (BagException e)
        {
            return new HandedDocument("package", e.Message, new Dictionary<string, string>());
        }
    }

    private static Dictionary<string, string> States(BagReader bag)
    {
        if (bag.Statement is not { } said) return [];
        var states = new Dictionary<string, string>
        {
            ["kind"] = said.Kind, ["case"] = said.Case.ToString("D"), ["log"] = said.Tree.Origin, ["entry"] = said.Entry.ToString(CultureInfo.InvariantCulture),
            ["files"] = said.PayloadFiles.ToString(CultureInfo.InvariantCulture), ["octets"] = said.PayloadOctets.ToString(CultureInfo.InvariantCulture),
            ["issued"] = said.IssuedAt.ToString("u", CultureInfo.InvariantCulture),
        };
        if (bag.ProvedEntry() is { } entry) states["entry says"] = EntryTypes.NameOf(entry.Type);
        return states;
    }
}
