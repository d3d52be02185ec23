using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault holds …</c></summary>
internal static class HoldVerbs
{
    private const string Officer = "compliance-officer";

    public static Verb Build(VerbContext context) =>
        new Verb("holds", "Legal holds: what may not be erased, for whom and why.").With(Place(context), List(context), Get(context), Release(context));

    private static Verb Place(VerbContext context)
    {
        var customers = new Option<Guid[]>("--customer") { Description = "Whom it is about; may be given several times.", Required = true };
        var items = new Option<string[]>("--item") { Description = "A field, event:TYPE or class:NAME; left out for everything." };
        var purposes = new Option<string[]>("--purpose") { Description = "Who may still see what is left of an erased person." };
        var authority = new Option<string>("--authority") { Description = "The legal ground, such as legal-claim.", Required = true };
        var reference = new Option<string>("--case") { Description = "The case, in words; kept sealed.", Required = true };
        var review = new Option<DateTimeOffset>("--review") { Description = "When to look whether it is still needed.", Required = true };
        var expires = new Option<DateTimeOffset?>("--expires") { Description = "When it ends by itself." };
        return new Verb(
            "place", "Keep something of people from being erased.",
            "datavault holds place --customer 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --item event:purchase --authority legal-claim --case \"File 12\" --review 2031-03-01")
            .With(customers, items, purposes, authority, reference, review, expires)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var hold = new PlaceHold(
                    parsed.GetRequiredValue(customers), parsed.GetRequiredValue(authority), parsed.GetRequiredValue(reference), parsed.GetRequiredValue(review),
                    parsed.GetValue(items), parsed.GetValue(purposes), parsed.GetValue(expires));
                return Show(session, await session.OpenAsPerson(Officer).PlaceHoldAsync(hold, cancellation));
            });
    }

    private static Verb List(VerbContext context)
    {
        var state = new Option<string?>("--state") { Description = "open or ended." };
        var overdue = new Option<bool>("--overdue") { Description = "Only those whose review date has passed." };
        var customer = new Option<Guid?>("--customer") { Description = "Only those about this customer." };
        return new Verb("list", "Legal holds, newest first.", "datavault holds list --overdue")
            .With(state, overdue, customer)
            .Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var page = await session.OpenAsPerson(Officer).HoldsAsync(parsed.GetValue(state), parsed.GetValue(overdue), parsed.GetValue(customer), cancellation: cancellation);
                session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No holds.\n") : Show(page.Items));
                return ExitCode.Ok;
            });
    }

    private static Verb Get(VerbContext context)
    {
        var id = new Argument<Guid>("hold") { Description = "The hold's id." };
        return new Verb("get", "One legal hold, with the people it is about.", "datavault holds get 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) => Show(session, await session.OpenAsPerson(Officer).HoldAsync(session.Parsed.GetRequiredValue(id), cancellation)));
    }

    private static Verb Release(VerbContext context)
    {
        var id = new Argument<Guid>("hold") { Description = "The hold's id." };
        var reason = new Option<string?>("--reason") { Description = "Why it is not needed any more, in words; kept sealed." };
        return new Verb(
            "release", "End a hold; erasures that waited for it go on by themselves.",
            "datavault holds release 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f --reason \"The claim was settled\"")
            .With(id, reason)
            .Does(context, async (session, cancellation) => Show(
                session, await session.OpenAsPerson(Officer).ReleaseHoldAsync(session.Parsed.GetRequiredValue(id), session.Parsed.GetValue(reason), cancellation)));
    }

    private static int Show(Session session, LegalHold hold)
    {
        session.Report.Show(hold, () => Show([hold]));
        return ExitCode.Ok;
    }

    private static Table Show(IReadOnlyList<LegalHold> holds)
    {
        var table = Report.Table("hold", "ground", "items", "people", "review", "defers", "ended", "damage");
        foreach (var hold in holds)
            table.Row($"{hold.Id}", hold.Authority, hold.Items.Count == 0 ? "everything" : string.Join(", ", hold.Items), $"{hold.Customers.Count}", $"{hold.ReviewAt:yyyy-MM-dd}{(hold.Overdue ? " (overdue)" : "")}", $"{hold.Deferred.Count}", $"{hold.ReleasedAt:u}", hold.Damage ?? "");
        return table;
    }
}
