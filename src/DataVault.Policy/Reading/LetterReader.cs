using System.Text.RegularExpressions;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>
/// Reads letters.yaml and letters/*.yaml. Strict, for what is wrong in a letter is found by whoever gets it: every kind in every language, every code in words, no
/// placeholder that is not known, and none left out that the law asks for.
/// </summary>
internal static partial class LetterReader
{
    private const int LongestLine = 700;
    private const int MostLines = 60;

    [GeneratedRegex(@"\{([^{}]*)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Slot();

    public static LetterTemplates? Letters(Section? section, IReadOnlyList<Section> files, Catalogue catalogue)
    {
        List<LetterLanguage> languages = [.. files.Select(Language)];
        if (section is null)
        {
            foreach (var file in files) file.Problem(0, "letters.yaml is missing, which says which language is the standard");
            return null;
        }

        var standard = section.Text("standard");
        var (address, language, country) = (Field(section, "address", ValueType.Email, catalogue), Field(section, "language", ValueType.Language, catalogue), Field(section, "country", ValueType.Country, catalogue));
        section.Done();
        if (languages.Find(one => one.Tag == standard) is not { } found)
        {
            if (standard.Length > 0) section.Problem(section.LineOf("standard"), $"letters/{standard}.yaml is missing");
            return null;
        }

        return new LetterTemplates(languages, found) { AddressField = address, LanguageField = language, CountryField = country };
    }

    private static FieldDefinition? Field(Section section, string key, ValueType type, Catalogue catalogue)
    {
        if (section.OptionalText(key) is not { } name) return null;
        if (catalogue.Find(name) is { } field && field.Rules.Type == type) return field;
        section.Problem(section.LineOf(key), $"{name} is no field of the type {System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(type.ToString())}");
        return null;
    }

    private static LetterLanguage Language(Section file)
    {
        var tag = file.File["letters/".Length..^".yaml".Length];
        if (!Wording.IsLanguage(tag)) file.Problem(0, $"{tag} is not a language tag such as en or de-CH");
        var months = file.SomeWords("months").Select(word => word.Text).ToList();
        if (months.Count != 12) file.Problem(file.LineOf("months"), "months must name twelve");
        var pattern = file.Text("date");
        foreach (var part in new[] { "{day}", "{month}", "{year}" }.Where(part => !pattern.Contains(part, StringComparison.Ordinal))) file.Problem(file.LineOf("date"), $"date lacks {part}");
        (string, string, IReadOnlyList<string>) dates = (pattern, file.OptionalText("firstOfMonth") ?? "1", months.Count == 12 ? months : [.. Enumerable.Repeat("", 12)]);
        var particulars = Lines(file, "particulars", LetterSlots.Common);
        var closing = Lines(file, "closing", LetterSlots.Common);
        var greeting = file.Text("greeting");
        Check(file, "greeting", greeting, []);
        foreach (var slot in LetterSlots.NeededByAll.Where(slot => !particulars.Concat(closing).Any(line => Names(line).Contains(slot))))
            file.Problem(file.LineOf("closing"), $"neither particulars nor closing say {{{slot}}}");
        var words = file.OptionalMap("words") is { } tables ? Words(tables) : [];
        if (!file.Has("words")) file.Problem(file.Line, "words is missing");
        var texts = file.OptionalMap("letters") is { } letters ? Texts(letters) : [];
        if (!file.Has("letters")) file.Problem(file.Line, "letters is missing");
        file.Done();
        return new LetterLanguage(tag, dates, words, texts) { Greeting = greeting, Particulars = particulars, Closing = closing };
    }

    private static Dictionary<string, IReadOnlyDictionary<string, string>> Words(Section tables)
    {
        var words = new Dictionary<string, IReadOnlyDictionary<string, string>>(StringComparer.Ordinal);
        foreach (var (name, codes) in LetterCodes.Tables)
        {
            if (tables.OptionalMap(name) is not { } table)
            {
                tables.Problem(tables.Line, $"{name} is missing");
                continue;
            }

            words[name] = codes.ToDictionary(code => code, code => Said(table, code), StringComparer.Ordinal);
            table.Done();
        }

        // Words for what the policy itself names; the lint tells which are missing.
        foreach (var name in new[] { "purposes", "classes" })
            words[name] = (tables.OptionalMap(name)?.Texts() ?? []).ToDictionary(pair => pair.Name.Text, pair => pair.Value, StringComparer.Ordinal);
        tables.Done();
        return words;
    }

    private static string Said(Section table, string code)
    {
        var text = table.Text(code);
        Check(table, code, text, []);
        return text;
    }

    private static Dictionary<LetterKind, LetterTemplate> Texts(Section letters)
    {
        var texts = new Dictionary<LetterKind, LetterTemplate>();
        foreach (var kind in LetterKinds.All)
        {
            var name = LetterKinds.NameOf(kind);
            if (letters.OptionalMap(name) is not { } body)
            {
                if (!LetterKinds.Later.Contains(kind)) letters.Problem(letters.Line, $"the letter {name} is missing");
                continue;
            }

            var allowed = LetterSlots.Common.Concat(LetterSlots.Of(kind)).ToList();
            var text = new LetterTemplate(body.Text("subject"), Lines(body, "text", allowed));
            Check(body, "subject", text.Subject, []);
            if (text.Subject.Contains('\n', StringComparison.Ordinal)) body.Problem(body.LineOf("subject"), "the subject has more than one line");
            foreach (var slot in LetterSlots.NeededBy(kind).Where(slot => !text.Lines.Any(line => Names(line).Contains(slot)))) body.Problem(body.LineOf("text"), $"the letter {name} does not say {{{slot}}}");
            body.Done();
            texts[kind] = text;
        }

        letters.Done();
        return texts;
    }

    private static string[] Lines(Section body, string key, IReadOnlyList<string> allowed)
    {
        var lines = body.Text(key).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (lines.Length > MostLines) body.Problem(body.LineOf(key), $"{key} has more than {MostLines} lines");
        foreach (var line in lines) Check(body, key, line, allowed);
        return lines;
    }

    private static void Check(Section body, string key, string text, IReadOnlyList<string> allowed)
    {
        if (text.Length > LongestLine) body.Problem(body.LineOf(key), $"a line of {key} is longer than {LongestLine} characters");
        foreach (var name in Names(text).Where(name => !allowed.Contains(name)))
            body.Problem(body.LineOf(key), allowed.Count == 0 ? $"{key} may name nothing in braces" : $"{{{name}}} is not known here, must be one of {string.Join(", ", allowed.Order(StringComparer.Ordinal))}");
        if (Slot().Replace(text, "").AsSpan().ContainsAny('{', '}')) body.Problem(body.LineOf(key), $"{key} has a brace that is not closed");
    }

    private static IEnumerable<string> Names(string text) => Slot().Matches(text).Select(match => match.Groups[1].Value);
}
