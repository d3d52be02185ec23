using System.CommandLine;
using System.Globalization;
using DataVault.Client.Wire;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault desk …</c></summary>
internal static class DeskVerbs
{
    private static readonly string[] s_roles = ["compliance-officer"];

    public static Verb Build(VerbContext context) =>
        new Verb("desk", "The officer's desk in figures, each as of a checkpoint of the log.").With(Show(context), List(context), Export(context));

    private static Verb Show(VerbContext context) =>
        new Verb("show", "Deadlines, funnel, erasures, consents, purposes, retention, access, log and keys; ends with 1 where a figure is red.", "datavault desk show", "datavault desk show --json")
            .Does(context, async (session, cancellation) =>
            {
                var desk = await session.Open(s_roles).DeskAsync(cancellation);
                session.Report.Show(desk, () => Table(desk));
                return desk.Tiles.Any(tile => tile.Red) ? ExitCode.Failed : ExitCode.Ok;
            });

    private static Verb List(VerbContext context)
    {
        var (tile, figure) = Names();
        var of = new Option<string?>("--of") { Description = "Only one group of the figure, such as late." };
        return new Verb("list", "What a figure counts.", "datavault desk list deadlines open --of late", "datavault desk list erasure deferred")
            .With(tile, figure).With(of)
            .Does(context, async (session, cancellation) =>
            {
                var list = await session.Open(s_roles).DeskListAsync(session.Parsed.GetValue(tile)!, session.Parsed.GetValue(figure)!, session.Parsed.GetValue(of), cancellation: cancellation);
                session.Report.Show(list, () => Table(list));
                return ExitCode.Ok;
            });
    }

    private static Verb Export(VerbContext context)
    {
        var (tile, figure) = Names();
        (tile.Arity, figure.Arity) = (ArgumentArity.ZeroOrOne, ArgumentArity.ZeroOrOne);
        return new Verb("export", "All figures as CSV, or the whole list behind one.", "datavault desk export > desk.csv", "datavault desk export deadlines open > open.csv")
            .With(tile, figure)
            .Does(context, async (session, cancellation) =>
            {
                var client = session.Open(s_roles);
                await using var csv = session.Parsed.GetValue(tile) is { } named && session.Parsed.GetValue(figure) is { } wanted
                    ? await client.ExportDeskListAsync(named, wanted, cancellation: cancellation)
                    : await client.ExportDeskAsync(cancellation);
                using var reader = new StreamReader(csv);
                await session.Host.Output.WriteAsync(await reader.ReadToEndAsync(cancellation));
                return ExitCode.Ok;
            });
    }

    private static (Argument<string> Tile, Argument<string> Figure) Names() => (
        new Argument<string>("tile") { Description = "A tile of the desk, such as deadlines." }, new Argument<string>("figure") { Description = "A figure of it that has a list, such as open." });

    private static Rows Table(OfficerDeskView desk)
    {
        var table = Report.Table("tile", "figure", "of", "count", "at", "", "as of");
        foreach (var tile in desk.Tiles)
        {
            foreach (var figure in tile.Figures)
                table.Row(tile.Name, figure.Name, figure.Of ?? "", figure.Count?.ToString("N0", CultureInfo.InvariantCulture) ?? "", Time(figure.At), figure.Red ? "RED" : "", figure.AsOf.Size.ToString("N0", CultureInfo.InvariantCulture));
        }

        List<IRenderable> parts = [table];
        if (desk.Next.Rows.Count > 0) parts.AddRange([new Text("due next\n"), Table(desk.Next)]);
        return new Rows(parts);
    }

    private static Table Table(DeskListView list)
    {
        var table = Report.Table([.. list.About is null ? Array.Empty<string>() : [list.About], .. list.Columns.Select(column => column.Name)]);
        foreach (var row in list.Rows) table.Row([.. list.About is null ? Array.Empty<string>() : [row.Key ?? ""], .. row.Cells]);
        return table;
    }

    private static string Time(DateTimeOffset? at) => at?.ToUniversalTime().ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture) ?? "";
}
