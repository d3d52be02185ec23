using System.Numerics;

namespace DataVault.Vault.Indexes;

/// <summary>What the planner keeps of a look at all values: numbers only.</summary>
/// <param name="Rows">Values seen: people who have one, or items of lists.</param>
/// <param name="Distinct">Different values among them.</param>
/// <param name="Largest">How often the commonest occurs.</param>
/// <param name="Sizes">How many of the different values occur how often, of those that were sampled.</param>
/// <param name="Sampling">One in this many different values was sampled; 1 means all.</param>
internal sealed record Distribution(long Rows, long Distinct, long Largest, IReadOnlyList<ValueCount> Sizes, int Sampling)
{
    public static Distribution Empty { get; } = new(0, 0, 0, [], 1);

    /// <summary>Share of the commonest value: what guessing it for everybody gets right.</summary>
    public double LargestShare => Rows == 0 ? 0 : (double)Largest / Rows;

    /// <summary>Entropy of the values in bits, as far as the sample tells.</summary>
    public double Entropy
    {
        get
        {
            var sampled = Sizes.Sum(size => size.Times * size.Values);
            if (sampled == 0) return 0;
            var own = Sizes.Sum(size => size.Values * ((double)size.Times / sampled) * Math.Log2((double)sampled / size.Times));
            return Math.Min(Math.Log2(Math.Max(1, Rows)), own + Math.Log2(Sampling));
        }
    }
}

/// <summary>So many values occur so often.</summary>
internal readonly record struct ValueCount(long Times, long Values);

/// <summary>
/// Counts different values by hashes of them, in bounded memory: every value as long as they are few; beyond, one in two, one in four and so on of the
/// *different* values, each still counted in full, and the commonest by counters of their own. The hashes are keyed, with a key that lives as long as this object.
/// </summary>
internal sealed class DistributionSketch(int limit = DistributionSketch.DefaultLimit)
{
    public const int DefaultLimit = 1 << 18;
    private const int HeavyCounters = 256;

    private readonly Dictionary<ulong, long> sampled = [];
    private readonly Dictionary<ulong, long> heavy = new(HeavyCounters + 1);
    private long rows;
    private int level;

    public void Add(ulong hash)
    {
        rows++;
        if (level > 0) CountHeavy(hash);
        if (!IsSampled(hash)) return;
        sampled[hash] = sampled.GetValueOrDefault(hash) + 1;
        while (sampled.Count > limit) Thin();
    }

    public Distribution Result()
    {
        var sizes = sampled.Values.GroupBy(times => times).Select(group => new ValueCount(group.Key, group.Count())).OrderBy(size => size.Times).ToList();
        var largest = Math.Max(sizes.Count > 0 ? sizes[^1].Times : 0, heavy.Values.DefaultIfEmpty(0).Max());
        return new Distribution(rows, (long)sampled.Count << level, largest, sizes, 1 << level);
    }

    private void Thin()
    {
        if (level == 0)
        {
            foreach (var (hash, times) in sampled.OrderByDescending(pair => pair.Value).Take(HeavyCounters)) heavy[hash] = times;
        }

        level++;
        foreach (var hash in sampled.Keys.Where(hash => !IsSampled(hash)).ToList()) sampled.Remove(hash);
    }

    private bool IsSampled(ulong hash) => BitOperations.TrailingZeroCount(hash | (1UL << 63)) >= level;

    // Space-Saving (Metwally and others, 2005): whoever occurs more than rows / counters times is among the counters, and counted too high rather than too low.
    private void CountHeavy(ulong hash)
    {
        if (heavy.TryGetValue(hash, out var times)) heavy[hash] = times + 1;
        else if (heavy.Count < HeavyCounters) heavy[hash] = 1;
        else
        {
            var least = heavy.MinBy(pair => pair.Value);
            heavy.Remove(least.Key);
            heavy[hash] = least.Value + 1;
        }
    }
}
