using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What is known of when somebody was born.</summary>
/// <param name="Looked">The vault could look. False where the policy lets nobody: then there may be a date.</param>
/// <param name="Born">Null where it was looked and there is no date, or nobody could look.</param>
internal readonly record struct AgeEvidence(bool Looked, DateOnly? Born);

/// <summary>
/// What the facts say of age. The date of birth is sealed, and a decision opens nothing: so whether somebody is a child is worked out when the date is
/// written, when a consent is recorded and when child rules come into force (<see cref="AgeSweep"/>), and stands in the facts as one bit. It is renewed at each of these,
/// so that a child who grows up stays one until then, which withholds and never releases. INVARIANT: what a date has told, another date takes back, and nothing less.
/// </summary>
internal static class AgeFacts
{
    private const string BirthDate = "pd:BirthDate";

    /// <summary>The field that holds the date of birth; null where the catalogue has none.</summary>
    public static FieldDefinition? FieldOf(PolicySet policy) =>
        policy.Catalogue.Fields.FirstOrDefault(field => field.Category == BirthDate && field.Rules.Type == Policy.ValueType.Date);

    public static bool Matters(PolicySet policy) => RulesOf(policy).Any();

    /// <summary>Equal where two versions make the same of everybody's age.</summary>
    public static string Fingerprint(PolicySet policy, IndexedValues values)
    {
        var text = new StringBuilder();
        if (FieldOf(policy) is { } field) text.Append(CultureInfo.InvariantCulture, $"{field.Id} {values.MayOpen(field)}");
        foreach (var purpose in policy.Purposes.All.Where(purpose => purpose.Child is not null).OrderBy(purpose => purpose.Id))
        {
            var (rule, places) = (purpose.Child!, purpose.Child!.AgeIn.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => $"{one.Key}={one.Value}"));
            text.Append(CultureInfo.InvariantCulture, $"\n{purpose.Id} {rule.Age} {rule.UnknownIsChild} {string.Join(' ', places)}");
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())).AsSpan(0, 16));
    }

    public static DateOnly? Parse(ReadOnlySpan<byte> utf8Json)
    {
        var reader = new Utf8JsonReader(utf8Json);
        return reader.Read() && reader.TokenType == JsonTokenType.String
            && DateOnly.TryParseExact(reader.GetString(), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var born) ? born : null;
    }

    /// <summary>From the sealed record, as a process of the vault that the policy lets look.</summary>
    /// <exception cref="CryptographicException">The record was changed, mixed or rolled back.</exception>
    public static AgeEvidence Of(IndexedValues values, PolicySet policy, SealedRecord record, SubjectKeys keys)
    {
        if (FieldOf(policy) is not { } field) return new AgeEvidence(Looked: true, null);
        using var opened = values.Open(record, keys, [field]);
        if (opened.Refused.Count > 0) return new AgeEvidence(Looked: false, null);
        if (opened.Find(field) is not { } copy) return new AgeEvidence(Looked: true, null);
        var born = Parse(copy);
        Array.Clear(copy);
        return new AgeEvidence(Looked: true, born);
    }

    /// <summary>The facts of somebody of whom this is known: a child by the strictest rule of any purpose, and whose word each consent now rests on.</summary>
    public static DecisionFacts With(DecisionFacts facts, AgeEvidence age, PolicySet policy, DateOnly today)
    {
        var place = facts.Traits.Jurisdiction;
        var child = age.Born is { } born
            ? RulesOf(policy).Any(rule => rule.IsChild(born, place, today))
            : facts.Child ?? (age.Looked && RulesOf(policy).Any(rule => rule.UnknownIsChild) ? true : null);
        return facts with { Child = child, Consents = [.. facts.Consents.Select(fact => fact with { Backing = BackingOf(fact, age, policy, place, today) })] };
    }

    private static IEnumerable<ChildRule> RulesOf(PolicySet policy) => policy.Purposes.All.Select(purpose => purpose.Child).OfType<ChildRule>();

    private static ConsentBacking BackingOf(ConsentFact fact, AgeEvidence age, PolicySet policy, string? place, DateOnly today)
    {
        if (!fact.IsGiven || fact.Backing == ConsentBacking.Guardian || policy.Purposes.ById(fact.PurposeId)?.Child is not { } rule) return fact.Backing;
        if (age.Born is { } born) return rule.IsChild(born, place, today) ? ConsentBacking.Own : ConsentBacking.OfAge;
        if (!age.Looked || fact.Backing == ConsentBacking.OfAge) return fact.Backing;
        return rule.UnknownIsChild ? ConsentBacking.Own : ConsentBacking.TakenForGrown;
    }
}
