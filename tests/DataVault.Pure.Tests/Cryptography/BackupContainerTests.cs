using System.Buffers.Binary;
using System.Text;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>A container gives back what was put in, or refuses.</summary>
public sealed class BackupContainerTests
{
    private const string Word = "a passphrase of the tests";

    private static readonly Lazy<Task<byte[]>> Sample = new(() => MakeAsync("data", Word, [1], [], new byte[BackupWriter.ChunkSize], [2, 3]));
    private static readonly Lazy<Task<byte[]>> Another = new(() => MakeAsync("data", Word, [1], [], new byte[BackupWriter.ChunkSize], [2, 3]));

    [Fact]
    public async Task What_was_sealed_opens_from_a_stream_that_gives_a_byte_or_two_at_a_time()
    {
        using var small = new MemoryStream(await MakeAsync("keys", Word, [1, 2, 3], [], [4]));
        using var reader = await BackupReader.OpenAsync(new Trickle(small), _ => Word);
        Assert.Equal("keys", reader.Part);
        Assert.Equal([[1, 2, 3], [], [4]], await AllAsync(reader));
        Assert.Null(await reader.ReadAsync());
    }

    [Fact]
    public async Task A_container_that_is_cut_off_anywhere_is_refused()
    {
        var (header, chunks) = Split(await Sample.Value);
        for (var kept = 0; kept < chunks.Count; kept++) await RefusedAsync(Join(header, chunks.Take(kept)), "cut off");
        var whole = await Sample.Value;
        await RefusedAsync(whole[..^1], "cut off");
        await RefusedAsync(whole[..(header.Length + 3)], "cut off");
        await Assert.ThrowsAsync<BackupFormatException>(() => BackupReader.OpenAsync(new MemoryStream(header[..^1]), _ => Word));
    }

    [Fact]
    public async Task Chunks_that_were_exchanged_repeated_left_out_or_taken_from_another_container_are_refused()
    {
        var (header, c) = Split(await Sample.Value);
        var (_, other) = Split(await Another.Value);
        await RefusedAsync(Join(header, [c[1], c[0], c[2], c[3]]), "changed in chunk 0");
        await RefusedAsync(Join(header, [c[0], c[0], c[2], c[3]]), "changed in chunk 1");
        await RefusedAsync(Join(header, [c[0], c[2], c[3]]), "changed in chunk 1");
        await RefusedAsync(Join(header, [c[0], other[1], c[2], c[3]]), "changed in chunk 1");
        await RefusedAsync(Join(header, [c[0], c[1], c[2], other[3]]), "changed in chunk 3");
        await RefusedAsync(Join(header, [.. c, c[3]]), "follows");
        await RefusedAsync(Join(header, [.. c, [0]]), "follows");
    }

    [Fact]
    public async Task No_chunk_can_be_made_the_last_or_the_last_made_another()
    {
        var (header, c) = Split(await Sample.Value);
        c[1][0] |= 0x80;
        await RefusedAsync(Join(header, [c[0], c[1]]), "changed in chunk 1");
        c[1][0] &= 0x7f;
        c[3][0] &= 0x7f;
        await RefusedAsync(Join(header, c), "changed in chunk 3");
    }

    [Fact]
    public async Task A_length_out_of_bounds_is_refused_before_anything_is_read_for_it()
    {
        var (header, c) = Split(await Sample.Value);
        BinaryPrimitives.WriteUInt32BigEndian(c[0], 0x7fff_ffff);
        await RefusedAsync(Join(header, c), "changed in chunk 0");
        BinaryPrimitives.WriteUInt32BigEndian(c[0], 3);
        await RefusedAsync(Join(header, c), "changed in chunk 0");
    }

    [Fact]
    public async Task Another_passphrase_part_stretching_or_title_opens_nothing()
    {
        var text = Encoding.ASCII.GetString(Split(await Sample.Value).Header);
        foreach (var changed in new[] { text.Replace("data\n", "keys\n", StringComparison.Ordinal), text.Replace("600000", "599999", StringComparison.Ordinal), text.Replace("backup 1", "backup 2", StringComparison.Ordinal), "", new string('x', 5000) })
            await Assert.ThrowsAsync<BackupFormatException>(() => BackupReader.OpenAsync(new MemoryStream(Encoding.ASCII.GetBytes(changed)), _ => Word));
        await Assert.ThrowsAsync<BackupFormatException>(() => BackupReader.OpenAsync(new MemoryStream(Encoding.ASCII.GetBytes(text)), _ => Word + " "));
    }

    private static async Task<byte[]> MakeAsync(string part, string passphrase, params byte[][] contents)
    {
        using var stream = new MemoryStream();
        using var writer = await BackupWriter.CreateAsync(stream, part, passphrase, new SystemRandomBytes());
        for (var i = 0; i < contents.Length; i++) await writer.WriteAsync(contents[i], last: i == contents.Length - 1);
        return stream.ToArray();
    }

    private static async Task<List<byte[]>> AllAsync(BackupReader reader)
    {
        var contents = new List<byte[]>();
        while (await reader.ReadAsync() is { } content) contents.Add(content);
        return contents;
    }

    private static async Task RefusedAsync(byte[] container, string reason)
    {
        using var reader = await BackupReader.OpenAsync(new MemoryStream(container), _ => Word);
        var refusal = await Assert.ThrowsAsync<BackupFormatException>(() => AllAsync(reader));
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
    }

    // By docs/formats/backup.md §3.
    private static (byte[] Header, List<byte[]> Chunks) Split(byte[] container)
    {
        var at = 0;
        for (var lines = 0; lines < 4; at++) lines += container[at] == '\n' ? 1 : 0;
        var (header, chunks) = (container[..at], new List<byte[]>());
        while (at < container.Length)
        {
            var length = 4 + (int)(BinaryPrimitives.ReadUInt32BigEndian(container.AsSpan(at)) & 0x7fff_ffff);
            chunks.Add(container[at..(at + length)]);
            at += length;
        }

        return (header, chunks);
    }

    private static byte[] Join(byte[] header, IEnumerable<byte[]> chunks) => [.. header, .. chunks.SelectMany(chunk => chunk)];

    private sealed class Trickle(Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, Math.Min(count, 2));

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
