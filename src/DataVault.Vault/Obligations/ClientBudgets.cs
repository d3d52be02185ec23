using System.Buffers.Binary;
using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A tighter budget of one application for one purpose.</summary>
/// <param name="Client">Client id.</param>
/// <param name="Purpose">For what; the policy must give the purpose a budget.</param>
/// <param name="PerHour">Null: as the policy says.</param>
/// <param name="PerDay">Null: as the policy says.</param>
public sealed record ClientBudget(string Client, string Purpose, int? PerHour, int? PerDay);

/// <summary>
/// What budgets rest on: the rows of tighter ones, how much of each was taken, and what is kept of both in the keys database, so that nobody loosens one by writing in the vault's: of the two the tighter counts. It is kept before the commit, so a change that fails to commit
/// tightens or does nothing.
/// </summary>
internal sealed class BudgetBook(VaultDatabase database, OversightMemory memory, OnceBook once) : IHostedService
{
    private const string Adopted = "budget-limits-kept";
    private const int GuidSize = 16;
    private const string Columns = "actor_tag, client, purpose, per_hour, per_day";

    /// <summary>As they hold, by application and purpose.</summary>
    public async Task<IReadOnlyList<ClientBudget>> ListAsync(CancellationToken ct)
    {
        var all = (await RowsAsync(ct)).Concat(await KeptAsync(ct));
        return [.. all.GroupBy(one => (one.Actor, one.Budget.Purpose)).Select(same => same.Select(one => one.Budget).Aggregate(Tighter)).OrderBy(one => one.Client, StringComparer.Ordinal).ThenBy(one => one.Purpose, StringComparer.Ordinal)];
    }

    /// <summary>The one of an application for a purpose; null when it has none.</summary>
    public async Task<ClientBudget?> FindAsync(DutyWork work, Guid actor, string purpose)
    {
        await using var command = new NpgsqlCommand($"select {Columns} from vault.budget_limit where actor_tag = $1 and purpose = $2", work.Connection, work.Transaction)
        {
            Parameters = { new() { Value = actor }, new() { Value = purpose } },
        };
        var row = (await Rows.ReadAsync(command, Read, work.Cancellation)).Select(one => one.Budget).FirstOrDefault();
        var kept = await memory.FindAsync(OversightMemory.Limit, IdOf(actor, purpose), work.Cancellation) is { } value ? BudgetOf(purpose, value) : null;
        return row is null || kept is null ? row ?? kept : Tighter(row, kept);
    }

    /// <summary>With neither number it is removed.</summary>
    public async Task SetAsync(DutyWork work, Guid actor, ClientBudget budget)
    {
        var removed = budget is { PerHour: null, PerDay: null };
        if (removed) await memory.ForgetAsync(OversightMemory.Limit, [IdOf(actor, budget.Purpose)], work.Cancellation);
        else await memory.KeepAsync([KeptOf(actor, budget)], work.Cancellation);
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        batch.BatchCommands.Add(new("delete from vault.budget_limit where actor_tag = $1 and purpose = $2") { Parameters = { new() { Value = actor }, new() { Value = budget.Purpose } } });
        if (!removed) batch.BatchCommands.Add(Insert(actor, budget));
        await batch.ExecuteNonQueryAsync(work.Cancellation);
    }

    /// <summary>How much of a budget is kept as taken, in the window with that id.</summary>
    public async Task<long> TakenAsync(byte[] window, CancellationToken ct) => (await memory.NumbersAsync(OversightMemory.Budget, [window], ct))[0];

    public Task NoteTakenAsync(IEnumerable<(byte[] Window, long Taken, DateTimeOffset Until)> all, CancellationToken ct) =>
        memory.KeepAsync([.. all.Select(one => new Kept(OversightMemory.Budget, one.Window) { Number = one.Taken, Until = one.Until })], ct);

    /// <summary>Those whose row is not what was set: as kept. The row of a tighter one that somebody else wrote counts, and is none of them.</summary>
    public async Task<IReadOnlyList<ClientBudget>> LoosenedAsync(CancellationToken ct)
    {
        var rows = (await RowsAsync(ct)).ToDictionary(one => (one.Actor, one.Budget.Purpose), one => one.Budget);
        return [.. (await KeptAsync(ct)).Where(kept => !rows.TryGetValue((kept.Actor, kept.Budget.Purpose), out var row) || Tighter(row, kept.Budget) != row).Select(kept => kept.Budget)];
    }

