using System.Globalization;
using DataVault.Policy;
using Npgsql;

namespace DataVault.Analytics;

/// <summary>A measure by month.</summary>
/// <param name="Measure">As asked for.</param>
/// <param name="MinimumCohort">A month with fewer people has no value.</param>
/// <param name="Currency">Of <c>revenue</c>: the one most purchases are in; amounts in others are left out, not converted.</param>
/// <param name="Points">In order of time, months without any row left out.</param>
public sealed record SeriesAnswer(string Measure, int MinimumCohort, string? Currency, IReadOnlyList<SeriesValue> Points);

/// <summary>One month, written <c>2026-03</c>. Null where too few people stand behind the value.</summary>
public sealed record SeriesValue(string Period, double? Value);

/// <summary>Adds up purchases, revenue or interactions by month, above the minimum cohort.</summary>
public sealed class SeriesQuery
{
    private readonly AnalyticsDatabase database;

    internal SeriesQuery(AnalyticsDatabase database) => this.database = database;

    /// <summary>What can be asked for.</summary>
    public static IReadOnlyList<string> Measures { get; } = ["purchases", "revenue", "interactions"];

    /// <param name="domain">A domain of the policy in force.</param>
    /// <param name="measure">One of <see cref="Measures"/>. Revenue is purchases less refunds.</param>
    /// <param name="ct">Stops the query.</param>
    /// <exception cref="AnalyticsException">An unknown measure, or no database.</exception>
    public async Task<SeriesAnswer> RunAsync(AnalyticsDomain domain, string measure, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(domain);
        var statement = measure switch
        {
            "purchases" => Counted(Sql.Table(domain, "purchase"), "where event_type = 'purchase'"),
            "revenue" => Revenue(Sql.Table(domain, "purchase")),
            "interactions" => Counted(Sql.Table(domain, "interaction"), ""),
            _ => throw AnalyticsException.Invalid($"The measure is one of {string.Join(", ", Measures)}."),
        };
        var months = await database.RowsAsync(statement, Read, ct);
        return new SeriesAnswer(
            measure, domain.MinimumCohort, months.Select(month => month.Currency).FirstOrDefault(),
            [.. months.Select(month => new SeriesValue(month.Period, month.People < domain.MinimumCohort ? null : month.Value))]);
    }

    private readonly record struct Month(string Period, double Value, long People, string? Currency);

    private static string Counted(string table, string where) =>
        $"select month, count(*)::float8, count(distinct pseudonym), null::text from {table} {where} group by month order by month";

    private static string Revenue(string table) => $"""
        with main as (
            select currency from {table} where event_type = 'purchase' and amount is not null group by currency order by count(*) desc, currency limit 1)
        select month, sum(amount)::float8, count(distinct pseudonym), min(currency)
        from {table} join main using (currency)
        where event_type in ('purchase', 'refund') and amount is not null
        group by month order by month
        """;

    private static Month Read(NpgsqlDataReader reader) =>
        new(reader.GetFieldValue<DateOnly>(0).ToString("yyyy-MM", CultureInfo.InvariantCulture), reader.GetDouble(1), reader.GetInt64(2),
            reader.IsDBNull(3) ? null : reader.GetString(3));
}
