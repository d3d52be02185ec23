// Reads and checks a bag that BagWriter wrote, from anywhere: nothing in it is believed before it is checked, and nothing is unpacked to a disk.

using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Transparency;

/// <summary>A zip that is no bag, or one that is not what it says. The message names the first thing wrong, and none of what is in it.</summary>
public sealed class BagException(string message) : Exception(message);

/// <summary>How large a bag may be that is read.</summary>
/// <param name="Files">Files in it.</param>
/// <param name="Octets">Octets of all of them, unpacked.</param>
public sealed record BagLimits(int Files, long Octets)
{
    /// <summary>Larger than any package that is made: for those who check one on their own machine.</summary>
    public static BagLimits Widest { get; } = new(100_000, 1L << 40);
}

/// <summary>A bag that is read.</summary>
public sealed class BagReader : IDisposable
{
    private const int LongestList = 16 * 1024 * 1024;
    private const int LongestNote = 256 * 1024;
    private static readonly string[] Unlisted = [BagWriter.TagManifest, BagWriter.Statement];

    private readonly ZipArchive _zip;
    private readonly Dictionary<string, ZipArchiveEntry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _listed = new(StringComparer.Ordinal);

    private BagReader(ZipArchive zip) => _zip = zip;

    /// <summary>What is signed of it; null of a bag that nobody signed. To be believed after <see cref="CheckSignature"/>.</summary>
    public BagStatement? Statement { get; private set; }

    /// <summary>The paths of its files.</summary>
    public IEnumerable<string> Paths => _entries.Keys.Order(StringComparer.Ordinal);

