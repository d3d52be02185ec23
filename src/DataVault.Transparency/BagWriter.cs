// Writes a bag (BagIt, RFC 8493) as one zip, front to back in bounded memory: docs/formats/bag.md.
//
//    <name>/bagit.txt
//    <name>/data/…                         the payload, and tag files, in the order in which they are written
//    <name>/bag-info.txt
//    <name>/manifest-sha256.txt            every file of the payload
//    <name>/meta/log-proof.json            that the log holds the entry that tells of the bag
//    <name>/meta/VERIFY.txt                how anybody checks it
//    <name>/tagmanifest-sha256.txt         every other file so far
//    <name>/meta/statement.txt             what is signed (BagStatement)
//    <name>/meta/statement-<key id>.sig    its signature by the log's key, ECDSA P-256 with SHA-256 in DER, as openssl takes it
//
// The same contents at the same time give the same bytes, but for the signatures.

using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace DataVault.Transparency;

/// <summary>A file of a bag.</summary>
/// <param name="Path">Its path within the bag, with slashes.</param>
/// <param name="Length">Octets.</param>
/// <param name="Sha256">Lower-case hexadecimal.</param>
public sealed record BagFile(string Path, long Length, string Sha256);

/// <summary>What closes a bag.</summary>
/// <param name="Kind">What sort of bag it is: a word of lower-case letters and hyphens.</param>
/// <param name="Case">The request or case that it answers.</param>
/// <param name="Proof">That the log holds the entry that tells of the bag; with the entry as its extra data.</param>
/// <param name="Signer">The log's signer.</param>
/// <param name="IssuedAt">When.</param>
public sealed record BagSeal(string Kind, Guid Case, TlogProof Proof, NoteSigner Signer, DateTimeOffset IssuedAt)
{
    /// <summary>In which language <c>VERIFY.txt</c> says how to check the bag; English where it is written in no such language.</summary>
    public string Language { get; init; } = BagGuide.Usual;
}

/// <summary>Writes a signed bag.</summary>
public sealed class BagWriter : IDisposable
{
    internal const string Declaration = "bagit.txt", Info = "bag-info.txt", Manifest = "manifest-sha256.txt", TagManifest = "tagmanifest-sha256.txt";
    internal const string Payload = "data/", Proof = "meta/log-proof.json", Statement = "meta/statement.txt", SignatureStart = "meta/statement-", SignatureEnd = ".sig";
    private const string Howto = "meta/VERIFY.txt";

    private readonly ZipArchive _zip;
    private readonly string _name;
    private readonly DateTimeOffset _at;
    private readonly SortedDictionary<string, BagFile> _files = new(StringComparer.Ordinal);
    private readonly HashSet<string> _taken = new(StringComparer.OrdinalIgnoreCase);
    private bool _writing;
    private bool _closed;

