namespace DataVault.Architecture.Tests;

/// <summary>docs/compliance.md says what the tests say.</summary>
public sealed class ComplianceTests
{
    private const string Command = "dotnet run --project tests/DataVault.Architecture.Tests -c Release -- -explicit only -method \"*ComplianceTests.Write_the_document\"";

    private const string Planted = """[{ section: A, requirements: [{ id: R01, level: MUST, law: GDPR 1, duty: Somebody does something. }] }]""";

    private static readonly IReadOnlyList<DutySection> Sections = Compliance.Read(Repository.Read("docs/requirements.yaml"));

    private static readonly IReadOnlyList<ShowingTest> Tests = Compliance.Tests(Repository.Files("tests", ".cs"));

    [Fact]
    public void Every_duty_has_a_test_or_says_why_not()
    {
        Assert.Empty(Compliance.Problems(Sections, Tests));
        Assert.Equal(["R01 has no test and does not say why"], Compliance.Problems(Compliance.Read(Planted), []));
        Assert.Equal(
            ["a.cs: R99 of It_is_so is not in the list", "a.cs: R01 stands at what is no test"],
            Compliance.Problems(Compliance.Read(Planted), Marked("""class ATests { [Fact, Requirement("R99")] void It_is_so() { } [Requirement("R01")] void Not() { } }""")));
    }

    [Fact]
    public void A_test_bears_the_numbers_of_its_own_and_of_its_class()
    {
        var marked = Marked("""[Requirement("R01")] class ATests { [Fact] [Requirement("R02", "R03")] void It_is_so() { } [Theory] void So_too() { } void Not() { } }""");
        Assert.Equal([("R02", "It is so"), ("R03", "It is so"), ("R01", "It is so"), ("R01", "So too")], marked.Select(test => (test.Duty, test.Sentence)));
    }

    [Fact]
    public void The_document_is_made_from_the_list_and_the_tests() => Assert.True(
        Repository.Exists(Compliance.File) && Repository.Read(Compliance.File) == Compliance.Document(Sections, Tests),
        $"{Compliance.File} is not what the list and the tests say. Make it anew:\n{Command}");

    /// <summary>Run by hand after a test got a number or the list changed.</summary>
    [Fact(Explicit = true)]
    public void Write_the_document()
    {
        Assert.Empty(Compliance.Problems(Sections, Tests));
        File.WriteAllText(Path.Combine(Repository.Root, Compliance.File), Compliance.Document(Sections, Tests));
    }

    private static IReadOnlyList<ShowingTest> Marked(string code) => Compliance.Tests([new SourceFile("a.cs", code)]);
}
