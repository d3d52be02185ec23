using DataVault.Cli;
using Xunit;

namespace DataVault.Pure.Tests.Cli;

/// <summary>What a table shows can be copied from it: an id is what the next verb needs.</summary>
public sealed class TableTests
{
    private const string Id = "01a203e4-6326-74b9-8955-dc6dced49d35";

    [Fact]
    public void In_a_pipe_every_row_is_one_line_however_wide()
    {
        var lines = Drawn(colours: false, width: 60);
        Assert.Equal(3, lines.Count(line => line.Contains(Id, StringComparison.Ordinal)));
        Assert.All(lines.Where(line => line.Contains(Id, StringComparison.Ordinal)), line => Assert.Contains("Courrier Clair SAS", line, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(40)]
    [InlineData(80)]
    [InlineData(200)]
    public void In_a_window_words_may_wrap_and_no_id_is_cut(int width)
    {
        var lines = Drawn(colours: true, width);
        Assert.Equal(3, lines.Count(line => line.Contains(Id, StringComparison.Ordinal)));
        Assert.All(lines, line => Assert.True(width < 80 || line.TrimEnd().Length <= width, line));
    }

    private static List<string> Drawn(bool colours, int width)
    {
        using var output = new StringWriter();
        var host = new CliHost(TextReader.Null, output, TextWriter.Null, Path.GetTempPath(), TimeProvider.System) { Colours = colours, Width = width };
        var table = Report.Table("notice", "recipient", "why");
        for (var row = 0; row < 3; row++) table.Row(Id, "Courrier Clair SAS", string.Join(' ', Enumerable.Repeat("words", 20)));
        new Report(host, json: false).Show(0, () => table);
        return [.. output.ToString().Split('\n')];
    }
}
