using System.Collections.Frozen;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault.Indexes;

/// <summary>The states of an index, as <c>vault.index_plan</c> has them.</summary>
internal static class IndexStates
{
    /// <summary>Declared; nothing can be found by it before it is built.</summary>
    public const string Building = "building";

    public const string Ready = "ready";

    /// <summary>The planner found the live distribution to make it unsafe; nothing is stored for it.</summary>
    public const string Refused = "refused";

    /// <summary>No policy declares it any more: its terms and keys are on their way out.</summary>
    public const string Dropped = "dropped";
}

/// <summary>An open epoch of an index.</summary>
internal sealed record OpenEpoch(int Number, BlindIndexEpoch Keys);

/// <summary>An index as it stands.</summary>
/// <param name="Definition">What the policy declares.</param>
/// <param name="Row">How far it is.</param>
/// <param name="Complete">The epoch that everybody's terms are in; null until it is built for the first time.</param>
/// <param name="Next">The epoch that is being filled.</param>
internal sealed record LiveIndex(IndexDefinition Definition, IndexRow Row, OpenEpoch? Complete, OpenEpoch? Next)
{
    /// <summary>The epochs that a write puts terms into.</summary>
    public IEnumerable<OpenEpoch> Written
    {
        get
        {
            if (Complete is not null) yield return Complete;
            if (Next is not null) yield return Next;
        }
    }

    public bool IsSearchable => Complete is not null && Row.State == IndexStates.Ready;
}

/// <summary>
/// What the indexes are at one generation. Every change of a plan is a new generation; a write checks, under a lock that it shares with other writes, that its
/// generation is still the one, and a look-up checks it in the snapshot it reads.
/// </summary>
/// <param name="Generation">Grows with every change.</param>
/// <param name="Indexes">Those that this process's policy declares.</param>
/// <param name="ById">The same by number.</param>
/// <param name="Catalogue">The version whose definitions these are.</param>
/// <param name="HasForeign">Another process, under another policy, keeps an index that this one knows nothing of: what is written here would be missing there.</param>
internal sealed record IndexPlan(long Generation, IReadOnlyList<LiveIndex> Indexes, FrozenDictionary<int, LiveIndex> ById, Catalogue Catalogue, bool HasForeign)
{
    /// <summary>The indexes that hold one of these fields.</summary>
    public IEnumerable<LiveIndex> Holding(IReadOnlyCollection<FieldDefinition> fields) =>
        Indexes.Where(index => index.Definition.Parts.Any(part => fields.Contains(part.Field)));
}

/// <summary>The plan changed between making terms and storing or seeking them: make them again.</summary>
internal sealed class StaleIndexPlanException() : Exception("The index plan has changed.");

/// <summary>The indexes of this vault as every process sees them: kept in memory, checked at every use, read again when they changed.</summary>
internal sealed class IndexPlans(VaultDatabase database, IndexKeys keys, ActivePolicy policy) : IDisposable
{
    /// <summary>
    /// Writers of terms hold this lock shared, a change of the plan takes it alone. INVARIANT: after the lock on a person's row, never before.
    /// </summary>
    public const long LockKey = 0x4441_5641_4958;

    private const int Attempts = 5;

    private readonly SemaphoreSlim reading = new(1, 1);
    private readonly Dictionary<(int Index, IndexShape Shape), BlindIndexEpoch> open = [];
    private IndexPlan? plan;

    public async ValueTask<IndexPlan> CurrentAsync(CancellationToken ct) =>
        Volatile.Read(ref plan) is { } known && known.Catalogue == policy.Current.Catalogue ? known : await RefreshAsync(0, ct);

    /// <summary>Reads the plan again, unless another caller has read one newer than <paramref name="stale"/> meanwhile.</summary>
    public async Task<IndexPlan> RefreshAsync(long stale, CancellationToken ct)
    {
        await reading.WaitAsync(ct);
        try
        {
            var catalogue = policy.Current.Catalogue;
            if (plan is { } known && known.Catalogue == catalogue && known.Generation > stale) return known;
            var (generation, rows) = await IndexRows.ReadAllAsync(database, ct);
            var indexes = new List<LiveIndex>();
            foreach (var definition in catalogue.Indexes)
            {
                if (rows.Find(row => row.IndexId == definition.Id) is { } row) indexes.Add(await OpenAsync(definition, row, ct));
            }

            Forget(indexes);
            var foreign = rows.Any(row => row.State is IndexStates.Ready or IndexStates.Building && catalogue.IndexById(row.IndexId) is null);
            var fresh = new IndexPlan(generation, indexes, indexes.ToFrozenDictionary(index => index.Definition.Id), catalogue, foreign);
            Volatile.Write(ref plan, fresh);
            return fresh;
        }
        finally
        {
            reading.Release();
        }
    }

