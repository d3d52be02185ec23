using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using Xunit;
using ValueType = DataVault.Policy.ValueType;

namespace DataVault.Vault.Tests.Fields;

public sealed class FieldValuesTests
{
    [Theory]
    [InlineData(ValueType.Text, "\"  Zoe\\u0308  \"", "\"Zoë\"")]
    [InlineData(ValueType.Email, "\"Ada.Lovelace@EXAMPLE.com\"", "\"Ada.Lovelace@example.com\"")]
    [InlineData(ValueType.Email, "\"info@bücher.example\"", "\"info@xn--bcher-kva.example\"")]
    [InlineData(ValueType.Phone, "\"+44 (0)20 7946-0000\"", "\"+442079460000\"")]
    [InlineData(ValueType.Iban, "\"de89 3704 0044 0532 0130 00\"", "\"DE89370400440532013000\"")]
    [InlineData(ValueType.Iban, "\"GB82WEST12345698765432\"", "\"GB82WEST12345698765432\"")]
    [InlineData(ValueType.Date, "\"1987-02-28\"", "\"1987-02-28\"")]
    [InlineData(ValueType.Instant, "\"2026-03-01T12:00:00+02:00\"", "\"2026-03-01T10:00:00.000Z\"")]
    [InlineData(ValueType.Country, "\"de\"", "\"DE\"")]
    [InlineData(ValueType.Language, "\"ZH-hant-tw\"", "\"zh-Hant-TW\"")]
    [InlineData(ValueType.Money, "{\"currency\":\"eur\",\"amount\":12.3}", "{\"amount\":\"12.30\",\"currency\":\"EUR\"}")]
    [InlineData(ValueType.Money, "{\"amount\":\"1200\",\"currency\":\"JPY\"}", "{\"amount\":\"1200\",\"currency\":\"JPY\"}")]
    [InlineData(ValueType.Money, "{\"amount\":\"-0.001\",\"currency\":\"GBP\"}", "{\"amount\":\"-0.001\",\"currency\":\"GBP\"}")]
    [InlineData(ValueType.Integer, "42", "42")]
    [InlineData(ValueType.Decimal, "4.25", "4.25")]
    [InlineData(ValueType.Boolean, "true", "true")]
    [InlineData(ValueType.Enumeration, "\"gold\"", "\"gold\"")]
    [InlineData(ValueType.EmailList, "[\"a@example.com\",\"a@EXAMPLE.com\"]", "[\"a@example.com\"]")]
    [InlineData(ValueType.EnumerationList, "[\"gold\",\"blue\"]", "[\"gold\",\"blue\"]")]
    [InlineData(ValueType.Address, "{\"city\":\"Köln\",\"country\":\"de\",\"postcode\":\"50667\"}", "{\"postcode\":\"50667\",\"city\":\"Köln\",\"country\":\"DE\"}")]
    public void A_value_is_kept_in_its_one_canonical_form(ValueType type, string given, string kept)
    {
        var problem = Normalise(Rules(type), given, out var json);
        Assert.Null(problem);
        Assert.Equal(kept, json);
    }

