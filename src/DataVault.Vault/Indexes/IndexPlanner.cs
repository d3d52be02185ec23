using System.Globalization;
using DataVault.Policy;

namespace DataVault.Vault.Indexes;

/// <summary>What the planner says of an index.</summary>
internal enum IndexVerdict
{
    Ok,

    /// <summary>Built and searched; the reason says what could be better.</summary>
    Warn,

    /// <summary>Not built. An index that was built before and has become so stays, and shows it.</summary>
    Unsafe,
}

/// <summary>The planner's advice.</summary>
/// <param name="Bits">What to store of each term: as declared, or as chosen where the policy leaves it open.</param>
/// <param name="Recoverable">
/// The greatest share of people whose value somebody can be expected to get right who sees all terms and knows exactly how often each value occurs.
/// </param>
/// <param name="BestBits">What would be chosen.</param>
/// <param name="BestPartitions">How many partitions would keep the commonest value from standing out.</param>
internal sealed record IndexAdvice(IndexVerdict Verdict, string Reason, int Bits, double Recoverable, int BestBits, int BestPartitions);

/// <summary>
/// Judges blind indexes by the live distribution of their values: docs/adr/0011-blind-indexes.md has the rules and why. Pure.
/// </summary>
internal static class IndexPlanner
{
    /// <summary>Below this many people a histogram says nothing that asking around would not; indexes are built with as few bits as serve.</summary>
    public const int FewPeople = 64;

    /// <summary>With no more different values than this, no number of bits has several values in a bucket and several buckets.</summary>
    public const int FewValues = 16;

    /// <summary>How many records a search should open: bits are chosen so, as far as the rule lets it.</summary>
    public const int AimedBucket = 64;

    /// <summary>The largest share of all people that may lie in one bucket because of one value.</summary>
    public const double LargestStandingOut = 1.0 / 8;

    /// <summary>At full length: the greatest share of people whose value may be learnt by counting, beyond what guessing the commonest gives.</summary>
    public const double MostLearnt = 0.05;

    /// <summary>The same for few people, as a number of them.</summary>
    private const double MostLearntPeople = 8;

    // Beyond, a bucket holds one value each and the sizes themselves are the bound.
    private const int MostSimulatedBits = 22;

    /// <summary>The bits that obey √X &lt; 2^b &lt; X/2; null when none does.</summary>
    public static (int Least, int Most)? LawfulBits(long distinct)
    {
        if (distinct <= FewValues) return null;
        var least = IndexDefinition.LeastBits;
        while (Math.Pow(4, least) <= distinct) least++;
        var most = least;
        while (Math.Pow(2, most + 2) < distinct) most++;
        return (least, Math.Min(most, IndexDefinition.MostBits));
    }

    /// <summary>The fewest bits that keep a search cheap, within the rule.</summary>
    public static int Choose(Distribution distribution)
    {
        if (distribution.Rows < FewPeople || LawfulBits(distribution.Distinct) is not var (least, most)) return IndexDefinition.LeastBits;
        var bits = least;
        while (bits < most && distribution.Rows / Math.Pow(2, bits) > AimedBucket) bits++;
        return bits;
    }

    public static IndexAdvice Advise(IndexDefinition index, Distribution distribution, int searchLimit)
    {
        var best = Choose(distribution);
        var bits = index.Bits ?? best;
        var partitions = BestPartitions(distribution, bits);
        var (verdict, reason) = Judge(index, distribution, bits, partitions, searchLimit);
        return new IndexAdvice(verdict, reason, bits, Recoverable(distribution, bits, index.Partitions), best, partitions);
    }

    /// <summary>
    /// The bound on what frequency analysis gains. Values that occur equally often cannot be told apart: of each such group one can be expected to be guessed
    /// right. And whoever even knew which values fall into which bucket could do no better than to name the commonest of each bucket.
    /// </summary>
    public static double Recoverable(Distribution distribution, int bits, int partitions)
    {
        if (distribution.Rows == 0) return 0;
        var bySize = distribution.Sizes.Sum(size => (double)size.Times) * distribution.Sampling / distribution.Rows;
        var bound = bits > MostSimulatedBits ? bySize : Math.Min(bySize, ByBucket(distribution, bits, partitions));
        return Math.Min(1, Math.Max(bound, distribution.LargestShare));
    }

