using DataVault.Analytics;
using DataVault.Policy;
using DataVault.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Analytics;

public sealed class AnalyticsQueryTests(VaultDatabases databases) : IClassFixture<VaultDatabases>, IAsyncLifetime
{
    private static readonly AnalyticsDomain Insight = Repository.Policy.Analytics.Single(domain => domain.Name == "insight");
    private static readonly AnalyticsDomain Commerce = Repository.Policy.Analytics.Single(domain => domain.Name == "commerce");

    private ServiceProvider provider = null!;

    public async ValueTask InitializeAsync()
    {
        provider = Serving(databases.Cluster.ConnectionString(databases.VaultName, DatabasePerClass.AnalyticsLogin));
        await databases.Cluster.ExecuteAsync(databases.VaultName, """
            truncate analytics_insight.customer, analytics_insight.purchase, analytics_insight.interaction;
            insert into analytics_insight.customer (pseudonym, country, loyalty_tier, age_band, updated_on)
            select 'p' || n, case when n <= 40 then 'DE' when n <= 70 then 'FR' when n <= 90 then 'IT' when n <= 95 then 'LU' end,
                   case when n % 2 = 0 then 'gold' else 'silver' end, '30-39', date '2026-01-01'
            from generate_series(1, 110) n;
            insert into analytics_insight.purchase (pseudonym, event_key, month, event_type, amount, currency)
            select 'p' || n, 'a', date '2026-01-01', 'purchase', 10, 'EUR' from generate_series(1, 20) n
            union all select 'p' || n, 'b', date '2026-01-01', 'refund', -4, 'EUR' from generate_series(1, 5) n
            union all select 'p' || n, 'c', date '2026-01-01', 'purchase', 99, 'USD' from generate_series(1, 3) n
            union all select 'p' || n, 'd', date '2026-02-01', 'purchase', 10, 'EUR' from generate_series(1, 9) n
            union all select 'p1', 'e' || n, date '2026-03-01', 'purchase', 10, 'EUR' from generate_series(1, 50) n;
            insert into analytics_insight.interaction (pseudonym, event_key, month, event_type)
            select 'p' || n, 'a' || visit, date '2026-01-01', 'page_view' from generate_series(1, 12) n, generate_series(1, 3) visit;
            """);
    }

    public ValueTask DisposeAsync() => provider.DisposeAsync();

    private static ServiceProvider Serving(string connection) => new ServiceCollection().AddAnalytics(connection).BuildServiceProvider();

    private Task<SegmentAnswer> SegmentsAsync(AnalyticsDomain domain, params string[] dimensions) =>
        provider.GetRequiredService<SegmentQuery>().RunAsync(domain, dimensions);

    private Task<SeriesAnswer> SeriesAsync(string measure) => provider.GetRequiredService<SeriesQuery>().RunAsync(Insight, measure);

    [Fact]
    [Requirement("R92")]
    public async Task Segments_count_people_and_hide_small_cells()
    {
        var answer = await SegmentsAsync(Insight, "country");
        Assert.Equal(["DE 40", "FR 30", "IT 20"], answer.Cells.Select(cell => $"{cell.Values[0]} {cell.Count}"));
        Assert.Equal(2, answer.SuppressedCells);
        Assert.Equal(10, answer.MinimumCohort);
    }

    [Fact]
    public async Task People_without_a_value_are_counted_as_unknown()
    {
        var answer = await SegmentsAsync(Insight, "gender", "loyalty_tier");
        Assert.Equal([("unknown", "gold", 55L), ("unknown", "silver", 55L)], answer.Cells.Select(cell => (cell.Values[0], cell.Values[1], cell.Count)));
        Assert.Equal(0, answer.SuppressedCells);
    }

    [Fact]
    public async Task An_empty_domain_has_no_segments() => Assert.Empty((await SegmentsAsync(Commerce, "country")).Cells);

    [Theory]
    [InlineData]
    [InlineData("country", "country")]
    [InlineData("pseudonym")]
    [InlineData("updated_on")]
    [InlineData("Country")]
    [InlineData("country\" from analytics_commerce.customer --")]
    [InlineData("value_band")]
    [InlineData("country", "gender", "age_band", "region")]
    public async Task Only_dimensions_of_the_domain_may_be_asked_for(params string[] dimensions)
    {
        var refusal = await Assert.ThrowsAsync<AnalyticsException>(() => SegmentsAsync(Insight, dimensions));
        Assert.Equal("invalid-request", refusal.Slug);
        Assert.DoesNotContain("--", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Purchases_are_counted_by_month_where_enough_people_bought() =>
        Assert.Equal([("2026-01", 23d), ("2026-02", null), ("2026-03", null)], (await SeriesAsync("purchases")).Points.Select(point => (point.Period, point.Value)));

    [Fact]
    public async Task Revenue_is_purchases_less_refunds_in_the_main_currency()
    {
        var answer = await SeriesAsync("revenue");
        Assert.Equal("EUR", answer.Currency);
        Assert.Equal([("2026-01", 180d), ("2026-02", null), ("2026-03", null)], answer.Points.Select(point => (point.Period, point.Value)));
    }

    [Fact]
    public async Task Interactions_are_counted_by_month() =>
        Assert.Equal([("2026-01", 36d)], (await SeriesAsync("interactions")).Points.Select(point => (point.Period, point.Value!.Value)));

    [Fact]
    public async Task An_unknown_measure_is_refused() =>
        Assert.Equal("invalid-request", (await Assert.ThrowsAsync<AnalyticsException>(() => SeriesAsync("1; drop table x"))).Slug);

    [Fact]
    public async Task A_database_that_is_away_is_unavailable()
    {
        await using var away = Serving("Host=/nonexistent;Username=x;Database=x;Timeout=1");
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<AnalyticsException>(() => away.GetRequiredService<SegmentQuery>().RunAsync(Insight, ["country"]))).Slug);
    }

    [Fact]
    public async Task Sessions_cannot_write_even_where_the_login_may()
    {
        await using var database = new AnalyticsDatabase(databases.Cluster.ConnectionString(databases.VaultName));
        var refusal = await Assert.ThrowsAsync<AnalyticsException>(() => database.RowsAsync("delete from analytics_insight.customer", _ => 0, default));
        Assert.Equal(PostgresErrorCodes.ReadOnlySqlTransaction, Assert.IsType<PostgresException>(refusal.InnerException).SqlState);
    }
}
