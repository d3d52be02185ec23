using System.Text.Json;
using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>What an editor offers is what the reader knows, key by key, in every mapping of every file.</summary>
public sealed class SchemaTests
{
    private const string Rule = "$defs/condition";

    /// <summary>Schema, place in it, file, and a text with a key that nobody knows in the mapping of that place.</summary>
    public static TheoryData<string, string, string, string> Mappings => new()
    {
        { "access", "", "access/rules.yaml", "zzz: 1\nrules: []" },
        { "access", "properties/rules/items", "access/rules.yaml", "rules: [{ zzz: 1 }]" },
        { "access", Rule, "access/rules.yaml", "rules: [{ when: { zzz: 1 } }]" },
        { "access", Rule, "access/rules.yaml", "rules: [{ effect: forbid, unless: { zzz: 1 } }]" },
        { "access", Rule + "/properties/recordAge", "access/rules.yaml", "rules: [{ when: { recordAge: { zzz: 1 } } }]" },
        { "access", Rule + "/properties/time", "access/rules.yaml", "rules: [{ when: { time: { zzz: 1 } } }]" },
        { "cases", "", "cases/all.yaml", "zzz: 1\ncases: []" },
        { "cases", "properties/cases/items", "cases/all.yaml", "cases: [{ zzz: 1 }]" },
        { "cases", "properties/cases/items/properties/facts", "cases/all.yaml", "cases: [{ facts: { zzz: 1 } }]" },
        { "cases", "properties/cases/items/properties/facts/properties/hold", "cases/all.yaml", "cases: [{ facts: { hold: { zzz: 1 } } }]" },
        { "roles", "", "roles.yaml", "zzz: 1\nroles: {}" },
        { "roles", "properties/roles/additionalProperties", "roles.yaml", "roles: { one: { zzz: 1 } }" },
        { "roles", "properties/roles/additionalProperties/properties/reach/oneOf/1/items", "roles.yaml", "roles: { one: { reach: [{ zzz: 1 }] } }" },
        { "people", "", "people.yaml", "zzz: 1" },
        { "people", "properties/brands/additionalProperties", "people.yaml", "brands: { one: { zzz: 1 } }" },
        { "people", "properties/residencies/additionalProperties", "people.yaml", "residencies: { one: { zzz: 1 } }" },
        { "people", "properties/relations/additionalProperties", "people.yaml", "relations: { one: { zzz: 1 } }" },
        { "purposes", "", "purposes.yaml", "zzz: 1\npurposes: {}" },
        { "purposes", "properties/purposes/additionalProperties", "purposes.yaml", "purposes: { one: { zzz: 1 } }" },
        { "purposes", "properties/purposes/additionalProperties/properties/child", "purposes.yaml", "purposes: { one: { child: { zzz: 1 } } }" },
        { "purposes", "properties/purposes/additionalProperties/properties/justification", "purposes.yaml", "purposes: { one: { justification: { zzz: 1 } } }" },
        { "purposes", "properties/purposes/additionalProperties/properties/budget", "purposes.yaml", "purposes: { one: { budget: { zzz: 1 } } }" },
        { "purposes", "properties/purposes/additionalProperties/properties/assessment", "purposes.yaml", "purposes: { one: { assessment: { zzz: 1 } } }" },
        { "recipients", "", "recipients.yaml", "zzz: 1\nrecipients: {}" },
        { "recipients", "properties/recipients/additionalProperties", "recipients.yaml", "recipients: { one: { zzz: 1 } }" },
        { "recipients", "properties/recipients/additionalProperties/properties/transfer", "recipients.yaml", "recipients: { one: { transfer: { zzz: 1 } } }" },
        { "recipients", "properties/recipients/additionalProperties/properties/subProcessors/items", "recipients.yaml", "recipients: { one: { subProcessors: [{ zzz: 1 }] } }" },
        { "recipients", "properties/recipients/additionalProperties/properties/subProcessors/items/properties/transfer", "recipients.yaml", "recipients: { one: { subProcessors: [{ transfer: { zzz: 1 } }] } }" },
        { "automated", "", "automated.yaml", "zzz: 1\nmodels: {}" },
        { "automated", "properties/laws/additionalProperties", "automated.yaml", "laws: { eu: { zzz: 1 } }\nmodels: {}" },
        { "automated", "properties/models/additionalProperties", "automated.yaml", "models: { one: { zzz: 1 } }" },
        { "automated", "properties/models/additionalProperties/properties/ground", "automated.yaml", "models: { one: { ground: { zzz: 1 } } }" },
        { "automated", "properties/models/additionalProperties/properties/review", "automated.yaml", "models: { one: { review: { zzz: 1 } } }" },
        { "purposes", "properties/controller", "purposes.yaml", "controller: { zzz: 1 }\npurposes: {}" },
        { "catalogue", "", "catalogue.yaml", "zzz: 1\nclasses: {}\nfields: {}" },
        { "catalogue", "properties/classes/additionalProperties", "catalogue.yaml", "classes: { one: { zzz: 1 } }\nfields: {}" },
        { "catalogue", "properties/fields/additionalProperties", "catalogue.yaml", "classes: {}\nfields: { one: { zzz: 1 } }" },
        { "catalogue", "properties/indexes/additionalProperties", "catalogue.yaml", "classes: {}\nfields: {}\nindexes: { one: { zzz: 1 } }" },
        { "events", "", "events.yaml", "zzz: 1\nevents: {}" },
        { "events", "properties/events/additionalProperties", "events.yaml", "events: { one: { zzz: 1 } }" },
        { "events", "properties/events/additionalProperties/properties/properties/additionalProperties", "events.yaml", "events: { one: { properties: { total: { zzz: 1 } } } }" },
        { "analytics", "", "analytics.yaml", "zzz: 1\ndomains: {}" },
        { "analytics", "properties/domains/additionalProperties", "analytics.yaml", "domains: { one: { zzz: 1 } }" },
        { "analytics", "properties/domains/additionalProperties/properties/columns/additionalProperties", "analytics.yaml", "domains: { one: { columns: { age: { zzz: 1 } } } }" },
        { "retention", "", "retention.yaml", "zzz: 1\nrules: {}" },
        { "retention", "properties/rules/additionalProperties", "retention.yaml", "rules: { one: { zzz: 1 } }" },
        { "jurisdictions", "", "jurisdictions.yaml", "zzz: 1\njurisdictions: {}" },
        { "jurisdictions", "properties/jurisdictions/additionalProperties", "jurisdictions.yaml", "jurisdictions: { one: { zzz: 1 } }" },
        { "letters", "", "letters.yaml", "zzz: 1" },
        { "letter", "", "letters/en.yaml", "zzz: 1" },
        { "letter", "properties/words", "letters/en.yaml", "words: { zzz: {} }" },
        { "letter", "properties/letters", "letters/en.yaml", "letters: { zzz: {} }" },
        { "letter", "properties/words/properties/rights", "letters/en.yaml", "words: { rights: { zzz: text } }" },
        { "letter", "properties/words/properties/refusals", "letters/en.yaml", "words: { refusals: { zzz: text } }" },
        { "letter", "properties/words/properties/extensions", "letters/en.yaml", "words: { extensions: { zzz: text } }" },
        { "letter", "properties/words/properties/pauses", "letters/en.yaml", "words: { pauses: { zzz: text } }" },
        { "letter", "properties/words/properties/outcomes", "letters/en.yaml", "words: { outcomes: { zzz: text } }" },
        { "letter", "properties/words/properties/grounds", "letters/en.yaml", "words: { grounds: { zzz: text } }" },
        { "letter", "properties/words/properties/ends", "letters/en.yaml", "words: { ends: { zzz: text } }" },
        { "letter", "$defs/letter", "letters/en.yaml", "letters: { received: { zzz: 1 } }" },
        { "jurisdictions", "properties/jurisdictions/additionalProperties/properties/breach", "jurisdictions.yaml", "jurisdictions: { one: { breach: { zzz: 1 } } }" },
        { "jurisdictions", "properties/jurisdictions/additionalProperties/properties/breach/properties/dpo", "jurisdictions.yaml", "jurisdictions: { one: { breach: { dpo: { zzz: 1 } } } }" },
        { "jurisdictions", "properties/jurisdictions/additionalProperties/properties/breach/properties/authority", "jurisdictions.yaml", "jurisdictions: { one: { breach: { authority: { zzz: 1 } } } }" },
        { "jurisdictions", "properties/jurisdictions/additionalProperties/properties/breach/properties/authority/properties/countries/additionalProperties", "jurisdictions.yaml", "jurisdictions: { one: { breach: { authority: { countries: { FR: { zzz: 1 } } } } } }" },
        { "suppression", "", "suppression.yaml", "zzz: 1" },
        { "rights", "", "rights.yaml", "zzz: 1\nmethods: {}" },
        { "rights", "properties/methods/additionalProperties", "rights.yaml", "methods: { one: { zzz: 1 } }" },
        { "rights", "properties/needs", "rights.yaml", "methods: {}\nneeds: { zzz: 1 }" },
        { "rights", "properties/recovery", "rights.yaml", "methods: {}\nrecovery: { zzz: 1 }" },
        { "rights", "properties/questions", "rights.yaml", "methods: {}\nquestions: { zzz: 1 }" },
        { "rights", "$defs/question", "rights.yaml", "methods: {}\nquestions: { fee: { zzz: 1 } }" },
        { "rights", "properties/secondOfficer/additionalProperties", "rights.yaml", "methods: {}\nsecondOfficer: { one: { zzz: 1 } }" },
    };

