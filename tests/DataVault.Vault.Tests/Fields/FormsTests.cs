using System.Text.Json;
using DataVault.Policy;
using Xunit;

namespace DataVault.Vault.Tests.Fields;

public sealed class FormsTests
{
    private static readonly DateOnly Today = new(2026, 6, 15);

    [Theory]
    [InlineData(MaskKind.Email, "\"ada@example.com\"", "a•••@example.com")]
    [InlineData(MaskKind.Phone, "\"+442079460000\"", "+44•••00")]
    [InlineData(MaskKind.Iban, "\"DE89370400440532013000\"", "DE•••3000")]
    [InlineData(MaskKind.Name, "\"Ada Lovelace\"", "A••• L•••")]
    [InlineData(MaskKind.FirstLetter, "\"Zoë Ångström\"", "Z•••")]
    [InlineData(MaskKind.Tail4, "\"C-00012345\"", "•••2345")]
    [InlineData(MaskKind.Tail4, "\"12345\"", "•••")]
    [InlineData(MaskKind.Full, "\"anything\"", "•••")]
    [InlineData(MaskKind.Full, "42", "•••")]
    public void A_mask_keeps_enough_to_recognise_and_too_little_to_learn(MaskKind kind, string json, string masked)
    {
        Assert.Equal(masked, Masker.Mask(kind, Value(json))!.GetValue<string>());
    }

    [Fact]
    public void A_mask_does_not_tell_the_length()
    {
        Assert.Equal(Masker.MaskText(MaskKind.Name, "Li"), Masker.MaskText(MaskKind.Name, "Lovelace-Byron"));
    }

    [Fact]
    public void A_masked_address_keeps_the_town_and_hides_the_door()
    {
        var masked = Masker.Mask(MaskKind.Address, Value("""{"street":"Long Lane 5","postcode":"50667","city":"Köln","country":"DE"}"""))!.AsObject();
        Assert.Equal("Köln", masked["city"]!.GetValue<string>());
        Assert.Equal("50•••", masked["postcode"]!.GetValue<string>());
        Assert.DoesNotContain("Long", masked.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Each_item_of_a_list_is_masked()
    {
        var masked = Masker.Mask(MaskKind.Email, Value("""["ada@example.com","bob@example.org"]"""))!.AsArray();
        Assert.Equal(["a•••@example.com", "b•••@example.org"], masked.Select(item => item!.GetValue<string>()));
    }

    [Theory]
    [InlineData(GeneralisationKind.AgeBand, "\"1990-06-16\"", "30-39")]
    [InlineData(GeneralisationKind.AgeBand, "\"1986-06-16\"", "30-39")]
    [InlineData(GeneralisationKind.AgeBand, "\"1986-06-15\"", "40-49")]
    [InlineData(GeneralisationKind.AgeBand, "\"2007-01-01\"", "18-19")]
    [InlineData(GeneralisationKind.AgeBand, "\"2010-01-01\"", "0-17")]
    [InlineData(GeneralisationKind.AgeBand, "\"1920-01-01\"", "90+")]
    [InlineData(GeneralisationKind.Year, "\"1987-02-28\"", "1987")]
    [InlineData(GeneralisationKind.Region, """{"postcode":"50667","country":"DE"}""", "DE-50")]
    [InlineData(GeneralisationKind.Region, """{"country":"DE"}""", "DE")]
    [InlineData(GeneralisationKind.Country, """{"city":"Köln","country":"DE"}""", "DE")]
    [InlineData(GeneralisationKind.Country, "\"FR\"", "FR")]
    [InlineData(GeneralisationKind.AmountBand, """{"amount":"74.90","currency":"EUR"}""", "50-100 EUR")]
    [InlineData(GeneralisationKind.AmountBand, "250000", "100000+")]
    [InlineData(GeneralisationKind.AmountBand, "-30", "-20-50")]
    [InlineData(GeneralisationKind.Initial, "\"Ada\"", "A")]
    [InlineData(GeneralisationKind.Domain, "\"ada@example.com\"", "example.com")]
    [InlineData(GeneralisationKind.CountBand, "4", "2-5")]
    [InlineData(GeneralisationKind.CountBand, """["a"]""", "1")]
    [InlineData(GeneralisationKind.CountBand, "5000", "101+")]
    public void A_generalised_value_names_the_group_it_belongs_to(GeneralisationKind kind, string json, string group)
    {
        Assert.Equal(group, Generaliser.Generalise(kind, Value(json), Today));
    }

    [Theory]
    [InlineData(GeneralisationKind.None, "\"Ada\"")]
    [InlineData(GeneralisationKind.AgeBand, "\"Ada\"")]
    [InlineData(GeneralisationKind.Domain, "\"Ada\"")]
    [InlineData(GeneralisationKind.CountBand, "\"Ada\"")]
    public void What_does_not_fit_its_generalisation_is_not_shown(GeneralisationKind kind, string json)
    {
        Assert.Null(Generaliser.Generalise(kind, Value(json), Today));
    }

    private static JsonElement Value(string json) => JsonDocument.Parse(json).RootElement.Clone();
}
