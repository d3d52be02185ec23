using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;

namespace DataVault.Vault;

/// <summary>A retention rule in force, and what it is about.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Items">Names of the fields and event types that are kept by it; <c>decisions:</c> and a model of what it decided.</param>
public sealed record RetentionTerms(RetentionRule Rule, IReadOnlyList<string> Items);

/// <summary>What is kept how long, and how the sweeps keep up with it.</summary>
/// <param name="Rules">The rules in force.</param>
/// <param name="Last">The last sweep that deleted; null before the first.</param>
/// <param name="NextAt">When the next is due; null while nobody is recorded.</param>
/// <param name="Waiting">People whose next look is due and has not been taken.</param>
public sealed record RetentionState(IReadOnlyList<RetentionTerms> Rules, RetentionRun? Last, DateTimeOffset? NextAt, long Waiting);

/// <summary>Storage limitation (GDPR 5(1)(e)) for those who answer for it: the rules, the sweeps, and a sweep that only counts.</summary>
public sealed class Retention
{
    public const int MostRuns = 100;

    private readonly RetentionRuns runs;
    private readonly RetentionTools tools;
    private readonly AuditLog log;
    private readonly ActivePolicy policy;

    internal Retention(RetentionRuns runs, RetentionTools tools, AuditLog log, ActivePolicy policy) => (this.runs, this.tools, this.log, this.policy) = (runs, tools, log, policy);

    /// <exception cref="VaultException">forbidden: without <see cref="Capabilities.RetentionManage"/>.</exception>
    public async Task<RetentionState> StateAsync(Recipient recipient, CancellationToken ct)
    {
        Authorise(recipient);
        var current = policy.Current;
        var models = current.Models.All.ToLookup(model => model.Retention.Name, model => "decisions:" + model.Name, StringComparer.Ordinal);
        var schedule = new RetentionSchedule(current);
        var items = current.Items.ToLookup(item => item.Retention, item => item.Name, StringComparer.Ordinal);
        var last = (await runs.ListAsync(MostRuns, ct)).FirstOrDefault(run => !run.Dry);
        var due = await runs.DueAsync(tools.Every, ct);
        await using var command = tools.Database.Source.CreateCommand(
            "select count(*) from vault.subject s left join vault.retention_look l using (subject_id) where s.key_version > 0 and (l.subject_id is null or l.look_at <= $1 or l.rules <> $2)");
        command.Parameters.Add(new() { Value = tools.Clock.Now.UtcDateTime });
        command.Parameters.Add(new() { Value = schedule.Fingerprint });
        var waiting = (long)(await command.ExecuteScalarAsync(ct))!;
        return new RetentionState([.. current.Retention.Select(rule => new RetentionTerms(rule, [.. items[rule.Name], .. models[rule.Name]]))], last, due, waiting);
    }

    /// <summary>Asks for a sweep, which a process of the vault begins within a minute. A dry one counts and deletes nothing.</summary>
    /// <exception cref="VaultException">forbidden; invalid-state: one is waiting or under way already.</exception>
    public async Task<RetentionRun> StartAsync(Recipient recipient, bool dry, Guid requestId, CancellationToken ct)
    {
        Authorise(recipient);
        if (await runs.UnfinishedAsync(ct) is not null) throw VaultException.InvalidState("A sweep is waiting or under way.");
        return await tools.Database.RunAsync(async (connection, transaction) =>
        {
            var run = await runs.StartAsync(connection, transaction, dry, recipient.Id, ct);
            // SPEC log-entry §18: asked for, not done.
            var entry = log.Entry(EntryType.RetentionSwept, recipient, default, IndexedValues.Purpose, EntryResult.Ok, [], requestId) with
            {
                Rules = [dry ? "retention:count" : "retention:start", $"run:{run.Id:D}"],
            };
            await log.AppendWithinAsync(connection, transaction, [entry], ct);
            return run;
        }, ct);
    }

    /// <summary>Newest first.</summary>
    public Task<IReadOnlyList<RetentionRun>> RunsAsync(Recipient recipient, int limit, CancellationToken ct)
    {
        Authorise(recipient);
        return limit is >= 1 and <= MostRuns ? runs.ListAsync(limit, ct) : throw VaultException.BadRequest($"The limit is between 1 and {MostRuns}.");
    }

    /// <exception cref="VaultException">forbidden, not-found.</exception>
    public async Task<RetentionRun> RunAsync(Recipient recipient, Guid id, CancellationToken ct)
    {
        Authorise(recipient);
        return await runs.FindAsync(id, ct) ?? throw VaultException.NotFound();
    }

    private void Authorise(Recipient recipient)
    {
        if (recipient.Kind == RecipientKind.Customer || !policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.RetentionManage)) throw VaultException.Forbidden();
    }
}
