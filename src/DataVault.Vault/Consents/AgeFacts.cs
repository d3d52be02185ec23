using System.Globalization;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// What the facts say of age. The date of birth is sealed, and a decision opens nothing: so whether somebody is a child is worked out when the date is
/// written and when a consent is recorded, and stands in the facts as one bit. It is renewed at each of these, so that a child who grows up stays one
/// until then, which withholds and never releases.
/// </summary>
internal static class AgeFacts
{
    private const string BirthDate = "pd:BirthDate";

    /// <summary>The field that holds the date of birth; null where the catalogue has none.</summary>
    public static FieldDefinition? FieldOf(PolicySet policy) =>
        policy.Catalogue.Fields.FirstOrDefault(field => field.Category == BirthDate && field.Rules.Type == Policy.ValueType.Date);

    public static bool Matters(PolicySet policy) => policy.Purposes.All.Any(purpose => purpose.Child is not null);

    public static DateOnly? Parse(ReadOnlySpan<byte> utf8Json)
    {
        var reader = new Utf8JsonReader(utf8Json);
        return reader.Read() && reader.TokenType == JsonTokenType.String
            && DateOnly.TryParseExact(reader.GetString(), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var born) ? born : null;
    }

    /// <summary>From the sealed record, as a process of the vault that the policy lets look; null when there is no date, or nobody may look.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The record was changed, mixed or rolled back.</exception>
    public static DateOnly? Born(IndexedValues values, PolicySet policy, SealedRecord record, SubjectKeys keys)
    {
        if (FieldOf(policy) is not { } field) return null;
        using var opened = values.Open(record, keys, [field]);
        if (opened.Find(field) is not { } copy) return null;
        var born = Parse(copy);
        Array.Clear(copy);
        return born;
    }

    /// <summary>The facts of somebody who was born then: a child by the strictest rule of any purpose, and whose word each consent now rests on.</summary>
    public static DecisionFacts With(DecisionFacts facts, DateOnly? born, PolicySet policy, DateOnly today)
    {
        var place = facts.Traits.Jurisdiction;
        var rules = policy.Purposes.All.Select(purpose => purpose.Child).OfType<ChildRule>().ToList();
        var child = rules.Exists(rule => rule.IsChild(born, place, today)) ? true : born is null || rules.Count == 0 ? (bool?)null : false;
        return facts with { Child = child, Consents = [.. facts.Consents.Select(fact => fact with { Backing = BackingOf(fact, born, policy, place, today) })] };
    }

    public static ConsentBacking BackingOf(ConsentFact fact, DateOnly? born, PolicySet policy, string? jurisdiction, DateOnly today)
    {
        if (fact.Backing == ConsentBacking.Guardian || !fact.IsGiven || policy.Purposes.ById(fact.PurposeId)?.Child is not { } rule) return fact.Backing;
        return born is not null && !rule.IsChild(born, jurisdiction, today) ? ConsentBacking.OfAge : ConsentBacking.Own;
    }
}
