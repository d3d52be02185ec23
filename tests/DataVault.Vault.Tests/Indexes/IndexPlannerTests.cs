using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace DataVault.Vault.Tests.Indexes;

public sealed class IndexPlannerTests
{
    private const int SearchLimit = 2_000;

    private static readonly Config Quiet = Config.QuickThrowOnFailure.WithMaxTest(300);

    [Fact]
    public void The_chosen_bits_obey_the_rule_whenever_some_do()
    {
        Prop.ForAll<int, int>((seed, more) =>
        {
            var distinct = 1 + (long)((uint)seed % 3_000_000);
            var distribution = Even(distinct, 1 + (uint)more % 50);
            var bits = IndexPlanner.Choose(distribution);
            if (distinct <= IndexPlanner.FewValues || distribution.Rows < IndexPlanner.FewPeople) return bits == IndexDefinition.LeastBits;
            return Math.Sqrt(distinct) < Math.Pow(2, bits) && Math.Pow(2, bits) < distinct / 2.0;
        }).Check(Quiet);
    }

    [Theory]
    [InlineData(10_000, 7, 12)]
    [InlineData(100_000, 9, 15)]
    [InlineData(1_000_000, 10, 18)]
    [InlineData(17, 3, 3)]
    public void The_rule_leaves_these_bits(long distinct, int least, int most) => Assert.Equal((least, most), IndexPlanner.LawfulBits(distinct));

    [Fact]
    public void What_is_stored_under_any_bits_partitions_and_epoch_is_what_is_asked_for()
    {
        var index = Repository.Policy.Catalogue.Indexes.Single(one => one.Name == IndexWorld.NameIndex);
        var field = index.Parts[0].Field;
        var random = new SystemRandomBytes();
        Prop.ForAll<NonEmptyString, byte, byte>((text, bits, partitions) =>
        {
            if (FieldValues.Canonicalise(field.Rules, field.Rules.Type, text.Get, out var stored) is not null) return true;
            using var key = SecretBytes.Random(32, random);
            using var epoch = new BlindIndexEpoch(key.Span, 1 + bits % 128, 1 + partitions % 16);
            var person = Guid.NewGuid().ToByteArray();
            var json = Encoding.UTF8.GetBytes(System.Text.Json.JsonSerializer.Serialize(stored));
            var held = LookupTerms.Normalised(index, _ => json).ConvertAll(value => epoch.Term(value, epoch.PartitionOf(person)));
            SearchCondition[] conditions = [SearchCondition.Equal(stored.ToUpperInvariant()), SearchCondition.Prefix(TextRules.Folded(stored))];
            foreach (var condition in conditions)
            {
                // Upper case is not always the same letters (ß, ﬁ): then it is another value.
                if (condition.Prepare(field) is not null || !condition.IsMetBy(field, json) || LookupTerms.Sought(index, _ => condition) is not { } sought) continue;
                var asked = Enumerable.Range(0, epoch.Partitions).Select(partition => epoch.Term(sought, partition)).ToList();
                if (!held.TrueForAll(term => asked[epoch.PartitionOf(person)].AsSpan().SequenceEqual(term))) return false;
            }

            return true;
        }).Check(Quiet);
    }

    [Fact]
    public void A_condition_is_met_by_its_own_value_and_by_no_other()
    {
        var field = Repository.Policy.Catalogue.Find("familyName")!;
        Prop.ForAll<NonEmptyString, NonEmptyString>((one, other) =>
        {
            if (FieldValues.Canonicalise(field.Rules, field.Rules.Type, one.Get, out var sought) is not null) return true;
            if (FieldValues.Canonicalise(field.Rules, field.Rules.Type, other.Get, out var stored) is not null) return true;
            var condition = SearchCondition.Equal(sought);
            if (condition.Prepare(field) is not null) return true;
            return condition.IsMetBy(field, Encoding.UTF8.GetBytes(System.Text.Json.JsonSerializer.Serialize(stored))) == (TextRules.Folded(sought) == TextRules.Folded(stored));
        }).Check(Quiet);
    }

