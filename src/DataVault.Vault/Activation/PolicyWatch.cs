using DataVault.Policy;
using DataVault.Vault.Indexes;
using DataVault.Vault.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Follows what other processes activate: at once when PostgreSQL tells of it, within <see cref="PolicyProcesses.Lease"/> when it does not, since nothing is
/// decided longer than that without a look. A process that cannot look, or cannot load what it sees, decides nothing. What this vault did not write is not
/// followed: the process goes on by the last version that it did.
/// </summary>
internal sealed class PolicyWatch(
    VaultDatabase database, PolicyStore store, PolicyBeginning beginning, ActivePolicy active, PolicyAftermath aftermath, WatchTools tools) : BackgroundService
{
    private static readonly TimeSpan Rhythm = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(100);

    private readonly Guid process = tools.Clock.NewId();
    private readonly SemaphoreSlim looking = new(1, 1);
    private long sequence;
    private long lookedAt;
    private bool entered;
    private PolicyActivation? unremembered;
    private string told = "";

    /// <summary>The activation that this process serves by.</summary>
    public long Sequence => Math.Max(sequence, beginning.Sequence);

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await LookAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await tools.Processes.LeaveAsync(process, cancellationToken);
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e) || e is VaultException)
        {
            tools.Logger.LogDebug("The database is away; the process is forgotten when its time is over.");
        }
    }

    /// <summary>Looks which activation is in force and follows it.</summary>
    public async Task LookAsync(CancellationToken ct)
    {
        active.FollowBy(EnsureAsync);
        await looking.WaitAsync(ct);
        try
        {
            await LookAloneAsync(ct);
        }
        finally
        {
            looking.Release();
        }
    }

    /// <summary>What this process serves by, after a look.</summary>
    public async Task<(long Sequence, string Version)> ServedAsync(CancellationToken ct)
    {
        await looking.WaitAsync(ct);
        try
        {
            await LookAloneAsync(ct);
            return (Sequence, active.Newest.Version);
        }
        finally
        {
            looking.Release();
        }
    }

    public override void Dispose()
    {
        looking.Dispose();
        base.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        RepeatAsync(LookAsync, Rhythm, stoppingToken), RepeatAsync(ListenAsync, Rhythm, stoppingToken), RepeatAsync(aftermath.SweepAsync, Breath, stoppingToken));

    private ValueTask EnsureAsync(CancellationToken ct) => IsFresh ? ValueTask.CompletedTask : EnsureSlowlyAsync(ct);

    private bool IsFresh => Volatile.Read(ref entered) && tools.Clock.Provider.GetElapsedTime(Volatile.Read(ref lookedAt)) < PolicyProcesses.Lease;

    private async ValueTask EnsureSlowlyAsync(CancellationToken ct)
    {
        await looking.WaitAsync(ct);
        try
        {
            if (!IsFresh) await LookAloneAsync(ct);
        }
        catch (Exception e) when (e is not (OperationCanceledException or VaultException))
        {
            throw VaultException.Unavailable(e);
        }
        finally
        {
            looking.Release();
        }

        if (!IsFresh) throw VaultException.Unavailable();
    }

    // INVARIANT: the time counts from before the announcement, which is committed before the look: see PolicyProcesses.
    private async Task LookAloneAsync(CancellationToken ct)
    {
        while (true)
        {
            var since = tools.Clock.Provider.GetTimestamp();
            sequence = Sequence;
            await tools.Processes.AnnounceAsync(process, sequence, ct);
            var standing = await store.StandingAsync(ct);
            Tell(standing);
            if (standing.InForce is not { } inForce || inForce.Sequence <= sequence)
            {
                await RememberAsync(ct);
                Volatile.Write(ref lookedAt, since);
                Volatile.Write(ref entered, true);
                return;
            }

            if (!await FollowAsync(inForce, ct)) return;
        }
    }

    private async Task<bool> FollowAsync(PolicyActivation inForce, CancellationToken ct)
    {
        try
        {
            if (active.Newest.Version != inForce.Version) active.Swap(await store.LoadAsync(inForce.Version, ct) ?? throw new PolicyException([]));
            sequence = inForce.Sequence;
            unremembered = inForce;
            active.IsRefusing = false;
            aftermath.Follow();
            return true;
        }
        // INVARIANT: whatever is wrong with the version, the process decides nothing by another, and looks again.
        catch (Exception e) when (e is not OperationCanceledException && !DatabaseFailure.IsOutage(e))
        {
            Volatile.Write(ref entered, false);
            var why = e is PolicyException { Problems: var problems } ? string.Join("; ", problems.Take(3)) : e.GetType().Name;
            if (!active.IsRefusing) tools.Logger.LogCritical("The policy in force, {Version}, cannot be loaded by this process, which decides nothing until it can: {Problems}", inForce.Version, why);
            active.IsRefusing = true;
            await tools.Processes.LeaveAsync(process, ct);
            return false;
        }
    }

    // Where the keys are away, the next look does it.
    private async Task RememberAsync(CancellationToken ct)
    {
        if (unremembered is not { } newest) return;
        try
        {
            await tools.Memory.RememberAsync(newest, ct);
            unremembered = null;
        }
        catch (Exception e) when (DatabaseFailure.IsOutage(e))
        {
            tools.Logger.LogDebug("The keys database is away; the activation {Sequence} is remembered later.", newest.Sequence);
        }
    }

    private void Tell(PolicyStanding standing)
    {
        var news = standing.Foreign.Count > 0 ? $"activations that this vault did not write, such as {standing.Foreign[0].Sequence} of the policy {standing.Foreign[0].Version}"
            : (standing.InForce?.Sequence ?? 0) < sequence ? $"no activation after {standing.InForce?.Sequence ?? 0}, where {sequence} was in force" : "";
        if (news.Length > 0 && news != told) tools.Logger.LogCritical("Somebody wrote into the vault database: it names {What}. In force stays {Version}.", news, active.Newest.Version);
        told = news;
        active.IsDisputed = news.Length > 0;
    }

    private async Task ListenAsync(CancellationToken ct)
    {
        await using var connection = await database.Source.OpenConnectionAsync(ct);
        await using (var listen = new NpgsqlCommand("listen " + PolicyStore.Channel, connection)) await listen.ExecuteNonQueryAsync(ct);
        while (true)
        {
            await connection.WaitAsync(ct);
            await LookAsync(ct);
        }
    }

    private async Task RepeatAsync(Func<CancellationToken, Task> work, TimeSpan pause, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            var rest = pause;
            try
            {
                await work(ct);
            }
            catch (Exception e) when (!ct.IsCancellationRequested)
            {
                // What went wrong may go wrong at once again.
                rest = Rhythm;
                if (DatabaseFailure.IsOutage(e)) tools.Logger.LogWarning("The policy's watch waits for the database ({Kind}).", e.GetType().Name);
                else tools.Logger.LogError(e, "A step of the policy's watch failed, and is repeated.");
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }

            await Task.Delay(rest, tools.Clock.Provider, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}

/// <summary>What the watch works with beside the versions.</summary>
internal sealed record WatchTools(PolicyProcesses Processes, PolicyMemory Memory, VaultClock Clock, ILogger<PolicyWatch> Logger);

/// <summary>What a new version brings with it outside the decisions: the plan of the indexes follows, and analytics tables keep nothing that no domain declares.</summary>
internal sealed class PolicyAftermath(VaultDatabase database, ActivePolicy active, IndexChanges changes, IndexWorker worker) : IDisposable
{
    private static readonly TimeSpan Rhythm = TimeSpan.FromMinutes(1);

    private static readonly string[] Tables = ["customer", "purchase", "interaction"];

    private volatile PolicySet? followed;
    private readonly SemaphoreSlim following = new(0, 1);

    /// <summary>The next sweep is due now.</summary>
    public void Follow()
    {
        if (following.CurrentCount == 0) following.Release();
    }

    public void Dispose() => following.Dispose();

    /// <summary>One sweep, then waits until the next is due.</summary>
    public async Task SweepAsync(CancellationToken ct)
    {
        var policy = active.Newest;
        if (followed is not null && followed != policy)
        {
            await changes.ReconcileAsync(policy.Catalogue, ct);
            worker.Wake();
        }

        followed = policy;
        await ClearAsync(policy, ct);
        await following.WaitAsync(Rhythm, ct);
    }

    /// <summary>Rows of domains that are declared no more, and values of columns that are.</summary>
    public async Task ClearAsync(PolicySet policy, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            """
            select n.nspname::text, array_agg(a.attname::text) from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
            where n.nspname like 'analytics\_%' and c.relname = 'customer' and a.attnum > 0 and not a.attisdropped group by n.nspname
            """);
        foreach (var (schema, columns) in await Rows.ReadAsync(command, row => (row.GetString(0), row.GetFieldValue<string[]>(1)), ct))
        {
            if (policy.Analytics.FirstOrDefault(domain => domain.Schema == schema) is { } domain) await EmptyColumnsAsync(domain, columns, ct);
            else await EmptyAsync(schema, ct);
        }
    }

    private async Task EmptyAsync(string schema, CancellationToken ct)
    {
        foreach (var table in Tables)
        {
            await using var command = database.Source.CreateCommand($"delete from {AnalyticsSchema.Quote(schema)}.{table}");
            await command.ExecuteNonQueryAsync(ct);
        }
    }

    private async Task EmptyColumnsAsync(AnalyticsDomain domain, string[] columns, CancellationToken ct)
    {
        string[] own = ["pseudonym", "updated_on", .. domain.CustomerColumns.Select(column => column.Column)];
        foreach (var column in columns.Except(own).Select(AnalyticsSchema.Quote))
        {
            await using var command = database.Source.CreateCommand($"update {AnalyticsSchema.Quote(domain.Schema)}.customer set {column} = null where {column} is not null");
            await command.ExecuteNonQueryAsync(ct);
        }
    }
}
