using System.Security.Cryptography;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class PackageFileTests : IDisposable
{
    private static readonly int Envelope = SealedValue.SealedLength(PackageFile.SegmentSize);
    private readonly string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
    private readonly byte[] key = RandomNumberGenerator.GetBytes(32);
    private readonly Guid request = Guid.NewGuid();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(PackageFile.SegmentSize - 1)]
    [InlineData(PackageFile.SegmentSize)]
    [InlineData(PackageFile.SegmentSize + 1)]
    [InlineData((3 * PackageFile.SegmentSize) + 17)]
    public void What_was_written_is_read_again_and_then_gone(int length)
    {
        var content = Write(length);
        Assert.Equal(content, Read());
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void Nothing_of_the_content_stands_in_the_file()
    {
        var marker = "a very recognisable sentence"u8.ToArray();
        using (var file = PackageFile.Create(path, SecretBytes.CopyOf(key), request, new SystemRandomBytes()))
            file.Write(marker);
        Assert.Equal(-1, File.ReadAllBytes(path).AsSpan().IndexOf(marker));
    }

    [Fact]
    public void A_package_cut_at_a_segment_does_not_open()
    {
        Write(2 * PackageFile.SegmentSize);
        Change(bytes => bytes[..Envelope]);
        Assert.Throws<CryptographicException>(Read);
    }

    [Fact]
    public void Swapped_segments_do_not_open()
    {
        Write(3 * PackageFile.SegmentSize);
        Change(bytes => [.. bytes[Envelope..(2 * Envelope)], .. bytes[..Envelope], .. bytes[(2 * Envelope)..]]);
        Assert.Throws<CryptographicException>(Read);
    }

    [Fact]
    public void A_package_renamed_to_another_request_does_not_open()
    {
        Write(100);
        using var stream = PackageFile.OpenOnce(path, SecretBytes.CopyOf(key), Guid.NewGuid());
        Assert.Throws<CryptographicException>(() => stream.ReadByte());
    }

    public void Dispose() => File.Delete(path);

    private byte[] Write(int length)
    {
        var content = RandomNumberGenerator.GetBytes(length);
        using var file = PackageFile.Create(path, SecretBytes.CopyOf(key), request, new SystemRandomBytes());
        foreach (var part in content.Chunk(10_007))
            file.Write(part);
        return content;
    }

    private byte[] Read()
    {
        using var stream = PackageFile.OpenOnce(path, SecretBytes.CopyOf(key), request);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    private void Change(Func<byte[], byte[]> change) => File.WriteAllBytes(path, change(File.ReadAllBytes(path)));
}
