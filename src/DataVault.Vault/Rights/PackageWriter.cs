using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DataVault.Vault;

/// <summary>A file of a package as its manifest names it.</summary>
internal sealed record PackageEntry(string Path, long Length, string Sha256);

/// <summary>
/// A zip written front to back in bounded memory; each file is hashed on its way in, for the manifest that closes the package.
/// </summary>
internal sealed class PackageWriter : IDisposable
{
    private readonly ZipArchive zip;
    private readonly DateTimeOffset at;
    private readonly List<PackageEntry> entries = [];

    public PackageWriter(Stream destination, DateTimeOffset at)
    {
        zip = new ZipArchive(destination, ZipArchiveMode.Create, leaveOpen: true, Encoding.UTF8);
        this.at = at;
    }

    public IReadOnlyList<PackageEntry> Entries => entries;

    /// <summary>The next file. The one before must have been disposed.</summary>
    public Stream Open(string path)
    {
        var entry = zip.CreateEntry(path, CompressionLevel.Fastest);
        entry.LastWriteTime = at;
        return new HashedFile(entry.Open(), hashed => entries.Add(new PackageEntry(path, hashed.Length, hashed.Sha256)));
    }

    public void WriteText(string path, string text)
    {
        using var file = Open(path);
        file.Write(Encoding.UTF8.GetBytes(text));
    }

    public void WriteJson(string path, Action<Utf8JsonWriter> write)
    {
        using var file = Open(path);
        using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true });
        write(json);
    }

    public void Dispose() => zip.Dispose();

    private sealed class HashedFile(Stream inner, Action<(long Length, string Sha256)> closed) : Stream
    {
        private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private long length;
        private bool disposed;

        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            hash.AppendData(buffer);
            length += buffer.Length;
            inner.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing && !disposed)
            {
                disposed = true;
                inner.Dispose();
                closed((length, Convert.ToHexStringLower(hash.GetHashAndReset())));
                hash.Dispose();
            }
            base.Dispose(disposing);
        }
    }
}
