using System.Globalization;
using DataVault.Policy;
using DataVault.Vault.Indexes;

namespace DataVault.Vault;

/// <summary>How a field's value is compared in a search.</summary>
public enum SearchComparison
{
    /// <summary>The whole value, in any spelling.</summary>
    Equal,

    /// <summary>What the value begins with.</summary>
    Prefix,

    /// <summary>The year of a date.</summary>
    Year,

    /// <summary>The postcode of an address.</summary>
    Postcode,
}

/// <summary>What is asked of one field. The text is personal data: it goes into a term and, after opening, into a comparison, and no further.</summary>
public sealed class SearchCondition
{
    private const int LongestPostcode = 20;
    private readonly string? asked;
    private string folded = "";

    /// <param name="comparison">How to compare.</param>
    /// <param name="text">What the caller gave.</param>
    public SearchCondition(SearchComparison comparison, string? text) => (Comparison, asked) = (comparison, text);

    public SearchComparison Comparison { get; }

    public static SearchCondition Equal(string? text) => new(SearchComparison.Equal, text);

    public static SearchCondition Prefix(string? text) => new(SearchComparison.Prefix, text);

    public override string ToString() => Comparison.ToString();

    /// <summary>Null, or why no value of the field can ever meet this.</summary>
    internal ValueProblem? Prepare(FieldDefinition field)
    {
        if (asked is null) return new("wrong-type", "A text is wanted.");
        var problem = Comparison switch
        {
            SearchComparison.Prefix => PreparePrefix(field, asked),
            SearchComparison.Year => PrepareYear(field, asked),
            SearchComparison.Postcode => PreparePostcode(field, asked),
            _ => FieldValues.Canonicalise(field.Rules, ItemType(field.Rules.Type), asked, out folded),
        };
        if (Comparison == SearchComparison.Equal) folded = TextRules.Folded(folded);
        return problem;
    }

    /// <summary>The text that an index hashes for this condition; null when the condition does not say enough.</summary>
    internal string? TextFor(IndexPart part) => (part.Kind, Comparison) switch
    {
        (IndexPartKind.Whole, SearchComparison.Equal) => folded,
        (IndexPartKind.Prefix, SearchComparison.Equal) => LookupTerms.FirstLetters(folded, part.Letters),
        (IndexPartKind.Prefix, SearchComparison.Prefix) when TextRules.Length(folded) >= part.Letters => LookupTerms.FirstLetters(folded, part.Letters),
        (IndexPartKind.Year, SearchComparison.Equal) => folded[..4],
        (IndexPartKind.Year, SearchComparison.Year) => folded,
        (IndexPartKind.Postcode, SearchComparison.Postcode) => folded,
        _ => null,
    };

    /// <summary>Whether the opened value is what was asked for.</summary>
    internal bool IsMetBy(FieldDefinition field, ReadOnlySpan<byte> utf8Json)
    {
        foreach (var text in LookupTerms.Strings(field, utf8Json))
        {
            var met = Comparison switch
            {
                SearchComparison.Prefix => TextRules.Folded(text).StartsWith(folded, StringComparison.Ordinal),
                SearchComparison.Year => text.StartsWith(folded, StringComparison.Ordinal),
                SearchComparison.Postcode => LookupTerms.Squeezed(text) == folded,
                _ => TextRules.Folded(text) == folded,
            };
            if (met) return true;
        }

        return false;
    }

    private ValueProblem? PreparePrefix(FieldDefinition field, string text)
    {
        if (field.Rules.Type is not (Policy.ValueType.Text or Policy.ValueType.Email or Policy.ValueType.TextList or Policy.ValueType.EmailList))
            return new("wrong-comparison", "Only texts have a beginning to search by.");
        folded = text.Length <= field.Rules.MaxLength * 4 && TextRules.Text(text, field.Rules.MaxLength) is { } clean ? TextRules.Folded(clean) : "";
        return folded.Length == 0 || TextRules.Length(folded) > field.Rules.MaxLength ? new("not-a-prefix", "Must be the first letters of a value.") : null;
    }

    private ValueProblem? PrepareYear(FieldDefinition field, string text)
    {
        if (field.Rules.Type != Policy.ValueType.Date) return new("wrong-comparison", "Only dates have a year.");
        folded = text.Trim();
        return folded.Length == 4 && int.TryParse(folded, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? null : new("not-a-year", "Must be a year of four digits.");
    }

    private ValueProblem? PreparePostcode(FieldDefinition field, string text)
    {
        if (field.Rules.Type != Policy.ValueType.Address) return new("wrong-comparison", "Only addresses have a postcode.");
        folded = text.Length <= LongestPostcode * 2 && TextRules.Text(text, LongestPostcode) is { } clean ? LookupTerms.Squeezed(clean) : "";
        return folded.Length is 0 or > LongestPostcode ? new("not-a-postcode", "Must be a postcode.") : null;
    }

    private static Policy.ValueType ItemType(Policy.ValueType type) => type switch
    {
        Policy.ValueType.EmailList => Policy.ValueType.Email,
        Policy.ValueType.PhoneList => Policy.ValueType.Phone,
        Policy.ValueType.TextList => Policy.ValueType.Text,
        Policy.ValueType.EnumerationList => Policy.ValueType.Enumeration,
        _ => type,
    };
}
