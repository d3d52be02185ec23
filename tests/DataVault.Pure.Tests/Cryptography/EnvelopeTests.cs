using System.Security.Cryptography;
using DataVault.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

public sealed class EnvelopeTests
{
    private static readonly SystemRandomBytes Randomness = new();
    private static readonly byte[] Key = RandomOf(32);

    [Fact]
    public void Every_flipped_bit_of_an_envelope_is_noticed()
    {
        var value = SealedValue.Seal(Key, 7, 42, "plaintext of some length"u8, "context"u8, Randomness);
        for (var bit = 0; bit < value.Length * 8; bit++)
        {
            var changed = value.ToArray();
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<CryptographicException>(() => Open(Key, changed, "context"u8));
        }
    }

    [Fact]
    public void Every_cut_of_an_envelope_is_noticed()
    {
        var value = SealedValue.Seal(Key, 7, 42, "plaintext of some length"u8, "context"u8, Randomness);
        for (var length = 0; length < value.Length; length++)
        {
            var cut = value[..length];
            Assert.Throws<CryptographicException>(() => Open(Key, cut, "context"u8));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(255)]
    public void An_unknown_suite_is_refused(byte suite)
    {
        var value = SealedValue.Seal(Key, 1, 1, "x"u8, default, Randomness);
        value[0] = suite;
        Assert.Throws<CryptographicException>(() => Open(Key, value, default));
    }

    [Fact]
    public void Every_failure_has_the_same_face()
    {
        var value = SealedValue.Seal(Key, 1, 1, "x"u8, "context"u8, Randomness);
        var changed = value.ToArray();
        changed[^1] ^= 1;
        var unknown = value.ToArray();
        unknown[0] = 9;
        var messages = new[]
        {
            Assert.Throws<CryptographicException>(() => Open(RandomOf(32), value, "context"u8)).Message,
            Assert.Throws<CryptographicException>(() => Open(Key, value, "another"u8)).Message,
            Assert.Throws<CryptographicException>(() => Open(Key, changed, "context"u8)).Message,
            Assert.Throws<CryptographicException>(() => Open(Key, unknown, "context"u8)).Message,
            Assert.Throws<CryptographicException>(() => Open(Key, value[..20], "context"u8)).Message,
        };
        Assert.Single(messages.Distinct());
    }

    [Fact]
    public void Each_component_of_the_context_binds()
    {
        var (vault, subject) = (Uuid.Version7(TimeProvider.System, Randomness), Uuid.Version7(TimeProvider.System, Randomness));
        byte[] Context(string label, Guid first, Guid second, int classId, long page) =>
            new AssociatedData(stackalloc byte[AssociatedData.Limit], label).Add(first).Add(second).Add(classId).Add(page).Bytes.ToArray();
        var right = Context("field", vault, subject, 2, 1);
        var value = SealedValue.Seal(Key, 1, 1, "x"u8, right, Randomness);
        Assert.Equal("x"u8.ToArray(), Open(Key, value, right));
        foreach (var wrong in new[]
        {
            Context("history", vault, subject, 2, 1), Context("field", subject, vault, 2, 1), Context("field", vault, vault, 2, 1),
            Context("field", vault, subject, 3, 1), Context("field", vault, subject, 2, 2),
        }) Assert.Throws<CryptographicException>(() => Open(Key, value, wrong));
    }

    [Fact]
    public void Different_components_never_give_the_same_context() =>
        Prop.ForAll<byte[][], byte[][]>((first, second) =>
        {
            var same = first.Length == second.Length && first.Zip(second).All(pair => pair.First.AsSpan().SequenceEqual(pair.Second));
            return same == Context(first).AsSpan().SequenceEqual(Context(second));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Bytes_moved_from_one_component_to_the_next_change_the_context() =>
        Assert.NotEqual(Context([1, 2], [3]), Context([1], [2, 3]));

    [Fact]
    public void What_is_padded_has_few_lengths_and_comes_back()
    {
        foreach (var length in Enumerable.Range(0, 2000).Append(100_000).Append(1_000_000))
        {
            var padded = new byte[Padding.PaddedLength(length)];
            Array.Fill(padded, (byte)0xAA);
            Padding.Write(padded, length);
            Assert.Equal(length, Padding.ContentLength(padded));
            Assert.InRange(padded.Length, length + 1, Math.Max(length + 33, (int)((length + 1) * 1.12) + 1));
        }

        Assert.InRange(Enumerable.Range(0, 100_000).Select(Padding.PaddedLength).Distinct().Count(), 2, 200);
    }

    [Theory]
    [InlineData(0, 32)]
    [InlineData(15, 32)]
    [InlineData(31, 32)]
    [InlineData(32, 64)]
    [InlineData(255, 256)]
    [InlineData(256, 272)]
    [InlineData(300, 304)]
    [InlineData(1000, 1024)]
    [InlineData(5000, 5120)]
    [InlineData(100_000, 100_352)]
    [InlineData(1_000_000, 1_015_808)]
    public void Padded_lengths_are_those_of_the_paper(int length, int padded) => Assert.Equal(padded, Padding.PaddedLength(length));

    [Theory]
    [InlineData("")]
    [InlineData("0000")]
    [InlineData("6181")]
    [InlineData("617f00")]
    public void What_does_not_end_in_padding_does_not_open(string hex) =>
        Assert.Throws<CryptographicException>(() => Padding.ContentLength(Convert.FromHexString(hex)));

    [Fact]
    public void A_key_that_is_too_short_is_refused() => Assert.Throws<ArgumentException>(() => KeyDerivation.Expand(new byte[31], "field", default, new byte[32]));

    [Fact]
    public void One_state_derives_the_same_as_many()
    {
        using var derivation = new KeyDerivation(Key);
        foreach (var label in new[] { "field", "commit", "field" })
        {
            using var once = KeyDerivation.Expand(Key, label, "c"u8);
            using var again = derivation.Expand(label, "c"u8);
            Assert.True(once.Span.SequenceEqual(again.Span));
        }
    }

    [Fact]
    public void Index_keys_serve_many_threads()
    {
        using var index = new BlindIndexKey(Key);
        var expected = Enumerable.Range(0, 50).Select(i => Convert.ToHexString(index.Term($"v{i}"))).ToList();
        Parallel.For(0, 4000, i => Assert.Equal(expected[i % 50], Convert.ToHexString(index.Term($"v{i % 50}"))));
    }

    private static byte[] Context(params byte[][] components)
    {
        var data = new AssociatedData(new byte[components.Sum(c => c.Length + 2) + 8], "test");
        foreach (var component in components) data = data.Add(component);
        return data.Bytes.ToArray();
    }

    private static byte[] Open(byte[] key, byte[] value, ReadOnlySpan<byte> context)
    {
        var plaintext = new byte[Math.Max(0, value.Length - SealedValue.Overhead)];
        SealedValue.Open(key, value, context, plaintext);
        return plaintext;
    }

    private static byte[] RandomOf(int length)
    {
        var bytes = new byte[length];
        Randomness.Fill(bytes);
        return bytes;
    }
}
