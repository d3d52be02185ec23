using DataVault.Cryptography;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

public sealed class SlowHashTests
{
    private static readonly byte[] s_salt = [.. Enumerable.Range(0, 32).Select(number => (byte)number)];

    /// <summary>Computed with another implementation of PBKDF2: a mark that was made years ago is found again.</summary>
    [Fact]
    public void A_hash_is_that_of_any_other_implementation_and_never_changes() =>
        Assert.Equal("0296aa4a1b136de75971a8ed7e2cb1b44a4ae47ccbfce42acc44bacd6ffadc08", Convert.ToHexStringLower(SlowHash.Of("email", "ada@example.com", s_salt)));

    [Fact]
    public void Kind_text_and_salt_each_make_another_hash()
    {
        byte[][] hashes =
        [
            SlowHash.Of("email", "1a", s_salt), SlowHash.Of("email1", "a", s_salt), SlowHash.Of("phone", "1a", s_salt), SlowHash.Of("email", "1A", s_salt), SlowHash.Of("email", "1a", s_salt.AsSpan(1)),
        ];
        Assert.Equal(hashes.Length, hashes.Select(Convert.ToHexString).Distinct().Count());
    }
}
