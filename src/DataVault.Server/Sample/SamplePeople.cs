using System.Globalization;
using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Server.Sample;

/// <summary>A made-up customer before it is written: its fields, its consents, and what its journey needs to know.</summary>
internal sealed record SamplePerson(
    int Number, string CustomerNumber, string Email, SampleCountry Country, DateOnly Since, IReadOnlyList<string> Topics,
    IReadOnlyDictionary<string, JsonElement> Fields, IReadOnlyDictionary<string, string> Consents)
{
    public bool ConsentsTo(string purpose) => Consents.TryGetValue(purpose, out var state) && state == "given";
}

/// <summary>
/// Makes customers. Enumerated values come from the catalogue itself, so an edited policy still gets a sample that it accepts;
/// fields that the catalogue does not have are left out.
/// </summary>
internal sealed class SamplePeople(PolicySet policy, ulong seed, DateOnly today)
{
    public const string FixedEmail = "mira.solberg@example.com";

    // Share of customers who said yes. Everybody else was asked and said no.
    private static readonly Dictionary<string, double> ConsentShares = new()
    {
        ["analytics"] = 0.60, ["marketing"] = 0.45, ["personalisation"] = 0.35, ["wellbeing"] = 0.08,
    };

    public SamplePerson Make(int number)
    {
        var random = SeededRandom.For(seed, number);
        var person = new Draft(random, policy.Catalogue);
        var country = SampleWorld.Countries[random.Weighted([.. SampleWorld.Countries.Select(c => c.Weight)])];
        var since = today.AddDays(-random.Between(20, 1_900));
        var customerNumber = string.Create(CultureInfo.InvariantCulture, $"C-{100_000 + number}");
        var topics = random.Some(SampleWorld.Topics, random.Between(1, 4));
        var consents = DrawConsents(random, number);
        var email = AddIdentity(person, random, number);
        AddContact(person, random, country, email);
        AddPlace(person, random, country);
        AddDemography(person, random, country);
        AddRelationship(person, random, customerNumber, since);
        AddBilling(person, random, country);
        AddTastes(person, random, topics, consents);
        return new SamplePerson(number, customerNumber, email, country, since, topics, person.Fields, consents);
    }

    private Dictionary<string, string> DrawConsents(SeededRandom random, int number)
    {
        var consents = new Dictionary<string, string>();
        foreach (var purpose in policy.Purposes.All.Where(p => p.NeedsConsent))
        {
            var given = random.Chance(ConsentShares.GetValueOrDefault(purpose.Name, 0.3));
            consents[purpose.Name] = given || (number == 0 && purpose.Name != "wellbeing") ? "given" : "refused";
        }
        return consents;
    }

    private static string AddIdentity(Draft person, SeededRandom random, int number)
    {
        var given = number == 0 ? "Mira" : random.Pick(SampleWorld.NameStarts) + random.Pick(SampleWorld.NameMiddles) + random.Pick(SampleWorld.NameEnds);
        var family = number == 0 ? "Solberg" : random.Pick(SampleWorld.FamilyStarts) + random.Pick(SampleWorld.FamilyEnds);
        person.Text("givenName", given);
        person.Text("familyName", family);
        if (random.Chance(0.1))
            person.Text("preferredName", given[..Math.Min(given.Length, 3)]);
        person.Text("salutation", SampleWorld.Salutations[random.Weighted([46, 46, 5, 3])]);
        return number == 0
            ? FixedEmail
            : string.Create(CultureInfo.InvariantCulture, $"{given}.{family}{number}@{random.Pick(SampleWorld.MailDomains)}").ToLowerInvariant();
    }

    private static void AddContact(Draft person, SeededRandom random, SampleCountry country, string email)
    {
        person.Text("email", email);
        if (random.Chance(0.08))
            person.List("additionalEmails", ["home." + email]);
        if (country.PhonePrefixes.Length > 0 && random.Chance(0.8))
            person.Text("phone", Phone(random, country));
        if (country.PhonePrefixes.Length > 0 && random.Chance(0.05))
            person.List("additionalPhones", [Phone(random, country)]);
        person.OneOf("contactPreference");
    }

    private static string Phone(SeededRandom random, SampleCountry country) =>
        random.Pick(country.PhonePrefixes) + Digits(random, country.PhoneDigits);

    private static void AddPlace(Draft person, SeededRandom random, SampleCountry country)
    {
        person.Value("postalAddress", Address(random, country));
        if (random.Chance(0.12))
            person.Value("deliveryAddress", Address(random, country));
    }

    private static object Address(SeededRandom random, SampleCountry country)
    {
        var town = random.Pick(country.Towns);
        return new
        {
            street = string.Format(CultureInfo.InvariantCulture, country.StreetPattern, random.Pick(SampleWorld.StreetNames), random.Between(1, 180)),
            postcode = Postcode(random, town.Postcode), city = town.City, region = town.Region, country = country.Code,
        };
    }

    // The first two characters stay: they are the region that analytics sees, and a region needs inhabitants.
    private static string Postcode(SeededRandom random, string pattern) => string.Concat(pattern.Select((c, i) => c switch
    {
        '9' when i >= 2 => (char)('0' + random.Below(10)),
        'A' when i >= 4 => (char)('A' + random.Below(26)),
        _ => c,
    }));

