using System.CommandLine;
using System.Text.Json;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault request wanted</c> and <c>rectify</c>: corrections, value by value.</summary>
internal static class RectificationVerbs
{
    private const string Officer = "compliance-officer";

    public static Verb Wanted(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        var say = new Option<string?>("--say") { Description = "Says which values are right, instead of what was said before: JSON object of fields, null removes; @file reads a file, - standard input." };
        return new Verb(
            "wanted", "Show which values a request for rectification wants, and what was decided about each; or say them for the person.",
            "datavault request wanted 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f",
            "datavault request wanted 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --say @right.json")
            .With(id, say)
            .Does(context, async (session, cancellation) =>
            {
                var request = session.Parsed.GetRequiredValue(id);
                var fields = session.Parsed.GetValue(say) is { } given ? CustomerVerbs.Fields(session, given) : null;
                var vault = session.Open([Officer]);
                return Show(session, fields is null ? await vault.RectificationAsync(request, cancellation) : await vault.WantValuesAsync(request, new WantValues(fields), cancellation));
            });
    }

    public static Verb Rectify(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        var accept = new Option<string[]>("--accept") { Description = "A field that is written as it is wanted; may be given several times.", DefaultValueFactory = _ => [] };
        var change = new Option<string?>("--change") { Description = "Fields that are written with another value: JSON object; @file reads a file, - standard input." };
        var refuse = new Option<string[]>("--refuse") { Description = "FIELD=REASON, a field that stays as it is; may be given several times.", DefaultValueFactory = _ => [] };
        var note = new Option<string?>("--note") { Description = "In words; kept sealed, and the person may read it." };
        var seen = new Option<long?>("--seen") { Description = "The newest entry of the request that you saw: nothing is decided when there is a newer one." };
        return new Verb(
            "rectify", "Accept, change or refuse every wanted value of an approved request for rectification; writes them, tells recipients and closes the request. For people alone.",
            "datavault request rectify 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --accept familyName --refuse birthDate=fulfilment-impossible",
            "datavault request rectify 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --change @other.json --note \"As in the passport\"")
            .With(id, accept, change, refuse, note, seen)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var changed = parsed.GetValue(change) is { } given ? CustomerVerbs.Fields(session, given) : [];
                var decision = new DecideRectification(Accepted(parsed.GetRequiredValue(accept), changed), Refused(parsed.GetRequiredValue(refuse)), parsed.GetValue(note)) { Seen = parsed.GetValue(seen) };
                return Show(session, await session.OpenAsPerson(Officer).DecideRectificationAsync(parsed.GetRequiredValue(id), decision, cancellation));
            });
    }

    private static Dictionary<string, JsonElement?> Accepted(string[] asWanted, Dictionary<string, JsonElement> changed)
    {
        var accepted = changed.ToDictionary(one => one.Key, one => (JsonElement?)one.Value);
        foreach (var field in asWanted)
            if (!accepted.TryAdd(field, null)) throw new UsageException($"{field} is decided twice.");
        return accepted;
    }

    private static Dictionary<string, string> Refused(string[] given)
    {
        Dictionary<string, string> refused = [];
        foreach (var one in given)
        {
            if (one.Split('=', 2) is not [var field, { Length: > 0 } reason]) throw new UsageException("A refusal is written FIELD=REASON.");
            if (!refused.TryAdd(field, reason)) throw new UsageException($"{field} is decided twice.");
        }

        return refused;
    }

    private static int Show(Session session, RectificationState state)
    {
        var table = Report.Table("field", "wanted", "decided", "reason");
        foreach (var (field, value) in state.Wanted)
        {
            var decided = state.Decided.FirstOrDefault(one => one.Field == field);
            table.Row(field, value.ValueKind == JsonValueKind.Null ? "(removed)" : CustomerVerbs.Say(value), decided?.Outcome ?? "not yet", decided?.Reason ?? "");
        }

        session.Report.Show(state, () => state.Wanted.Count == 0 ? new Text("No values are said.\n") : table);
        return ExitCode.Ok;
    }
}
