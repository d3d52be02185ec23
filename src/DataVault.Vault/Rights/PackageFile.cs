using System.Security.Cryptography;
using DataVault.Cryptography;

namespace DataVault.Vault;

/// <summary>
/// A package at rest: segments of 64 KiB, each sealed under the package's own key and bound to the request, to its number and to whether it
/// is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár 2015), so that a cut, swapped or foreign segment does not open.
/// Either side holds one segment in memory, however large the package.
/// </summary>
internal static class PackageFile
{
    public const int SegmentSize = 64 * 1024;
    private const uint KeyVersion = 1;

    public static Stream Create(string path, SecretBytes key, Guid requestId, IRandomBytes random)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new SealingStream(new FileStream(path, options), key, requestId, random);
    }

    /// <summary>Reads a package and removes its file when the stream is disposed: a package is fetched once.</summary>
    public static Stream OpenOnce(string path, SecretBytes key, Guid requestId)
    {
        var options = new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Options = FileOptions.DeleteOnClose | FileOptions.SequentialScan };
        return new OpeningStream(new FileStream(path, options), key, requestId);
    }

    private static AssociatedData Context(Span<byte> buffer, Guid requestId, bool last) =>
        new AssociatedData(buffer, "package").Add(requestId).Add(last ? 1 : 0);

    private abstract class OneWayStream : Stream
    {
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }

    private sealed class SealingStream(FileStream file, SecretBytes key, Guid requestId, IRandomBytes random) : OneWayStream
    {
        private readonly byte[] segment = new byte[SegmentSize];
        private readonly byte[] envelope = new byte[SealedValue.SealedLength(SegmentSize)];
        private int held;
        private ulong number;
        private bool closed;

        public override bool CanRead => false;
        public override bool CanWrite => !closed;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            while (buffer.Length > 0)
            {
                if (held == SegmentSize)
                    SealSegment(last: false);
                var take = Math.Min(buffer.Length, SegmentSize - held);
                buffer[..take].CopyTo(segment.AsSpan(held));
                held += take;
                buffer = buffer[take..];
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        // A segment is sealed when the next one begins, or at the end: an earlier flush could not know whether it is the last.
        public override void Flush() { }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing && !closed)
            {
                closed = true;
                SealSegment(last: true);
                file.Flush(flushToDisk: true);
                file.Dispose();
                CryptographicOperations.ZeroMemory(segment);
                key.Dispose();
            }
            base.Dispose(disposing);
        }

        private void SealSegment(bool last)
        {
            var sealedBytes = envelope.AsSpan(0, SealedValue.SealedLength(held));
            var context = Context(stackalloc byte[AssociatedData.Limit], requestId, last);
            SealedValue.Seal(key.Span, KeyVersion, number++, segment.AsSpan(0, held), context.Bytes, random, sealedBytes);
            file.Write(sealedBytes);
            held = 0;
        }
    }

    private sealed class OpeningStream(FileStream file, SecretBytes key, Guid requestId) : OneWayStream
    {
        private readonly byte[] segment = new byte[SegmentSize];
        private readonly byte[] envelope = new byte[SealedValue.SealedLength(SegmentSize)];
        private int held;
        private int given;
        private ulong number;
        private bool ended;

        public override bool CanRead => true;
        public override bool CanWrite => false;

        public override int Read(Span<byte> buffer)
        {
            if (given == held && !ended)
                OpenSegment(file.ReadAtLeast(envelope, envelope.Length, throwOnEndOfStream: false));
            return Give(buffer);
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (given == held && !ended)
                OpenSegment(await file.ReadAtLeastAsync(envelope, envelope.Length, throwOnEndOfStream: false, cancellationToken));
            return Give(buffer.Span);
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush() { }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                file.Dispose();
                CryptographicOperations.ZeroMemory(segment);
                key.Dispose();
            }
            base.Dispose(disposing);
        }

        private int Give(Span<byte> buffer)
        {
            var take = Math.Min(buffer.Length, held - given);
            segment.AsSpan(given, take).CopyTo(buffer);
            given += take;
            return take;
        }

        private void OpenSegment(int length)
        {
            ended = file.Position == file.Length;
            var value = envelope.AsSpan(0, length);
            held = SealedValue.OpenedLength(length);
            given = 0;
            if (SealedValue.RecordVersion(value) != number++)
                throw new CryptographicException("The package does not open.");
            SealedValue.Open(key.Span, value, Context(stackalloc byte[AssociatedData.Limit], requestId, ended).Bytes, segment.AsSpan(0, held));
        }
    }
}
