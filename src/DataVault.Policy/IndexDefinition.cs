using System.Globalization;

namespace DataVault.Policy;

/// <summary>What of a field's value an index holds.</summary>
public enum IndexPartKind
{
    /// <summary>The whole value; of a list, each item.</summary>
    Whole,

    /// <summary>The first letters of the normalised value.</summary>
    Prefix,

    /// <summary>The year of a date.</summary>
    Year,

    /// <summary>The postcode of an address.</summary>
    Postcode,
}

/// <summary>One field of an index, and what of it.</summary>
/// <param name="Field">The field.</param>
/// <param name="Kind">What of its value.</param>
/// <param name="Letters">How many letters of a prefix; else 0.</param>
public sealed record IndexPart(FieldDefinition Field, IndexPartKind Kind, int Letters)
{
    public override string ToString() => Kind switch
    {
        IndexPartKind.Whole => Field.Name,
        IndexPartKind.Prefix => string.Create(CultureInfo.InvariantCulture, $"{Field.Name} (first {Letters})"),
        IndexPartKind.Year => Field.Name + " (year)",
        _ => Field.Name + " (postcode)",
    };
}

/// <summary>A blind index: which values people are found by, and how much of each keyed hash is stored.</summary>
public sealed class IndexDefinition
{
    /// <summary>Bits of a term that is stored at full length.</summary>
    public const int FullBits = 128;

    /// <summary>The least bits: four buckets.</summary>
    public const int LeastBits = 2;

    /// <summary>The most bits of a truncated term; beyond, a term is as good as the value.</summary>
    public const int MostBits = 32;

    public const int MostPartitions = 16;

    internal IndexDefinition(int id, string name, IReadOnlyList<IndexPart> parts, bool unique, int? bits, int partitions) =>
        (Id, Name, Parts, IsUnique, Bits, Partitions) = (id, name, parts, unique, bits, partitions);

    /// <summary>Stable number: that of the field where the field itself declares the index, from 1,000 where it is declared apart.</summary>
    public int Id { get; }

    public string Name { get; }

    public IReadOnlyList<IndexPart> Parts { get; }

    /// <summary>At most one person holds a value.</summary>
    public bool IsUnique { get; }

    /// <summary>Bits of each stored term; null lets the planner choose by the live distribution.</summary>
    public int? Bits { get; }

    /// <summary>How many keys the people are spread over, so that a common value lies in several buckets.</summary>
    public int Partitions { get; }

    public bool IsTruncated => Bits != FullBits;

    public bool IsCompound => Parts.Count > 1;

    /// <summary>The same as long as stored terms stay right: what is indexed, not how much of it.</summary>
    public string Signature => string.Join('|', Parts.Select(part => string.Create(CultureInfo.InvariantCulture, $"{part.Field.Id}:{part.Kind}:{part.Letters}"))) + (IsUnique ? "!" : "");

    /// <summary>What it is asked by, in words.</summary>
    public string Describe() => string.Join(" with ", Parts);

    public override string ToString() => Name;
}
