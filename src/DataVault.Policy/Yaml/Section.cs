using System.Globalization;
using System.Text.Json;

namespace DataVault.Policy.Yaml;

/// <summary>A word of a file and the line it stands on.</summary>
internal readonly record struct Word(string Text, int Line);

/// <summary>
/// One mapping of a policy file, read key by key. A missing or mistyped member is reported with its line and reading goes on with
/// a stand-in, so that one loading finds every mistake; <see cref="Done"/> reports the keys that nobody asked for.
/// </summary>
internal sealed class Section
{
    /// <summary>More than there are fields and event types; a bound on the work that one line can ask for.</summary>
    private const int LongestList = 2_000;

    private readonly YamlMap map;
    private readonly ProblemList problems;
    private readonly HashSet<string> read = new(StringComparer.Ordinal);

    public Section(YamlMap map, string file, ProblemList problems) => (this.map, File, this.problems) = (map, file, problems);

    public string File { get; }

    public int Line => map.Line;

    public void Problem(int line, string message) => problems.Add(File, line, message);

    public bool Has(string key)
    {
        read.Add(key);
        return map.Find(key) is not null;
    }

    public bool IsText(string key) => map.Find(key)?.Value is YamlText;

    public int LineOf(string key) => map.Find(key)?.Line ?? Line;

    public string Text(string key) => Required(key, OptionalText(key)) ?? "";

    public string? OptionalText(string key)
    {
        if (Take(key) is not { } node) return null;
        if (node is YamlText { IsNull: false } text) return text.Value.Trim();
        Problem(node.Line, $"{key} must be a text");
        return null;
    }

    /// <summary>A text for people: plain, or in several languages.</summary>
    public Wording Wording(string key)
    {
        if (OptionalWording(key) is { } wording) return wording;
        if (!Has(key)) Problem(Line, $"{key} is missing");
        return "";
    }

    public Wording? OptionalWording(string key)
    {
        if (map.Find(key)?.Value is not YamlMap) return Plain(key);
        var said = new List<SaidText>();
        foreach (var (language, text) in OptionalMap(key)!.Texts())
        {
            if (!Policy.Wording.IsLanguage(language.Text)) Problem(language.Line, $"{language.Text} is not a language tag such as en or de-CH");
            else if (text.Length > 0) said.Add(new SaidText(language.Text, text));
        }

        if (said.Count == 0) Problem(LineOf(key), $"{key} names at least one language");
        return said.Count == 0 ? "" : new Wording(said);
    }

    private Wording? Plain(string key)
    {
        if (OptionalText(key) is not { } text) return null;
        if (text.Length == 0) Problem(LineOf(key), $"{key} is empty");
        return text;
    }

    public int Number(string key, int least, int most) => Required(key, OptionalNumber(key, least, most)) ?? least;