    /// <summary>Does something with the plan, again with a newer one when the plan changed meanwhile.</summary>
    /// <exception cref="VaultException">The plan does not come to rest.</exception>
    public async Task<T> WithPlanAsync<T>(Func<IndexPlan, Task<T>> work, CancellationToken ct)
    {
        var current = await CurrentAsync(ct);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await work(current);
            }
            catch (StaleIndexPlanException e)
            {
                if (attempt == Attempts) throw VaultException.Unavailable(e);
                current = await RefreshAsync(current.Generation, ct);
            }
        }
    }

    /// <summary>One transaction that may write terms. When the plan changes before it holds it, both steps are done again with the newer one.</summary>
    public Task<T> WriteAsync<T>(Action<IndexPlan> prepare, Func<IndexPlan, NpgsqlConnection, NpgsqlTransaction, Task<T>> work, CancellationToken ct) => WithPlanAsync(
        held =>
        {
            prepare(held);
            return database.RunAsync((connection, transaction) => work(held, connection, transaction), ct);
        },
        ct);

    /// <summary>First of a batch that writes terms: from here to the end of the transaction no plan changes. Second is the check, whose answer is a generation.</summary>
    public static NpgsqlBatchCommand[] Hold() => [new($"select pg_advisory_xact_lock_shared({LockKey})"), new("select generation from vault.index_head where head = 1")];

    /// <summary>The same as a round trip of its own.</summary>
    /// <exception cref="StaleIndexPlanException">The plan is not <paramref name="held"/> any more.</exception>
    /// <exception cref="VaultException">A newer policy is in force elsewhere: this process must be restarted with it before it writes.</exception>
    public static async Task HoldAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IndexPlan held, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        foreach (var command in Hold()) batch.BatchCommands.Add(command);
        await using var reader = await batch.ExecuteReaderAsync(ct);
        await ThrowIfStaleAsync(reader, held, ct);
    }

    /// <summary>Reads what <see cref="Hold"/> answered and stands before the next result.</summary>
    public static async Task ThrowIfStaleAsync(NpgsqlDataReader reader, IndexPlan held, CancellationToken ct)
    {
        await reader.NextResultAsync(ct);
        await reader.ReadAsync(ct);
        if (reader.GetInt64(0) != held.Generation) throw new StaleIndexPlanException();
        if (held.HasForeign) throw VaultException.Unavailable();
        await reader.NextResultAsync(ct);
    }

    public void Dispose()
    {
        reading.Dispose();
        foreach (var epoch in open.Values) epoch.Dispose();
    }

    private async Task<LiveIndex> OpenAsync(IndexDefinition definition, IndexRow row, CancellationToken ct) =>
        new(definition, row, await OpenAsync(definition.Id, row.Complete, ct), await OpenAsync(definition.Id, row.Next, ct));

    private async Task<OpenEpoch?> OpenAsync(int indexId, IndexShape? shape, CancellationToken ct)
    {
        if (shape is not { } wanted) return null;
        if (!open.TryGetValue((indexId, wanted), out var epoch))
        {
            if (await keys.OpenAsync(indexId, wanted, ct) is not { } found) return null;
            open[(indexId, wanted)] = epoch = found;
        }

        return new OpenEpoch(wanted.Epoch, epoch);
    }

    // Those that a request still uses are erased by their finaliser, not by us.
    private void Forget(List<LiveIndex> indexes)
    {
        var used = indexes.SelectMany(index => new[] { (index.Definition.Id, index.Row.Complete), (index.Definition.Id, index.Row.Next) }).ToHashSet();
        foreach (var gone in open.Keys.Where(key => !used.Contains((key.Index, key.Shape))).ToList()) open.Remove(gone);
    }
}
