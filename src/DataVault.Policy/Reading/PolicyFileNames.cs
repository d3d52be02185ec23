using System.Globalization;

namespace DataVault.Policy.Reading;

/// <summary>
/// Which names the files of a policy may have, in a folder and in a proposal. INVARIANT: a file that somebody may have meant as a part of the policy is read or
/// refused by its name, never passed over: a rule that is not read forbids nothing.
/// </summary>
public static class PolicyFileNames
{
    private const int Longest = 200;
    private const string Schemas = "schema";

    private static readonly string[] s_known =
    [
        "catalogue.yaml", "events.yaml", "people.yaml", "purposes.yaml", "roles.yaml", "analytics.yaml", "retention.yaml", "jurisdictions.yaml", "rights.yaml",
        "letters.yaml", "recipients.yaml", "automated.yaml", "suppression.yaml",
    ];

    private static readonly string[] s_folders = ["access", "cases", "letters"];

    /// <summary>
    /// Whether a file of a folder stands beside the policy, and is for whoever reads the folder to leave out: what lies in <c>schema/</c> or in a hidden folder, and
    /// what neither ends like YAML nor lies in <c>access/</c>, <c>cases/</c> or <c>letters/</c>; there, hidden files and editors' backups.
    /// </summary>
    /// <param name="path">Relative to the folder, with slashes between.</param>
    public static bool IsAside(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var parts = path.Split('/');
        if (parts.Length > 1 && (parts[0] == Schemas || parts[..^1].Any(IsHidden))) return true;
        if (EndsLikeYaml(parts[^1])) return false;
        return !s_folders.Contains(parts[0], StringComparer.OrdinalIgnoreCase) || IsHidden(parts[^1]) || parts[^1].EndsWith('~');
    }

    /// <summary>Names that no file of a policy has: each is a problem.</summary>
    internal static void Check(IEnumerable<string> paths, ProblemList problems)
    {
        foreach (var path in paths)
        {
            if (!IsPlain(path)) problems.Add(Shown(path), 0, "not a name of a file: letters, digits, dots, hyphens and underscores, with single slashes between, none beginning with a dot");
            else if (!s_known.Contains(path) && !(path.Count(letter => letter == '/') == 1 && (IsRules(path) || IsCases(path) || IsLetters(path)))) problems.Add(path, 0, Reason(path));
        }
    }

    internal static bool IsYaml(string path) => path.EndsWith(".yaml", StringComparison.Ordinal);

    internal static bool IsRules(string path) => IsYaml(path) && path.StartsWith("access/", StringComparison.Ordinal);

    internal static bool IsCases(string path) => IsYaml(path) && path.StartsWith("cases/", StringComparison.Ordinal);

    internal static bool IsLetters(string path) => IsYaml(path) && path.StartsWith("letters/", StringComparison.Ordinal);

    private static string Reason(string path) => IsYaml(path)
        ? "not a policy file: rules stand in access/, cases in cases/, letters in letters/"
        : "not a policy file: the names of all end in .yaml";

    private static bool IsPlain(string path) =>
        path.Length is > 0 and <= Longest && path.Split('/').All(part => part.Length > 0 && !IsHidden(part) && part.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '_'));

    private static bool IsHidden(string part) => part.StartsWith('.');

    private static bool EndsLikeYaml(string name) =>
        name.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".yml", StringComparison.OrdinalIgnoreCase);

    /// <summary>The name as it can be shown: nothing in it moves a cursor or hides.</summary>
    private static string Shown(string path) => string.Concat((path.Length > Longest ? path[..Longest] : path).Select(letter =>
        letter is >= ' ' and <= '~' ? letter.ToString() : string.Create(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}")));
}
