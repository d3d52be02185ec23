using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>The type of a value; the vault's value rules say how each is written and checked.</summary>
public enum ValueType
{
    Text,
    Email,

    /// <summary>E.164.</summary>
    Phone,
    Date,
    Instant,

    /// <summary>ISO 3166-1 alpha-2.</summary>
    Country,

    /// <summary>BCP 47.</summary>
    Language,
    Money,
    Iban,
    Integer,
    Decimal,
    Boolean,
    Enumeration,
    Address,
    TextList,
    EmailList,
    PhoneList,
    EnumerationList,
}

/// <summary>The blind index that a field declares by itself, of its whole value at full length. More are declared apart: <see cref="IndexDefinition"/>.</summary>
public enum FieldIndex
{
    None,

    /// <summary>At most one subject holds the value.</summary>
    Unique,

    /// <summary>Several subjects may share the value.</summary>
    Equality,
}

/// <summary>What a masked value keeps.</summary>
public enum MaskKind
{
    Full,
    Email,
    Phone,
    Iban,
    Name,
    Tail4,
    Address,
    FirstLetter,
}

/// <summary>What a generalised value becomes.</summary>
public enum GeneralisationKind
{
    None,

    /// <summary>Ten-year band of the age.</summary>
    AgeBand,

    /// <summary>Year of a date.</summary>
    Year,

    /// <summary>Country and the first two characters of the postcode.</summary>
    Region,
    Country,

    /// <summary>Order of magnitude of an amount.</summary>
    AmountBand,
    Initial,

    /// <summary>Domain of an e-mail address.</summary>
    Domain,

    /// <summary>Band of a count, or of the length of a list.</summary>
    CountBand,
}

/// <summary>A group of items that is sealed under one key and that rules may name together.</summary>
public sealed class FieldClass
{
    internal FieldClass(int id, string name, int ordinal, Form widest, bool sensitive = false) =>
        (Id, Name, Ordinal, Widest, IsSensitive) = (id, name, ordinal, widest, sensitive);

    /// <summary>For people; null where the catalogue calls it by its name alone.</summary>
    public Wording? Labels { get; internal init; }

    public int Id { get; }

    public string Name { get; }

    public int Ordinal { get; }

    /// <summary>The widest form in which anyone but the person concerned may read an item of this class.</summary>
    public Form Widest { get; }

    /// <summary>Disclosures of its items, in whatever form, count against the budgets of purposes.</summary>
    public bool IsSensitive { get; }
}

/// <summary>What a value must look like.</summary>
/// <param name="Type">The type.</param>
/// <param name="MaxLength">Characters of a text, or of each text of a list or address.</param>
/// <param name="MaxItems">Items of a list.</param>
/// <param name="Values">Members of an enumeration.</param>
/// <param name="Minimum">Least number or amount.</param>
/// <param name="Maximum">Greatest number or amount.</param>
public sealed record ValueRules(ValueType Type, int MaxLength, int MaxItems, IReadOnlyList<string> Values, decimal? Minimum, decimal? Maximum)
{
    /// <summary>Of a date, the first that is taken.</summary>
    public DateOnly? Earliest { get; init; }

    /// <summary>Of a date, the last that is taken; beside it <see cref="NotInFuture"/>.</summary>
    public DateOnly? Latest { get; init; }

    /// <summary>Of a date: the day has come, somewhere on Earth.</summary>
    public bool NotInFuture { get; init; }

    /// <summary>Whether a date lies within the bounds on some day.</summary>
    public bool Allows(DateOnly date, DateOnly today) => !(date < Earliest) && !(date > Latest) && !(NotInFuture && date > today.AddDays(1));

    public bool IsList => Type is ValueType.TextList or ValueType.EmailList or ValueType.PhoneList or ValueType.EnumerationList;
}

/// <summary>What all catalogued items have in common. <see cref="Name"/> is unique among fields and event types together.</summary>
public abstract class CatalogueItem
{
    internal CatalogueItem(ItemHeader header, int ordinal)
    {
        (Id, Name, Labels, Class) = (header.Id, header.Name, header.Labels, header.Class);
        (Category, Infers, Retention) = (header.Category, header.Infers, header.Retention);
        IsSpecialCategory = header.Special || header.Infers.Any(SensitiveCategories.IsSpecial);
        IsOfOffences = SensitiveCategories.IsOfOffences(header.Category) || header.Infers.Any(SensitiveCategories.IsOfOffences);
        Ordinal = ordinal;
    }

    /// <summary>Stable number; fields and event types count apart.</summary>
    public int Id { get; }

    /// <summary>The number that stands for the item where fields and event types are mixed, as in the log: an event type counts as 1000 + id.</summary>
    public int Code => this is EventTypeDefinition ? 1000 + Id : Id;

    /// <summary>Position among all items of this policy version: fields first, then event types, each by id.</summary>
    public int Ordinal { get; }

    /// <summary>Field name, or <c>event:</c> and the type.</summary>
    public string Name { get; }

    /// <summary>For people, where nobody asks for a language.</summary>
    public string Label => Labels.Text;

    /// <summary>For people, in each language.</summary>
    public Wording Labels { get; }

    public FieldClass Class { get; }

    /// <summary>W3C DPV identifier, such as <c>pd:EmailAddress</c>.</summary>
    public string Category { get; }

    /// <summary>Categories that a value lets infer (W3C DPV): what is special among them makes the item so (CJEU C-184/20).</summary>
    public IReadOnlyList<string> Infers { get; }

