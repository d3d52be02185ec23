using System.Text.RegularExpressions;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>Whoever has the program and nothing else learns what it takes.</summary>
public sealed partial class HelpTests
{
    private static readonly Dictionary<string, string> Nothing = new() { ["ASPNETCORE_ENVIRONMENT"] = "Production" };

    [Theory]
    [InlineData("--help")]
    [InlineData("restore", "-h")]
    public async Task Without_any_setting_the_program_tells_its_commands_and_settings(params string[] arguments)
    {
        var (exitCode, said) = await ServerProcess.RunOnceAsync(Nothing, arguments);
        Assert.Equal(0, exitCode);
        Assert.Contains("DataVault.Server restore discard data|keys", said, StringComparison.Ordinal);
        Assert.Contains("ConnectionStrings__Vault, __Keys", said, StringComparison.Ordinal);
        Assert.Contains("shares SharesFolder", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_that_there_is_not_is_answered_with_those_that_there_are()
    {
        var (exitCode, said) = await ServerProcess.RunOnceAsync(new Dictionary<string, string>(), "restroe", "data");
        Assert.Equal(2, exitCode);
        Assert.Contains("There is no such command.", said, StringComparison.Ordinal);
        Assert.Contains("DataVault.Server backup verify FILE", said, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_setting_of_the_document_is_in_the_help_and_nothing_of_its_markup()
    {
        var help = Help.Text();
        var rows = File.ReadAllLines(Path.Combine(Repository.Root, "docs", "configuration.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal)).ToList();
        Assert.True(rows.Count > 30);
        Assert.All(rows.SelectMany(row => Quoted().Matches(row.Split('|')[1])), name => Assert.Contains(name.Groups[1].Value, help, StringComparison.Ordinal));
        Assert.DoesNotContain('`', help);
        Assert.DoesNotContain("](", help, StringComparison.Ordinal);
        Assert.DoesNotContain("---", help, StringComparison.Ordinal);
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();
}
