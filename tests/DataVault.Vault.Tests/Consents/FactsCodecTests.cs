using System.Security.Cryptography;
using DataVault.Policy;
using Xunit;

namespace DataVault.Vault.Tests.Consents;

public sealed class FactsCodecTests
{
    [Fact]
    public void Facts_come_back_as_they_went_in()
    {
        var facts = new DecisionFacts(
            [new(3, ConsentStatus.Given, DateTimeOffset.FromUnixTimeSeconds(1_900_000_000)), new(4, ConsentStatus.Withdrawn, null)], [7, 3], Restricted: true, OnHold: true);
        var back = FactsCodec.Decode(FactsCodec.Encode(facts));
        Assert.Equal(facts.Consents, back.Consents);
        Assert.Equal(facts.ObjectedPurposes, back.ObjectedPurposes);
        Assert.True(back.Restricted && back.OnHold);
    }

    [Fact]
    public void No_facts_are_four_bytes_and_no_object()
    {
        var bytes = FactsCodec.Encode(DecisionFacts.None);
        Assert.Equal(4, bytes.Length);
        Assert.Same(DecisionFacts.None, FactsCodec.Decode(bytes));
    }

    [Fact]
    public void Holds_and_the_remainder_come_back_as_they_went_in()
    {
        var facts = DecisionFacts.None with { Holds = [new([1, 1007], [3], [8]), new([], [], [])], Remainder = true };
        var back = FactsCodec.Decode(FactsCodec.Encode(facts));
        Assert.True(back.Remainder);
        Assert.Equal([[1, 1007], [3], [8], [], [], []], back.Holds.SelectMany(hold => new[] { hold.Items, hold.Classes, hold.Purposes }));
        Assert.Equal(1, FactsCodec.Encode(facts with { Holds = [], Remainder = false })[0]);
    }

    [Fact]
    public void Which_holds_they_are_comes_back_as_it_went_in()
    {
        var id = Guid.NewGuid();
        var facts = DecisionFacts.None with { Holds = [new([1], [], [8]), new([2], [3], []) { Id = id }], RelatedTo = [new("assigned-agent", "desk")] };
        var bytes = FactsCodec.Encode(facts);
        var back = FactsCodec.Decode(bytes);
        Assert.Equal(5, bytes[0]);
        Assert.Equal([Guid.Empty, id], back.Holds.Select(hold => hold.Id));
        Assert.Equal([1, 2], back.Holds.SelectMany(hold => hold.Items));
        Assert.Equal(facts.RelatedTo, back.RelatedTo);
        for (var length = 0; length < bytes.Length; length++) Assert.Throws<CryptographicException>(() => FactsCodec.Decode(bytes.AsSpan(0, length)));
        Assert.Throws<CryptographicException>(() => FactsCodec.Decode([.. bytes, 0]));
    }

    [Fact]
    public void Where_people_stand_comes_back_as_it_went_in_and_costs_nothing_where_nothing_is_known()
    {
        var facts = DecisionFacts.None with { Traits = new("eu", null, "house", null), RelatedTo = [new("assigned-agent", "agent-7"), new("assigned-agent", "desk")], Child = false };
        var bytes = FactsCodec.Encode(facts);
        var back = FactsCodec.Decode(bytes);
        Assert.Equal(4, bytes[0]);
        Assert.Equal(facts.Traits, back.Traits);
        Assert.Equal(facts.RelatedTo, back.RelatedTo);
        Assert.False(back.Child);
        Assert.Equal(3, FactsCodec.Encode(facts with { Traits = SubjectTraits.None, RelatedTo = [] })[0]);
        for (var length = 0; length < bytes.Length; length++) Assert.Throws<CryptographicException>(() => FactsCodec.Decode(bytes.AsSpan(0, length)));
        Assert.Throws<CryptographicException>(() => FactsCodec.Decode([.. bytes, 0]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0204000001")]
    [InlineData("020400000100010007000000")]
    [InlineData("02040000010001000700000000" + "00")]
    [InlineData("02000000")]
    [InlineData("0100000200")]
    [InlineData("010001000301")]
    [InlineData("010000")]
    [InlineData("01000000020001")]
    [InlineData("0100010003097fffffffffffffff00")]
    [InlineData("0100010003017fffffffffffffff00")]
    [InlineData("0100010003090000000000000000" + "00")]
    public void Unreadable_facts_are_an_error_and_never_an_absence_of_objections(string hex)
    {
        Assert.Throws<CryptographicException>(() => FactsCodec.Decode(Convert.FromHexString(hex)));
    }

    [Fact]
    public void A_new_state_replaces_the_old_one_of_its_purpose_only()
    {
        var facts = new DecisionFacts([new(3, ConsentStatus.Given, null), new(4, ConsentStatus.Given, null)], [], false, false);
        var changed = FactsCodec.With(facts, new(3, ConsentStatus.Withdrawn, null));
        Assert.Equal([new(4, ConsentStatus.Given, null), new(3, ConsentStatus.Withdrawn, null)], changed.Consents);
    }
}
