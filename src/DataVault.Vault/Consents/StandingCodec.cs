using System.Collections.Concurrent;
using System.Text;
using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>Traits and relations at the end of a person's facts (docs/formats/record.md §5).</summary>
internal static class StandingCodec
{
    /// <summary>Each word of a policy is one string, however many people it is said of; so many, for a policy has few.</summary>
    private const int MostWords = 256;

    private static readonly ConcurrentDictionary<string, string> Words = new(StringComparer.Ordinal);

    /// <summary>Empty when there is nothing to say, unless something follows it.</summary>
    public static byte[] Encode(DecisionFacts facts, bool evenIfNothing)
    {
        var traits = facts.Traits;
        if (!evenIfNothing && traits.Jurisdiction is null && traits.Residency is null && traits.Brand is null && facts.RelatedTo.Count == 0) return [];
        var bytes = new List<byte>(32);
        foreach (var trait in (string?[])[traits.Jurisdiction, traits.Residency, traits.Brand]) Add(bytes, trait ?? "");
        bytes.Add(checked((byte)facts.RelatedTo.Count));
        foreach (var (relation, recipient) in facts.RelatedTo)
        {
            Add(bytes, relation);
            Add(bytes, recipient);
        }

        return [.. bytes];
    }

    /// <exception cref="System.Security.Cryptography.CryptographicException">Not what was written.</exception>
    public static (SubjectTraits Traits, RelationFact[] Related) Decode(ref ReadOnlySpan<byte> rest)
    {
        var traits = new SubjectTraits(Trait(ref rest), Trait(ref rest), Trait(ref rest), RecordedAt: null);
        if (rest.IsEmpty) throw FactsCodec.Unreadable();
        var related = new RelationFact[rest[0]];
        rest = rest[1..];
        for (var index = 0; index < related.Length; index++) related[index] = new RelationFact(Trait(ref rest) ?? throw FactsCodec.Unreadable(), Encoding.ASCII.GetString(Word(ref rest)));
        return (traits, related);
    }

    private static void Add(List<byte> bytes, string word)
    {
        bytes.Add(checked((byte)word.Length));
        bytes.AddRange(Encoding.ASCII.GetBytes(word));
    }

    private static string? Trait(ref ReadOnlySpan<byte> rest)
    {
        var ascii = Word(ref rest);
        if (ascii.IsEmpty) return null;
        Span<char> word = stackalloc char[byte.MaxValue];
        word = word[..Encoding.ASCII.GetChars(ascii, word)];
        if (Words.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(word, out var known)) return known;
        var made = word.ToString();
        return Words.Count < MostWords ? Words.GetOrAdd(made, made) : made;
    }

    private static ReadOnlySpan<byte> Word(ref ReadOnlySpan<byte> rest)
    {
        if (rest.IsEmpty || rest.Length <= rest[0]) throw FactsCodec.Unreadable();
        var word = rest.Slice(1, rest[0]);
        rest = rest[(1 + word.Length)..];
        return word;
    }
}
