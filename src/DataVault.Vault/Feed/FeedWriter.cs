using Npgsql;

namespace DataVault.Vault;

/// <summary>Carries out the plans of a batch: one round trip.</summary>
internal static class FeedWriter
{
    public static async Task WriteAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, FeedBatch batch, DateOnly today, CancellationToken ct)
    {
        await using var commands = new NpgsqlBatch(connection, transaction);
        foreach (var plan in batch.Plans) Add(commands.BatchCommands, plan, today);
        if (commands.BatchCommands.Count > 0) await commands.ExecuteNonQueryAsync(ct);
    }

    private static void Add(NpgsqlBatchCommandCollection commands, DomainPlan plan, DateOnly today)
    {
        if (plan.Gone.Count > 0) commands.Add(AnalyticsRows.DeleteAll(plan.Domain, "customer", [.. plan.Gone]));
        foreach (var table in plan.Stale.GroupBy(row => row.Table))
        {
            commands.Add(AnalyticsRows.DeleteKeys(plan.Domain, table.Key, [.. table.Select(row => row.Pseudonym)], [.. table.Select(row => row.EventKey)]));
        }
        if (plan.Customers.Count > 0) commands.Add(AnalyticsRows.UpsertCustomers(plan.Domain, plan.Customers, today));
        if (plan.Purchases.Count > 0) commands.Add(AnalyticsRows.InsertPurchases(plan.Domain, plan.Purchases));
        if (plan.Interactions.Count > 0) commands.Add(AnalyticsRows.InsertInteractions(plan.Domain, plan.Interactions));
    }
}
