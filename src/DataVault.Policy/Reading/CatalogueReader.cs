using System.Globalization;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Reads catalogue.yaml and events.yaml.</summary>
internal sealed class CatalogueReader(IReadOnlyList<RetentionRule> retention)
{
    // What a date may not be after, whenever it is read.
    private const string Today = "today";

    private static readonly string[] Origins = ["provided", "observed", "derived", "inferred"];
    private static readonly string[] Stages = ["discover", "consider", "buy", "use", "support", "advocate", "leave"];

    private readonly HashSet<string> retentionNames = [.. retention.Select(rule => rule.Name)];
    private readonly List<FieldClass> classes = [];

    public Catalogue Catalogue(Section? section)
    {
        if (section is null) return new Catalogue([], [], []);
        ReadClasses(section);
        var drafts = new List<Func<int, FieldDefinition>>();
        var ids = new List<(int Id, int Draft)>();
        var taken = new Taken();
        foreach (var (name, body) in section.Named("fields"))
        {
            var (header, draft) = Field(name, body);
            if (!taken.Claim(body, name) || !taken.Claim(body, header.Id)) continue;
            ids.Add((header.Id, drafts.Count));
            drafts.Add(draft);
        }

        List<FieldDefinition> fields = [.. ids.Order().Select((pair, ordinal) => drafts[pair.Draft](ordinal))];
        var indexes = new IndexReader(fields).Indexes(section);
        section.Done();
        return new Catalogue(fields, classes, indexes);
    }

    public TrackingPlan Events(Section? section, int firstOrdinal)
    {
        if (section is null) return new TrackingPlan([]);
        var drafts = new List<(ItemHeader Header, string Stage, IReadOnlyList<PropertyDefinition> Properties)>();
        var taken = new Taken();
        foreach (var (name, body) in section.Named("events"))
        {
            var header = Header(new Word(EventTypeDefinition.Prefix + name.Text, name.Line), body);
            if (!Names.IsColumn(name.Text)) body.Problem(name.Line, $"{name.Text} is not an event type: small letters, digits and underscores");
            var draft = (header, body.Choice("stage", Stages), Properties(body));
            body.Done();
            if (taken.Claim(body, header.Id)) drafts.Add(draft);
        }

        section.Done();
        return new TrackingPlan([.. drafts.OrderBy(draft => draft.Header.Id)
            .Select((draft, index) => new EventTypeDefinition(draft.Header, firstOrdinal + index, draft.Stage, draft.Properties))]);
    }

    private void ReadClasses(Section section)
    {
        var taken = new Taken();
        var read = new List<(int Id, string Name, Form Widest, bool Sensitive, Wording? Labels)>();
        foreach (var (name, body) in section.Named("classes"))
        {
            var id = body.Number("id", 1, 255);
            var widest = body.Choice<Form>("widest", Form.Plain);
            if (widest == Form.Withheld) body.Problem(body.LineOf("widest"), "a class that nobody may read needs no fields");
            var sensitive = body.Flag("sensitive", false);
            var labels = body.OptionalWording("label");
            body.Done();
            if (taken.Claim(body, name) && taken.Claim(body, id)) read.Add((id, name.Text, widest, sensitive, labels));
        }

        classes.AddRange(read.OrderBy(item => item.Id).Select((item, ordinal) => new FieldClass(item.Id, item.Name, ordinal, item.Widest, item.Sensitive) { Labels = item.Labels }));
    }

    private (ItemHeader Header, Func<int, FieldDefinition> Draft) Field(Word name, Section body)
    {
        var header = Header(name, body);
        var rules = Rules(body, "type");
        var index = body.Choice<FieldIndex>("index", FieldIndex.None);
        var forms = (body.Choice<MaskKind>("mask", MaskKind.Full), body.Choice<GeneralisationKind>("generalisation", GeneralisationKind.None));
        var origin = body.Choice("origin", Origins, "provided");
        var portable = body.Flag("portable", origin is "provided" or "observed");
        body.Done();
        return (header, ordinal => new FieldDefinition(header, ordinal, rules, index, forms, (origin, portable)));
    }