    [Theory]
    [InlineData(ValueType.Text, "7", "wrong-type")]
    [InlineData(ValueType.Text, "\"\"", "empty")]
    [InlineData(ValueType.Text, "\"a\\u0000b\"", "bad-characters")]
    [InlineData(ValueType.Text, "\"a\\u202eb\"", "bad-characters")]
    [InlineData(ValueType.Text, "\"a\\nb\"", "bad-characters")]
    [InlineData(ValueType.Text, "\"\\ud800\"", "wrong-type")]
    [InlineData(ValueType.Text, "\"ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ\"", "too-long")]
    [InlineData(ValueType.Email, "\"nobody\"", "not-an-email")]
    [InlineData(ValueType.Email, "\"a..b@example.com\"", "not-an-email")]
    [InlineData(ValueType.Email, "\"a@localhost\"", "not-an-email")]
    [InlineData(ValueType.Email, "\"a@-x.example\"", "not-an-email")]
    [InlineData(ValueType.Phone, "\"020 7946 0000\"", "not-a-phone")]
    [InlineData(ValueType.Phone, "\"+0123456789\"", "not-a-phone")]
    [InlineData(ValueType.Phone, "\"+44 20 CALL ME\"", "not-a-phone")]
    [InlineData(ValueType.Phone, "\"+1234567890123456\"", "not-a-phone")]
    [InlineData(ValueType.Iban, "\"DE88370400440532013000\"", "not-an-iban")]
    [InlineData(ValueType.Iban, "\"ZZ82WEST12345698765432\"", "not-an-iban")]
    [InlineData(ValueType.Date, "\"1987-02-29\"", "not-a-date")]
    [InlineData(ValueType.Date, "\"28.02.1987\"", "not-a-date")]
    [InlineData(ValueType.Instant, "\"2026-03-01T12:00:00\"", "not-an-instant")]
    [InlineData(ValueType.Country, "\"XX\"", "not-a-country")]
    [InlineData(ValueType.Language, "\"qq\"", "not-a-language")]
    [InlineData(ValueType.Money, "{\"amount\":\"1.1234567\",\"currency\":\"EUR\"}", "too-many-decimals")]
    [InlineData(ValueType.Money, "{\"amount\":\"1e3\",\"currency\":\"EUR\"}", "not-an-amount")]
    [InlineData(ValueType.Money, "{\"amount\":\"1\",\"currency\":\"QQQ\"}", "not-a-currency")]
    [InlineData(ValueType.Money, "{\"amount\":\"1\",\"currency\":\"EUR\",\"iban\":\"x\"}", "unknown-member")]
    [InlineData(ValueType.Integer, "4.5", "wrong-type")]
    [InlineData(ValueType.Integer, "1001", "out-of-range")]
    [InlineData(ValueType.Decimal, "\"4\"", "wrong-type")]
    [InlineData(ValueType.Boolean, "\"true\"", "wrong-type")]
    [InlineData(ValueType.Enumeration, "\"tin\"", "not-listed")]
    [InlineData(ValueType.TextList, "[1]", "wrong-type")]
    [InlineData(ValueType.TextList, "[\"a\",\"b\",\"c\",\"d\"]", "too-many-items")]
    [InlineData(ValueType.Address, "{}", "empty")]
    [InlineData(ValueType.Address, "{\"town\":\"x\"}", "unknown-member")]
    [InlineData(ValueType.Address, "{\"country\":\"Germany\"}", "not-a-country")]
    public void A_bad_value_is_refused_with_a_stable_code_that_does_not_quote_it(ValueType type, string given, string code)
    {
        var problem = Normalise(Rules(type), given, out _);
        Assert.Equal(code, problem?.Code);
        var quoted = given.Trim('"');
        if (quoted.Length > 8) Assert.DoesNotContain(quoted, problem!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_item_of_a_list_that_is_wrong_is_pointed_at()
    {
        var problem = Normalise(Rules(ValueType.PhoneList), """["+442079460000","nope"]""", out _);
        Assert.Equal(("/1", "not-a-phone"), (problem!.Path, problem.Code));
    }

    [Fact]
    public void A_long_text_may_have_lines()
    {
        Assert.Null(Normalise(Rules(ValueType.Text) with { MaxLength = 2_000 }, "\"one\\ntwo\"", out _));
    }

    [Fact]
    public void Spellings_of_one_address_fold_together()
    {
        Assert.Equal(TextRules.Folded("ADA@example.com"), TextRules.Folded(" ａda@Example.com"));
    }

    [Theory]
    [InlineData("1899-12-31", "out-of-range")]
    [InlineData("1900-01-01", null)]
    [InlineData("2026-11-23", null)]
    [InlineData("2026-11-24", "out-of-range")]
    [InlineData("2999-01-01", "out-of-range")]
    public void A_date_of_birth_lies_within_the_bounds_of_the_catalogue_and_has_come_somewhere_on_earth(string date, string? code) =>
        Assert.Equal(code, Normalise(Repository.Policy.Catalogue.Find("birthDate")!.Rules, $"\"{date}\"", out _)?.Code);

    private static ValueRules Rules(ValueType type) => new(type, 64, 3, ["gold", "silver", "blue"], -1_000, type is ValueType.Money ? null : 1_000);

    private static ValueProblem? Normalise(ValueRules rules, string json, out string canonical)
    {
        using var document = JsonDocument.Parse(json);
        var problem = FieldValues.Normalise(rules, document.RootElement, new DateOnly(2026, 11, 22), out var bytes);
        canonical = Encoding.UTF8.GetString(bytes);
        return problem;
    }
}
