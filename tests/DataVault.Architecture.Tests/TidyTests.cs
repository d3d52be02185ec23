namespace DataVault.Architecture.Tests;

/// <summary>The repository reads itself. Each rule is also held against a file that must fail it.</summary>
public sealed class TidyTests
{
    // This project holds the words it looks for.
    private static readonly IReadOnlyList<SourceFile> Code =
        [.. Repository.Files("src", ".cs", ".razor"), .. Repository.Files("tests", ".cs").Where(file => !file.Path.Contains("Architecture.Tests", StringComparison.Ordinal))];

    private static readonly IReadOnlyList<SourceFile> Product = [.. Code.Where(file => file.Path.StartsWith("src/", StringComparison.Ordinal))];

    private static readonly IReadOnlyList<SourceFile> Prose =
        [.. Repository.Files("docs", ".md"), .. new[] { "README.md", "SECURITY.md", "CHANGELOG.md" }.Where(Repository.Exists).Select(name => new SourceFile(name, Repository.Read(name)))];

    [Fact]
    public void Nothing_is_left_unfinished()
    {
        Assert.Empty(Code.SelectMany(Tidy.UnfinishedWords));
        Assert.NotEmpty(Tidy.UnfinishedWords(new SourceFile("a.cs", "// TODO later")));
    }

    [Fact]
    public void No_path_of_a_machine_stands_in_the_repository()
    {
        Assert.Empty(Code.Concat(Prose).Concat(Repository.Files("policies")).SelectMany(Tidy.MachinePaths));
        Assert.NotEmpty(Tidy.MachinePaths(new SourceFile("a.cs", "\"/home/ada/vault\"")));
    }

    [Fact]
    public void No_error_is_swallowed_in_silence()
    {
        Assert.Empty(Code.SelectMany(Tidy.SwallowedErrors));
        Assert.NotEmpty(Tidy.SwallowedErrors(new SourceFile("a.cs", "try { A(); } catch (Exception) { }")));
    }

    [Fact]
    public void No_test_asserts_nothing()
    {
        Assert.Empty(Code.SelectMany(Tidy.EmptyAssertions));
        Assert.NotEmpty(Tidy.EmptyAssertions(new SourceFile("a.cs", "[Fact(Skip = \"slow\")]")));
    }

    [Fact]
    public void One_spelling_is_used()
    {
        Assert.Empty(Product.Concat(Prose).SelectMany(Tidy.AmericanSpellings));
        Assert.NotEmpty(Tidy.AmericanSpellings(new SourceFile("a.cs", "void Pseudonymize()")));
    }

    [Fact]
    public void Every_room_has_a_name_of_its_own()
    {
        Assert.Empty(Code.SelectMany(Tidy.NamelessRooms));
        Assert.NotEmpty(Tidy.NamelessRooms(new SourceFile("src/DataVault.Vault/Helpers/A.cs", "")));
    }

    [Fact]
    public void A_file_can_be_read_in_one_sitting()
    {
        Assert.Empty(Code.SelectMany(Tidy.LongFiles));
        Assert.NotEmpty(Tidy.LongFiles(new SourceFile("a.cs", new string('\n', Tidy.LongestFile + 1))));
    }

    [Fact]
    public void A_method_fits_a_screen()
    {
        Assert.Empty(Code.Where(file => file.Path.EndsWith(".cs", StringComparison.Ordinal)).SelectMany(Tidy.LongMethods));
        Assert.NotEmpty(Tidy.LongMethods(new SourceFile("a.cs", $"class A {{ void B() {{ {new string('\n', Tidy.LongestMethod + 1)} }} }}")));
    }

    [Fact]
    public void A_suppression_says_why()
    {
        Assert.Empty(Code.SelectMany(Tidy.SilentSuppressions));
        Assert.NotEmpty(Tidy.SilentSuppressions(new SourceFile("a.cs", "#pragma warning disable CA1000")));
    }

    [Fact]
    public void A_cited_clause_is_written()
    {
        Assert.Empty(Code.SelectMany(file => Tidy.DeadCitations(file, Format)));
        Assert.NotEmpty(Tidy.DeadCitations(new SourceFile("a.cs", "// SPEC nowhere §9"), Format));
    }

    [Fact]
    public void A_link_leads_somewhere()
    {
        Assert.Empty(Prose.SelectMany(file => Tidy.DeadLinks(file, Repository.Exists)));
        Assert.NotEmpty(Tidy.DeadLinks(new SourceFile("docs/a.md", "[b](nowhere.md)"), Repository.Exists));
    }

    [Fact]
    public void A_defence_is_shown_by_a_test_that_exists()
    {
        var tests = Repository.Files("tests", ".cs").ToList();

        Assert.Empty(Prose.SelectMany(file => Tidy.DeadTestNames(file, tests)));
        Assert.NotEmpty(Tidy.DeadTestNames(new SourceFile("SECURITY.md", "`WallTests.Nothing_of_the_kind`"), tests));
    }

    [Fact]
    public void The_top_level_is_the_card_of_the_project()
    {
        string[] folders = ["src", "tests", "policies", "docs", "eng", ".ci"];
        string[] ignored = [".git", "artifacts", ".vault", "TestResults"];

        Assert.Equal(
            folders.Order(),
            Directory.EnumerateDirectories(Repository.Root).Select(path => Path.GetFileName(path)!).Except(ignored).Order());
        Assert.All(
            new[] { "DataVault.sln", "docker-compose.yml", "SECURITY.md", "README.md", "LICENSE", "CHANGELOG.md", ".ci/run" },
            name => Assert.True(Repository.Exists(name), name));
    }

    private static string? Format(string name) =>
        Repository.Exists($"docs/formats/{name}.md") ? Repository.Read($"docs/formats/{name}.md") : null;
}
