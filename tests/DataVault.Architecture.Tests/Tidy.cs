using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace DataVault.Architecture.Tests;

/// <summary>What a reader of the tree may rely on, as functions from a file to its findings.</summary>
internal static partial class Tidy
{
    public const int LongestMethod = 70;
    public const int LongestFile = 600;

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX|NotImplementedException)\b")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"(?<![A-Za-z])/(work|root|home/(?!linuxbrew)[a-z]+|tmp/[a-z]+)/[A-Za-z.]")]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"\bcatch(\s*\([^)]*\))?\s*\{\s*\}")]
    private static partial Regex Swallowed();

    [GeneratedRegex(@"Assert\.True\(true\)|Skip\s*=\s*""")]
    private static partial Regex EmptyAssertion();

    [GeneratedRegex(@"\b(pseudonymiz|generaliz|anonymiz|normaliz(?!ed(User|UserName|Email|Name)\b|ationForm\b|e\(NormalizationForm)|authoriz(?!ation(\b|_)|e\b|ed\b|er|_|eUrl|eAsync|ationCode))(?=[a-z])", RegexOptions.IgnoreCase)]
    private static partial Regex American();

    [GeneratedRegex(@"(^|/)(Core|Common|Shared|Utils|Utilities|Helpers|Misc)(/|\.cs$|\.csproj$)")]
    private static partial Regex Nameless();

    [GeneratedRegex(@"SPEC ([a-z][a-z0-9-]*) §([0-9.]+)")]
    private static partial Regex Citation();

    [GeneratedRegex(@"\]\((?!https?:|mailto:|#)([^)#\s]+)")]
    private static partial Regex Link();

    public static IEnumerable<string> UnfinishedWords(SourceFile file) => Matches(file, Unfinished(), "unfinished");

    public static IEnumerable<string> MachinePaths(SourceFile file) => Matches(file, MachinePath(), "path of a machine");

    public static IEnumerable<string> SwallowedErrors(SourceFile file) =>
        Swallowed().Matches(file.Text).Select(match => $"{file.Path}: error swallowed: {match.Value}");

    public static IEnumerable<string> EmptyAssertions(SourceFile file) => Matches(file, EmptyAssertion(), "asserts nothing");

    public static IEnumerable<string> AmericanSpellings(SourceFile file) => Matches(file, American(), "spelling");

    public static IEnumerable<string> NamelessRooms(SourceFile file) =>
        Nameless().IsMatch(file.Path) ? [$"{file.Path}: a room without a name of its own"] : [];

    public static IEnumerable<string> LongFiles(SourceFile file) =>
        file.Lines.Length > LongestFile ? [$"{file.Path}: {file.Lines.Length} lines"] : [];

    public static IEnumerable<string> LongMethods(SourceFile file) =>
        from member in CSharpSyntaxTree.ParseText(file.Text).GetRoot().DescendantNodes()
        where member is BaseMethodDeclarationSyntax or LocalFunctionStatementSyntax or AccessorDeclarationSyntax
        let span = member.GetLocation().GetLineSpan()
        let length = span.EndLinePosition.Line - span.StartLinePosition.Line + 1
        where length > LongestMethod
        select $"{file.Path}:{span.StartLinePosition.Line + 1}: a method of {length} lines";

    /// <summary>A pragma or attribute that silences an analyzer says why on the same line or in its Justification.</summary>
    public static IEnumerable<string> SilentSuppressions(SourceFile file)
    {
        for (var number = 0; number < file.Lines.Length; number++)
        {
            var line = file.Lines[number];
            var pragma = line.Contains("#pragma warning disable", StringComparison.Ordinal) && !line.Contains("//", StringComparison.Ordinal);
            var attribute = line.Contains("SuppressMessage(", StringComparison.Ordinal)
                && !string.Concat(file.Lines.Skip(number).Take(3)).Contains("Justification", StringComparison.Ordinal);
            if (pragma || attribute) yield return $"{file.Path}:{number + 1}: a suppression without its reason";
        }
    }

    /// <summary>A cited clause exists: <c>SPEC envelope §3.2</c> needs docs/formats/envelope.md with a heading or clause 3.2.</summary>
    public static IEnumerable<string> DeadCitations(SourceFile file, Func<string, string?> format)
    {
        foreach (Match citation in Citation().Matches(file.Text))
        {
            var (name, clause) = (citation.Groups[1].Value, citation.Groups[2].Value.TrimEnd('.'));
            if (name.StartsWith("rfc", StringComparison.Ordinal)) continue;
            var text = format(name);
            if (text is null || !Regex.IsMatch(text, $@"(?m)^(#+\s*|\*\*|-\s*|\*\*§?|§)?{Regex.Escape(clause)}[.\s:*]"))
            {
                yield return $"{file.Path}: cites {citation.Value}, which is not written";
            }
        }
    }

    public static IEnumerable<string> DeadLinks(SourceFile file, Func<string, bool> exists)
    {
        var folder = Path.GetDirectoryName(file.Path) ?? "";
        return Link().Matches(file.Text).Select(match => match.Groups[1].Value)
            .Where(target => !exists(Path.Combine(folder, target)))
            .Select(target => $"{file.Path}: dead link {target}");
    }

    [GeneratedRegex(@"`([A-Z]\w+Tests)(?:\.(\w+))?`")]
    private static partial Regex TestName();

    /// <summary>A defence is shown by a test that exists: <c>`ClassTests`</c> or <c>`ClassTests.Sentence`</c>.</summary>
    public static IEnumerable<string> DeadTestNames(SourceFile prose, IReadOnlyCollection<SourceFile> tests) =>
        from name in TestName().Matches(prose.Text)
        let declared = tests.Where(test => test.Text.Contains($"class {name.Groups[1].Value}", StringComparison.Ordinal))
        where !declared.Any(test => test.Text.Contains(name.Groups[2].Value, StringComparison.Ordinal))
        select $"{prose.Path}: no such test: {name.Value}";

    private static IEnumerable<string> Matches(SourceFile file, Regex pattern, string finding) =>
        from line in file.Lines.Select((text, index) => (text, number: index + 1))
        where pattern.IsMatch(line.text)
        select $"{file.Path}:{line.number}: {finding}: {line.text.Trim()}";
}
