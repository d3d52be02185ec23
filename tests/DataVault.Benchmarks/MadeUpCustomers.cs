using System.Globalization;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Vault;

namespace DataVault.Benchmarks;

/// <summary>One made-up customer: twelve values as text, for the peers, and as a call of the vault.</summary>
internal sealed record MadeUpCustomer(IReadOnlyList<string> Values, NewCustomer Call)
{
    public static readonly string[] Fields =
        ["givenName", "familyName", "email", "phone", "postalAddress", "birthDate", "gender", "language", "country", "occupation", "loyaltyTier", "customerSince"];

    public static MadeUpCustomer Make(int number)
    {
        var random = new Random(number);
        string[] values =
        [
            Pick(random, Given), Pick(random, Family), EmailOf(number),
            string.Create(CultureInfo.InvariantCulture, $"+4930{10_000_000 + number}"), Address(random), Day(random, 1940, 65),
            Pick(random, ["female", "male", "diverse"]), Pick(random, ["de", "en", "fr"]), Pick(random, ["DE", "AT", "CH", "FR"]), Pick(random, Occupations),
            Pick(random, ["none", "bronze", "silver", "gold"]), Day(random, 2010, 15),
        ];
        return new MadeUpCustomer(values, new NewCustomer(Json(values), "crm", null, null, "service-delivery", null));
    }

    public static string EmailOf(int number) => string.Create(CultureInfo.InvariantCulture, $"{Given[number % Given.Length]}.{Family[number % Family.Length]}.{number}@mail{number % 97}.example");

    private static readonly string[] Given = ["Anna", "Bernd", "Carla", "Dieter", "Emma", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Katharina", "Luis"];
    private static readonly string[] Family = ["Albrecht", "Baumann", "Castellani", "Dupont", "Eriksson", "Fischer", "Gruber", "Hoffmann", "Ivanova", "Jansen"];
    private static readonly string[] Occupations = ["teacher", "engineer", "nurse", "retired", "software developer", "shop assistant", "electrician"];
    private static readonly string[] Streets = ["Lindenstrasse", "Hauptstrasse", "Rue de la Paix", "Am Alten Markt", "Bahnhofstrasse"];

    private static Dictionary<string, JsonElement> Json(string[] values)
    {
        var fields = new Dictionary<string, JsonElement>(values.Length);
        foreach (var (name, value) in Fields.Zip(values))
            fields[name] = name == "postalAddress" ? JsonElement.Parse(value) : JsonSerializer.SerializeToElement(value);
        return fields;
    }

    private static string Address(Random random) => JsonSerializer.Serialize(new Dictionary<string, string>
    {
        ["street"] = string.Create(CultureInfo.InvariantCulture, $"{Pick(random, Streets)} {random.Next(1, 200)}"),
        ["postcode"] = random.Next(10_000, 99_999).ToString(CultureInfo.InvariantCulture),
        ["city"] = Pick(random, ["Berlin", "Wien", "Hamburg", "Paris", "Winterthur"]),
        ["country"] = "DE",
    });

    private static string Day(Random random, int year, int years) =>
        new DateOnly(year + random.Next(years), random.Next(1, 13), random.Next(1, 29)).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Pick(Random random, string[] from) => from[random.Next(from.Length)];
}

/// <summary>One made-up purchase, for the peers and as a call of the vault.</summary>
internal sealed record MadeUpEvent(Guid Customer, DateTimeOffset At, string Type, Guid Id, IReadOnlyList<string> Values, NewEvent Call)
{
    public static MadeUpEvent Make(int number, Guid customer)
    {
        var random = new Random(number);
        var (at, id) = (DateTimeOffset.UnixEpoch.AddDays(19_000).AddMinutes(random.Next(1_000_000)), Guid.NewGuid());
        var quantity = random.Next(1, 9);
        var price = string.Create(CultureInfo.InvariantCulture, $"{random.Next(1, 90)}.{random.Next(10, 99)}");
        string[] values =
        [
            string.Create(CultureInfo.InvariantCulture, $"{536_000 + (number / 4)}"), string.Create(CultureInfo.InvariantCulture, $"{random.Next(20_000, 90_000)}B"),
            "WHITE HANGING HEART T-LIGHT HOLDER", quantity.ToString(CultureInfo.InvariantCulture), price, price, "web", "GB",
        ];
        var properties = new Dictionary<string, JsonElement>
        {
            ["orderId"] = Text(values[0]), ["sku"] = Text(values[1]), ["description"] = Text(values[2]), ["quantity"] = JsonSerializer.SerializeToElement(quantity),
            ["unitPrice"] = Money(price), ["total"] = Money(price), ["channel"] = Text("web"), ["country"] = Text("GB"),
        };
        var call = new NewEvent(new CustomerLookup(new SubjectId(customer)), "purchase", at, "shop", properties, id, "service-delivery");
        return new MadeUpEvent(customer, at, "purchase", id, values, call);
    }

    private static JsonElement Text(string value) => JsonSerializer.SerializeToElement(value);

    private static JsonElement Money(string amount) => JsonSerializer.SerializeToElement(new { amount, currency = "GBP" });
}
