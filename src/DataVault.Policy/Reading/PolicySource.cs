using System.Security.Cryptography;
using System.Text;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>The files of a policy, each read once into a <see cref="Section"/>.</summary>
internal sealed class PolicySource
{
    private static readonly string[] Known =
        ["catalogue.yaml", "events.yaml", "people.yaml", "purposes.yaml", "roles.yaml", "analytics.yaml", "retention.yaml", "jurisdictions.yaml"];

    private readonly SortedDictionary<string, string> files = new(StringComparer.Ordinal);
    private readonly ProblemList problems;

    public PolicySource(IReadOnlyDictionary<string, string> files, ProblemList problems)
    {
        this.problems = problems;
        foreach (var (path, text) in files) this.files[path.Replace('\\', '/')] = text.ReplaceLineEndings("\n");
        foreach (var path in this.files.Keys.Where(path => IsYaml(path) && !Known.Contains(path) && !IsRules(path) && !IsCases(path)))
        {
            problems.Add(path, 0, "not a policy file: rules stand in access/, cases in cases/");
        }
    }

    public IReadOnlyList<Section> Rules => [.. files.Keys.Where(IsRules).Select(Read).OfType<Section>()];

    public IReadOnlyList<Section> Cases => [.. files.Keys.Where(IsCases).Select(Read).OfType<Section>()];

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
        foreach (var (path, text) in files.Where(file => IsYaml(file.Key) && !IsCases(file.Key)))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path.Length} {path}{text.Length} {text}"));
        }

        return hash.GetHashAndReset()[..16];
    }

    private Section? Read(string path) =>
        YamlTree.Read(path, files[path], problems) is { } map ? new Section(map, path, problems) : null;

    private static bool IsYaml(string path) => path.EndsWith(".yaml", StringComparison.Ordinal);

    private static bool IsRules(string path) => IsYaml(path) && path.StartsWith("access/", StringComparison.Ordinal);

    private static bool IsCases(string path) => IsYaml(path) && path.StartsWith("cases/", StringComparison.Ordinal);
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

    /// <summary>Stands unquoted in SQL and in a URL.</summary>
    public static bool IsColumn(string text) =>
        text.Length is > 0 and <= 48 && char.IsAsciiLetterLower(text[0]) && text.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '_');
}