    /// <summary>GDPR Article 9.</summary>
    public bool IsSpecialCategory { get; }

    /// <summary>GDPR Article 10: released for what a law obliges to, and for nothing else.</summary>
    public bool IsOfOffences { get; }

    /// <summary>Name of the retention rule.</summary>
    public string Retention { get; }

    public override string ToString() => Name;
}

/// <summary>The members that fields and event types share, as read.</summary>
internal sealed record ItemHeader(int Id, string Name, Wording Labels, FieldClass Class, string Category, bool Special, string Retention)
{
    public IReadOnlyList<string> Infers { get; init; } = [];
}

/// <summary>A field of the profile.</summary>
public sealed class FieldDefinition : CatalogueItem
{
    internal FieldDefinition(
        ItemHeader header, int ordinal, ValueRules rules, FieldIndex index, (MaskKind, GeneralisationKind) forms, (string Origin, bool Portable) source)
        : base(header, ordinal)
    {
        (Rules, Index) = (rules, index);
        (Mask, Generalisation) = forms;
        (Origin, Portable) = source;
    }

    public ValueRules Rules { get; }

    public FieldIndex Index { get; }

    public MaskKind Mask { get; }

    public GeneralisationKind Generalisation { get; }

    /// <summary><c>provided</c>, <c>observed</c>, <c>derived</c> or <c>inferred</c>.</summary>
    public string Origin { get; }

    /// <summary>Part of a portability package (GDPR Article 20: provided by or observed of the person).</summary>
    public bool Portable { get; }
}

/// <summary>A property of an event.</summary>
public sealed record PropertyDefinition(string Name, ValueRules Rules, bool Required)
{
    /// <summary>For people; null where the tracking plan calls it by its name alone.</summary>
    public Wording? Labels { get; init; }
}

/// <summary>An event type of the tracking plan.</summary>
public sealed class EventTypeDefinition : CatalogueItem
{
    public const string Prefix = "event:";

    internal EventTypeDefinition(ItemHeader header, int ordinal, string journeyStage, IReadOnlyList<PropertyDefinition> properties)
        : base(header, ordinal)
    {
        (JourneyStage, Properties) = (journeyStage, properties);
        Type = header.Name[Prefix.Length..];
    }

    /// <summary>The name as senders write it: <see cref="CatalogueItem.Name"/> without the prefix.</summary>
    public string Type { get; }

    public string JourneyStage { get; }

    public IReadOnlyList<PropertyDefinition> Properties { get; }

    public PropertyDefinition? FindProperty(string name)
    {
        foreach (var property in Properties)
        {
            if (property.Name == name) return property;
        }

        return null;
    }
}

/// <summary>Every field that the vault knows.</summary>
public sealed class Catalogue
{
    private readonly FrozenDictionary<string, FieldDefinition> byName;
    private readonly FrozenDictionary<int, FieldDefinition> byId;
    private readonly FrozenDictionary<int, FieldClass> classes;
    private readonly FrozenDictionary<int, IndexDefinition> indexes;

    internal Catalogue(IReadOnlyList<FieldDefinition> fields, IReadOnlyList<FieldClass> classes, IReadOnlyList<IndexDefinition> indexes)
    {
        (Fields, Classes, Indexes) = (fields, classes, indexes);
        this.indexes = indexes.ToFrozenDictionary(index => index.Id);
        byName = fields.ToFrozenDictionary(field => field.Name, StringComparer.Ordinal);
        byId = fields.ToFrozenDictionary(field => field.Id);
        this.classes = classes.ToFrozenDictionary(item => item.Id);
    }

    /// <summary>By id.</summary>
    public IReadOnlyList<FieldDefinition> Fields { get; }

    /// <summary>Classes of fields and of events, by id.</summary>
    public IReadOnlyList<FieldClass> Classes { get; }

    /// <summary>Blind indexes, by id: those that fields declare themselves and those declared apart.</summary>
    public IReadOnlyList<IndexDefinition> Indexes { get; }

    public FieldDefinition? Find(string name) => byName.GetValueOrDefault(name);

    public FieldDefinition? ById(int id) => byId.GetValueOrDefault(id);

    public IndexDefinition? IndexById(int id) => indexes.GetValueOrDefault(id);

    /// <summary>Whether some index holds this field, alone or with others.</summary>
    public bool IsIndexed(CatalogueItem item) => item is FieldDefinition field && Indexes.Any(index => index.Parts.Any(part => part.Field.Id == field.Id));

    public FieldClass? ClassById(int id) => classes.GetValueOrDefault(id);
}

/// <summary>Every event type that the vault accepts.</summary>
public sealed class TrackingPlan
{
    private readonly FrozenDictionary<string, EventTypeDefinition> byName;
    private readonly FrozenDictionary<int, EventTypeDefinition> byId;

    internal TrackingPlan(IReadOnlyList<EventTypeDefinition> types)
    {
        Types = types;
        byName = types.ToFrozenDictionary(type => type.Type, StringComparer.Ordinal);
        byId = types.ToFrozenDictionary(type => type.Id);
    }

    public IReadOnlyList<EventTypeDefinition> Types { get; }

    /// <param name="name">The type as senders write it, such as <c>purchase</c>; the prefixed form is accepted too.</param>
    public EventTypeDefinition? Find(string name) =>
        byName.GetValueOrDefault(name.StartsWith(EventTypeDefinition.Prefix, StringComparison.Ordinal) ? name[EventTypeDefinition.Prefix.Length..] : name);

    public EventTypeDefinition? ById(int id) => byId.GetValueOrDefault(id);
}
