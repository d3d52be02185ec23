using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Indexes;

/// <summary>
/// Somebody has a dump of the vault database, no key, and knows exactly how often each value occurs. What they get right is held against what the planner says
/// they can get right.
/// </summary>
public sealed class FrequencyAttackTests(AttackedVault attacked) : IClassFixture<AttackedVault>
{
    [Theory]
    [InlineData("names-whole")]
    [InlineData("names-cut")]
    [InlineData("names-spread")]
    public async Task Matching_the_sizes_of_buckets_with_known_frequencies_gains_no_more_than_the_planner_says(string name)
    {
        var finding = attacked.Finding(name);
        var buckets = await attacked.BucketsAsync(finding.Definition.Id);
        var right = RankMatching(attacked.Names, buckets);
        Assert.InRange(right, 0, finding.Values!.Recoverable);
        // A guess without any database is always open to everybody.
        Assert.InRange(finding.Values.Recoverable, attacked.LargestShare, 1);
    }

    [Fact]
    public void Truncating_and_partitioning_lower_the_bound()
    {
        var (whole, cut, spread) = (attacked.Finding("names-whole").Values!, attacked.Finding("names-cut").Values!, attacked.Finding("names-spread").Values!);
        Assert.True(cut.Recoverable <= whole.Recoverable && spread.Recoverable <= cut.Recoverable + 0.05, $"{whole.Recoverable:P1} {cut.Recoverable:P1} {spread.Recoverable:P1}");
        var (cutStored, spreadStored) = (attacked.Finding("names-cut").Stored!, attacked.Finding("names-spread").Stored!);
        Assert.True(spreadStored.LargestShare < cutStored.LargestShare);
        Assert.True(cutStored.LeakedBits < attacked.Finding("names-whole").Stored!.LeakedBits);
    }

    [Fact]
    public async Task The_figures_of_the_report_are_those_of_the_dump()
    {
        var finding = attacked.Finding("names-cut");
        var sizes = (await attacked.BucketsAsync(finding.Definition.Id)).Select(bucket => bucket.Count).Order().ToList();
        var stored = finding.Stored!;
        Assert.Equal((AttackedVault.People, sizes.Count, sizes[0], sizes[^1]), (stored.Rows, stored.Buckets, stored.Smallest, stored.Largest));
        Assert.Equal(sizes[(int)Math.Ceiling(0.99 * sizes.Count) - 1], stored.P99);
        var entropy = sizes.Sum(size => (double)size / AttackedVault.People * Math.Log2((double)AttackedVault.People / size));
        Assert.Equal(entropy, stored.LeakedBits, 6);
        Assert.Equal(attacked.Names.Distinct().Count(), finding.Values!.Distinct);
        Assert.Equal(attacked.LargestShare, finding.Values.LargestShare, 9);
    }

    [Fact]
    public async Task Values_fall_into_buckets_as_chance_would_have_it()
    {
        // Which value is in which bucket only the test knows; to the key all values are alike, so each bucket is as likely as any other.
        var finding = attacked.Finding("names-cut");
        var (bits, byTerm) = (finding.Standing.Bits!.Value, await attacked.BucketsAsync(finding.Definition.Id));
        var counts = byTerm.Select(bucket => bucket.Select(person => attacked.Names[person]).Distinct().Count()).ToList();
        var (buckets, values) = (1 << bits, attacked.Names.Distinct().Count());
        var expected = (double)values / buckets;
        var chiSquare = counts.Sum(count => Math.Pow(count - expected, 2) / expected) + (buckets - counts.Count) * expected;
        // Mean and deviation of chi-square with this many degrees of freedom; beyond six deviations chance does not go.
        var freedom = buckets - 1;
        Assert.InRange(chiSquare, freedom - 6 * Math.Sqrt(2.0 * freedom), freedom + 6 * Math.Sqrt(2.0 * freedom));
    }

