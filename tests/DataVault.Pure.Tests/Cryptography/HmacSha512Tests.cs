using System.Security.Cryptography;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

public sealed class HmacSha512Tests
{
    [Fact]
    public void Libcrypto_is_called_directly_on_linux() => Assert.Equal(OperatingSystem.IsLinux(), HmacSha512.IsDirect);

    [Theory]
    [InlineData(32)]
    [InlineData(64)]
    [InlineData(128)]
    [InlineData(129)]
    [InlineData(300)]
    public void Both_ways_give_the_same_bytes_however_the_message_is_cut(int keyLength)
    {
        var random = new Random(keyLength);
        var key = new byte[keyLength];
        random.NextBytes(key);
        using var direct = new HmacSha512(key, HmacSha512.IsDirect);
        using var managed = new HmacSha512(key, direct: false);
        for (var round = 0; round < 50; round++)
        {
            byte[][] pieces = [new byte[random.Next(200)], new byte[random.Next(200)], new byte[random.Next(3)]];
            foreach (var piece in pieces) random.NextBytes(piece);
            var (one, other) = (new byte[64], new byte[64]);
            direct.Compute(pieces[0], pieces[1], pieces[2], one);
            managed.Compute(pieces[0], pieces[1], pieces[2], other);
            byte[] whole = [.. pieces[0], .. pieces[1], .. pieces[2]];
            Assert.Equal(HMACSHA512.HashData(key, whole), one);
            Assert.Equal(one, other);
        }
    }

    [Fact]
    public void A_message_may_lie_where_its_mac_is_written()
    {
        using var hash = new HmacSha512(new byte[32]);
        var expected = HMACSHA512.HashData(new byte[32], new byte[64]);
        var block = new byte[64];
        hash.Compute(block, default, default, block);
        Assert.Equal(expected, block);
    }

    [Fact]
    public void What_was_disposed_hashes_no_more()
    {
        var hash = new HmacSha512(new byte[32]);
        hash.Dispose();
        hash.Dispose();
        Assert.Throws<ObjectDisposedException>(() => hash.Compute(default, default, default, new byte[64]));
    }
}
