using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>Who a person is in one analytics domain.</summary>
internal readonly record struct DomainPseudonym(AnalyticsDomain Domain, string Pseudonym);

/// <summary>A customer row: the column values in the order of <see cref="AnalyticsDomain.CustomerColumns"/>.</summary>
internal sealed record CustomerRow(string Pseudonym, string?[] Values);

/// <summary>A row of the tables <c>purchase</c> and <c>interaction</c>; the latter has neither amount nor country.</summary>
internal sealed record ActivityRow(
    string Pseudonym, string EventKey, DateOnly Month, string EventType, string? Channel, decimal? Amount = null, string? Currency = null, string? Country = null);

/// <summary>
/// The rows of the analytics schemas, written and removed in the caller's transaction. Names of schemas and columns come from the policy, which
/// checks them, and are quoted here all the same.
/// INVARIANT: whoever writes or removes a person's rows holds the lock on that person's subject row, so a withdrawal and the feed never cross.
/// </summary>
internal static class AnalyticsRows
{
    private static readonly string[] Tables = ["customer", "purchase", "interaction"];

    public static IReadOnlyList<DomainPseudonym> PseudonymsOf(SubjectKeys subject, KeyRegistry keys, PolicySet policy)
    {
        using var input = new SecretBytes(KeyDerivation.KeySize);
        subject.PseudonymInput(input.Span);
        return [.. policy.Analytics.Select(domain => new DomainPseudonym(domain, keys.Pseudonyms(domain.Name).Pseudonym(input.Span)))];
    }

    /// <summary>Removes every row of the person from every domain given.</summary>
    public static async Task DeleteAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<DomainPseudonym> pseudonyms, CancellationToken ct)
    {
        if (pseudonyms.Count == 0) return;
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var (domain, pseudonym) in pseudonyms)
        {
            foreach (var table in Tables)
            {
                batch.BatchCommands.Add(new($"delete from {Name(domain, table)} where pseudonym = $1") { Parameters = { Text(pseudonym) } });
            }
        }
        await batch.ExecuteNonQueryAsync(ct);
    }

    public static NpgsqlBatchCommand DeleteAll(AnalyticsDomain domain, string table, string[] pseudonyms) =>
        new($"delete from {Name(domain, table)} where pseudonym = any($1)") { Parameters = { Texts(pseudonyms) } };

    public static NpgsqlBatchCommand DeleteKeys(AnalyticsDomain domain, string table, string[] pseudonyms, string[] eventKeys) =>
        new($"delete from {Name(domain, table)} t using unnest($1, $2) as gone(pseudonym, event_key) where t.pseudonym = gone.pseudonym and t.event_key = gone.event_key")
        {
            Parameters = { Texts(pseudonyms), Texts(eventKeys) },
        };

    public static NpgsqlBatchCommand KeysOf(AnalyticsDomain domain, string table, string[] pseudonyms) =>
        new($"select pseudonym, event_key from {Name(domain, table)} where pseudonym = any($1)") { Parameters = { Texts(pseudonyms) } };

    public static NpgsqlBatchCommand UpsertCustomers(AnalyticsDomain domain, IReadOnlyList<CustomerRow> rows, DateOnly today)
    {
        var columns = domain.CustomerColumns.Select(column => Quote(column.Column)).ToList();
        var command = new NpgsqlBatchCommand(
            $"insert into {Name(domain, "customer")} (pseudonym, updated_on{string.Concat(columns.Select(c => ", " + c))}) " +
            $"select pseudonym, $2{string.Concat(columns.Select((_, i) => $", c{i}"))} " +
            $"from unnest($1{string.Concat(columns.Select((_, i) => $", ${i + 3}"))}) as r(pseudonym{string.Concat(columns.Select((_, i) => $", c{i}"))}) " +
            $"on conflict (pseudonym) do update set updated_on = excluded.updated_on{string.Concat(columns.Select(c => $", {c} = excluded.{c}"))}");
        command.Parameters.Add(Texts([.. rows.Select(row => row.Pseudonym)]));
        command.Parameters.Add(new NpgsqlParameter<DateOnly> { TypedValue = today });
        for (var index = 0; index < columns.Count; index++) command.Parameters.Add(Texts([.. rows.Select(row => row.Values[index])]));
        return command;
    }

    public static NpgsqlBatchCommand InsertPurchases(AnalyticsDomain domain, IReadOnlyList<ActivityRow> rows) =>
        new($"insert into {Name(domain, "purchase")} (pseudonym, event_key, month, event_type, channel, amount, currency, country) " +
            "select * from unnest($1, $2, $3, $4, $5, $6, $7, $8) on conflict (pseudonym, event_key) do nothing")
        {
            Parameters =
            {
                Texts([.. rows.Select(row => row.Pseudonym)]), Texts([.. rows.Select(row => row.EventKey)]), Dates(rows), Texts([.. rows.Select(row => row.EventType)]),
                Texts([.. rows.Select(row => row.Channel)]), new NpgsqlParameter { Value = rows.Select(row => row.Amount).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Numeric },
                Texts([.. rows.Select(row => row.Currency)]), Texts([.. rows.Select(row => row.Country)]),
            },
        };

    public static NpgsqlBatchCommand InsertInteractions(AnalyticsDomain domain, IReadOnlyList<ActivityRow> rows) =>
        new($"insert into {Name(domain, "interaction")} (pseudonym, event_key, month, event_type, channel) " +
            "select * from unnest($1, $2, $3, $4, $5) on conflict (pseudonym, event_key) do nothing")
        {
            Parameters =
            {
                Texts([.. rows.Select(row => row.Pseudonym)]), Texts([.. rows.Select(row => row.EventKey)]), Dates(rows),
                Texts([.. rows.Select(row => row.EventType)]), Texts([.. rows.Select(row => row.Channel)]),
            },
        };

    private static NpgsqlParameter<DateOnly[]> Dates(IReadOnlyList<ActivityRow> rows) => new() { TypedValue = [.. rows.Select(row => row.Month)] };

    private static NpgsqlParameter<string> Text(string value) => new() { TypedValue = value };

    private static NpgsqlParameter Texts(string?[] values) => new() { Value = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    private static string Name(AnalyticsDomain domain, string table) => $"{Quote(domain.Schema)}.{table}";

    private static string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    // The pseudonyms of the erased cannot be computed any more, so whose rows to delete is not known: all go, and the feed writes those of the living anew.
    public static async Task RebuildAsync(NpgsqlConnection connection, IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct)
    {
        foreach (var domain in domains)
        {
            foreach (var table in AnalyticsSchema.Tables(domain))
            {
                await using var command = new NpgsqlCommand($"delete from {table}", connection) { CommandTimeout = 0 };
                await command.ExecuteNonQueryAsync(ct);
            }
        }

        await using var enqueue = new NpgsqlCommand(
            "insert into vault.feed_queue (subject_id, enqueued_at) select subject_id, now() from vault.subject on conflict do nothing", connection)
        { CommandTimeout = 0 };
        await enqueue.ExecuteNonQueryAsync(ct);
    }
}
