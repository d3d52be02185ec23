using DataVault.Policy;
using Npgsql;

namespace DataVault.Analytics;

/// <summary>How many people there are by some dimensions of a domain.</summary>
/// <param name="Dimensions">As asked for.</param>
/// <param name="MinimumCohort">Cells of fewer people are withheld.</param>
/// <param name="Cells">Largest first. A person without a value is counted under <c>unknown</c>.</param>
/// <param name="SuppressedCells">How many cells are withheld, too small ones and those that would give them away.</param>
public sealed record SegmentAnswer(IReadOnlyList<string> Dimensions, int MinimumCohort, IReadOnlyList<SegmentCount> Cells, int SuppressedCells);

/// <summary>Counts people by dimensions, above the minimum cohort.</summary>
public sealed class SegmentQuery
{
    public const int MostDimensions = 3;

    private const int MostCells = 5_000;

    private readonly AnalyticsDatabase database;

    internal SegmentQuery(AnalyticsDatabase database) => this.database = database;

    /// <param name="domain">A domain of the policy in force.</param>
    /// <param name="dimensions">One to <see cref="MostDimensions"/> of <see cref="AnalyticsDomain.Dimensions"/>, none twice.</param>
    /// <param name="ct">Stops the query.</param>
    /// <exception cref="AnalyticsException">An unknown dimension, too many, or no database.</exception>
    public async Task<SegmentAnswer> RunAsync(AnalyticsDomain domain, IReadOnlyList<string> dimensions, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(domain);
        var columns = Check(domain, dimensions);
        var cells = await database.RowsAsync(Statement(domain, columns), reader => Read(reader, columns.Count), ct);
        if (cells.Count > MostCells) throw AnalyticsException.Invalid("The dimensions split the domain too finely; ask for fewer.");
        var shown = SmallCellSuppression.Apply(cells, domain.MinimumCohort);
        return new SegmentAnswer(columns, domain.MinimumCohort, shown, cells.Count - shown.Count);
    }

    private static List<string> Check(AnalyticsDomain domain, IReadOnlyList<string> dimensions)
    {
        if (dimensions.Count is 0 or > MostDimensions) throw AnalyticsException.Invalid($"Ask for one to {MostDimensions} dimensions.");
        if (dimensions.Distinct(StringComparer.Ordinal).Count() != dimensions.Count) throw AnalyticsException.Invalid("A dimension is named twice.");

        // The names that reach SQL are the policy's own strings, not the caller's.
        var columns = dimensions.Select(asked => domain.Dimensions.FirstOrDefault(known => known == asked)).OfType<string>().ToList();
        if (columns.Count != dimensions.Count) throw AnalyticsException.Invalid($"The domain has the dimensions {string.Join(", ", domain.Dimensions)}.");
        return columns;
    }

    private static string Statement(AnalyticsDomain domain, List<string> columns)
    {
        var values = string.Join(", ", columns.Select(column => $"coalesce({Sql.Identifier(column)}, 'unknown')"));
        var numbers = string.Join(", ", Enumerable.Range(1, columns.Count));
        return $"select {values}, count(*) from {Sql.Table(domain, "customer")} group by {numbers} order by count(*) desc, {numbers} limit {MostCells + 1}";
    }

    private static SegmentCount Read(NpgsqlDataReader reader, int columns) =>
        new([.. Enumerable.Range(0, columns).Select(reader.GetString)], reader.GetInt64(columns));
}