    public int? OptionalNumber(string key, int least, int most)
    {
        if (OptionalText(key) is not { } text) return null;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most) return value;
        Problem(LineOf(key), $"{key} must be a whole number from {least} to {most}");
        return null;
    }

    public decimal? OptionalDecimal(string key)
    {
        if (OptionalText(key) is not { } text) return null;
        if (decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)) return value;
        Problem(LineOf(key), $"{key} must be a number");
        return null;
    }

    public bool Flag(string key, bool otherwise)
    {
        if (OptionalText(key) is not { } text) return otherwise;
        if (text is not ("true" or "false")) Problem(LineOf(key), $"{key} must be true or false");
        return text == "true";
    }

    /// <summary>An enumeration member by its name in camel case.</summary>
    public T Choice<T>(string key, T? otherwise = null) where T : struct, Enum
    {
        var text = OptionalText(key);
        if (text is null) return otherwise ?? Required<T>(key, null) ?? default;
        foreach (var value in Enum.GetValues<T>())
        {
            if (JsonNamingPolicy.CamelCase.ConvertName(value.ToString()) == text) return value;
        }

        Problem(LineOf(key), $"{key} is {text}, must be one of {string.Join(", ", Enum.GetNames<T>().Select(JsonNamingPolicy.CamelCase.ConvertName))}");
        return otherwise ?? default;
    }

    public string Choice(string key, IReadOnlyList<string> allowed, string? otherwise = null)
    {
        var text = otherwise is null ? Text(key) : OptionalText(key) ?? otherwise;
        if (text.Length > 0 && !allowed.Contains(text)) Problem(LineOf(key), $"{key} is {text}, must be one of {string.Join(", ", allowed)}");
        return text;
    }

    /// <summary>A list of texts; absent is empty.</summary>
    public IReadOnlyList<Word> Words(string key)
    {
        var node = Take(key);
        if (node is null) return [];
        if (node is not YamlList list)
        {
            Problem(node.Line, $"{key} must be a list");
            return [];
        }

        if (list.Items.Count > LongestList)
        {
            Problem(node.Line, $"{key} names more than {LongestList}");
            return [];
        }

        foreach (var item in list.Items.Where(item => item is not YamlText { IsNull: false })) Problem(item.Line, $"{key} must be a list of texts");
        return [.. list.Items.OfType<YamlText>().Where(item => !item.IsNull).Select(item => new Word(item.Value.Trim(), item.Line))];
    }

    /// <summary>A list of texts with at least one, none twice.</summary>
    public IReadOnlyList<Word> SomeWords(string key)
    {
        var words = Words(key);
        if (words.Count == 0) Problem(LineOf(key), $"{key} must name at least one");
        foreach (var word in words.GroupBy(word => word.Text).Where(group => group.Count() > 1).Select(group => group.Last()))
        {
            Problem(word.Line, $"{key} names {word.Text} twice");
        }

        return words;
    }

    public Section? OptionalMap(string key) => Take(key) is { } node ? AsSection(node, key) : null;

    /// <summary>A mapping of names to mappings, such as all fields of the catalogue.</summary>
    public IEnumerable<(Word Name, Section Body)> Named(string key)
    {
        if (OptionalMap(key) is not { } section)
        {
            Required<int>(key, null);
            yield break;
        }

        foreach (var entry in section.map.Entries)
        {
            if (AsSection(entry.Value, entry.Key) is { } body) yield return (new Word(entry.Key, entry.Line), body);
        }
    }

    /// <summary>A list of mappings, such as the rules of a file.</summary>
    public IEnumerable<Section> Listed(string key)
    {
        var node = Take(key);
        if (node is not YamlList list)
        {
            Problem(node?.Line ?? Line, $"{key} must be a list");
            yield break;
        }

        foreach (var item in list.Items)
        {
            if (AsSection(item, "each of " + key) is { } body) yield return body;
        }
    }

    /// <summary>All remaining members as texts, such as what a case expects.</summary>
    public IReadOnlyList<(Word Name, string Value)> Texts()
    {
        var names = map.Entries.Where(entry => !read.Contains(entry.Key)).Select(entry => new Word(entry.Key, entry.Line)).ToList();
        return [.. names.Select(name => (name, Text(name.Text)))];
    }

    public void Done()
    {
        foreach (var entry in map.Entries.Where(entry => !read.Contains(entry.Key))) Problem(entry.Line, $"unknown key {entry.Key}, must be one of {string.Join(", ", read.Order(StringComparer.Ordinal))}");
    }

    private YamlNode? Take(string key)
    {
        read.Add(key);
        return map.Find(key)?.Value;
    }

    private Section? AsSection(YamlNode node, string name)
    {
        if (node is YamlMap inner) return new Section(inner, File, problems);
        Problem(node.Line, $"{name} must be a mapping");
        return null;
    }

    private T? Required<T>(string key, T? value) where T : struct
    {
        if (value is null && !Has(key)) Problem(Line, $"{key} is missing");
        return value;
    }

    private string? Required(string key, string? value)
    {
        if (!Has(key)) Problem(Line, $"{key} is missing");
        else if (value is { Length: 0 }) Problem(LineOf(key), $"{key} is empty");
        return value;
    }
}