    [Theory]
    [MemberData(nameof(Mappings))]
    public void A_mapping_has_the_keys_of_its_schema_and_no_others(string schema, string place, string file, string text)
    {
        var files = PolicyTexts.Small("");
        files[file] = text;
        const string Start = "unknown key zzz, must be one of ";
        var problem = Assert.Single(Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems, problem => problem.File == file && problem.Message.StartsWith(Start, StringComparison.Ordinal));
        using var document = Schema(schema);
        var node = At(document.RootElement, place);
        Assert.False(node.GetProperty("additionalProperties").GetBoolean());
        Assert.Equal(node.GetProperty("properties").EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal), problem.Message[Start.Length..].Split(", "));
    }

    /// <summary>The theory above names every mapping with fixed keys: what a schema adds is added there.</summary>
    [Fact]
    public void Every_mapping_of_every_schema_is_held_against_the_reader()
    {
        var known = Mappings.Select(row => row.Data).Select(data => (data.Item1, data.Item2)).ToHashSet();
        foreach (var schema in Schemas())
        {
            using var document = Schema(schema);
            foreach (var place in Places(document.RootElement, "")) Assert.True(known.Contains((schema, place)), $"{schema}: {place}");
        }
    }

    [Fact]
    public void Every_key_is_described()
    {
        foreach (var schema in Schemas())
        {
            using var document = Schema(schema);
            foreach (var place in Places(document.RootElement, ""))
            {
                foreach (var member in At(document.RootElement, place).GetProperty("properties").EnumerateObject())
                {
                    Assert.True(member.Value.TryGetProperty("description", out var text) && text.GetString()!.EndsWith('.'), $"{schema}: {place}/{member.Name}");
                }
            }
        }
    }

    private static IEnumerable<string> Schemas() =>
        Directory.EnumerateFiles(Path.Combine(PolicyTexts.ShippedFolder(), "schema"), "*.json").Select(path => Path.GetFileNameWithoutExtension(path)!).Order(StringComparer.Ordinal);

    private static JsonDocument Schema(string name) => JsonDocument.Parse(File.ReadAllText(Path.Combine(PolicyTexts.ShippedFolder(), "schema", name + ".json")));

    private static JsonElement At(JsonElement element, string place) =>
        place.Split('/', StringSplitOptions.RemoveEmptyEntries).Aggregate(element, (at, step) => at.ValueKind == JsonValueKind.Array ? at[int.Parse(step, System.Globalization.CultureInfo.InvariantCulture)] : at.GetProperty(step));

    /// <summary>Where a schema lists the keys of a mapping.</summary>
    private static IEnumerable<string> Places(JsonElement element, string path)
    {
        if (element.ValueKind == JsonValueKind.Array) return element.EnumerateArray().SelectMany((one, index) => Places(one, $"{path}/{index}"));
        if (element.ValueKind != JsonValueKind.Object) return [];
        var isMapping = element.TryGetProperty("properties", out var keys) && keys.ValueKind == JsonValueKind.Object
            && element.TryGetProperty("additionalProperties", out var more) && more.ValueKind == JsonValueKind.False;
        var inner = element.EnumerateObject().SelectMany(member => Places(member.Value, $"{path}/{member.Name}"));
        return isMapping ? inner.Select(place => place.TrimStart('/')).Prepend(path.TrimStart('/')) : inner;
    }
}
