using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DataVault.Cli.Import;

/// <summary>One record of the input file. A record that cannot be read has a <see cref="Problem"/> and no columns.</summary>
internal abstract class SourceRecord
{
    public required long Line { get; init; }

    /// <summary>As it stands in the file, without the line end: goes to the rejects file and nowhere else.</summary>
    public required string Raw { get; init; }

    public required string FileStem { get; init; }

    public string? Problem { get; init; }

    public abstract string? this[string column] { get; }

    /// <summary>SHA-256 of what the record says, whatever the quoting.</summary>
    public abstract byte[] ContentHash();
}

/// <summary>The records of a CSV or JSON Lines file, plain or gzip, in order.</summary>
internal abstract class SourceFile : IDisposable
{
    private readonly FileStream _file;

    private protected SourceFile(string path)
    {
        _file = new FileStream(path, new FileStreamOptions { BufferSize = 1 << 16, Options = FileOptions.SequentialScan });
        var zipped = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        Stem = Path.GetFileNameWithoutExtension(zipped ? Path.GetFileNameWithoutExtension(path) : path);
        Stream content = zipped ? new GZipStream(_file, CompressionMode.Decompress) : _file;
        Text = new StreamReader(content, new UTF8Encoding(false), detectEncodingFromByteOrderMarks: true, bufferSize: 1 << 16);
    }

    public string Stem { get; }

    /// <summary>First line of the rejects file, so that mended lines can be imported with the same mapping; null for JSON Lines.</summary>
    public virtual string? Header => null;

    /// <summary>0 to 1.</summary>
    public double Progress => _file.Length == 0 ? 1 : (double)_file.Position / _file.Length;

    protected StreamReader Text { get; }

    public static SourceFile Open(string path, InputFormat format) => format.Kind == "csv" ? new CsvFile(path, format) : new JsonLinesFile(path);

    public abstract IEnumerable<SourceRecord> Read();

    public virtual void Dispose()
    {
        Text.Dispose();
        GC.SuppressFinalize(this);
    }

    // The reader puts U+FFFD where bytes are not UTF-8.
    protected static string? Unreadable(string raw) => raw.Contains('\uFFFD', StringComparison.Ordinal) ? "invalid-utf8" : null;
}

/// <summary>RFC 4180 with a header line. Columns that begin with <c>rejected_</c> are ours and carry no content.</summary>
internal sealed class CsvFile : SourceFile
{
    public const string OwnPrefix = "rejected_";
    private readonly CsvReader _reader;
    private readonly Dictionary<string, int> _columns = new(StringComparer.Ordinal);
    private readonly List<int> _content = [];

    public CsvFile(string path, InputFormat format)
        : base(path)
    {
        _reader = new CsvReader(Text, format.Delimiter[0]);
        if (!_reader.Read() || _reader.Malformed) throw new MappingException(path, 1, "a header line is needed");
        var header = _reader.Fields;
        foreach (var (name, index) in header.Select((name, index) => (name, index)))
        {
            if (!_columns.TryAdd(name, index)) throw new MappingException(path, 1, $"column \"{name}\" stands there twice");
            if (!name.StartsWith(OwnPrefix, StringComparison.Ordinal)) _content.Add(index);
        }
        Header = Line(header);
    }

    public override string? Header { get; }

    public override IEnumerable<SourceRecord> Read()
    {
        while (_reader.Read())
        {
            var fields = _reader.Malformed ? [] : _reader.Fields;
            var cut = fields.Length == _columns.Count;
            var raw = cut ? Line(fields) : _reader.Raw;
            var problem = _reader.Malformed ? "malformed-line" : cut ? Unreadable(raw) : "wrong-column-count";
            yield return new CsvRecord(_columns, _content, fields) { Line = _reader.Line, Raw = raw, FileStem = Stem, Problem = problem };
        }
    }

    // As it stood in the file, unless our own columns have to be left out.
    private string Line(string[] fields) =>
        _content.Count == fields.Length ? _reader.Raw : string.Join(',', _content.Select(i => Quoted(fields[i])));

    private static string Quoted(string field) => $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private sealed class CsvRecord(Dictionary<string, int> columns, List<int> content, string[] fields) : SourceRecord
    {
        public override string? this[string column] => columns.TryGetValue(column, out var index) && index < fields.Length ? fields[index] : null;

        public override byte[] ContentHash()
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Span<byte> length = stackalloc byte[4];
            foreach (var index in content)
            {
                var field = Encoding.UTF8.GetBytes(index < fields.Length ? fields[index] : "");
                BinaryPrimitives.WriteInt32LittleEndian(length, field.Length);
                hash.AppendData(length);
                hash.AppendData(field);
            }
            return hash.GetHashAndReset();
        }
    }
}

/// <summary>One JSON object a line; a column is a member name, or a path of names with dots.</summary>
internal sealed class JsonLinesFile(string path) : SourceFile(path)
{
    private static readonly JsonDocumentOptions s_strict = new() { AllowDuplicateProperties = false, MaxDepth = 32 };

    public override IEnumerable<SourceRecord> Read()
    {
        for (var line = 1L; Text.ReadLine() is { } raw; line++)
        {
            if (string.IsNullOrWhiteSpace(raw)) continue;
            var root = Parse(raw);
            var problem = Unreadable(raw) ?? (root is null ? "malformed-line" : null);
            yield return new JsonRecord(root) { Line = line, Raw = raw, FileStem = Stem, Problem = problem };
        }
    }

    private static JsonElement? Parse(string raw)
    {
        try
        {
            using var document = JsonDocument.Parse(raw, s_strict);
            return document.RootElement.ValueKind == JsonValueKind.Object ? document.RootElement.Clone() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed class JsonRecord(JsonElement? root) : SourceRecord
    {
        public override string? this[string column]
        {
            get
            {
                if (root is not { } at) return null;
                if (!at.TryGetProperty(column, out var found))
                {
                    found = at;
                    foreach (var name in column.Split('.'))
                    {
                        if (found.ValueKind != JsonValueKind.Object || !found.TryGetProperty(name, out found)) return null;
                    }
                }
                return found.ValueKind switch
                {
                    JsonValueKind.String => found.GetString(),
                    JsonValueKind.Null => null,
                    _ => found.GetRawText(),
                };
            }
        }

        public override byte[] ContentHash() => SHA256.HashData(Encoding.UTF8.GetBytes(Raw.Trim()));
    }
}
