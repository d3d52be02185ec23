using System.Buffers;
using System.Globalization;
using System.Text;

namespace DataVault.Vault;

/// <summary>
/// CSV as RFC 4180 writes it (CRLF, quotes doubled), UTF-8 with the mark that spreadsheets look for, and harmless to open: a cell that a
/// spreadsheet would run as a formula gets an apostrophe in front.
/// </summary>
internal sealed class SafeCsv : IDisposable
{
    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n");
    private readonly StreamWriter writer;

    public SafeCsv(Stream stream, params IReadOnlyList<string> headings)
    {
        writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: true)) { NewLine = "\r\n" };
        Row(headings);
    }

    public void Row(params IReadOnlyList<string> cells)
    {
        for (var i = 0; i < cells.Count; i++)
        {
            if (i > 0)
                writer.Write(',');
            writer.Write(Quoted(Neutral(cells[i])));
        }
        writer.WriteLine();
    }

    /// <summary>What was written so far is in the stream.</summary>
    public void Flush() => writer.Flush();

    public void Dispose() => writer.Dispose();

    // Leading = + - @ start a formula, TAB and CR are skipped on the way to one; the full-width forms count as the plain ones.
    internal static string Neutral(string cell)
    {
        if (cell.Length == 0 || IsPlainNumber(cell))
            return cell;
        return cell[0] is '=' or '+' or '-' or '@' or '\t' or '\r' or '\n' or '＝' or '＋' or '－' or '＠' ? "'" + cell : cell;
    }

    private static bool IsPlainNumber(string cell) =>
        cell[0] == '-' && decimal.TryParse(cell, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out _);

    private static string Quoted(string cell) =>
        cell.AsSpan().ContainsAny(Special) ? "\"" + cell.Replace("\"", "\"\"", StringComparison.Ordinal) + "\"" : cell;
}