    [Fact]
    public void Few_values_among_many_people_are_unsafe_at_any_bits()
    {
        var advice = IndexPlanner.Advise(Definition("auto"), Even(5, 100), SearchLimit);
        Assert.Equal(IndexVerdict.Unsafe, advice.Verdict);
        Assert.Contains("Only 5 different values among 500 people", advice.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_many_bits_are_unsafe_and_too_few_only_slow()
    {
        Assert.Equal(IndexVerdict.Unsafe, IndexPlanner.Advise(Definition("12"), Even(1_000, 5), SearchLimit).Verdict);
        Assert.Equal(IndexVerdict.Warn, IndexPlanner.Advise(Definition("3"), Even(1_000, 5), SearchLimit).Verdict);
        Assert.Equal(IndexVerdict.Ok, IndexPlanner.Advise(Definition("auto"), Even(1_000, 5), SearchLimit).Verdict);
    }

    [Fact]
    public void A_value_that_fills_a_bucket_is_unsafe_and_partitions_are_the_remedy()
    {
        var skewed = new Distribution(10_000, 1_001, 4_000, [new(6, 1_000), new(4_000, 1)], 1);
        var advice = IndexPlanner.Advise(Definition("auto"), skewed, SearchLimit);
        Assert.Equal(IndexVerdict.Unsafe, advice.Verdict);
        Assert.Contains("40 %", advice.Reason.Replace("\u00a0", " ", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.NotEqual(IndexVerdict.Unsafe, IndexPlanner.Advise(Definition("auto", 8), skewed, SearchLimit).Verdict);
    }

    [Fact]
    public void At_full_length_a_column_whose_values_occur_differently_often_is_unsafe_and_a_nearly_unique_one_is_not()
    {
        var countries = new Distribution(10_000, 40, 4_000, [.. Enumerable.Range(1, 40).Select(n => new ValueCount(n * 12, 1))], 1);
        Assert.Equal(IndexVerdict.Unsafe, IndexPlanner.Advise(Definition("full"), countries, SearchLimit).Verdict);
        var phones = new Distribution(10_000, 9_700, 3, [new(1, 9_450), new(2, 200), new(3, 50)], 1);
        Assert.Equal(IndexVerdict.Ok, IndexPlanner.Advise(Definition("full"), phones, SearchLimit).Verdict);
    }

    [Fact]
    public void Fewer_bits_never_let_more_be_recovered_than_full_length()
    {
        var names = Zipf(2_000, 50_000);
        var whole = IndexPlanner.Recoverable(names, 128, 1);
        for (var bits = 2; bits <= 16; bits++) Assert.InRange(IndexPlanner.Recoverable(names, bits, 1), names.LargestShare, whole);
    }

    [Fact]
    public void The_sketch_counts_exactly_while_values_are_few_and_nearly_when_they_are_many()
    {
        var exact = new DistributionSketch();
        foreach (var value in Enumerable.Range(0, 1_000)) Repeat(exact, value, 1 + value % 7);
        Assert.Equal((1_000, 7, 1), (exact.Result().Distinct, exact.Result().Largest, exact.Result().Sampling));

        var sketch = new DistributionSketch(limit: 4_096);
        for (var round = 0; round < 20; round++) Repeat(sketch, -1, 100);
        foreach (var value in Enumerable.Range(0, 60_000)) Repeat(sketch, value, 1);
        for (var round = 0; round < 20; round++) Repeat(sketch, -1, 100);
        var result = sketch.Result();
        Assert.InRange(result.Distinct, 54_000, 66_000);
        Assert.InRange(result.Largest, 4_000, 4_000 + result.Rows / 256);
        Assert.Equal(64_000, result.Rows);
    }

    [Fact]
    public void A_term_is_the_first_bits_of_the_full_hash_and_people_are_spread_evenly_over_partitions()
    {
        var key = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();
        using var full = new BlindIndexEpoch(key, 128, 1);
        using var cut = new BlindIndexEpoch(key, 11, 1);
        var (whole, term) = (full.Term("ada"u8, 0), cut.Term("ada"u8, 0));
        Assert.Equal([whole[0], (byte)(whole[1] & 0xE0)], term);
        using var spread = new BlindIndexEpoch(key, 8, 8);
        var counts = new int[8];
        for (var i = 0; i < 8_000; i++) counts[spread.PartitionOf(BitConverter.GetBytes((long)i).Concat(new byte[8]).ToArray())]++;
        Assert.All(counts, count => Assert.InRange(count, 850, 1_150));
    }

    private static void Repeat(DistributionSketch sketch, int value, int times)
    {
        var hash = System.Security.Cryptography.SHA256.HashData(BitConverter.GetBytes(value));
        for (var n = 0; n < times; n++) sketch.Add(BitConverter.ToUInt64(hash));
    }

    private static Distribution Even(long distinct, long times) => new(distinct * times, distinct, times, [new(times, distinct)], 1);

    internal static Distribution Zipf(int distinct, int people)
    {
        var sum = Enumerable.Range(1, distinct).Sum(rank => 1.0 / rank);
        var counts = Enumerable.Range(1, distinct).Select(rank => Math.Max(1, (long)(people / sum / rank))).ToList();
        return new Distribution(counts.Sum(), distinct, counts[0], [.. counts.GroupBy(count => count).OrderBy(group => group.Key).Select(group => new ValueCount(group.Key, group.Count()))], 1);
    }

    private static IndexDefinition Definition(string bits, int partitions = 1) =>
        IndexWorld.PolicyWith($"  names: {{ id: 1000, on: {{ familyName: whole }}, bits: {bits}{(partitions == 1 ? "" : $", partitions: {partitions}")} }}").Catalogue.Indexes
            .Single(index => index.Name == "names");
}