    /// <summary>Keeps those from before any were kept, once.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (await once.IsDoneAsync(Adopted, cancellationToken)) return;
        await memory.KeepAsync([.. (await RowsAsync(cancellationToken)).Select(row => KeptOf(row.Actor, row.Budget))], cancellationToken);
        await once.NoteAsync(Adopted, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task<List<(Guid Actor, ClientBudget Budget)>> RowsAsync(CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand($"select {Columns} from vault.budget_limit");
        return await Rows.ReadAsync(command, Read, ct);
    }

    private async Task<List<(Guid Actor, ClientBudget Budget)>> KeptAsync(CancellationToken ct) =>
        [.. (await memory.ReadAsync(OversightMemory.Limit, ct)).Select(kept => (new Guid(kept.Id.AsSpan(0, GuidSize), bigEndian: true), BudgetOf(Encoding.UTF8.GetString(kept.Id.AsSpan(GuidSize)), kept.Value)))];

    private static (Guid Actor, ClientBudget Budget) Read(NpgsqlDataReader row) =>
        (row.GetGuid(0), new ClientBudget(row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetInt32(3), row.IsDBNull(4) ? null : row.GetInt32(4)));

    private static ClientBudget Tighter(ClientBudget one, ClientBudget other) => one with { PerHour = Least(one.PerHour, other.PerHour), PerDay = Least(one.PerDay, other.PerDay) };

    private static int? Least(int? one, int? other) => one is { } a && other is { } b ? Math.Min(a, b) : one ?? other;

    private static byte[] IdOf(Guid actor, string purpose) => [.. actor.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(purpose)];

    // i32 an hour ‖ i32 a day ‖ client id; 0 stands for: as the policy says.
    private static Kept KeptOf(Guid actor, ClientBudget budget)
    {
        var name = Encoding.UTF8.GetBytes(budget.Client);
        var value = new byte[(2 * sizeof(int)) + name.Length];
        BinaryPrimitives.WriteInt32BigEndian(value, budget.PerHour ?? 0);
        BinaryPrimitives.WriteInt32BigEndian(value.AsSpan(sizeof(int)), budget.PerDay ?? 0);
        name.CopyTo(value, 2 * sizeof(int));
        return new Kept(OversightMemory.Limit, IdOf(actor, budget.Purpose)) { Value = value };
    }

    private static ClientBudget BudgetOf(string purpose, byte[] value)
    {
        static int? Limit(ReadOnlySpan<byte> at) => BinaryPrimitives.ReadInt32BigEndian(at) is var limit and > 0 ? limit : null;
        return new ClientBudget(Encoding.UTF8.GetString(value.AsSpan(2 * sizeof(int))), purpose, Limit(value), Limit(value.AsSpan(sizeof(int))));
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
}

/// <summary>
/// Budgets of single applications. They only ever tighten: of the purpose's and the application's own the smaller counts, from the next time that a process takes
/// room on. Each change is an entry of the log in its transaction.
/// </summary>
public sealed class ClientBudgets
{
    private readonly VaultDatabase database;
    private readonly BudgetBook book;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly OversightDoor door;

    internal ClientBudgets(VaultDatabase database, BudgetBook book, AuditLog log, Decider decider)
    {
        (this.database, this.book, this.log, this.decider) = (database, book, log, decider);
        door = new OversightDoor(log, decider, Capabilities.ClientsManage, "budgets");
    }

    public async Task<IReadOnlyList<ClientBudget>> ListAsync(Recipient recipient, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        var budgets = await book.ListAsync(cancellation);
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
                await book.SetAsync(new DutyWork(connection, transaction, cancellation), actor, budget);
                return await log.AppendWithinAsync(connection, transaction, [entry], cancellation);
            },
            cancellation);
        return budget;
    }

    private static string Text(int? limit) => limit?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "policy";
}