    private static (IndexVerdict, string) Judge(IndexDefinition index, Distribution distribution, int bits, int bestPartitions, int searchLimit)
    {
        if (index.IsUnique) return (IndexVerdict.Ok, "Every value occurs once, so counting tells nothing.");
        if (distribution.Rows < FewPeople) return (IndexVerdict.Ok, Say($"Fewer than {FewPeople} people: judged when there are more."));
        return index.IsTruncated ? JudgeTruncated(index, distribution, bits, bestPartitions, searchLimit) : JudgeWhole(distribution);
    }

    private static (IndexVerdict, string) JudgeWhole(Distribution distribution)
    {
        var learnt = Recoverable(distribution, IndexDefinition.FullBits, 1) - distribution.LargestShare;
        var most = Math.Max(MostLearnt, MostLearntPeople / distribution.Rows);
        if (learnt <= most) return (IndexVerdict.Ok, "Values are shared so rarely that counting tells almost nothing.");
        return (IndexVerdict.Unsafe, Say($"At full length counting equal terms tells the value of up to {learnt:P0} more people than guessing: truncate it (bits: auto)."));
    }

    private static (IndexVerdict, string) JudgeTruncated(IndexDefinition index, Distribution distribution, int bits, int bestPartitions, int searchLimit)
    {
        if (LawfulBits(distribution.Distinct) is not var (least, most))
            return (IndexVerdict.Unsafe, Say($"Only {distribution.Distinct} different values among {distribution.Rows} people: no bucket could hold several of them. Index it together with another field."));
        if (bits > most) return (IndexVerdict.Unsafe, Say($"{bits} bits for {distribution.Distinct} different values: buckets would hold single values. At most {most} bits, or auto."));
        var share = distribution.LargestShare / index.Partitions;
        if (share > LargestStandingOut)
            return (IndexVerdict.Unsafe, Say($"One value would fill a bucket with {share:P0} of all people. With partitions: {bestPartitions} it would be {distribution.LargestShare / bestPartitions:P0}."));
        var bucket = distribution.Rows / Math.Pow(2, bits);
        if (bucket > searchLimit) return (IndexVerdict.Warn, Say($"A bucket holds {bucket:F0} people, more than a search opens ({searchLimit}): index it together with another field."));
        if (bits < least) return (IndexVerdict.Warn, Say($"{bits} bits for {distribution.Distinct} different values: safe, and slower than {least} to {most} bits."));
        return share > StandsOut(bits)
            ? (IndexVerdict.Warn, Say($"The commonest value stands out: {share:P1} of all people in one bucket. With partitions: {bestPartitions} it would not."))
            : (IndexVerdict.Ok, Say($"A bucket holds {distribution.Distinct / Math.Pow(2, bits):F0} different values and {bucket:F0} people."));
    }

    // Four buckets' worth: what chance gives a bucket now and then.
    private static double StandsOut(int bits) => 4 / Math.Pow(2, bits);

    private static int BestPartitions(Distribution distribution, int bits)
    {
        if (bits > MostSimulatedBits || distribution.Rows < FewPeople) return 1;
        return (int)Math.Clamp(Math.Ceiling(distribution.LargestShare / Math.Min(StandsOut(bits), LargestStandingOut)), 1, IndexDefinition.MostPartitions);
    }

    /// <summary>Values thrown into buckets as a keyed hash would; the commonest of each bucket, added up.</summary>
    private static double ByBucket(Distribution distribution, int bits, int partitions)
    {
        var commonest = new double[1 << bits];
        var value = 0UL;
        foreach (var size in distribution.Sizes)
        {
            for (var n = size.Values * distribution.Sampling; n > 0; n--)
            {
                for (var partition = 0; partition < partitions; partition++)
                {
                    ref var most = ref commonest[Mixed(value++) >> (64 - bits)];
                    most = Math.Max(most, (double)size.Times / partitions);
                }
            }
        }

        return commonest.Sum() / distribution.Rows;
    }

    // SplitMix64 (Steele and others, 2014): the same throw every time.
    private static ulong Mixed(ulong number)
    {
        var mixed = (number + 1) * 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
