using DataVault.Testing;
using Npgsql;

namespace DataVault.Server.Tests;

/// <summary>
/// docs/holdings.md says of every column of every table whether it is about people, and of every table that is: where it stands in the package of an access, how an
/// erasure reaches it and how long it is kept. A table or a column that nobody thought of fails here with its name.
/// </summary>
public sealed class HoldingsTests(RunningServer server)
{
    private const string Columns =
        """
        SELECT n.nspname || '.' || c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        ORDER BY 1, a.attnum
        """;

    [Fact]
    [Requirement("R53")]
    public async Task Every_column_of_every_table_is_known_to_be_about_people_or_not()
    {
        var known = Holdings.Read();
        var found = new List<string>();
        foreach (var (table, columns) in await SchemaAsync())
        {
            if (!known.TryGetValue(table, out var holding))
            {
                found.Add($"{table} is not in docs/holdings.md: {string.Join(' ', columns)}");
                continue;
            }

            found.AddRange(columns.Except(holding.Columns).Select(column => $"{table}.{column} is not in docs/holdings.md"));
            found.AddRange(holding.Columns.Except(columns).Select(column => $"docs/holdings.md knows {table}.{column}, which there is not"));
            found.AddRange(holding.Columns.GroupBy(column => column).Where(group => group.Count() > 1).Select(group => $"{table}.{group.Key} stands in docs/holdings.md twice"));
        }

        Assert.True(found.Count == 0, string.Join('\n', found));
    }

    private async Task<IReadOnlyDictionary<string, List<string>>> SchemaAsync()
    {
        var tables = new SortedDictionary<string, List<string>>(StringComparer.Ordinal);
        foreach (var database in new[] { "vault", "keys" })
        {
            await using var connection = new NpgsqlConnection(server.Process.DatabaseConnection(database));
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(Columns, connection);
            await using var reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                var table = reader.GetString(0);
                if (!tables.TryGetValue(table, out var columns)) tables[table] = columns = [];
                columns.Add(reader.GetString(1));
            }
        }

        return tables;
    }
}

/// <summary>A row of docs/holdings.md.</summary>
internal sealed record Holding(string Table, string Of, IReadOnlyList<string> Personal, IReadOnlyList<string> Other, string Package, string Erased, string Kept)
{
    public IEnumerable<string> Columns => Personal.Concat(Other);
}

/// <summary>docs/holdings.md.</summary>
internal static class Holdings
{
    public static IReadOnlyDictionary<string, Holding> Read() =>
        File.ReadLines(Path.Combine(Repository.Root, "docs", "holdings.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => line.Trim('|', ' ').Split('|', StringSplitOptions.TrimEntries))
            .Select(cells => new Holding(cells[0].Trim('`'), cells[1], Names(cells[2]), Names(cells[3]), cells[4], cells[5], cells[6]))
            .ToDictionary(holding => holding.Table);

    private static string[] Names(string cell) => cell == "-" ? [] : cell.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