    private ItemHeader Header(Word name, Section body)
    {
        var category = body.Text("category");
        if (category.Length > 0 && !Names.IsTerm(category, "pd:")) body.Problem(body.LineOf("category"), $"category {category} is not a pd: identifier");
        var rule = body.Text("retention");
        if (rule.Length > 0 && !retentionNames.Contains(rule)) body.Problem(body.LineOf("retention"), $"unknown retention rule {rule}");
        var className = body.Text("class");
        var known = classes.Find(item => item.Name == className);
        if (known is null && className.Length > 0) body.Problem(body.LineOf("class"), $"unknown class {className}");
        return new ItemHeader(
            body.Number("id", 1, 999), name.Text, body.Wording("label"), known ?? new FieldClass(0, className, 0, Form.Token),
            category, body.Flag("special", false), rule)
        {
            Infers = Infers(body),
        };
    }

    private static List<string> Infers(Section body)
    {
        var named = body.Words("infers");
        foreach (var word in named.Where(word => !Names.IsTerm(word.Text, "pd:"))) body.Problem(word.Line, $"infers names {word.Text}, which is not a pd: identifier");
        return [.. named.Select(word => word.Text)];
    }

    private static List<PropertyDefinition> Properties(Section body)
    {
        var properties = new List<PropertyDefinition>();
        foreach (var (name, property) in body.Named("properties"))
        {
            if (!Names.IsName(name.Text)) property.Problem(name.Line, $"{name.Text} is not a property name");
            properties.Add(new PropertyDefinition(name.Text, Rules(property, "type"), property.Flag("required", false)) { Labels = property.OptionalWording("label") });
            property.Done();
        }

        return properties;
    }

    private static ValueRules Rules(Section body, string key)
    {
        var type = body.Choice<ValueType>(key);
        var values = body.Words("values").Select(word => word.Text).ToList();
        var enumerated = type is ValueType.Enumeration or ValueType.EnumerationList;
        if (enumerated && values.Count == 0) body.Problem(body.LineOf(key), "an enumeration needs values");
        if (!enumerated && values.Count > 0) body.Problem(body.LineOf("values"), "only an enumeration has values");
        var rules = new ValueRules(
            type,
            body.OptionalNumber("maxLength", 1, 10_000) ?? UsualLength(type),
            body.OptionalNumber("maxItems", 1, 1_000) ?? 50,
            values, body.OptionalDecimal("minimum"), body.OptionalDecimal("maximum"))
        {
            Earliest = Day(body, "earliest", type), Latest = body.OptionalText("latest") == Today ? null : Day(body, "latest", type), NotInFuture = body.OptionalText("latest") == Today,
        };
        if (rules.NotInFuture && type != ValueType.Date) body.Problem(body.LineOf("latest"), "only a date has latest");
        if (rules.Earliest > rules.Latest) body.Problem(body.LineOf("earliest"), "earliest is after latest");
        if (rules.Minimum > rules.Maximum) body.Problem(body.LineOf("minimum"), "minimum is above maximum");
        if (!rules.IsList && body.Has("maxItems")) body.Problem(body.LineOf("maxItems"), "only a list has maxItems");
        return rules;
    }

    private static DateOnly? Day(Section body, string key, ValueType type)
    {
        if (body.OptionalText(key) is not { } text) return null;
        if (type != ValueType.Date) body.Problem(body.LineOf(key), $"only a date has {key}");
        if (DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)) return day;
        body.Problem(body.LineOf(key), $"{text} is not a date");
        return null;
    }

    private static int UsualLength(ValueType type) => type switch
    {
        ValueType.Email or ValueType.EmailList => 254,
        ValueType.Phone or ValueType.PhoneList => 16,
        ValueType.Iban => 34,
        ValueType.Language => 35,
        ValueType.Country => 2,
        _ => 200,
    };
}
