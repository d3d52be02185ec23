using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>The files of a policy, each read once into a <see cref="Section"/>.</summary>
internal sealed class PolicySource
{
    /// <summary>Characters of one file, and of all: far more than people write, and little enough to be read in a moment.</summary>
    public const int LargestFile = 1 << 20;
    public const int LargestPolicy = 8 << 20;
    public const int MostFiles = 1_000;

    private readonly SortedDictionary<string, string> files = new(StringComparer.Ordinal);
    private readonly ProblemList problems;

    public PolicySource(IReadOnlyDictionary<string, string> files, ProblemList problems)
    {
        this.problems = problems;
        var yaml = files.Where(file => PolicyFileNames.IsYaml(file.Key)).ToList();
        if (yaml.Count > MostFiles) problems.Add("policies", 0, $"more than {MostFiles} files");
        if (yaml.Sum(file => (long)file.Value.Length) > LargestPolicy) problems.Add("policies", 0, $"more than {LargestPolicy >> 20} million characters in all files");
        foreach (var (path, text) in yaml.Where(file => file.Value.Length > LargestFile)) problems.Add(path, 0, $"the file is longer than {LargestFile} characters");
        problems.ThrowIfAny();
        foreach (var (path, text) in yaml) this.files[path.Replace('\\', '/')] = text.ReplaceLineEndings("\n");
    }

    public IReadOnlyList<Section> Rules => [.. files.Keys.Where(PolicyFileNames.IsRules).Select(Read).OfType<Section>()];

    public IReadOnlyList<Section> Cases => [.. files.Keys.Where(PolicyFileNames.IsCases).Select(Read).OfType<Section>()];

    public IReadOnlyList<Section> Letters => [.. files.Keys.Where(PolicyFileNames.IsLetters).Select(Read).OfType<Section>()];

    public Section? Required(string path)
    {
        if (files.ContainsKey(path)) return Read(path);
        problems.Add(path, 0, "the file is missing");
        return null;
    }

    public Section? Optional(string path) => files.ContainsKey(path) ? Read(path) : null;

    /// <summary>Content hash of everything that decides. Cases and schemas check the policy and are no part of it; line endings neither.</summary>
    public byte[] Version()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (path, text) in files.Where(file => PolicyFileNames.IsYaml(file.Key) && !PolicyFileNames.IsCases(file.Key)))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path.Length} {path}{text.Length} {text}"));
        }

        return hash.GetHashAndReset()[..16];
    }

    private Section? Read(string path) =>
        IsReadable(path, files[path]) && YamlTree.Read(path, files[path], problems) is { } map ? new Section(map, path, problems) : null;

    /// <summary>A reviewer must see what the vault reads: no bytes that were no UTF-8, nothing invisible, nothing that turns the direction of the line.</summary>
    private bool IsReadable(string path, string text)
    {
        var line = 1;
        for (var index = 0; index < text.Length; index++)
        {
            var letter = text[index];
            if (letter == '\n') line++;
            var pair = char.IsHighSurrogate(letter) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]);
            if (pair) index++;
            else if (char.IsSurrogate(letter) || letter == '\ufffd')
            {
                problems.Add(path, line, "not UTF-8");
                return false;
            }
            else if (letter is not ('\n' or '\t') && (char.IsControl(letter) || char.GetUnicodeCategory(letter) == UnicodeCategory.Format))
            {
                problems.Add(path, line, $"the character U+{(int)letter:X4}, which cannot be seen");
                return false;
            }
        }

        return true;
    }
}

/// <summary>Names and ids that may stand once only.</summary>
internal sealed class Taken
{
    private readonly HashSet<string> names = new(StringComparer.Ordinal);
    private readonly HashSet<int> ids = [];

    public bool Claim(Section section, Word name)
    {
        if (!Names.IsName(name.Text)) section.Problem(name.Line, $"{name.Text} is not a name: letters, digits and hyphens, at most 64");
        if (names.Add(name.Text)) return true;
        section.Problem(name.Line, $"{name.Text} is declared twice");
        return false;
    }

    public bool Claim(Section section, int id)
    {
        if (ids.Add(id)) return true;
        section.Problem(section.LineOf("id"), $"the id {id} is taken");
        return false;
    }
}

/// <summary>What a name in the policy may look like.</summary>
internal static class Names
{
    public static bool IsName(string text) =>
        text.Length is > 0 and <= 64 && char.IsAsciiLetter(text[0]) && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '-');

    /// <summary>A term of W3C's Data Privacy Vocabulary by its form, such as <c>pd:EmailAddress</c>; whether the vocabulary has it is for people to know.</summary>
    public static bool IsTerm(string text, string prefix) =>
        text.StartsWith(prefix, StringComparison.Ordinal) && text.Length > prefix.Length && text.Length <= 100 && char.IsAsciiLetterUpper(text[prefix.Length])
        && !text.AsSpan(prefix.Length).ContainsAnyExcept(TermLetters);

    private static readonly SearchValues<char> TermLetters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>A time zone by its IANA name, such as <c>Europe/Brussels</c>; null when there is none.</summary>
    public static TimeZoneInfo? Zone(string text)
    {
        var named = text.Length is > 0 and <= 64 && char.IsAsciiLetter(text[0]) && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-' or '+' or '/');
        return named && TimeZoneInfo.TryFindSystemTimeZoneById(text, out var zone) && zone.HasIanaId ? zone : null;
    }

    /// <summary>Stands unquoted in SQL and in a URL.</summary>
    public static bool IsColumn(string text) =>
        text.Length is > 0 and <= 48 && char.IsAsciiLetterLower(text[0]) && text.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '_');
}
