using System.Globalization;
using System.Net;
using System.Text;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>A cell of a readable table. What is not in the page's language says in which it is, so that a screen reader pronounces it right.</summary>
internal readonly record struct PageCell(string Text, string? Language = null)
{
    public static implicit operator PageCell(string text) => new(text);

    /// <summary>What the policy calls something; in a language that the person reads, where it has it.</summary>
    public static PageCell Of(Wording wording, PackageWords words)
    {
        var (language, text) = wording.In(words.Language);
        return new PageCell(text, language);
    }

    /// <summary>The same of several, in one cell.</summary>
    public static PageCell Of(IEnumerable<Wording> wordings, PackageWords words)
    {
        var said = wordings.Select(wording => wording.In(words.Language)).ToList();
        var languages = said.Select(one => one.Language).Distinct().ToList();
        return new PageCell(string.Join(words["list"], said.Select(one => one.Text)), languages is [var only] ? only : null);
    }
}

/// <summary>
/// A readable page of a package: no script, nothing fetched from anywhere, readable with a screen reader, on a phone and on paper.
/// The content security policy inside it keeps a value from ever acting as markup, should the escaping fail.
/// </summary>
internal sealed class PackagePage : IDisposable
{
    /// <summary>The pages in the order in which they are offered, by the name of their file.</summary>
    public static readonly string[] Names =
        ["profile", "history", "events", "consents", "who-received", "who-looked", "decisions", "purposes", "standing", "requests", "not-included", "your-rights", "glossary"];

    private const string Style = """
        :root{color-scheme:light dark;--ink:#1c2330;--soft:#4a5568;--line:#c9d1dc;--back:#ffffff;--head:#eef2f7;--link:#0b57a4}
        @media (prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#b4becc;--line:#465062;--back:#12161d;--head:#1d2430;--link:#8cc2ff}}
        body{margin:0 auto;max-width:66rem;padding:1.5rem;font:1rem/1.55 system-ui,sans-serif;color:var(--ink);background:var(--back)}
        h1{font-size:1.7rem;line-height:1.2}h2{font-size:1.25rem;margin-top:2.5rem}p,dd{max-width:44rem}dt{font-weight:600;margin-top:.7rem}dd{margin-left:0}
        a{color:var(--link)}nav ul{padding-left:1.1rem;columns:16rem}li{margin:.2rem 0}
        .wide{overflow-x:auto}table{border-collapse:collapse;width:100%;min-width:42rem}th,td{text-align:left;vertical-align:top;padding:.45rem .6rem;border-bottom:1px solid var(--line);overflow-wrap:break-word}
        thead th{background:var(--head)}caption{text-align:left;color:var(--soft);padding:.4rem 0}code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
        footer{margin-top:3rem;border-top:1px solid var(--line);color:var(--soft)}:focus-visible{outline:3px solid var(--link);outline-offset:2px}
        @media print{body{max-width:none}nav{display:none}.wide{overflow:visible}table{min-width:0}}
        """;

    private readonly StreamWriter page;
    private readonly PackageWords words;
    private readonly string foot;
    private int tables;

    /// <param name="stream">Of the file; disposed with the page.</param>
    /// <param name="words">In the person's language.</param>
    /// <param name="title">The heading.</param>
    /// <param name="foot">What every page ends with.</param>
    public PackagePage(Stream stream, PackageWords words, string title, string foot)
    {
        (page, this.words, this.foot) = (new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)), words, foot);
        Raw($"<!doctype html>\n<html lang=\"{words.Language}\">\n<head>\n<meta charset=\"utf-8\">\n");
        Raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        Raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n");
        Raw($"<title>{Escaped(title)}</title>\n<style>\n{Style}\n</style>\n</head>\n<body>\n<header><h1>{Escaped(title)}</h1></header>\n");
    }

    /// <summary>Links to the other pages, given what leads from this one to their folder.</summary>
    public void Contents(IEnumerable<string> names, string start, string folder)
    {
        Raw($"<nav aria-label=\"{Escaped(words["nav.label"])}\"><ul>\n");
        if (start.Length > 0) Raw($"<li><a href=\"{start}\">{Escaped(words["nav.start"])}</a></li>\n");
        foreach (var name in names) Raw($"<li><a href=\"{folder}{name}.html\">{Escaped(words[$"page.{name}"])}</a></li>\n");
        Raw("</ul></nav>\n<main>\n");
    }

    public void Heading(string text, string? language = null) => Raw($"<h2{Lang(language)}>{Escaped(text)}</h2>\n");

    public void Paragraph(string text) => Raw($"<p>{Escaped(text)}</p>\n");

    /// <summary>Names and what they mean.</summary>
    public void Definitions(IEnumerable<(PageCell Name, PageCell Meaning)> all)
    {
        Raw("<dl>\n");
        foreach (var (name, meaning) in all) Raw($"<dt{Lang(name.Language)}>{Escaped(name.Text)}</dt><dd{Lang(meaning.Language)}>{Escaped(meaning.Text)}</dd>\n");
        Raw("</dl>\n");
    }

    /// <summary>A table; the first cell of a row names it. Tables of one page have different captions, by which they are told apart when they are read aloud.</summary>
    public void Table(PageCell caption, IReadOnlyList<PageCell> headings, IEnumerable<IReadOnlyList<PageCell>> rows)
    {
        using var all = rows.GetEnumerator();
        if (!all.MoveNext())
        {
            Raw($"<p>{Escaped(words["table.nothing"])}</p>\n");
            return;
        }
        var id = string.Create(CultureInfo.InvariantCulture, $"table-{++tables}");
        Raw($"<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-labelledby=\"{id}\"><table><caption id=\"{id}\"{Lang(caption.Language)}>{Escaped(caption.Text)}</caption>\n<thead><tr>");
        foreach (var heading in headings) Raw($"<th scope=\"col\"{Lang(heading.Language)}>{Escaped(heading.Text)}</th>");
        Raw("</tr></thead>\n<tbody>\n");
        do Row(all.Current);
        while (all.MoveNext());
        Raw("</tbody></table></div>\n");
    }

    public void Dispose()
    {
        Raw($"</main>\n<footer><p>{Escaped(foot)}</p></footer>\n</body>\n</html>\n");
        page.Dispose();
    }

    private void Row(IReadOnlyList<PageCell> cells)
    {
        Raw("<tr>");
        for (var i = 0; i < cells.Count; i++) Raw(i == 0 ? $"<th scope=\"row\"{Lang(cells[i].Language)}>{Escaped(cells[i].Text)}</th>" : $"<td{Lang(cells[i].Language)}>{Escaped(cells[i].Text)}</td>");
        Raw("</tr>\n");
    }

    private string Lang(string? language) => language is null || language == words.Language ? "" : $" lang=\"{Escaped(language)}\"";

    private static string Escaped(string text) => WebUtility.HtmlEncode(text);

    private void Raw(string markup) => page.Write(markup);
}
