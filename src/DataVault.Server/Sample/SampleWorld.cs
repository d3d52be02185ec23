namespace DataVault.Server.Sample;

/// <summary>A place that sample customers live in. The postcode pattern's 9 stands for a digit, A for a letter.</summary>
internal sealed record SampleTown(string City, string Region, string Postcode);

/// <summary>A country of the sample: towns, language, how its made-up telephone numbers begin and how many digits follow.</summary>
internal sealed record SampleCountry(
    string Code, double Weight, string Language, string[] PhonePrefixes, int PhoneDigits, string StreetPattern, SampleTown[] Towns);

/// <summary>An article of the sample shop.</summary>
internal sealed record SampleProduct(string Sku, string Description, string Topic, decimal Price);

/// <summary>
/// What the made-up shop and its made-up customers are drawn from. Names are syllables put together, mail addresses lie in the domains of
/// RFC 2606, telephone numbers in ranges that regulators keep for fiction (Ofcom drama numbers, NANP 555-01xx, ARCEP and
/// Bundesnetzagentur film numbers), so that nobody real can be met here.
/// </summary>
internal static class SampleWorld
{
    // One currency: the sample shop sells in euro wherever its customers live, so that its revenue can be added up.
    public const string Currency = "EUR";

    public static readonly string[] MailDomains = ["example.com", "example.org", "example.net"];

    public static readonly string[] NameStarts =
        ["Al", "Be", "Cor", "Da", "El", "Fi", "Gra", "Ha", "Il", "Jo", "Ka", "Lu", "Ma", "Ne", "Or", "Pe", "Ro", "Sa", "Te", "Ul", "Vi", "Wi", "Ya", "Ze"];
    public static readonly string[] NameMiddles = ["la", "ri", "no", "mi", "ve", "do", "sa", "li", "ra", "ne", "", ""];
    public static readonly string[] NameEnds = ["na", "ro", "lia", "n", "rin", "do", "va", "mir", "la", "s", "tta", "ko"];
    public static readonly string[] FamilyStarts =
        ["Bran", "Cald", "Dorn", "Ester", "Falk", "Grim", "Hol", "Ives", "Jarn", "Kest", "Lind", "Mar", "Nord", "Oster", "Pell", "Quen", "Rav", "Sten", "Thorn", "Und", "Vald", "West"];
    public static readonly string[] FamilyEnds = ["aker", "berg", "by", "dahl", "ek", "ford", "gard", "holm", "ik", "lund", "mann", "ner", "qvist", "row", "son", "vik", "wood"];
    public static readonly string[] StreetNames =
        ["Amber", "Birch", "Copper", "Dover", "Elm", "Ferry", "Garden", "Harbour", "Ivy", "Juniper", "Kiln", "Lantern", "Mill", "North", "Orchard", "Pine", "Quarry", "River", "Station", "Tower"];

    public static readonly SampleCountry[] Countries =
    [
        new("DE", 30, "de", ["+493023125"], 3, "{0}weg {1}",
            [new("Berlin", "Berlin", "10999"), new("Hamburg", "Hamburg", "20999"), new("Köln", "Nordrhein-Westfalen", "50999"), new("München", "Bayern", "80999")]),
        new("GB", 25, "en", ["+447700900", "+441632960", "+442079460"], 3, "{1} {0} Street",
            [new("London", "England", "SW9 9AA"), new("Manchester", "England", "M9 9AA"), new("Edinburgh", "Scotland", "EH9 9AA"), new("Cardiff", "Wales", "CF9 9AA")]),
        new("FR", 15, "fr", ["+3319900", "+3363998"], 4, "{1} rue {0}",
            [new("Paris", "Île-de-France", "75099"), new("Lyon", "Auvergne-Rhône-Alpes", "69099"), new("Marseille", "Provence-Alpes-Côte d'Azur", "13099")]),
        new("US", 12, "en", ["+121255501", "+131255501", "+141555501"], 2, "{1} {0} Avenue",
            [new("New York", "NY", "10099"), new("Chicago", "IL", "60699"), new("San Francisco", "CA", "94199")]),
        new("NL", 8, "nl", [], 0, "{0}straat {1}",
            [new("Amsterdam", "Noord-Holland", "1099 AA"), new("Utrecht", "Utrecht", "3599 AA")]),
        new("AT", 6, "de", [], 0, "{0}gasse {1}",
            [new("Wien", "Wien", "1099"), new("Graz", "Steiermark", "8099")]),
        new("ES", 4, "es", [], 0, "Calle {0} {1}",
            [new("Madrid", "Madrid", "28099"), new("Barcelona", "Cataluña", "08099")]),
    ];

    public static readonly string[] Topics = ["kitchen", "garden", "travel", "sports", "books", "music", "electronics", "home"];

    public static readonly string[] Occupations =
        ["teacher", "engineer", "nurse", "carpenter", "accountant", "designer", "student", "retired", "shop owner", "driver", "researcher", "cook"];

    public static readonly string[] Wishes =
        ["faster delivery", "a repair service", "less packaging", "more colours", "a paper catalogue", "longer opening hours", "a subscription", "better assembly guides"];

    public static readonly string[] ReturnReasons = ["wrong size", "arrived damaged", "changed my mind", "ordered twice"];

    public static readonly string[] SupportTopics = ["delivery", "invoice", "return", "product question", "account"];

    public static readonly string[] Segments = ["regular", "occasional", "frequent", "collector"];

    public static readonly string[] Salutations = ["Ms", "Mr", "Mx", "Dr"];

    public static readonly string[] Habits = ["evening delivery", "parcel shop", "no newsletter in summer", "gift wrapping", "large print", "paperless invoices"];

    private static readonly string[] Adjectives = ["Plain", "Sturdy", "Bright", "Quiet", "Folding"];

    private static readonly Dictionary<string, string[]> Nouns = new()
    {
        ["kitchen"] = ["kettle", "bread tin", "pan set", "chopping board", "teapot"],
        ["garden"] = ["watering can", "rake", "bird house", "lantern", "flower pot"],
        ["travel"] = ["suitcase", "neck pillow", "rain cape", "day pack", "map case"],
        ["sports"] = ["yoga mat", "skipping rope", "water bottle", "bicycle lamp", "ball pump"],
        ["books"] = ["atlas", "cook book", "field guide", "notebook", "crossword book"],
        ["music"] = ["metronome", "tuning fork", "music stand", "ukulele", "record cleaner"],
        ["electronics"] = ["desk lamp", "radio", "charger", "alarm clock", "speaker"],
        ["home"] = ["wool blanket", "door mat", "candle set", "coat rack", "wall clock"],
    };

    // INVARIANT: initialised after the words above; static fields are set in textual order.
    public static readonly SampleProduct[] Products = [.. Topics.SelectMany(ProductsOf)];

    private static IEnumerable<SampleProduct> ProductsOf(string topic, int shelf) =>
        Nouns[topic].Select((noun, i) => new SampleProduct(
            $"{topic[..3].ToUpperInvariant()}-{(shelf * 100) + i + 1:000}", $"{Adjectives[(shelf + i) % Adjectives.Length]} {noun}", topic,
            Math.Round(4.95m + ((shelf + 1) * (i + 1) * (i + 2) * 1.35m), 2)));
}
