using System.Globalization;
using System.Numerics;
using System.Text.Json.Nodes;
using DataVault.Policy;
using ValueType = DataVault.Policy.ValueType;

namespace DataVault.Testing;

/// <summary>A value for every field and event property of the catalogue; those whose type has room for it hold a text that occurs nowhere else.</summary>
/// <param name="marker">Letters and digits, the same in every text.</param>
/// <param name="seed">Digits that make the typed values of two people differ.</param>
internal sealed class Canaries(string marker, int seed)
{
    private readonly HashSet<string> _planted = [marker];
    private readonly HashSet<string> _held = new(StringComparer.Ordinal);
    private readonly HashSet<string> _places = new(StringComparer.Ordinal);

    /// <summary>What must be found nowhere.</summary>
    public IReadOnlyCollection<string> Planted => _planted;

    /// <summary>What stands in fields and events: each text of its own is to be found in what the person gets.</summary>
    public IReadOnlyCollection<string> Held => _held;

    /// <summary>Where <see cref="Words"/> were said.</summary>
    public IReadOnlyCollection<string> Places => _places;

    public string Email => $"{marker}.mail@{marker}-host.example";

    public string Phone => $"+4930987{seed}";

    public JsonObject Fields(Catalogue catalogue) =>
        new(catalogue.Fields.Select(field => KeyValuePair.Create<string, JsonNode?>(field.Name, Field(field))));

    public JsonObject Properties(EventTypeDefinition type) =>
        new(type.Properties.Select(property => KeyValuePair.Create<string, JsonNode?>(property.Name, Value(property.Rules, property.Name))));

    /// <summary>A text to put wherever words are taken.</summary>
    public string Words(string place)
    {
        _places.Add(place);
        return Said(place);
    }

    /// <summary>What was said there.</summary>
    public string Said(string place) => $"{marker} {place}";

    private JsonNode Field(FieldDefinition field) => field.Name switch
    {
        "email" => Holding(Email),
        "phone" => Planting(Phone),
        "birthDate" => Planting("1931-07-19"),
        "customerSince" => Planting("1987-02-23"),
        _ => Value(field.Rules, field.Name),
    };

    private JsonNode Value(ValueRules rules, string name) => rules.Type switch
    {
        ValueType.Text => Text(rules, name),
        ValueType.Email => Holding(Email),
        ValueType.EmailList => new JsonArray(Holding($"{marker}.other@{marker}-host.example")),
        ValueType.Phone => Planting(Phone),
        ValueType.PhoneList => new JsonArray(Planting($"+4930876{seed}")),
        ValueType.Date => Planting("1953-11-08"),
        ValueType.Instant => "2026-03-01T10:15:00Z",
        ValueType.Country => "DE",
        ValueType.Language => "de",
        ValueType.Money => Money(name),
        ValueType.Iban => Planting(Iban()),
        ValueType.Integer => (int)Math.Clamp(4, rules.Minimum ?? 4, rules.Maximum ?? 4),
        ValueType.Decimal => 0.5,
        ValueType.Boolean => true,
        ValueType.Enumeration => rules.Values[0],
        ValueType.EnumerationList => new JsonArray(rules.Values[0]),
        ValueType.TextList => new JsonArray(Text(rules, name), Text(rules, name + "2")),
        ValueType.Address => Address(name),
        _ => throw new InvalidOperationException($"No canary is known for {rules.Type}."),
    };

    private string Text(ValueRules rules, string name) => Holding($"{marker}{name}"[..Math.Min(rules.MaxLength, marker.Length + name.Length)]);

    private JsonObject Address(string name) => new()
    {
        ["street"] = Holding($"{marker} street {name}"), ["extra"] = Holding($"{marker} floor"), ["postcode"] = "40213", ["city"] = Holding($"{marker} city"),
        ["region"] = Holding($"{marker} region"), ["country"] = "DE",
    };

    // Event totals are what analysts add up, so only the money of fields is hunted for.
    private JsonObject Money(string name) => new()
    {
        ["amount"] = name is "creditLimit" or "lifetimeValue" ? Planting($"{seed}.28") : "49.90", ["currency"] = "EUR",
    };

    // SPEC ISO 13616: the check digits make the number, country letters as digits, 1 modulo 97.
    private string Iban()
    {
        var account = $"370400440{seed}".PadRight(18, '7');
        var check = 98 - (int)(BigInteger.Parse(account + "131400", CultureInfo.InvariantCulture) % 97);
        return $"DE{check:00}{account}";
    }

    private string Planting(string value)
    {
        _planted.Add(value.TrimStart('+'));
        return Holding(value);
    }

    private string Holding(string value)
    {
        _held.Add(value);
        return value;
    }
}