    /// <summary>Begins a bag.</summary>
    /// <param name="destination">Where the zip goes; it is left open, and need not be seekable.</param>
    /// <param name="name">The folder that the bag unpacks to: letters, digits, dots and hyphens.</param>
    /// <param name="at">The time that its files bear.</param>
    public BagWriter(Stream destination, string name, DateTimeOffset at)
    {
        if (!BagPath.IsSafe(name) || name.Contains('/'))
            throw new ArgumentException("The name of a bag is one of letters, digits, dots and hyphens.", nameof(name));
        (_zip, _name, _at) = (new ZipArchive(destination, ZipArchiveMode.Create, leaveOpen: true, Encoding.UTF8), name, at.ToUniversalTime());
        WriteText(Declaration, "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    }

    /// <summary>What was written so far, by path.</summary>
    public IReadOnlyCollection<BagFile> Files => _files.Values;

    /// <summary>The next file: of the payload where its path begins with <c>data/</c>, otherwise a tag file. The one before must have been disposed.</summary>
    public Stream Open(string path)
    {
        if (!BagPath.IsSafe(path) || !_taken.Add(path))
            throw new ArgumentException($"{path} is no path for another file of a bag.", nameof(path));
        ObjectDisposedException.ThrowIf(_closed, this);
        if (_writing) throw new InvalidOperationException("The file before this one has not been closed.");
        _writing = true;
        var entry = _zip.CreateEntry($"{_name}/{path}", CompressionLevel.Fastest);
        entry.LastWriteTime = _at;
        return new HashedFile(entry.Open(), hashed =>
        {
            _writing = false;
            _files.Add(path, new BagFile(path, hashed.Length, hashed.Sha256));
        });
    }

    /// <summary>A whole file, in UTF-8.</summary>
    public void WriteText(string path, string text)
    {
        using var file = Open(path);
        file.Write(Encoding.UTF8.GetBytes(text));
    }

    /// <summary>Writes the lists, the proof and the signed statement; nothing can be added afterwards.</summary>
    /// <param name="seal">By whom and for what.</param>
    /// <param name="about">Lines of <c>bag-info.txt</c>: label and value, such as <c>Source-Organization</c>.</param>
    public BagStatement Seal(BagSeal seal, IEnumerable<KeyValuePair<string, string>> about)
    {
        var payload = _files.Values.Where(file => file.Path.StartsWith(Payload, StringComparison.Ordinal)).ToList();
        var octets = payload.Sum(file => file.Length);
        var standing = new Dictionary<string, string>
        {
            ["Bagging-Date"] = _at.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), ["External-Identifier"] = seal.Case.ToString("D"),
            ["Payload-Oxum"] = string.Create(CultureInfo.InvariantCulture, $"{octets}.{payload.Count}"),
        };
        // SPEC rfc8493 §2.2.2: a value stands on one line here, so that nothing in it can begin another.
        WriteText(Info, string.Concat(standing.Concat(about).Select(line => $"{line.Key}: {line.Value.ReplaceLineEndings(" ")}\n")));
        WriteText(Manifest, Lines(payload));
        WriteText(Proof, LogProofJson.Write(seal.Proof));
        WriteText(Howto, BagGuide.Of(seal.Language).Text(seal.Signer.KeyId, SignatureOf(seal.Signer.KeyId)));
        WriteText(TagManifest, Lines(_files.Values.Where(file => !file.Path.StartsWith(Payload, StringComparison.Ordinal))));
        var tree = LogProofJson.TreeOf(seal.Proof.Checkpoint) ?? throw new ArgumentException("The proof leads to no checkpoint.", nameof(seal));
        var statement = new BagStatement(seal.Kind, seal.Case, seal.Proof.Index, tree)
        {
            PayloadOctets = octets, PayloadFiles = payload.Count, TagManifest = _files[TagManifest].Sha256, IssuedAt = seal.IssuedAt,
        };
        if (!statement.IsInOrder() || tree.Origin != seal.Signer.Name) throw new ArgumentException("What closes the bag does not belong together.", nameof(seal));
        Sign(statement, seal.Signer);
        _closed = true;
        return statement;
    }

    /// <summary>Ends the zip. Without <see cref="Seal"/> it is no bag.</summary>
    public void Dispose()
    {
        _closed = true;
        _zip.Dispose();
    }

    private void Sign(BagStatement statement, NoteSigner signer)
    {
        var note = signer.Sign(statement.ToText());
        WriteText(Statement, note.Text);
        foreach (var signature in note.Signatures)
        {
            using var file = Open(SignatureOf(signature.KeyId));
            file.Write(signature.Signature.Span);
        }
    }

    private static string SignatureOf(uint keyId) => string.Create(CultureInfo.InvariantCulture, $"{SignatureStart}{keyId:x8}{SignatureEnd}");

    private static string Lines(IEnumerable<BagFile> files) => string.Concat(files.Select(file => $"{file.Sha256}  {file.Path}\n"));

    /// <summary>Hashes what passes on its way into the zip.</summary>
    private sealed class HashedFile(Stream inner, Action<(long Length, string Sha256)> closed) : Stream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private long _length;
        private bool _disposed;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => !_disposed;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => _length; set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            _hash.AppendData(buffer);
            _length += buffer.Length;
            inner.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing && !_disposed)
            {
                _disposed = true;
                inner.Dispose();
                closed((_length, Convert.ToHexStringLower(_hash.GetHashAndReset())));
                _hash.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}

/// <summary>Paths that mean the same file wherever a bag is unpacked.</summary>
internal static class BagPath
{
    private const int Longest = 200;

    /// <summary>Letters, digits, dots, hyphens and underscores between single slashes, and no step upwards.</summary>
    // SPEC bag §2
    public static bool IsSafe(string path) =>
        path.Length is > 0 and <= Longest && path.Split('/').All(part => part.Length > 0 && !part.StartsWith('.') && !part.EndsWith('.')
            && part.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'));
}
