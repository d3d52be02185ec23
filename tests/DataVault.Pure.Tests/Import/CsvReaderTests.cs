using DataVault.Cli.Import;
using Xunit;

namespace DataVault.Pure.Tests.Import;

public sealed class CsvReaderTests
{
    [Theory]
    [InlineData("a,b,c", "a|b|c")]
    [InlineData("a, b ,", "a|b|")]
    [InlineData("\"a,1\",\"say \"\"hi\"\"\"", "a,1|say \"hi\"")]
    [InlineData(" \"a\" ,b", "a|b")]
    [InlineData("5\" pipe,b", "5\" pipe|b")]
    [InlineData(",,", "||")]
    [InlineData("\"\",x", "|x")]
    public void A_record_is_cut_into_fields(string line, string fields)
    {
        var reader = new CsvReader(new StringReader(line), ',');

        Assert.True(reader.Read());
        Assert.False(reader.Malformed);
        Assert.Equal(fields, string.Join('|', reader.Fields));
        Assert.False(reader.Read());
    }

    [Fact]
    public void A_quoted_field_may_span_lines_and_lines_are_counted()
    {
        var reader = new CsvReader(new StringReader("a,\"x\r\ny\"\r\n\r\nb,c\r\n"), ',');

        Assert.True(reader.Read());
        Assert.Equal(["a", "x\ny"], reader.Fields);
        Assert.Equal("a,\"x\ny\"", reader.Raw);
        Assert.True(reader.Read());
        Assert.Equal(["b", "c"], reader.Fields);
        Assert.Equal(4, reader.Line);
    }

    [Fact]
    public void A_quote_that_is_never_closed_spoils_its_own_line_only()
    {
        var reader = new CsvReader(new StringReader("\"a,b\nc,d\ne,f"), ',');
        List<(string Raw, bool Malformed, long Line)> seen = [];

        while (reader.Read()) seen.Add((reader.Raw, reader.Malformed, reader.Line));

        Assert.Equal([("\"a,b", true, 1), ("c,d", false, 2), ("e,f", false, 3)], seen);
    }

    [Fact]
    public void Text_after_a_closing_quote_is_malformed()
    {
        var reader = new CsvReader(new StringReader("\"a\"b,c\nd,e"), ',');

        Assert.True(reader.Read());
        Assert.True(reader.Malformed);
        Assert.True(reader.Read());
        Assert.Equal(["d", "e"], reader.Fields);
    }
}
