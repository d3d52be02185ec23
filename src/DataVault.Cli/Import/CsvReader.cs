using System.Text;

namespace DataVault.Cli.Import;

/// <summary>
/// RFC 4180 records with their text as it stands in the file. Blanks around fields are dropped, also before an opening quote. A
/// quote that is never closed spoils its own line only: what follows is read again as lines of their own.
/// </summary>
internal sealed class CsvReader(TextReader text, char delimiter)
{
    private const int LongestRecord = 1 << 20;
    private readonly Queue<string> _again = new();
    private readonly List<string> _fields = [];
    private long _line;

    /// <summary>Line on which the record begins, from 1.</summary>
    public long Line { get; private set; }

    /// <summary>The record's text without its line end.</summary>
    public string Raw { get; private set; } = "";

    /// <summary>The record cannot be cut into fields.</summary>
    public bool Malformed { get; private set; }

    public string[] Fields => [.. _fields];

    /// <summary>Goes to the next record that is not blank.</summary>
    public bool Read()
    {
        string? first;
        do
        {
            first = Next();
            if (first is null) return false;
        }
        while (string.IsNullOrWhiteSpace(first));
        Line = _line;
        (Raw, Malformed) = (first, false);
        var end = Cut(first);
        return end == Ending.Clean || Complete(first, end);
    }

    private bool Complete(string first, Ending end)
    {
        var whole = new StringBuilder(first);
        List<string> taken = [];
        while (end == Ending.OpenQuote && whole.Length < LongestRecord && Next() is { } more)
        {
            taken.Add(more);
            whole.Append('\n').Append(more);
            if (more.Contains('"', StringComparison.Ordinal)) end = Cut(whole.ToString());
        }
        if (end == Ending.Clean)
        {
            Raw = whole.ToString();
            return true;
        }
        foreach (var line in taken) _again.Enqueue(line);
        _line -= taken.Count;
        Malformed = true;
        return true;
    }

    private string? Next()
    {
        var next = _again.Count > 0 ? _again.Dequeue() : text.ReadLine();
        if (next is not null) _line++;
        return next;
    }

    private Ending Cut(string record)
    {
        _fields.Clear();
        var at = 0;
        while (true)
        {
            while (at < record.Length && record[at] == ' ') at++;
            var end = at < record.Length && record[at] == '"' ? Quoted(record, ref at) : Plain(record, ref at);
            if (end != Ending.Clean) return end;
            if (at >= record.Length) return Ending.Clean;
            at++;
        }
    }

    private Ending Plain(string record, ref int at)
    {
        var stop = record.IndexOf(delimiter, at);
        if (stop < 0) stop = record.Length;
        _fields.Add(record[at..stop].Trim());
        at = stop;
        return Ending.Clean;
    }

    private Ending Quoted(string record, ref int at)
    {
        var field = new StringBuilder();
        var from = at + 1;
        while (true)
        {
            var quote = record.IndexOf('"', from);
            if (quote < 0) return Ending.OpenQuote;
            field.Append(record, from, quote - from);
            from = quote + 1;
            if (from >= record.Length || record[from] != '"') break;
            field.Append('"');
            from++;
        }
        while (from < record.Length && record[from] == ' ') from++;
        if (from < record.Length && record[from] != delimiter) return Ending.Stray;
        _fields.Add(field.ToString());
        at = from;
        return Ending.Clean;
    }

    private enum Ending
    {
        Clean,
        OpenQuote,
        Stray,
    }
}
