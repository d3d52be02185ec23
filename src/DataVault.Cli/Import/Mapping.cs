using System.Security.Cryptography;
using System.Text;
using DataVault.Client.Wire;
using YamlDotNet.RepresentationModel;

namespace DataVault.Cli.Import;

/// <summary>How the input is cut into records.</summary>
internal sealed record InputFormat(string Kind, string Delimiter);

/// <summary>A line that lacks this value is rejected with this reason.</summary>
internal sealed record Requirement(Recipe Value, string Reason);

/// <summary>What the lines say of customers. <see cref="Key"/> is the unique field by which a customer is known.</summary>
internal sealed record CustomerMapping(
    string Key, IReadOnlyDictionary<string, Recipe> Fields, string? Origin, string? Notice, IReadOnlyDictionary<string, string>? Consents)
{
    public StandingMapping? Standing { get; init; }

    public IReadOnlyDictionary<string, ConsentNotice>? ConsentNotices { get; init; }
}

/// <summary>What the lines say of where a customer stands, which is who reaches them.</summary>
/// <param name="Words">Jurisdiction, residency and brand.</param>
/// <param name="Relations">Name of the relation, and who stands in it.</param>
internal sealed record StandingMapping(IReadOnlyDictionary<string, Recipe> Words, IReadOnlyDictionary<string, Recipe> Relations);

/// <summary>What the lines say of events.</summary>
/// <param name="Ordinal">Position in the mapping, part of the identity of an event.</param>
/// <param name="Id">The file's own identity of the event, if it has one.</param>
internal sealed record EventMapping(
    int Ordinal, string Type, Condition? When, Recipe OccurredAt, (string Field, Recipe Value)? Customer, Recipe? Id,
    IReadOnlyDictionary<string, Recipe> Properties);

/// <summary>A mapping file: docs/formats/import-mapping.md is its specification.</summary>
internal sealed class Mapping
{
    private static readonly string[] s_lookups = ["id", "email", "phone", "customerNumber"];

    private Mapping(YamlSection root, string text)
    {
        if (root.Text("version") is not "1") throw root.Error("needs \"version: 1\"");
        Source = root.Text("source") is { Length: > 0 and <= 64 } source ? source : throw root.Error("needs \"source\": 1 to 64 characters");
        Purpose = root.Text("purpose");
        Format = ReadFormat(root.Section("input"));
        Requirements = [.. root.List("require").Select(n => ReadRequirement(YamlSection.Of(root.File, n)))];
        Customers = root.Section("customers") is { } customers ? ReadCustomers(customers) : null;
        Events = [.. root.List("events").Select((n, i) => ReadEvent(YamlSection.Of(root.File, n), i))];
        if (Customers is null && Events.Count == 0) throw root.Error("needs \"customers\" or \"events\"");
        root.Done();
        Fingerprint = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }

    public string Source { get; }

    public string? Purpose { get; }

    /// <summary>Null: by the file's name.</summary>
    public InputFormat? Format { get; }

    public IReadOnlyList<Requirement> Requirements { get; }

    public CustomerMapping? Customers { get; }

    public IReadOnlyList<EventMapping> Events { get; }

    /// <summary>SHA-256 of the text: a checkpoint made with another mapping is not continued.</summary>
    public string Fingerprint { get; }

    public static Mapping Load(string path) => Parse(path, File.ReadAllText(path));

    public static Mapping Parse(string file, string text) => new(YamlSection.Load(file, text), text);

    public InputFormat FormatOf(string path)
    {
        if (Format is not null) return Format;
        var name = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? path[..^3] : path;
        return Path.GetExtension(name).ToLowerInvariant() switch
        {
            ".jsonl" or ".ndjson" => new InputFormat("jsonl", ","),
            ".tsv" => new InputFormat("csv", "\t"),
            _ => new InputFormat("csv", ","),
        };
    }

    private static InputFormat? ReadFormat(YamlSection? section)
    {
        if (section is null) return null;
        var format = new InputFormat(section.Text("format") ?? "csv", section.Text("delimiter") ?? ",");
        if (format.Kind is not ("csv" or "jsonl")) throw section.Error("\"format\" is csv or jsonl");
        if (format.Delimiter.Length != 1) throw section.Error("\"delimiter\" is one character");
        section.Done();
        return format;
    }

    private static Requirement ReadRequirement(YamlSection section)
    {
        var requirement = new Requirement(
            Recipe.Parse(section.File, new YamlMappingNode("column", section.Text("column") ?? throw section.Error("needs \"column\""))),
            section.Text("reason") ?? throw section.Error("needs \"reason\""));
        section.Done();
        return requirement;
    }

