using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using YamlDotNet.Serialization;

namespace DataVault.Architecture.Tests;

/// <summary>A duty of docs/requirements.yaml.</summary>
internal sealed class Duty
{
    public string Id { get; set; } = "";

    /// <summary>MUST or BEST.</summary>
    public string Level { get; set; } = "";

    public string Law { get; set; } = "";

    /// <summary>In a sentence or two for whoever answers for the data.</summary>
    [YamlMember(Alias = "duty")]
    public string Text { get; set; } = "";

    /// <summary>What no test shows, and why.</summary>
    public string? Open { get; set; }

    /// <summary>What people do, which no program can show.</summary>
    public string? Organisation { get; set; }
}

internal sealed class DutySection
{
    [YamlMember(Alias = "section")]
    public string Title { get; set; } = "";

    [YamlMember(Alias = "requirements")]
    public List<Duty> Duties { get; set; } = [];
}

/// <summary>A test that bears the number of a duty.</summary>
internal sealed record ShowingTest(string Duty, string Path, string Class, string Method)
{
    public string Sentence => Method.Replace('_', ' ');
}

/// <summary>
/// docs/compliance.md, made from docs/requirements.yaml and the sources of all tests. The sources and not the assemblies: so it needs no other project built, and
/// no test is missed because somebody built only some.
/// </summary>
internal static class Compliance
{
    public const string File = "docs/compliance.md";

    private const string Opening =
        """
        # What the law asks, and what shows it

        Each duty that data protection law lays on whoever keeps customers' data here, as far as a program has to do with it, and the tests that show that this one
        meets it: they run before every release. **Must** is a duty of the controller that the program has to make possible, **best** is the usual proof.
        What no test shows stands under *Open* with its reason, and what people do and no program can under *Organisation*. No legal advice.

        Made from [requirements.yaml](requirements.yaml) and the tests; whoever edits this file instead is found out by a test, which names the command that makes it anew.
        One duty is tried with `-trait Requirement=R31` behind the program of any test project.


        """;

    public static IReadOnlyList<DutySection> Read(string yaml) => new DeserializerBuilder().WithNamingConvention(YamlDotNet.Serialization.NamingConventions.CamelCaseNamingConvention.Instance)
        .Build().Deserialize<List<DutySection>>(yaml);

    public static IReadOnlyList<ShowingTest> Tests(IEnumerable<SourceFile> files) =>
    [
        .. from file in files
           where file.Text.Contains("[Requirement(", StringComparison.Ordinal) || file.Text.Contains(", Requirement(", StringComparison.Ordinal)
           from type in CSharpSyntaxTree.ParseText(file.Text).GetRoot().DescendantNodes().OfType<TypeDeclarationSyntax>()
           from method in type.Members.OfType<MethodDeclarationSyntax>()
           from id in Numbers(method).Concat(IsTest(method) ? Numbers(type) : []).Distinct()
           select new ShowingTest(id, file.Path, type.Identifier.Text, IsTest(method) ? method.Identifier.Text : ""),
    ];

    /// <summary>What is wrong with the list or the numbers that tests bear.</summary>
    public static IEnumerable<string> Problems(IReadOnlyList<DutySection> sections, IReadOnlyList<ShowingTest> tests)
    {
        var duties = sections.SelectMany(section => section.Duties).ToList();
        foreach (var twice in duties.GroupBy(duty => duty.Id).Where(group => group.Count() > 1)) yield return $"{twice.Key} stands in the list twice";
        foreach (var duty in duties)
        {
            if (duty.Level is not ("MUST" or "BEST") || duty.Law.Length == 0 || duty.Text.Length < 20) yield return $"{duty.Id} does not say its level, law and duty";
            if (duty is { Open: null, Organisation: null } && tests.All(test => test.Duty != duty.Id)) yield return $"{duty.Id} has no test and does not say why";
            if (new[] { duty.Open, duty.Organisation }.Any(why => why is { Length: < 20 })) yield return $"{duty.Id} does not say why in a sentence";
        }
        foreach (var test in tests.Where(test => duties.All(duty => duty.Id != test.Duty))) yield return $"{test.Path}: {test.Duty} of {test.Method} is not in the list";
        foreach (var test in tests.Where(test => test.Method.Length == 0)) yield return $"{test.Path}: {test.Duty} stands at what is no test";
    }

    public static string Document(IReadOnlyList<DutySection> sections, IReadOnlyList<ShowingTest> tests)
    {
        var shown = tests.ToLookup(test => test.Duty, StringComparer.Ordinal);
        var text = new StringBuilder(Opening).Append("| | duties |\n|---|---|\n");
        foreach (var standing in sections.SelectMany(section => section.Duties).GroupBy(duty => Standing(duty, shown[duty.Id].Any())).OrderBy(group => group.Key.Order))
            text.Append("| ").Append(standing.Key.Words).Append(" | ").AppendJoin(", ", standing.Select(duty => duty.Id)).Append(" |\n");
        foreach (var section in sections)
        {
            text.Append("\n## ").Append(section.Title).Append('\n');
            foreach (var duty in section.Duties) Append(text, duty, shown[duty.Id]);
        }

        return text.ToString().ReplaceLineEndings("\n");
    }

    private static (int Order, string Words) Standing(Duty duty, bool isShown) => (isShown, duty) switch
    {
        (true, { Open: null }) => (1, "shown by tests"),
        (true, _) => (2, "shown in part"),
        (false, { Open: not null }) => (3, "not shown yet"),
        _ => (4, "the organisation's"),
    };

    private static void Append(StringBuilder text, Duty duty, IEnumerable<ShowingTest> tests)
    {
        text.Append("\n### ").Append(duty.Id).Append("\n*").Append(duty.Level is "MUST" ? "Must" : "Best").Append(", ").Append(duty.Law).Append(".* ").Append(duty.Text).Append('\n');
        var ordered = tests.OrderBy(test => test.Path, StringComparer.Ordinal).ThenBy(test => test.Method, StringComparer.Ordinal).ToList();
        if (ordered.Count > 0) text.Append('\n');
        foreach (var test in ordered) text.Append("- ").Append(test.Sentence).Append(" ([").Append(test.Class).Append("](../").Append(test.Path).Append("))\n");
        if (duty.Open is { } open) text.Append("\n*Open:* ").Append(open).Append('\n');
        if (duty.Organisation is { } organisation) text.Append("\n*Organisation:* ").Append(organisation).Append('\n');
    }

    private static IEnumerable<string> Numbers(MemberDeclarationSyntax member) =>
        from attribute in member.AttributeLists.SelectMany(list => list.Attributes)
        where attribute.Name.ToString() == "Requirement"
        from argument in attribute.ArgumentList?.Arguments ?? []
        select (argument.Expression as LiteralExpressionSyntax)?.Token.ValueText ?? argument.ToString();

    private static bool IsTest(MethodDeclarationSyntax method) =>
        method.AttributeLists.SelectMany(list => list.Attributes).Any(attribute => attribute.Name.ToString() is "Fact" or "Theory");
}
