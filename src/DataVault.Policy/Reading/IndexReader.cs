using System.Globalization;
using DataVault.Policy.Yaml;

namespace DataVault.Policy.Reading;

/// <summary>Gathers the blind indexes: those that fields declare by <c>index</c>, and the section <c>indexes</c> of catalogue.yaml.</summary>
internal sealed class IndexReader(IReadOnlyList<FieldDefinition> fields)
{
    private const int MostParts = 4;
    private const string PrefixWord = "prefix ";

    // Whole values of these have one spelling; amounts and fractions do not lend themselves to look-up, and an address is found by its postcode.
    private static readonly ValueType[] Spelled =
    [
        ValueType.Text, ValueType.Email, ValueType.Phone, ValueType.Date, ValueType.Country, ValueType.Language, ValueType.Iban, ValueType.Integer, ValueType.Boolean,
        ValueType.Enumeration, ValueType.TextList, ValueType.EmailList, ValueType.PhoneList, ValueType.EnumerationList,
    ];

    private static readonly ValueType[] Lettered = [ValueType.Text, ValueType.Email, ValueType.TextList, ValueType.EmailList];

    public IReadOnlyList<IndexDefinition> Indexes(Section catalogue)
    {
        var indexes = fields.Where(field => field.Index != FieldIndex.None).Select(OfField).ToList();
        if (!catalogue.Has("indexes")) return indexes;
        var taken = new Taken();
        foreach (var (name, body) in catalogue.Named("indexes"))
        {
            var index = Index(name, body);
            if (indexes.Any(other => other.Name == index.Name)) body.Problem(name.Line, $"{index.Name} is already the index that the field declares");
            else if (taken.Claim(body, name) && taken.Claim(body, index.Id)) indexes.Add(index);
        }

        return [.. indexes.OrderBy(index => index.Id)];
    }

    private static IndexDefinition OfField(FieldDefinition field) =>
        new(field.Id, field.Name, [new IndexPart(field, IndexPartKind.Whole, 0)], field.Index == FieldIndex.Unique, IndexDefinition.FullBits, 1);

    private IndexDefinition Index(Word name, Section body)
    {
        var id = body.Number("id", 1_000, 1_999);
        var parts = Parts(body);
        var bits = Bits(body);
        var partitions = body.OptionalNumber("partitions", 1, IndexDefinition.MostPartitions) ?? 1;
        if (partitions > 1 && bits == IndexDefinition.FullBits) body.Problem(body.LineOf("partitions"), "partitions even out truncated terms; at full length they do nothing");
        body.Done();
        return new IndexDefinition(id, name.Text, parts, unique: false, bits, partitions);
    }

    private static int? Bits(Section body)
    {
        var text = body.OptionalText("bits");
        if (text is null or "auto") return null;
        if (text == "full") return IndexDefinition.FullBits;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var bits) && bits is >= IndexDefinition.LeastBits and <= IndexDefinition.MostBits) return bits;
        body.Problem(body.LineOf("bits"), $"bits must be auto, full, or a whole number from {IndexDefinition.LeastBits} to {IndexDefinition.MostBits}");
        return null;
    }

    private List<IndexPart> Parts(Section body)
    {
        var parts = new List<IndexPart>();
        if (body.OptionalMap("on") is not { } section)
        {
            body.Problem(body.Line, "on must say which fields the index holds");
            return parts;
        }

        foreach (var (name, text) in section.Texts())
        {
            if (fields.FirstOrDefault(field => field.Name == name.Text) is not { } field) section.Problem(name.Line, $"unknown field {name.Text}");
            else if (Part(field, text) is { } part) parts.Add(part);
            else section.Problem(name.Line, $"{text} of {field.Name} cannot be indexed: whole, year of a date, postcode of an address, or prefix 1 to 9 of a text");
        }

        if (parts.Count is 0 or > MostParts) section.Problem(section.Line, $"an index holds 1 to {MostParts} fields");
        if (parts.Count > 1 && parts.Any(part => part.Field.Rules.IsList)) section.Problem(section.Line, "a list cannot be part of an index over several fields");
        return [.. parts.OrderBy(part => part.Field.Id)];
    }

    private static IndexPart? Part(FieldDefinition field, string text)
    {
        var type = field.Rules.Type;
        if (text == "whole") return Spelled.Contains(type) ? new IndexPart(field, IndexPartKind.Whole, 0) : null;
        if (text == "year") return type == ValueType.Date ? new IndexPart(field, IndexPartKind.Year, 0) : null;
        if (text == "postcode") return type == ValueType.Address ? new IndexPart(field, IndexPartKind.Postcode, 0) : null;
        var letters = text.StartsWith(PrefixWord, StringComparison.Ordinal) && text.Length == PrefixWord.Length + 1 ? text[^1] - '0' : 0;
        return letters is >= 1 and <= 9 && Lettered.Contains(type) ? new IndexPart(field, IndexPartKind.Prefix, letters) : null;
    }
}
