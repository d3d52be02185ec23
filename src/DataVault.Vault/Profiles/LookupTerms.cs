using System.Buffers.Binary;
using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>A blind index term of one field of one person.</summary>
internal readonly record struct LookupTerm(FieldDefinition Field, byte[] Term)
{
    /// <summary>The term as a number: what sets and order go by.</summary>
    public UInt128 Number => NumberOf(Term);

    public static UInt128 NumberOf(byte[] term) => BinaryPrimitives.ReadUInt128BigEndian(term);
}

/// <summary>Turns values of indexed fields into the terms they are found by.</summary>
internal static class LookupTerms
{
    /// <summary>The terms of a canonical value: one, or one per item of a list.</summary>
    public static IEnumerable<LookupTerm> Of(FieldDefinition field, ReadOnlyMemory<byte> utf8Json, BlindIndexKey key)
    {
        foreach (var text in Strings(utf8Json.Span)) yield return new LookupTerm(field, key.Term(TextRules.Folded(text)));
    }

    /// <summary>The term of something searched for; a problem when it cannot be a value of the field at all.</summary>
    public static ValueProblem? Sought(FieldDefinition field, string text, BlindIndexKey key, out LookupTerm term)
    {
        var problem = FieldValues.Canonicalise(field.Rules, ItemType(field.Rules.Type), text, out var canonical);
        term = problem is null ? new LookupTerm(field, key.Term(TextRules.Folded(canonical))) : default;
        return problem;
    }

    private static Policy.ValueType ItemType(Policy.ValueType type) => type switch
    {
        Policy.ValueType.EmailList => Policy.ValueType.Email,
        Policy.ValueType.PhoneList => Policy.ValueType.Phone,
        Policy.ValueType.TextList => Policy.ValueType.Text,
        Policy.ValueType.EnumerationList => Policy.ValueType.Enumeration,
        _ => type,
    };

    private static List<string> Strings(ReadOnlySpan<byte> utf8Json)
    {
        var strings = new List<string>(1);
        var reader = new Utf8JsonReader(utf8Json);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.String) strings.Add(reader.GetString()!);
        }
        return strings;
    }
}
