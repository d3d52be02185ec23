using System.CommandLine;
using DataVault.Client.Wire;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault request letters …</c></summary>
internal static class LetterVerbs
{
    private static readonly string[] s_officer = ["compliance-officer"];

    public static Verb Build(VerbContext context) =>
        new Verb("letters", "Letters to people about their requests.").With(OfRequest(context), ToPost(context), Show(context), Posted(context));

    private static Verb OfRequest(VerbContext context)
    {
        var id = new Argument<Guid>("request") { Description = "The request's id." };
        return new Verb("of", "Letters about a request, and how far each has come.", "datavault request letters of 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var letters = await session.Open(s_officer).RequestLettersAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(letters, () => letters.Count == 0 ? new Text("No letters.\n") : Table(letters));
                return ExitCode.Ok;
            });
    }

    private static Verb ToPost(VerbContext context)
    {
        var limit = new Option<int?>("--limit") { Description = "At most so many." };
        var cursor = new Option<string?>("--cursor") { Description = "Where the page before ended." };
        return new Verb("to-post", "Letters that wait for an officer to post them.", "datavault request letters to-post --json")
            .With(limit, cursor)
            .Does(context, async (session, cancellation) =>
            {
                var page = await session.Open(s_officer).LettersToPostAsync(session.Parsed.GetValue(limit), session.Parsed.GetValue(cursor), cancellation);
                session.Report.Show(page, () => page.Items.Count == 0 ? new Text("No letter waits.\n") : Table(page.Items));
                return ExitCode.Ok;
            });
    }

    private static Verb Show(VerbContext context)
    {
        var id = new Argument<Guid>("letter") { Description = "The letter's id." };
        return new Verb("show", "A letter word for word. Reading it is an entry of the log.", "datavault request letters show 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var letter = await session.Open(s_officer).LetterAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(letter, () => new Text($"{letter.Subject}\n\n{letter.Text}"));
                return ExitCode.Ok;
            });
    }

    private static Verb Posted(VerbContext context)
    {
        var id = new Argument<Guid>("letter") { Description = "The letter's id." };
        return new Verb("posted", "Say that a letter was posted or handed over.", "datavault request letters posted 0198c3f2-6c1a-7000-8000-2f1f1c1d1e1f")
            .With(id)
            .Does(context, async (session, cancellation) =>
            {
                var letter = await session.Open(s_officer).LetterPostedAsync(session.Parsed.GetRequiredValue(id), cancellation);
                session.Report.Show(letter, () => Table([letter]));
                return ExitCode.Ok;
            });
    }

    private static Table Table(IReadOnlyList<Letter> letters)
    {
        var table = Report.Table("letter", "kind", "way", "written", "request");
        foreach (var letter in letters) table.Row($"{letter.Id}", letter.Kind, letter.Way, $"{letter.At:u}", $"{letter.Request}");
        return table;
    }
}
