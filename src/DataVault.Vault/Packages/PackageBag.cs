using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>A column of a table: its name in the file, and the type that <c>datapackage.json</c> gives it.</summary>
internal readonly record struct PackageColumn(string Name, string Type = "string")
{
    public static implicit operator PackageColumn(string name) => new(name);
}

/// <summary>
/// A package that is being written: what the files of every section have in common. A section says what it knows once, and it becomes JSON, a table and a page.
/// </summary>
internal sealed class PackageBag(BagWriter bag, PackageOrder order, PackageWords words, PackageSpool spool, long partLimit)
{
    /// <summary>Rows that a page shows; the files have them all.</summary>
    public const int Shown = 300;

    /// <summary>From so many octets on a file goes on in a further one.</summary>
    public const long PartLimit = 500_000_000;

    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly List<(string Path, IReadOnlyList<PackageColumn> Columns)> tables = [];
    private readonly HashSet<string> pages = new(StringComparer.Ordinal);

    public PackageOrder Order => order;

    public PackageWords Words => words;

    public PackageSpool Spool => spool;

    /// <summary>Pages written so far, in the order in which they are offered.</summary>
    public IEnumerable<string> Pages => PackagePage.Names.Where(pages.Contains);

    private IEnumerable<string> Offered => PackagePage.Names.Where(name => !order.IsPortability || name is "profile" or "events" or "not-included" or "your-rights" or "glossary");

    /// <summary>An instant as every file of a package writes it.</summary>
    public static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture);

    public void Json(string path, Action<Utf8JsonWriter> write)
    {
        using var file = bag.Open(path);
        using (var json = new Utf8JsonWriter(file, Indented)) write(json);
        file.Write("\n"u8);
    }

    public void Text(string path, string text) => bag.WriteText(path, text);

    public Stream Open(string path) => bag.Open(path);

    /// <summary>A file of JSON lines, which goes on in a further one when it grows beyond what people can open.</summary>
    public PackageLines Lines(string path) => new(number => bag.Open(Part(path, number)), partLimit);

    /// <summary>A table that is filled while another file is written, and added by <see cref="Take"/>.</summary>
    public SpooledTable Begin(IReadOnlyList<PackageColumn> columns) => new(spool, [.. columns.Select(column => column.Name)], partLimit);

    public void Take(string name, IReadOnlyList<PackageColumn> columns, SpooledTable table) => table.CopyTo(number =>
    {
        var path = Part($"data/csv/{name}.csv", number);
        tables.Add((path, columns));
        return bag.Open(path);
    });

    /// <summary>A table of few rows.</summary>
    public void Table(string name, IReadOnlyList<PackageColumn> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        using var table = Begin(columns);
        foreach (var row in rows) table.Row(row);
        Take(name, columns, table);
    }

    /// <summary>A readable page with links to the others.</summary>
    public void Page(string name, Action<PackagePage> write)
    {
        pages.Add(name);
        using var page = new PackagePage(bag.Open($"data/readable/{name}.html"), words, words[$"page.{name}"], Foot);
        page.Contents(Offered.Where(other => other != name), "../../START-HERE.html", "");
        page.Paragraph(words[$"page.{name}.lead"]);
        write(page);
    }

    /// <summary>The page that people open first, beside the folders.</summary>
    public void StartPage(Action<PackagePage> write)
    {
        using var page = new PackagePage(bag.Open("START-HERE.html"), words, words[order.IsPortability ? "start.title.portability" : "start.title.access"], Foot);
        page.Contents(Offered, "", "data/readable/");
        write(page);
    }

    /// <summary>The description of the tables (Tabular Data Package), and of every JSON file.</summary>
    public void Describe()
    {
        Json("data/csv/datapackage.json", json =>
        {
            json.WriteStartObject();
            json.WriteString("profile", "tabular-data-package");
            json.WriteString("name", order.Name);
            json.WriteString("created", Instant(order.At));
            json.WriteStartArray("resources");
            foreach (var (path, columns) in tables) WriteResource(json, path[(path.LastIndexOf('/') + 1)..], columns);
            json.WriteEndArray();
            json.WriteEndObject();
        });
        var written = bag.Files.Select(file => PackageSchemas.NameOf(file.Path)).Append("log-proof").ToHashSet(StringComparer.Ordinal);
        foreach (var (name, schema) in PackageSchemas.All.Where(schema => written.Contains(schema.Key))) bag.WriteText($"meta/schema/{name}.json", schema);
    }

    private string Foot => words.Filled("page.foot", order.Request.Id.ToString("D"), order.LogIndex, words.When(order.At));

    private void WriteResource(Utf8JsonWriter json, string file, IReadOnlyList<PackageColumn> columns)
    {
        json.WriteStartObject();
        json.WriteString("name", file[..^4].ToLowerInvariant());
        json.WriteString("path", file);
        json.WriteString("profile", "tabular-data-resource");
        json.WriteString("format", "csv");
        json.WriteString("mediatype", "text/csv");
        json.WriteString("encoding", "utf-8");
        json.WriteStartObject("schema");
        json.WriteStartArray("fields");
        foreach (var column in columns)
        {
            json.WriteStartObject();
            json.WriteString("name", column.Name);
            json.WriteString("type", column.Type);
            if (words.Has($"key.{column.Name}")) json.WriteString("description", words[$"key.{column.Name}"]);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static string Part(string path, int number)
    {
        var dot = path.LastIndexOf('.');
        return number == 1 ? path : string.Create(CultureInfo.InvariantCulture, $"{path[..dot]}-{number:0000}{path[dot..]}");
    }
}

/// <summary>JSON, a value to a line.</summary>
internal sealed class PackageLines(Func<int, Stream> open, long limit) : IDisposable
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly ArrayBufferWriter<byte> line = new(1024);
    private readonly Utf8JsonWriter json = new(Stream.Null, Compact);
    private Stream file = open(1);
    private int number = 1;
    private long octets;

    public void Line(Action<Utf8JsonWriter> write)
    {
        line.ResetWrittenCount();
        json.Reset(line);
        write(json);
        json.Flush();
        if (octets > limit)
        {
            file.Dispose();
            (file, octets) = (open(++number), 0);
        }
        file.Write(line.WrittenSpan);
        file.Write("\n"u8);
        octets += line.WrittenCount + 1;
    }

    public void Dispose()
    {
        json.Dispose();
        file.Dispose();
        line.Clear();
    }
}
