using System.Globalization;
using System.Net;
using System.Text;

namespace DataVault.Vault;

/// <summary>A held value as the readable page shows it.</summary>
internal sealed record ReadableField(string Category, string Label, string Value, string Source, DateTimeOffset RecordedAt);

/// <summary>A table of the readable page.</summary>
internal sealed record ReadableTable(string Id, string Title, string Lead, IReadOnlyList<string> Headings, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>
/// The README.html of a package: one file, no script, nothing fetched from anywhere, readable with a screen reader, on a phone and on paper.
/// The content security policy inside it keeps a value from ever acting as markup, should the escaping fail.
/// </summary>
internal sealed class ReadablePage(TextWriter page)
{
    private const string Style = """
        :root{color-scheme:light dark;--ink:#1c2330;--soft:#4a5568;--line:#c9d1dc;--back:#ffffff;--head:#eef2f7;--link:#0b57a4}
        @media (prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#b4becc;--line:#465062;--back:#12161d;--head:#1d2430;--link:#8cc2ff}}
        body{margin:0 auto;max-width:62rem;padding:1.5rem;font:1rem/1.55 system-ui,sans-serif;color:var(--ink);background:var(--back)}
        h1{font-size:1.7rem;line-height:1.2}h2{font-size:1.25rem;margin-top:2.5rem}p{max-width:44rem}
        a{color:var(--link)}nav ul{padding-left:1.1rem}caption{text-align:left;color:var(--soft);padding:.4rem 0}
        .wide{overflow-x:auto}table{border-collapse:collapse;width:100%;min-width:42rem}th,td{text-align:left;vertical-align:top;padding:.45rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:break-word}
        thead th{background:var(--head)}code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
        @media print{body{max-width:none}nav{display:none}}
        """;

    public void Open(string title, string lead, IReadOnlyList<(string Id, string Title)> sections)
    {
        Raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        Raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        Raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
        Raw($"<title>{Escaped(title)}</title>\n<style>\n{Style}\n</style>\n</head>\n<body>\n");
        Raw($"<header><h1>{Escaped(title)}</h1><p>{Escaped(lead)}</p></header>\n<nav aria-label=\"Contents\"><ul>\n");
        foreach (var (id, name) in sections)
            Raw($"<li><a href=\"#{id}\">{Escaped(name)}</a></li>\n");
        Raw("</ul></nav>\n<main>\n");
    }

    public void Fields(string id, string title, string lead, IReadOnlyList<ReadableField> fields)
    {
        var rows = fields.Select(f => (IReadOnlyList<string>)[f.Label, f.Value, f.Category, f.Source, When(f.RecordedAt)]).ToList();
        Table(new ReadableTable(id, title, lead, ["What", "Value", "Category", "Came from", "Recorded"], rows));
    }

    public void Table(ReadableTable table)
    {
        Raw($"<section aria-labelledby=\"{table.Id}\"><h2 id=\"{table.Id}\">{Escaped(table.Title)}</h2>\n<p>{Escaped(table.Lead)}</p>\n");
        if (table.Rows.Count == 0)
        {
            Raw("<p>Nothing is held.</p></section>\n");
            return;
        }
        Raw("<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-labelledby=\"" + table.Id + "\"><table><thead><tr>");
        foreach (var heading in table.Headings)
            Raw($"<th scope=\"col\">{Escaped(heading)}</th>");
        Raw("</tr></thead>\n<tbody>\n");
        foreach (var row in table.Rows)
            Row(row);
        Raw("</tbody></table></div></section>\n");
    }

    public void Close(string foot) => Raw($"</main>\n<footer><p>{Escaped(foot)}</p></footer>\n</body>\n</html>\n");

    public static string When(DateTimeOffset at) => at.UtcDateTime.ToString("d MMMM yyyy, HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private void Row(IReadOnlyList<string> cells)
    {
        var line = new StringBuilder("<tr>");
        for (var i = 0; i < cells.Count; i++)
            line.Append(i == 0 ? "<th scope=\"row\">" : "<td>").Append(Escaped(cells[i])).Append(i == 0 ? "</th>" : "</td>");
        Raw(line.Append("</tr>\n").ToString());
    }

    private static string Escaped(string text) => WebUtility.HtmlEncode(text);

    private void Raw(string markup) => page.Write(markup);
}
