using System.Buffers.Binary;

namespace DataVault.Server.Sample;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood 2014): the same seed yields the same sequence on every machine and runtime, which
/// System.Random does not promise. For sample data only; it is no source of secrets.
/// </summary>
internal sealed class SeededRandom(ulong seed)
{
    private ulong state = seed;

    /// <summary>An independent sequence per item, so that item n is the same whatever was generated before it.</summary>
    public static SeededRandom For(ulong seed, int item) => new(new SeededRandom(seed ^ ((ulong)(uint)item * 0xD1342543DE82EF95)).NextBits());

    public ulong NextBits()
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    public double Unit() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    public bool Chance(double probability) => Unit() < probability;

    public int Below(int limit) => (int)(Unit() * limit);

    public int Between(int lowest, int highest) => lowest + Below(highest - lowest + 1);

    public T Pick<T>(IReadOnlyList<T> choices) => choices[Below(choices.Count)];

    /// <summary>Index drawn in proportion to its weight.</summary>
    public int Weighted(IReadOnlyList<double> weights)
    {
        var left = Unit() * weights.Sum();
        for (var i = 0; i < weights.Count - 1; i++)
        {
            left -= weights[i];
            if (left < 0)
                return i;
        }
        return weights.Count - 1;
    }

    /// <summary>Waiting time until the next event of a steady process.</summary>
    public double Exponential(double mean) => -mean * Math.Log(1 - Unit());

    public List<T> Some<T>(IReadOnlyList<T> choices, int count)
    {
        var pool = choices.ToList();
        var chosen = new List<T>(Math.Min(count, pool.Count));
        while (chosen.Count < count && pool.Count > 0)
        {
            var at = Below(pool.Count);
            chosen.Add(pool[at]);
            pool.RemoveAt(at);
        }
        return chosen;
    }

    /// <summary>A UUIDv7 (RFC 9562 5.7) of the given instant, its random bits from this sequence.</summary>
    public Guid Identifier(DateTimeOffset at)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, ((ulong)at.ToUnixTimeMilliseconds() << 16) | 0x7000 | (NextBits() >> 52));
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], (NextBits() >> 2) | 0x8000_0000_0000_0000);
        return new Guid(bytes, bigEndian: true);
    }
}
