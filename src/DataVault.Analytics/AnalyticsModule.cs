using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace DataVault.Analytics;

/// <summary>Answers about groups of people, from pseudonymised rows alone: no key, no profile is in this assembly's reach.</summary>
public static class AnalyticsModule
{
    /// <summary>Registers <see cref="SegmentQuery"/> and <see cref="SeriesQuery"/>.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="connectionString">A login with the role <c>dv_analytics</c>; sessions are read-only whatever the login may.</param>
    public static IServiceCollection AddAnalytics(this IServiceCollection services, string connectionString)
    {
        services.AddSingleton(_ => new AnalyticsDatabase(connectionString));
        services.AddSingleton(provider => new SegmentQuery(provider.GetRequiredService<AnalyticsDatabase>()));
        services.AddSingleton(provider => new SeriesQuery(provider.GetRequiredService<AnalyticsDatabase>()));
        return services;
    }
}

/// <summary>Read-only, time-limited sessions on the analytics schemas.</summary>
internal sealed class AnalyticsDatabase : IAsyncDisposable, IDisposable
{
    private const string SessionSettings = "-c default_transaction_read_only=on -c statement_timeout=15s";

    private readonly NpgsqlDataSource source;

    public AnalyticsDatabase(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = "vault-analytics", MaxPoolSize = 8 };
        settings.Options = string.IsNullOrEmpty(settings.Options) ? SessionSettings : $"{settings.Options} {SessionSettings}";
        source = new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = "analytics" }.Build();
    }

    public async Task<List<T>> RowsAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        try
        {
            await using var command = source.CreateCommand(sql);
            await using var reader = await command.ExecuteReaderAsync(ct);
            var rows = new List<T>();
            while (await reader.ReadAsync(ct)) rows.Add(read(reader));
            return rows;
        }
        catch (NpgsqlException exception)
        {
            throw AnalyticsException.Unavailable(exception);
        }
    }

    public void Dispose() => source.Dispose();

    public ValueTask DisposeAsync() => source.DisposeAsync();
}

/// <summary>Identifiers in SQL. INVARIANT: only names of the loaded policy come here, never text of a caller; quoted all the same.</summary>
internal static class Sql
{
    public static string Identifier(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    public static string Table(Policy.AnalyticsDomain domain, string table) => $"{Identifier(domain.Schema)}.{Identifier(table)}";
}
