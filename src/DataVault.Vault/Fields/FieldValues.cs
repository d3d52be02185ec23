using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using DataVault.Policy;
using ValueType = DataVault.Policy.ValueType;

namespace DataVault.Vault;

/// <summary>What is wrong with one value: where inside it, which rule, in words. Never the value.</summary>
internal sealed record ValueProblem(string Code, string Message, string Path = "");

/// <summary>
/// Turns a JSON value as it came in into the one form that the vault keeps: canonical UTF-8 JSON of the type that the catalogue names,
/// or the first rule that it breaks.
/// </summary>
internal static class FieldValues
{
    // SPEC rfc8259 §7: everything but quote, backslash and controls is written as itself. Whoever puts a value into HTML escapes it there;
    // doing it here as well would make a + six bytes long.
    internal static readonly JsonWriterOptions Canonical = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    // One per thread: making a writer costs more than most values take to write.
    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer)? scratch;

    private static readonly string[] AddressMembers = ["street", "extra", "postcode", "city", "region", "country"];

    private const int LongestAddressLine = 200;

    // Unit prices go below the minor unit; six decimals cover every price list seen, and more is a mistake.
    private const int MoneyDecimals = 6;

    /// <summary>Returns null and the canonical bytes, or what is wrong.</summary>
    /// <param name="rules">What it must look like.</param>
    /// <param name="value">The value.</param>
    /// <param name="today">By UTC; no date that the catalogue bounds by it lies more than a day after.</param>
    /// <param name="utf8Json">The bytes.</param>
    public static ValueProblem? Normalise(ValueRules rules, JsonElement value, DateOnly today, out byte[] utf8Json)
    {
        var (buffer, writer) = scratch ??= NewScratch();
        var problem = Write(rules, value, today, writer);
        writer.Flush();
        utf8Json = problem is null ? buffer.WrittenSpan.ToArray() : [];
        // Clear, unlike a mere reset, erases the value.
        buffer.Clear();
        writer.Reset();
        return problem;
    }

    private static (ArrayBufferWriter<byte>, Utf8JsonWriter) NewScratch()
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        return (buffer, new Utf8JsonWriter(buffer, Canonical));
    }

    private static ValueProblem? Write(ValueRules rules, JsonElement value, DateOnly today, Utf8JsonWriter writer) => rules.Type switch
    {
        ValueType.Integer => WriteInteger(rules, value, writer),
        ValueType.Decimal => WriteDecimal(rules, value, writer),
        ValueType.Boolean => WriteBoolean(value, writer),
        ValueType.Money => WriteMoney(rules, value, writer),
        ValueType.Address => WriteAddress(value, writer),
        ValueType.TextList => WriteList(rules, ValueType.Text, value, writer),
        ValueType.EmailList => WriteList(rules, ValueType.Email, value, writer),
        ValueType.PhoneList => WriteList(rules, ValueType.Phone, value, writer),
        ValueType.EnumerationList => WriteList(rules, ValueType.Enumeration, value, writer),
        ValueType.Date => WriteDate(rules, value, today, writer),
        _ => WriteText(rules, value, writer),
    };

    private static ValueProblem? WriteText(ValueRules rules, JsonElement value, Utf8JsonWriter writer)
    {
        if (!TryString(value, out var text)) return WrongType("a string");
        var problem = Canonicalise(rules, rules.Type, text, out var canonical);
        if (problem is null) writer.WriteStringValue(canonical);
        return problem;
    }

    private static ValueProblem? WriteDate(ValueRules rules, JsonElement value, DateOnly today, Utf8JsonWriter writer)
    {
        if (!TryString(value, out var text)) return WrongType("a string");
        if (Canonicalise(rules, rules.Type, text, out var canonical) is { } problem) return problem;
        if (!rules.Allows(DateOnly.ParseExact(canonical, "yyyy-MM-dd", CultureInfo.InvariantCulture), today)) return RangeProblem();
        writer.WriteStringValue(canonical);
        return null;
    }

    /// <summary>The canonical spelling of one text value, or the rule it breaks; also used for look-up terms.</summary>
    public static ValueProblem? Canonicalise(ValueRules rules, ValueType type, string text, out string canonical)
    {
        var limit = rules.MaxLength > 0 ? rules.MaxLength : 4_000;
        canonical = "";
        if (text.Length > limit * 4) return TooLong(limit);
        var result = Spell(type, text, limit);
        if (result is null) return Malformed(type);
        if (result.Length == 0) return new("empty", "Leave the field out, or send null to remove it.");
        if (TextRules.Length(result) > limit) return TooLong(limit);
        if (type is ValueType.Enumeration && !rules.Values.Contains(result)) return new("not-listed", "Must be one of the values that the catalogue lists.");
        canonical = result;
        return null;
    }

    private static string? Spell(ValueType type, string text, int limit) => type switch
    {
        ValueType.Email => TextRules.Email(text),
        ValueType.Phone => TextRules.Phone(text),
        ValueType.Iban => TextRules.Iban(text),
        ValueType.Date => TextRules.Date(text),
        ValueType.Instant => TextRules.Instant(text),
        ValueType.Country => TextRules.Country(text),
        ValueType.Language => TextRules.Language(text),
        ValueType.Enumeration => text,
        _ => TextRules.Text(text, limit),
    };

    private static ValueProblem Malformed(ValueType type) => type switch
    {
        ValueType.Email => new("not-an-email", "Must be an e-mail address such as name@example.com."),
        ValueType.Phone => new("not-a-phone", "Must be an international number that starts with +, such as +44 20 7946 0000."),
        ValueType.Iban => new("not-an-iban", "Must be an IBAN whose check digits hold."),
        ValueType.Date => new("not-a-date", "Must be a calendar date as YYYY-MM-DD."),
        ValueType.Instant => new("not-an-instant", "Must be an RFC 3339 time with its offset."),
        ValueType.Country => new("not-a-country", "Must be an ISO 3166-1 alpha-2 country code."),
        ValueType.Language => new("not-a-language", "Must be a BCP 47 language tag."),
        _ => new("bad-characters", "Holds control characters or is not valid Unicode."),
    };

    private static ValueProblem? WriteInteger(ValueRules rules, JsonElement value, Utf8JsonWriter writer)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out var number)) return WrongType("a whole number");
        if (OutOfRange(rules, number)) return RangeProblem();
        writer.WriteNumberValue(number);
        return null;
    }

    private static ValueProblem? WriteDecimal(ValueRules rules, JsonElement value, Utf8JsonWriter writer)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDecimal(out var number)) return WrongType("a number");
        if (OutOfRange(rules, number)) return RangeProblem();
        writer.WriteNumberValue(number);
        return null;
    }

    private static ValueProblem? WriteBoolean(JsonElement value, Utf8JsonWriter writer)
    {
        if (value.ValueKind is not (JsonValueKind.True or JsonValueKind.False)) return WrongType("true or false");
        writer.WriteBooleanValue(value.GetBoolean());
        return null;
    }

    private static ValueProblem? WriteMoney(ValueRules rules, JsonElement value, Utf8JsonWriter writer)
    {
        if (value.ValueKind != JsonValueKind.Object) return WrongType("""an object such as {"amount":"12.34","currency":"EUR"}""");
        foreach (var member in value.EnumerateObject())
        {
            if (!member.NameEquals("amount") && !member.NameEquals("currency")) return UnknownMember();
        }
        if (!value.TryGetProperty("amount", out var amountValue) || !TryAmount(amountValue, out var amount)) return new("not-an-amount", "Must be a decimal number.", "/amount");
        if (!value.TryGetProperty("currency", out var currencyValue) || !TryString(currencyValue, out var code)) return UnknownCurrency();
        var currency = code.Trim().ToUpperInvariant();
        if (!Iso.TryMinorUnits(currency, out var digits)) return UnknownCurrency();
        if (amount.Scale > MoneyDecimals) return new("too-many-decimals", "More decimals than any price has.", "/amount");
        if (OutOfRange(rules, amount)) return RangeProblem() with { Path = "/amount" };
        writer.WriteStartObject();
        writer.WriteString("amount", amount.ToString($"0.{new string('0', digits)}{new string('#', MoneyDecimals - digits)}", CultureInfo.InvariantCulture));
        writer.WriteString("currency", currency);
        writer.WriteEndObject();
        return null;
    }

    private static bool TryAmount(JsonElement value, out decimal amount)
    {
        amount = 0;
        return value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetDecimal(out amount),
            JsonValueKind.String => TryString(value, out var text) && text.Length < 40 && decimal.TryParse(
                text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out amount),
            _ => false,
        };
    }

    private static ValueProblem? WriteAddress(JsonElement value, Utf8JsonWriter writer)
    {
        if (value.ValueKind != JsonValueKind.Object) return WrongType("an address object");
        foreach (var member in value.EnumerateObject())
        {
            if (!AddressMembers.Contains(member.Name)) return UnknownMember();
        }
        var written = 0;
        writer.WriteStartObject();
        foreach (var name in AddressMembers)
        {
            if (!value.TryGetProperty(name, out var line) || line.ValueKind == JsonValueKind.Null) continue;
            var problem = AddressLine(name, line, out var text);
            if (problem is not null) return problem with { Path = "/" + name };
            writer.WriteString(name, text);
            written++;
        }
        writer.WriteEndObject();
        return written > 0 ? null : new("empty", "An address has at least one line.");
    }

    private static readonly ValueRules AddressText = new(ValueType.Text, LongestAddressLine, 0, [], null, null);

    private static ValueProblem? AddressLine(string name, JsonElement line, out string text)
    {
        text = "";
        return TryString(line, out var raw)
            ? Canonicalise(AddressText, name == "country" ? ValueType.Country : ValueType.Text, raw, out text)
            : WrongType("a string");
    }

    private static ValueProblem? WriteList(ValueRules rules, ValueType item, JsonElement value, Utf8JsonWriter writer)
    {
        if (value.ValueKind != JsonValueKind.Array) return WrongType("a list");
        var limit = rules.MaxItems > 0 ? rules.MaxItems : 50;
        if (value.GetArrayLength() > limit) return new("too-many-items", $"At most {limit} items.");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        writer.WriteStartArray();
        foreach (var (index, element) in value.EnumerateArray().Index())
        {
            if (!TryString(element, out var text)) return WrongType("a list of strings") with { Path = $"/{index}" };
            if (Canonicalise(rules, item, text, out var canonical) is { } problem) return problem with { Path = $"/{index}" };
            if (seen.Add(canonical)) writer.WriteStringValue(canonical);
        }
        writer.WriteEndArray();
        return null;
    }

    /// <summary>False also for strings that escape half a surrogate pair, which JSON's grammar lets through.</summary>
    private static bool TryString(JsonElement value, out string text)
    {
        text = "";
        if (value.ValueKind != JsonValueKind.String) return false;
        try
        {
            text = value.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static bool OutOfRange(ValueRules rules, decimal number) => number < rules.Minimum || number > rules.Maximum;

    private static ValueProblem WrongType(string wanted) => new("wrong-type", $"Must be {wanted}.");

    private static ValueProblem TooLong(int limit) => new("too-long", $"At most {limit} characters.");

    private static ValueProblem RangeProblem() => new("out-of-range", "Outside the bounds that the catalogue sets.");

    private static ValueProblem UnknownMember() => new("unknown-member", "Holds a member that this type does not have.");

    private static ValueProblem UnknownCurrency() => new("not-a-currency", "Must be an ISO 4217 currency code.", "/currency");
}
