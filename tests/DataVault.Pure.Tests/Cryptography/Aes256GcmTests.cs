using System.Security.Cryptography;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>The direct calls into libcrypto against the platform's own class.</summary>
public sealed class Aes256GcmTests
{
    [Fact]
    public void On_Linux_libcrypto_is_called_directly() => Assert.Equal(OperatingSystem.IsLinux(), Aes256Gcm.IsDirect);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 13)]
    [InlineData(16, 64)]
    [InlineData(4097, 269)]
    [InlineData(1 << 20, 0)]
    public void What_one_seals_the_other_opens(int length, int associatedLength)
    {
        var (key, nonce) = (Bytes(32), Bytes(12));
        var (plaintext, associated) = (Bytes(length), Bytes(associatedLength));
        var (ours, oursTag, theirs, theirsTag) = (new byte[length], new byte[16], new byte[length], new byte[16]);
        Aes256Gcm.Encrypt(key, nonce, plaintext, ours, oursTag, associated);
        using var platform = new AesGcm(key, 16);
        platform.Encrypt(nonce, plaintext, theirs, theirsTag, associated);
        Assert.True(ours.AsSpan().SequenceEqual(theirs));
        Assert.Equal(theirsTag, oursTag);
        var opened = new byte[length];
        Aes256Gcm.Decrypt(key, nonce, theirs, theirsTag, opened, associated);
        Assert.True(opened.AsSpan().SequenceEqual(plaintext));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void One_bit_changed_anywhere_opens_nothing_and_leaves_nothing(int part)
    {
        byte[][] parts = [Bytes(32), Bytes(12), new byte[100], new byte[16], Bytes(40)];
        Aes256Gcm.Encrypt(parts[0], parts[1], Bytes(100), parts[2], parts[3], parts[4]);
        parts[part][^1] ^= 1;
        var opened = Bytes(100);
        Assert.ThrowsAny<CryptographicException>(() => Aes256Gcm.Decrypt(parts[0], parts[1], parts[2], parts[3], opened, parts[4]));
        Assert.Equal(new byte[100], opened);
    }

    [Theory]
    [InlineData(31, 12, 16, 5)]
    [InlineData(32, 11, 16, 5)]
    [InlineData(32, 12, 15, 5)]
    [InlineData(32, 12, 16, 6)]
    public void Other_lengths_are_refused_before_libcrypto_sees_them(int key, int nonce, int tag, int ciphertext) =>
        Assert.Throws<ArgumentException>(() => Aes256Gcm.Encrypt(new byte[key], new byte[nonce], new byte[5], new byte[ciphertext], new byte[tag], default));

    [Fact]
    public void Many_threads_seal_and_open_at_once() => Parallel.For(0, 20_000, _ =>
    {
        var (key, nonce, plaintext) = (Bytes(32), Bytes(12), Bytes(90));
        var (ciphertext, tag, opened) = (new byte[90], new byte[16], new byte[90]);
        Aes256Gcm.Encrypt(key, nonce, plaintext, ciphertext, tag, nonce);
        Aes256Gcm.Decrypt(key, nonce, ciphertext, tag, opened, nonce);
        Assert.True(opened.AsSpan().SequenceEqual(plaintext));
    });

    [Fact]
    public void An_erased_secret_rests_before_its_place_is_used_again()
    {
        var secret = new SecretBytes(32);
        secret.Span.Fill(0xAA);
        var kept = secret.Span;
        secret.Dispose();
        Assert.Throws<ObjectDisposedException>(() => secret.Span[0]);
        var others = Enumerable.Range(0, 500).Select(_ => new SecretBytes(64)).ToList();
        others.ForEach(other => other.Span.Fill(0xBB));
        Assert.Equal(-1, kept.IndexOfAnyExcept((byte)0));
        others.ForEach(other => other.Dispose());
    }

    private static byte[] Bytes(int length) => RandomNumberGenerator.GetBytes(length);
}