    private void AddDemography(Draft person, SeededRandom random, SampleCountry country)
    {
        person.Text("country", country.Code);
        person.Text("language", random.Chance(0.9) ? country.Language : "en");
        if (random.Chance(0.85))
            person.Text("birthDate", Iso(today.AddDays(-random.Between(18 * 366, 82 * 365))));
        person.OneOf("gender");
        if (random.Chance(0.4))
            person.Text("occupation", random.Pick(SampleWorld.Occupations));
        if (random.Chance(0.5))
            person.Value("householdSize", 1 + random.Weighted([35, 33, 15, 12, 5]));
    }

    private static void AddRelationship(Draft person, SeededRandom random, string customerNumber, DateOnly since)
    {
        person.Text("customerNumber", customerNumber);
        person.Text("customerSince", Iso(since));
        person.OneOf("loyaltyTier", [40, 30, 18, 9, 3]);
        person.Value("loyaltyPoints", (int)random.Exponential(700));
        if (random.Chance(0.015))
            person.Value("advisoryBoardMember", true);
        if (random.Chance(0.04))
            person.Text("notes", "Prefers " + random.Pick(SampleWorld.Habits) + ".");
        person.Value("satisfactionScore", random.Between(1, 5) + random.Between(1, 5));
        person.Value("lifetimeValue", Money(Math.Round((decimal)random.Exponential(420), 2)));
        person.Value("churnRisk", Math.Round(random.Unit(), 2));
        person.Text("segment", SampleWorld.Segments[random.Weighted([50, 30, 15, 5])]);
    }

    private static void AddBilling(Draft person, SeededRandom random, SampleCountry country)
    {
        person.OneOf("paymentPreference", [40, 20, 22, 15, 3]);
        if (random.Chance(0.3))
            person.Text("iban", MadeUpIban(random, country.Code));
        if (random.Chance(0.05))
            person.Text("vatNumber", country.Code + Digits(random, 9));
        if (random.Chance(0.15))
            person.Value("creditLimit", Money(random.Between(2, 40) * 50m));
    }

    private static void AddTastes(Draft person, SeededRandom random, List<string> topics, Dictionary<string, string> consents)
    {
        person.SomeOf("interests", topics, topics.Count);
        if (random.Chance(0.4))
            person.SomeOf("preferences", SampleWorld.Habits, random.Between(1, 2));
        if (random.Chance(0.5))
            person.SomeOf("favouriteProducts", [.. SampleWorld.Products.Where(p => topics.Contains(p.Topic)).Select(p => p.Sku)], random.Between(1, 3));
        if (random.Chance(0.3))
            person.Text("expectations", $"I would like {random.Pick(SampleWorld.Wishes)}.");
        if (consents.GetValueOrDefault("wellbeing") == "given")
            person.SomeOf("dietaryRequirements", ["vegetarian", "vegan", "gluten-free", "lactose-free"], 1);
    }

    internal static object Money(decimal amount) =>
        new { amount = amount.ToString("0.00", CultureInfo.InvariantCulture), currency = SampleWorld.Currency };

    private static string Iso(DateOnly day) => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Digits(SeededRandom random, int count) =>
        string.Create(count, random, static (span, random) =>
        {
            foreach (ref var digit in span)
                digit = (char)('0' + random.Below(10));
        });

    // SPEC ISO 13616: check digits are 98 minus (account, country letters as numbers, 00) mod 97. Bank code 0 belongs to no bank.
    private static string MadeUpIban(SeededRandom random, string countryCode)
    {
        var (country, account) = countryCode switch
        {
            "GB" => ("GB", "TEST000000" + Digits(random, 8)),
            "NL" => ("NL", "TEST" + Digits(random, 10)),
            "AT" => ("AT", "00000" + Digits(random, 11)),
            _ => ("DE", "00000000" + Digits(random, 10)),
        };
        var remainder = 0;
        foreach (var c in account + country + "00")
            remainder = char.IsDigit(c) ? ((remainder * 10) + c - '0') % 97 : ((remainder * 100) + c - 'A' + 10) % 97;
        return string.Create(CultureInfo.InvariantCulture, $"{country}{98 - remainder:00}{account}");
    }

    /// <summary>Fields under construction; knows the catalogue and forgets what the catalogue does not have.</summary>
    private sealed class Draft(SeededRandom random, Catalogue catalogue)
    {
        public Dictionary<string, JsonElement> Fields { get; } = [];

        public void Text(string field, string value) => Value(field, value);

        public void Value(string field, object value)
        {
            if (catalogue.Find(field) is not null)
                Fields[field] = JsonSerializer.SerializeToElement(value);
        }

        public void List(string field, IReadOnlyList<string> values) => Value(field, values);

        /// <summary>One of the catalogue's own values; the weights count from its first, further values have none.</summary>
        public void OneOf(string field, params double[] weights)
        {
            if (catalogue.Find(field)?.Rules.Values is not { Count: > 0 } values)
                return;
            Text(field, values[weights.Length == 0 ? random.Below(values.Count) : random.Weighted([.. weights.Take(values.Count)])]);
        }

        public void SomeOf(string field, IReadOnlyList<string> words, int count) => List(field, random.Some(words, count));
    }
}
