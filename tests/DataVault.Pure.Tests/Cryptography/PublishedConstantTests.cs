using System.Text;
using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

/// <summary>Bytes computed once by a second implementation (Python's hmac and cryptography), so that no change of ours moves a format unnoticed.</summary>
public sealed class PublishedConstantTests
{
    private static readonly byte[] Key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    private static readonly Guid VaultId = new(Convert.FromHexString("018f3c1e7b2a7c3d8e4f5a6b7c8d9e0f"), bigEndian: true);
    private static readonly Guid Subject = new(Convert.FromHexString("0190aabbccdd7eeff001122334455667"), bigEndian: true);
    private static readonly byte[] ClassContext = [0, 0, 0, 2, 0, 0, 0, 1];

    private const string SealedHex =
        "01000000010000000000000009c8c9cacbcccdcecfd0d1d2d34f731d4b37173b5ddb8c2044175cb0f6af372f90e1ba417b405463299e12a47ab4c3844e7188d5d430878c224832b1e9";

    [Fact]
    public void A_class_key()
    {
        using var key = KeyDerivation.Expand(Key, "field", ClassContext);
        Assert.Equal("d626887c520980186d36b1bbb4e9cc26b1b20124b43e07aee7f0f7195e8c4a92", Convert.ToHexStringLower(key.Span));
    }

    [Fact]
    public void More_than_one_block_of_key_material()
    {
        var output = new byte[130];
        KeyDerivation.Expand(Key, "field", default, output);
        Assert.Equal(
            "233f84784f162a5d5f6ee8e834622fa681e07e76a87f15f92dafbece775a9e0e082268e57af85545d31b4e719e9dd40647e3f753c015a6ad4e9ba66bacc1fb124de3b11187e0e13eab6fe5c7a7b88fe44a08a1b7e995c12a298d95276e428e4dfa994c87d70db97f8f3c4a919d019aa49cd9d3a1fd6fdf0e7aefd432fe82aa353636",
            Convert.ToHexStringLower(output));
    }

    [Fact]
    public void The_context_of_a_class_group() =>
        Assert.Equal(
            "00056669656c640010018f3c1e7b2a7c3d8e4f5a6b7c8d9e0f00100190aabbccdd7eeff001122334455667000400000002",
            Convert.ToHexStringLower(Context()));

    [Fact]
    public void An_envelope()
    {
        using var key = KeyDerivation.Expand(Key, "field", ClassContext);
        var content = "ada@example.org"u8;
        var padded = new byte[Padding.PaddedLength(content.Length)];
        content.CopyTo(padded);
        Padding.Write(padded, content.Length);
        var nonce = Convert.FromHexString("c8c9cacbcccdcecfd0d1d2d3");
        Assert.Equal(SealedHex, Convert.ToHexStringLower(SealedValue.Seal(key.Span, 1, 9, padded, Context(), new FixedBytes(nonce))));
    }

    [Fact]
    public void An_old_envelope_opens()
    {
        using var key = KeyDerivation.Expand(Key, "field", ClassContext);
        var value = Convert.FromHexString(SealedHex);
        var plaintext = new byte[SealedValue.OpenedLength(value.Length)];
        SealedValue.Open(key.Span, value, Context(), plaintext);
        Assert.Equal("ada@example.org", Encoding.UTF8.GetString(plaintext, 0, Padding.ContentLength(plaintext)));
        Assert.Equal((1u, 9ul), (SealedValue.KeyVersion(value), SealedValue.RecordVersion(value)));
    }

    [Fact]
    public void A_search_term()
    {
        using var index = new BlindIndexKey(Key);
        Assert.Equal("c2ca8524eab3e540e13d4e2397be333a", Convert.ToHexStringLower(index.Term("ada@example.org")));
        var term = new byte[BlindIndexKey.TermSize];
        index.Term("ada@example.org"u8, term);
        Assert.Equal(index.Term("ada@example.org"), term);
    }

    [Fact]
    public void A_truncated_term_and_the_partition_of_a_person()
    {
        using var full = new BlindIndexEpoch(Key, 128, 1);
        Assert.Equal("7cbe6156697a130f0ee5c1b7c3041ed1", Convert.ToHexStringLower(full.Term("ada@example.org"u8, 0)));
        using var cut = new BlindIndexEpoch(Key, 11, 5);
        Assert.Equal("e460", Convert.ToHexStringLower(cut.Term("ada@example.org"u8, 2)));
        Assert.Equal(2, cut.PartitionOf(Subject.ToByteArray(bigEndian: true)));
    }

    [Fact]
    public void A_pseudonym()
    {
        using var domain = new PseudonymKey(Key);
        Assert.Equal("72hrkibim6gbchbgrv23bgy62n575xdf", domain.Pseudonym([.. Enumerable.Range(32, 32).Select(i => (byte)i)]));
    }

    private static byte[] Context() => new AssociatedData(stackalloc byte[AssociatedData.Limit], "field").Add(VaultId).Add(Subject).Add(2).Bytes.ToArray();
}