    private static CustomerMapping ReadCustomers(YamlSection section)
    {
        var key = section.Text("key") ?? throw section.Error("needs \"key\"");
        if (!s_lookups.Contains(key) || key == "id") throw section.Error("\"key\" is customerNumber, email or phone");
        var fields = Recipes(section, "fields");
        if (!fields.ContainsKey(key)) throw section.Error($"\"fields\" must say how \"{key}\" is made");
        var consents = section.Entries("consents").ToDictionary(e => e.Key, e => ((YamlScalarNode)e.Node).Value ?? "");
        var mapping = new CustomerMapping(key, fields, section.Text("origin"), section.Text("notice"), consents.Count == 0 ? null : consents)
        {
            Standing = section.Section("standing") is { } standing ? ReadStanding(standing) : null,
            ConsentNotices = ReadNotices(section),
        };
        section.Done();
        return mapping;
    }

    private static StandingMapping ReadStanding(YamlSection section)
    {
        string[] words = ["jurisdiction", "residency", "brand"];
        var standing = new StandingMapping(
            words.Where(word => section.Node(word) is not null).ToDictionary(word => word, word => Recipe.Parse(section.File, section.Node(word)!), StringComparer.Ordinal),
            Recipes(section, "relations"));
        section.Done();
        return standing.Words.Count + standing.Relations.Count > 0 ? standing : throw section.Error("\"standing\" says jurisdiction, residency, brand or relations");
    }

    private static Dictionary<string, ConsentNotice>? ReadNotices(YamlSection section)
    {
        var notices = new Dictionary<string, ConsentNotice>(StringComparer.Ordinal);
        foreach (var (purpose, node) in section.Entries("consentNotices"))
        {
            var shown = YamlSection.Of(section.File, node);
            notices[purpose] = new ConsentNotice(shown.Text("version"), shown.Text("language"), shown.Text("text"), shown.Text("sha256"));
            shown.Done();
        }

        return notices.Count == 0 ? null : notices;
    }

    private static EventMapping ReadEvent(YamlSection section, int ordinal)
    {
        var mapping = new EventMapping(
            ordinal,
            section.Text("type") ?? throw section.Error("needs \"type\""),
            section.Section("when") is { } when ? Condition.Parse(when) : null,
            Recipe.Parse(section.File, section.Needed("occurredAt")),
            section.Section("customer") is { } customer ? ReadLookup(customer) : null,
            section.Node("id") is { } id ? Recipe.Parse(section.File, id) : null,
            Recipes(section, "properties"));
        section.Done();
        return mapping;
    }

    private static (string, Recipe) ReadLookup(YamlSection section)
    {
        string[] keys = [.. section.Keys];
        return keys is [var only] && s_lookups.Contains(only)
            ? (only, Recipe.Parse(section.File, section.Node(only)!))
            : throw section.Error("\"customer\" names one of id, email, phone, customerNumber");
    }

    private static Dictionary<string, Recipe> Recipes(YamlSection section, string key) =>
        section.Entries(key).ToDictionary(e => e.Key, e => Recipe.Parse(section.File, e.Node), StringComparer.Ordinal);
}

/// <summary>When an event mapping applies: one test of one value.</summary>
internal sealed class Condition
{
    private readonly Recipe _value;
    private readonly Func<string?, bool> _test;

    private Condition(Recipe value, Func<string?, bool> test) => (_value, _test) = (value, test);

    public bool Holds(SourceRecord record) => _test(_value.Text(record));

    public static Condition Parse(YamlSection section)
    {
        var value = Recipe.Parse(section.File, new YamlMappingNode("column", section.Text("column") ?? throw section.Error("needs \"column\"")));
        List<Func<string?, bool>> tests = [];
        if (section.Text("below") is { } below) tests.Add(Compare(section, below, (n, limit) => n < limit));
        if (section.Text("from") is { } from) tests.Add(Compare(section, from, (n, limit) => n >= limit));
        if (section.Texts("in") is { Count: > 0 } values) tests.Add(text => text is not null && values.Contains(text));
        if (section.Texts("not-in") is { Count: > 0 } others) tests.Add(text => text is null || !others.Contains(text));
        if (section.Node("empty") is not null)
        {
            var wanted = section.Flag("empty");
            tests.Add(text => (text is null) == wanted);
        }
        section.Done();
        return tests is [var one] ? new Condition(value, one) : throw section.Error("\"when\" has one test: below, from, in, not-in or empty");
    }

    private static Func<string?, bool> Compare(YamlSection section, string limit, Func<decimal, decimal, bool> holds)
    {
        if (!RecipeConversions.TryNumber(limit, out var bound)) throw section.Error("the bound is a number");
        return text => text is not null && RecipeConversions.TryNumber(text, out var number) && holds(number, bound);
    }
}
