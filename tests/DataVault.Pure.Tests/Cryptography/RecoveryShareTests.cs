using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Pure.Tests.Transparency;
using Xunit;

namespace DataVault.Pure.Tests.Cryptography;

public sealed class RecoveryShareTests
{
    private readonly SystemRandomBytes random = new();

    /// <summary>The standard's own 45 cases. Their fourth member, a BIP-32 key made from the secret, is of wallets and not looked at.</summary>
    [Fact]
    public void The_published_shares_combine_or_are_refused()
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(PublishedVectors.Folder("slip39"), "vectors.json")));
        var cases = document.RootElement.EnumerateArray().ToList();
        foreach (var (name, shares, expected) in cases.Select(c => (c[0].GetString()!, c[1].EnumerateArray().Select(s => s.GetString()!).ToList(), c[2].GetString()!)))
        {
            if (expected.Length > 0)
            {
                using var secret = RecoveryShares.Combine(shares, "TREZOR"u8);
                Assert.True(expected == Convert.ToHexStringLower(secret.Span), name);
            }
            else
            {
                Assert.True(Record.Exception(() => RecoveryShares.Combine(shares, "TREZOR"u8)) is RecoveryShareException, name);
            }
        }

        Assert.Equal(45, cases.Count);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 5)]
    [InlineData(16, 16)]
    public void Any_shares_in_sufficient_number_give_the_secret_and_fewer_do_not(int threshold, int count)
    {
        using var secret = SecretBytes.Random(32, random);
        var shares = Assert.Single(RecoveryShares.Split(secret, 1, [new(threshold, count)], default, random));

        Assert.Equal(count, shares.Distinct().Count());
        Assert.All(shares, share => Assert.Equal(33, share.Split(' ').Length));
        for (var first = 0; first <= count - threshold; first++)
        {
            using var back = RecoveryShares.Combine(shares.Skip(first).Take(threshold).Reverse());
            Assert.True(back.Span.SequenceEqual(secret.Span));
        }

        Assert.Throws<RecoveryShareException>(() => RecoveryShares.Combine(shares.Take(threshold - 1)));
    }

    [Fact]
    public void Two_groups_out_of_three_open_a_secret_and_one_with_all_its_shares_does_not()
    {
        using var secret = SecretBytes.Random(32, random);
        var groups = RecoveryShares.Split(secret, 2, [new(1, 1), new(2, 3), new(3, 5)], "a word"u8, random);

        using var back = RecoveryShares.Combine([groups[2][4], groups[1][0], groups[2][0], groups[1][2], groups[2][1]], "a word"u8);
        Assert.True(back.Span.SequenceEqual(secret.Span));
        using var other = RecoveryShares.Combine([groups[0][0], groups[1][0], groups[1][1]], "another"u8);
        Assert.False(other.Span.SequenceEqual(secret.Span));
        Assert.Throws<RecoveryShareException>(() => RecoveryShares.Combine(groups[2]));
    }

    [Fact]
    public void More_shares_than_needed_do_no_harm_and_one_of_another_secret_is_named()
    {
        using var secret = SecretBytes.Random(32, random);
        var shares = RecoveryShares.Split(secret, 1, [new(2, 4)], default, random)[0];
        var foreign = RecoveryShares.Split(secret, 1, [new(2, 4)], default, random)[0];

        using var back = RecoveryShares.Combine(shares);
        Assert.True(back.Span.SequenceEqual(secret.Span));
        using var collected = new RecoveryShares();
        collected.Add(shares[1]);
        Assert.False(collected.Suffice);
        Assert.Throws<RecoveryShareException>(() => collected.Add(shares[1]));
        Assert.Throws<RecoveryShareException>(() => collected.Add(foreign[0]));
        Assert.Equal("group 1: 1 of 2; groups needed: 1", collected.Progress);
        collected.Add(shares[3].ToUpperInvariant().Replace(" ", " \n ", StringComparison.Ordinal));
        Assert.True(collected.Suffice);
    }

    [Fact]
    public void A_changed_word_is_noticed()
    {
        using var secret = SecretBytes.Random(32, random);
        var words = RecoveryShares.Split(secret, 1, [new(1, 1)], default, random)[0][0].Split(' ');
        for (var i = 0; i < words.Length; i++)
        {
            var changed = words.ToArray();
            changed[i] = changed[i] == "academic" ? "acid" : "academic";
            Assert.Throws<RecoveryShareException>(() => RecoveryShares.Combine([string.Join(' ', changed)]));
        }

        Assert.Throws<RecoveryShareException>(() => RecoveryShares.Combine([string.Join(' ', words[..^1])]));
        Assert.Throws<RecoveryShareException>(() => RecoveryShares.Combine([string.Join(' ', words) + " horse"]));
    }

    [Theory]
    [InlineData(1, 1, 3)]
    [InlineData(1, 4, 3)]
    [InlineData(1, 0, 3)]
    [InlineData(1, 3, 17)]
    [InlineData(2, 2, 3)]
    [InlineData(0, 2, 3)]
    public void A_plan_that_cannot_be_or_protects_nothing_is_refused(int groupThreshold, int threshold, int count)
    {
        using var secret = SecretBytes.Random(32, random);
        Assert.Throws<RecoveryShareException>(() => RecoveryShares.Split(secret, groupThreshold, [new(threshold, count)], default, random));
    }
}