    [Fact]
    public async Task A_full_length_index_over_names_is_called_unsafe_and_rightly_so()
    {
        var finding = attacked.Finding("names-whole");
        Assert.Equal("unsafe", finding.Verdict);
        var right = RankMatching(attacked.Names, await attacked.BucketsAsync(finding.Definition.Id));
        Assert.True(right > attacked.LargestShare + IndexPlanner.MostLearnt, $"{right:P1}");
    }

    // Naveed, Kamara and Wright (2015): the largest bucket is taken for the commonest value, the next for the next. Returned is the share of people guessed right.
    private static double RankMatching(List<string> names, IReadOnlyList<List<int>> buckets)
    {
        var values = names.GroupBy(name => name).OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal).Select(group => group.Key).ToList();
        var right = buckets.OrderByDescending(bucket => bucket.Count).Zip(values, (bucket, value) => bucket.Count(person => names[person] == value)).Sum();
        return (double)right / names.Count;
    }
}

/// <summary>Fixture: three thousand people whose family names are as unevenly spread as names are, in one index of each kind.</summary>
public sealed class AttackedVault : DatabasePerClass, IAsyncLifetime
{
    public const int People = 3_000;
    private const int Values = 600;

    private readonly Dictionary<Guid, int> numbers = [];
    private IndexFindings findings = null!;

    internal List<string> Names { get; } = MakeNames();

    internal double LargestShare => (double)Names.GroupBy(name => name).Max(group => group.Count()) / People;

    public async ValueTask InitializeAsync()
    {
        await PrepareAsync();
        // Built while nobody was there, so that the unsafe one is built too.
        var policy = IndexWorld.PolicyWith(
            "  names-whole: { id: 1000, on: { familyName: whole }, bits: full }",
            "  names-cut: { id: 1001, on: { familyName: prefix 9 }, bits: 6 }",
            "  names-spread: { id: 1002, on: { familyName: prefix 8 }, bits: 6, partitions: 8 }");
        await using var vault = await IndexWorld.StartAsync(this, policy);
        var added = await IndexWorld.AddAsync(vault, Names.Select((name, number) => IndexWorld.Person(number, name)));
        for (var number = 0; number < added.Count; number++) numbers[added[number].Value] = number;
        foreach (var name in new[] { "names-cut", "names-spread" })
        {
            var index = IndexWorld.Index(vault, name);
            var values = await vault.Get<IndexScan>().SurveyAsync(index, _ => Task.CompletedTask, default);
            await vault.Get<IndexChanges>().NoteAsync(index, vault.Get<SurveySeal>().Seal(index, new Survey(DateTimeOffset.UnixEpoch, values)), default);
        }

        findings = await vault.Get<IndexReporter>().ReportAsync(default);
    }

    internal IndexFinding Finding(string name) => findings.Indexes.Single(finding => finding.Definition.Name == name);

    /// <summary>The people of each bucket, as a dump of the table has them.</summary>
    internal async Task<IReadOnlyList<List<int>>> BucketsAsync(int index)
    {
        await using var source = NpgsqlDataSource.Create(VaultAdmin);
        await using var command = source.CreateCommand($"select encode(term, 'hex'), subject_id from vault.search_term where index_id = {index}");
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<(string Term, int Person)>();
        while (await reader.ReadAsync()) rows.Add((reader.GetString(0), numbers[reader.GetGuid(1)]));
        return [.. rows.GroupBy(row => row.Term).Select(group => group.Select(row => row.Person).ToList())];
    }

    private static List<string> MakeNames()
    {
        var sum = Enumerable.Range(1, Values).Sum(rank => 1.0 / rank);
        var names = Enumerable.Range(1, Values).SelectMany(rank => Enumerable.Repeat($"{(char)('A' + rank % 26)}{rank:D4}sen", (int)(People / sum / rank) + 1)).Take(People).ToList();
        while (names.Count < People) names.Add($"Z{names.Count:D4}sen");
        // In no order: when people came says nothing of their names.
        var shuffled = names.ToArray();
        new Random(11).Shuffle(shuffled);
        return [.. shuffled];
    }
}