    /// <summary>Opens a bag and looks at its lists. The stream is left open.</summary>
    /// <exception cref="BagException">It is not one, or larger than it may be.</exception>
    public static BagReader Open(Stream stream, BagLimits limits)
    {
        try
        {
            var reader = new BagReader(new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true, Encoding.UTF8));
            reader.TakeEntries(limits);
            reader.TakeLists();
            return reader;
        }
        catch (InvalidDataException)
        {
            throw new BagException("It is not a zip, or a damaged one.");
        }
    }

    /// <summary>True when there is such a file.</summary>
    public bool Has(string path) => _entries.ContainsKey(path);

    /// <summary>A file, in small pieces. Reading fails with <see cref="BagException"/> at the end of one that is not what the lists say.</summary>
    public Stream OpenFile(string path)
    {
        if (!_entries.TryGetValue(path, out var entry)) throw new BagException($"{path} is missing.");
        return new CheckedFile(path, entry.Open(), entry.Length, _listed.GetValueOrDefault(path));
    }

    /// <summary>A whole file as text; one that is longer than <paramref name="longest"/> octets is refused.</summary>
    public string ReadText(string path, int longest = LongestNote)
    {
        try
        {
            return SignedNote.StrictUtf8.GetString(ReadBytes(path, longest));
        }
        catch (DecoderFallbackException)
        {
            throw new BagException($"{path} is no text in UTF-8.");
        }
    }

    /// <summary>Reads every file and holds it against the lists: null when all is as they say, otherwise the first thing wrong.</summary>
    public string? CheckFiles(CancellationToken cancellationToken = default)
    {
        try
        {
            var buffer = new byte[1 << 16];
            foreach (var path in Paths)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var file = OpenFile(path);
                while (file.Read(buffer) > 0) { }
            }
            return null;
        }
        catch (BagException e)
        {
            return e.Message;
        }
    }

    /// <summary>Whether the log's key signed this bag, and the log holds the entry that tells of it: null when so, otherwise the first thing wrong.</summary>
    // SPEC bag §5
    public string? CheckSignature(NoteVerifier key)
    {
        if (Statement is not { } statement) return "nobody signed it";
        var note = new SignedNote(statement.ToText(), [.. Signatures(statement.Tree.Origin)]);
        var check = key.Check(note);
        if (check != NoteCheck.Valid) return check == NoteCheck.NotAvailable ? "this machine cannot verify the key's kind of signature" : "the log's key has not signed it";
        if (statement.Tree.Origin != key.Name) return "it is of another log than the key's";
        if (statement.TagManifest != Convert.ToHexStringLower(SHA256.HashData(ReadBytes(BagWriter.TagManifest, LongestList)))) return "what was signed is another bag";
        if (LogProofJson.Read(ReadText(BagWriter.Proof)) is not { } proof) return $"{BagWriter.Proof} is no proof";
        if (proof.Index != statement.Entry || LogProofJson.TreeOf(proof.Checkpoint) is not { } tree || !tree.Equals(statement.Tree)) return "the proof is of another entry";
        return proof.Verify(proof.Extra.Span, key) ? null : "the proof does not lead from the entry to a signed checkpoint of the log";
    }

    /// <summary>What the entry that is proved says; null when it is none that this version knows.</summary>
    public LogEntry? ProvedEntry()
    {
        try
        {
            return Has(BagWriter.Proof) && LogProofJson.Read(ReadText(BagWriter.Proof)) is { } proof ? LogEntry.Decode(proof.Extra) : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _zip.Dispose();

    // SPEC bag §2
    private void TakeEntries(BagLimits limits)
    {
        if (_zip.Entries.Count > limits.Files) throw new BagException($"It has more than {limits.Files} files.");
        var octets = 0L;
        var folder = "";
        var taken = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var entry in _zip.Entries)
        {
            var name = entry.FullName.TrimEnd('/');
            if (!BagPath.IsSafe(name) || entry.FullName.Length - name.Length > 1) throw new BagException("A file in it has a name that leads elsewhere, or that is none.");
            if (((entry.ExternalAttributes >> 16) & 0xF000) is not (0 or 0x8000 or 0x4000)) throw new BagException("There is something in it that is no file, such as a link.");
            if (entry.IsEncrypted) throw new BagException("A file in it is encrypted.");
            octets += entry.Length;
            if (entry.Length < 0 || octets > limits.Octets) throw new BagException($"It unpacks to more than {limits.Octets} octets.");
            if (entry.FullName.EndsWith('/')) continue;
            var (top, path) = Split(name);
            folder = folder.Length == 0 ? top : folder;
            if (top != folder || path.Length == 0) throw new BagException("It is not one bag in one folder.");
            if (!taken.Add(path)) throw new BagException("Two files in it have the same name.");
            _entries.Add(path, entry);
        }
    }

    private void TakeLists()
    {
        if (!Has(BagWriter.Declaration) || !ReadText(BagWriter.Declaration).StartsWith("BagIt-Version: 1.0\n", StringComparison.Ordinal)) throw new BagException("It is no bag (BagIt 1.0).");
        Take(BagWriter.Manifest, payload: true);
        Take(BagWriter.TagManifest, payload: false);
        foreach (var path in _entries.Keys)
        {
            if (!_listed.ContainsKey(path) && !Unlisted.Contains(path) && !IsSignature(path)) throw new BagException($"{path} is in no list.");
        }
        if (_listed.Keys.FirstOrDefault(path => !Has(path)) is { } missing) throw new BagException($"{missing} is missing.");
        CheckOxum();
        if (!Has(BagWriter.Statement)) return;
        if (!BagStatement.TryParse(ReadText(BagWriter.Statement), out var statement)) throw new BagException($"{BagWriter.Statement} is none.");
        Statement = statement;
    }

    private void Take(string list, bool payload)
    {
        foreach (var line in ReadText(list, LongestList).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length < 67 || !line[..64].All(char.IsAsciiHexDigitLower) || line[64..66] != "  ") throw new BagException($"{list} is no list of files.");
            var path = line[66..];
            if (path.StartsWith(BagWriter.Payload, StringComparison.Ordinal) != payload || !_listed.TryAdd(path, line[..64])) throw new BagException($"{list} lists a file that does not belong there.");
        }
    }

    private void CheckOxum()
    {
        var payload = _entries.Where(file => file.Key.StartsWith(BagWriter.Payload, StringComparison.Ordinal)).Select(file => file.Value.Length).ToList();
        var due = string.Create(CultureInfo.InvariantCulture, $"Payload-Oxum: {payload.Sum()}.{payload.Count}");
        if (!ReadText(BagWriter.Info).Split('\n').Contains(due)) throw new BagException("Its payload is not as large as it says.");
    }

    private IEnumerable<NoteSignature> Signatures(string log)
    {
        foreach (var path in Paths.Where(IsSignature))
            yield return new NoteSignature(log, uint.Parse(path.AsSpan(BagWriter.SignatureStart.Length, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), ReadBytes(path, LongestNote));
    }

    private byte[] ReadBytes(string path, int longest)
    {
        using var file = OpenFile(path);
        if (_entries[path].Length > longest) throw new BagException($"{path} is longer than it may be.");
        using var copy = new MemoryStream();
        file.CopyTo(copy);
        return copy.ToArray();
    }

    private static bool IsSignature(string path) =>
        path.StartsWith(BagWriter.SignatureStart, StringComparison.Ordinal) && path.EndsWith(BagWriter.SignatureEnd, StringComparison.Ordinal)
        && path[BagWriter.SignatureStart.Length..^BagWriter.SignatureEnd.Length] is { Length: 8 } id && id.All(char.IsAsciiHexDigitLower);

    private static (string Top, string Path) Split(string name) =>
        name.IndexOf('/', StringComparison.Ordinal) is var at and >= 0 ? (name[..at], name[(at + 1)..]) : (name, "");

    /// <summary>Gives no more than the zip's directory announced, and fails at the end of what is not as listed.</summary>
    private sealed class CheckedFile(string path, Stream inner, long announced, string? sha256) : Stream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private long _read;
        private bool _ended;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => announced;

        public override long Position { get => _read; set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            if (_ended || buffer.IsEmpty) return 0;
            var count = ReadInner(buffer);
            _read += count;
            if (_read > announced || (count == 0 && _read < announced)) throw new BagException($"{path} is not as long as it says.");
            _hash.AppendData(buffer[..count]);
            if (count > 0) return count;
            _ended = true;
            if (sha256 is not null && Convert.ToHexStringLower(_hash.GetHashAndReset()) != sha256) throw new BagException($"{path} is not as it was listed.");
            return 0;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        private int ReadInner(Span<byte> buffer)
        {
            try
            {
                return inner.Read(buffer);
            }
            catch (InvalidDataException)
            {
                throw new BagException($"{path} does not unpack.");
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
                _hash.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
