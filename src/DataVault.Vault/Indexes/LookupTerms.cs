using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;

namespace DataVault.Vault.Indexes;

/// <summary>One stored term of one person in one epoch of an index.</summary>
internal readonly record struct LookupTerm(IndexDefinition Index, int Epoch, byte[] Term)
{
    /// <summary>A term of full length as a number: what sets and order go by.</summary>
    public UInt128 Number => NumberOf(Term);

    public static UInt128 NumberOf(byte[] term) => BinaryPrimitives.ReadUInt128BigEndian(term);
}

/// <summary>The values of one person by field: canonical JSON, or null where there is none.</summary>
internal delegate byte[]? FieldLookup(FieldDefinition field);

/// <summary>Turns values into what an index hashes: normalised, cut to what the index holds, several fields together.</summary>
internal static class LookupTerms
{
    private const int LengthPrefix = 4;

    /// <summary>The terms of a person in every epoch of an index that is written to; none where a value is missing.</summary>
    public static IEnumerable<LookupTerm> Of(LiveIndex index, SubjectId subject, FieldLookup values)
    {
        var texts = Normalised(index.Definition, values);
        if (texts.Count == 0) yield break;
        var id = subject.Value.ToByteArray(bigEndian: true);
        foreach (var epoch in index.Written)
        {
            var partition = epoch.Keys.PartitionOf(id);
            foreach (var text in texts) yield return new LookupTerm(index.Definition, epoch.Number, epoch.Keys.Term(text, partition));
        }

        foreach (var text in texts) CryptographicOperations.ZeroMemory(text);
    }

    /// <summary>What is hashed for a person: one message, or one per item of a list.</summary>
    public static List<byte[]> Normalised(IndexDefinition index, FieldLookup values)
    {
        if (!index.IsCompound) return values(index.Parts[0].Field) is { } single ? [.. Texts(index.Parts[0], single).Distinct().Select(Encoding.UTF8.GetBytes)] : [];
        var texts = new List<string>(index.Parts.Count);
        foreach (var part in index.Parts)
        {
            if (values(part.Field) is not { } value || Texts(part, value).FirstOrDefault() is not { } text) return [];
            texts.Add(text);
        }

        return [Joined(texts)];
    }

    /// <summary>What is hashed for a question; null when it does not say what the index needs.</summary>
    public static byte[]? Sought(IndexDefinition index, Func<FieldDefinition, SearchCondition?> asked)
    {
        var texts = new List<string>(index.Parts.Count);
        foreach (var part in index.Parts)
        {
            if (asked(part.Field)?.TextFor(part) is not { } text) return null;
            texts.Add(text);
        }

        return texts.Count == 1 ? Encoding.UTF8.GetBytes(texts[0]) : Joined(texts);
    }

    /// <summary>The first letters of a normalised text; all of it when it is shorter.</summary>
    public static string FirstLetters(string folded, int letters)
    {
        var length = 0;
        foreach (var rune in folded.EnumerateRunes())
        {
            if (letters-- == 0) break;
            length += rune.Utf16SequenceLength;
        }

        return folded[..length];
    }

    /// <summary>A postcode without what people put between its characters.</summary>
    public static string Squeezed(string postcode) => string.Concat(TextRules.Folded(postcode).Where(char.IsLetterOrDigit));

    /// <summary>The texts of a canonical value: one, or one per item of a list; of an address its postcode.</summary>
    public static List<string> Strings(FieldDefinition field, ReadOnlySpan<byte> utf8Json)
    {
        var strings = new List<string>(1);
        var reader = new Utf8JsonReader(utf8Json);
        var named = field.Rules.Type != Policy.ValueType.Address;
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName) named = reader.ValueTextEquals("postcode"u8);
            else if (reader.TokenType == JsonTokenType.String && named) strings.Add(reader.GetString()!);
            else if (reader.TokenType is JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False) strings.Add(Encoding.UTF8.GetString(reader.ValueSpan));
        }

        return strings;
    }

    private static IEnumerable<string> Texts(IndexPart part, byte[] utf8Json) => Strings(part.Field, utf8Json).Select(text => part.Kind switch
    {
        IndexPartKind.Prefix => FirstLetters(TextRules.Folded(text), part.Letters),
        IndexPartKind.Year => text[..4],
        IndexPartKind.Postcode => Squeezed(text),
        _ => TextRules.Folded(text),
    });

    // Each with its length before it: no two lists of texts make the same message.
    private static byte[] Joined(List<string> texts)
    {
        var message = new byte[texts.Sum(text => LengthPrefix + Encoding.UTF8.GetByteCount(text))];
        var at = 0;
        foreach (var text in texts)
        {
            var length = Encoding.UTF8.GetBytes(text, message.AsSpan(at + LengthPrefix));
            BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(at), length);
            at += LengthPrefix + length;
        }

        return message;
    }
}
