using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;

namespace DataVault.Vault;

/// <summary>The words of a package in one language: headings, explanations, and names for what the files call by a code.</summary>
internal sealed class PackageWords
{
    private static readonly FrozenDictionary<string, PackageWords> All =
        new[] { "en", "de", "fr", "zh" }.ToFrozenDictionary(language => language, Read, StringComparer.Ordinal);

    private readonly FrozenDictionary<string, string> words;

    private PackageWords(string language, Dictionary<string, string> words) => (Language, this.words) = (language, words.ToFrozenDictionary(StringComparer.Ordinal));

    public static IEnumerable<string> Languages => All.Keys;

    public static PackageWords English => All["en"];

    /// <summary>BCP 47.</summary>
    public string Language { get; }

    public IEnumerable<string> Keys => words.Keys;

    /// <exception cref="KeyNotFoundException">No such words: every language has the same.</exception>
    public string this[string key] => words[key];

    /// <summary>The words of somebody whose languages are known by tags such as <c>de-AT</c>, the dearest first; English where there are none.</summary>
    public static PackageWords For(params IReadOnlyList<string?> tags) =>
        tags.OfType<string>().Select(tag => All.GetValueOrDefault(tag.Split('-')[0].ToLowerInvariant())).FirstOrDefault(words => words is not null) ?? English;

    public bool Has(string key) => words.ContainsKey(key);

    /// <summary>What a code of a family means, such as <c>origin</c> and <c>provided</c>; the code itself where nothing is written about it.</summary>
    public string Of(string family, string code) => words.GetValueOrDefault($"{family}.{code}", code);

    /// <summary>Words with places for values.</summary>
    public string Filled(string key, params ReadOnlySpan<object> values) => string.Format(CultureInfo.InvariantCulture, words[key], values);

    /// <summary>An instant in the language's own order of day, month and year.</summary>
    public string When(DateTimeOffset at)
    {
        var utc = at.UtcDateTime;
        return Filled("date.time", utc.Day, words["date.months"].Split('|')[utc.Month - 1], utc.Year, utc.ToString("HH:mm", CultureInfo.InvariantCulture));
    }

    /// <summary>How long something is kept: months, or years where they are whole.</summary>
    public string Period(int months) => months % 12 == 0 ? Filled("period.years", months / 12) : Filled("period.months", months);

    private static PackageWords Read(string language)
    {
        using var stream = typeof(PackageWords).Assembly.GetManifestResourceStream($"package-words.{language}.json") ?? throw new InvalidOperationException($"No words of a package in {language}.");
        return new PackageWords(language, JsonSerializer.Deserialize<Dictionary<string, string>>(stream)!);
    }
}
