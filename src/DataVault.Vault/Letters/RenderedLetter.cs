using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>How a part of a letter is set.</summary>
public enum LetterBlockKind
{
    /// <summary>One line of text.</summary>
    Paragraph,

    /// <summary>Lines below each other.</summary>
    Lines,

    /// <summary>Items of a list.</summary>
    List,
}

/// <summary>A part of a letter.</summary>
public sealed record LetterBlock(LetterBlockKind Kind, IReadOnlyList<string> Lines);

/// <summary>A letter as the person gets it: the same words as text and as a page.</summary>
/// <param name="Language">BCP 47 tag.</param>
/// <param name="Subject">One line.</param>
/// <param name="Blocks">What it says, from the greeting on.</param>
public sealed record RenderedLetter(string Language, string Subject, IReadOnlyList<LetterBlock> Blocks)
{
    /// <summary>As plain text, without the subject.</summary>
    public string Text()
    {
        var text = new StringBuilder();
        foreach (var block in Blocks)
        {
            if (text.Length > 0) text.Append('\n');
            foreach (var line in block.Lines) text.Append(block.Kind == LetterBlockKind.List ? "- " : "").Append(line).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>As a page to read or print: no script, no style, nothing from elsewhere.</summary>
    public string Html()
    {
        var page = new StringBuilder();
        page.Append(CultureInfo.InvariantCulture, $"<!DOCTYPE html>\n<html lang=\"{Escaped(Language)}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.Append(CultureInfo.InvariantCulture, $"<title>{Escaped(Subject)}</title>\n</head>\n<body>\n<main>\n<h1>{Escaped(Subject)}</h1>\n");
        foreach (var block in Blocks)
        {
            page.Append(block.Kind switch
            {
                LetterBlockKind.List => $"<ul>\n{string.Concat(block.Lines.Select(line => $"<li>{Escaped(line)}</li>\n"))}</ul>\n",
                _ => $"<p>{string.Join("<br>\n", block.Lines.Select(Escaped))}</p>\n",
            });
        }

        return page.Append("</main>\n</body>\n</html>\n").ToString();
    }

    // Unlike an attribute's quotes, letters of other scripts stay as they are: the page says its encoding.
    private static string Escaped(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal).Replace("\"", "&quot;", StringComparison.Ordinal);
}

/// <summary>What a letter is filled with, and where it is set into words. The same words give the same letter, on every machine.</summary>
internal sealed partial class LetterPress
{
    private readonly LetterLanguage language;
    private readonly Dictionary<string, IReadOnlyList<string>> slots = new(StringComparer.Ordinal);

    public LetterPress(LetterLanguage language) => this.language = language;

    public LetterLanguage Language => language;

    /// <summary>Nothing and empty are left out, and so is each line that names it.</summary>
    public LetterPress With(string slot, string? value)
    {
        if (!string.IsNullOrWhiteSpace(value)) slots[slot] = [Clean(value)];
        return this;
    }

    public LetterPress With(string slot, DateOnly? day) => With(slot, day is { } known ? language.Day(known) : null);

    /// <summary>A line that names it stands once for each.</summary>
    public LetterPress WithEach(string slot, IReadOnlyList<string> values)
    {
        if (values.Count > 0) slots[slot] = [.. values.Select(Clean)];
        return this;
    }

    public RenderedLetter Print(LetterKind kind)
    {
        var text = language.Text(kind);
        var blocks = new List<LetterBlock> { new(LetterBlockKind.Paragraph, [language.Greeting]) };
        var particulars = language.Particulars.SelectMany(Filled).ToList();
        if (particulars.Count > 0) blocks.Add(new LetterBlock(LetterBlockKind.Lines, particulars));
        blocks.AddRange(Set(text.Lines));
        blocks.AddRange(Set(language.Closing));
        return new RenderedLetter(language.Tag, text.Subject, blocks);
    }

    // Items that follow each other are one list.
    private IEnumerable<LetterBlock> Set(IReadOnlyList<string> lines)
    {
        var items = new List<string>();
        foreach (var line in lines)
        {
            if (line.StartsWith("- ", StringComparison.Ordinal))
            {
                items.AddRange(Filled(line[2..]));
                continue;
            }

            if (items.Count > 0) yield return new LetterBlock(LetterBlockKind.List, [.. items]);
            items.Clear();
            foreach (var paragraph in Filled(line)) yield return new LetterBlock(LetterBlockKind.Paragraph, [paragraph]);
        }

        if (items.Count > 0) yield return new LetterBlock(LetterBlockKind.List, items);
    }

    private IEnumerable<string> Filled(string line)
    {
        var names = Slot().Matches(line).Select(match => match.Groups[1].Value).Distinct().ToList();
        if (names.Any(name => !slots.ContainsKey(name))) return [];
        return Enumerable.Range(0, names.Select(name => slots[name].Count).DefaultIfEmpty(1).Max())
            .Select(at => Slot().Replace(line, match => slots[match.Groups[1].Value] is var values ? values[Math.Min(at, values.Count - 1)] : ""));
    }

    /// <summary>INVARIANT: what is filled in stays on its line and in its direction, whatever it is.</summary>
    private static string Clean(string value) => string.Concat(value.EnumerateRunes().Select(rune => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator => " ",
        UnicodeCategory.Format or UnicodeCategory.Surrogate => "",
        _ => rune.ToString(),
    })).Trim();

    [GeneratedRegex(@"\{([a-z]+)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Slot();
}
