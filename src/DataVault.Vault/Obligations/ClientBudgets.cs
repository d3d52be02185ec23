using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A tighter budget of one application for one purpose.</summary>
/// <param name="Client">Client id.</param>
/// <param name="Purpose">For what; the policy must give the purpose a budget.</param>
/// <param name="PerHour">Null: as the policy says.</param>
/// <param name="PerDay">Null: as the policy says.</param>
public sealed record ClientBudget(string Client, string Purpose, int? PerHour, int? PerDay);

/// <summary>
/// Budgets of single applications. They only ever tighten: of the purpose's and the application's own the smaller counts, from the next time that a process takes
/// room on. Each change is an entry of the log in its transaction.
/// </summary>
public sealed class ClientBudgets
{
    private readonly VaultDatabase database;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly OversightDoor door;

    internal ClientBudgets(VaultDatabase database, AuditLog log, Decider decider)
    {
        (this.database, this.log, this.decider) = (database, log, decider);
        door = new OversightDoor(log, decider, Capabilities.ClientsManage, "budgets");
    }

    public async Task<IReadOnlyList<ClientBudget>> ListAsync(Recipient recipient, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        await using var command = database.Source.CreateCommand("select client, purpose, per_hour, per_day from vault.budget_limit order by client, purpose");
        var budgets = await Rows.ReadAsync(
            command, row => new ClientBudget(row.GetString(0), row.GetString(1), row.IsDBNull(2) ? null : row.GetInt32(2), row.IsDBNull(3) ? null : row.GetInt32(3)), cancellation);
        await door.LookAsync(recipient, requestId, cancellation, EntryType.StatusRead);
        return budgets;
    }

    /// <summary>Sets or, with neither number, removes an application's own budget.</summary>
    /// <exception cref="VaultException">unknown-purpose, invalid-fields, invalid-state when the policy gives the purpose no budget.</exception>
    public async Task<ClientBudget> SetAsync(Recipient recipient, ClientBudget budget, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(budget);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        if (budget.PerHour is < 1 || budget.PerDay is < 1) throw VaultException.Invalid([new("/perHour", "out-of-range", "A budget is at least 1.")]);
        if (budget.Client.Length is 0 or > 100) throw VaultException.Invalid([new("/client", "out-of-range", "A client id has 1 to 100 characters.")]);
        if (decider.Purpose(budget.Purpose).Budget is null) throw VaultException.InvalidState("The policy gives this purpose no budget, so that there is none to tighten.");
        var actor = EntryShape.TagOf(log.ActorOf(RecipientKind.Application, budget.Client));
        var entry = log.Entry(EntryType.ClientChange, recipient, default, budget.Purpose, EntryResult.Ok, [], requestId) with
        {
            Rules = [$"budget:{Text(budget.PerHour)}/{Text(budget.PerDay)}", "client:" + EntryShape.Hex(actor)],
        };
        await database.RunAsync(
            async (connection, transaction) =>
            {
                await using var batch = new NpgsqlBatch(connection, transaction);
                batch.BatchCommands.Add(new("delete from vault.budget_limit where actor_tag = $1 and purpose = $2") { Parameters = { new() { Value = actor }, new() { Value = budget.Purpose } } });
                if (budget is not { PerHour: null, PerDay: null }) batch.BatchCommands.Add(Insert(actor, budget));
                await batch.ExecuteNonQueryAsync(cancellation);
                return await log.AppendWithinAsync(connection, transaction, [entry], cancellation);
            },
            cancellation);
        return budget;
    }

    private static NpgsqlBatchCommand Insert(Guid actor, ClientBudget budget) => new("insert into vault.budget_limit (actor_tag, purpose, client, per_hour, per_day) values ($1, $2, $3, $4, $5)")
    {
        Parameters =
        {
            new() { Value = actor }, new() { Value = budget.Purpose }, new() { Value = budget.Client },
            new() { Value = (object?)budget.PerHour ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Integer },
            new() { Value = (object?)budget.PerDay ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Integer },
        },
    };

    private static string Text(int? limit) => limit?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "policy";
}
