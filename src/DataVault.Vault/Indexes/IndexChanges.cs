using System.Text.Json;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault.Indexes;

/// <summary>
/// The transitions of the plan. Each is one transaction that no writer of terms overlaps, with its entry in the log; whoever writes or looks up afterwards does so
/// by the new plan:
/// <code>
/// declared -> (surveyed) -> begun: writes go to both epochs -> filled -> switched: look-ups and writes use the new one -> old terms deleted -> old key destroyed
///                 \-> refused
/// </code>
/// INVARIANT: any two writes that overlap in time share an epoch that holds everybody's identifiers, so an identifier is never held twice.
/// </summary>
internal sealed class IndexChanges(VaultDatabase database, IndexPlans plans, IndexKeys indexKeys, AuditLog log, VaultClock clock)
{
    /// <summary>Brings the plan to what the policy declares. An index that is new on an empty vault is ready at once.</summary>
    public async Task ReconcileAsync(Catalogue catalogue, CancellationToken ct)
    {
        await database.RunAsync(async (connection, transaction) =>
        {
            await IndexRows.TakeAloneAsync(connection, transaction, ct);
            var (_, rows) = await IndexRows.ReadAllAsync(database, ct);
            var changed = new List<IndexRow>();
            foreach (var definition in catalogue.Indexes)
            {
                var row = rows.Find(one => one.IndexId == definition.Id);
                var wanted = row is null ? await DeclareAsync(connection, transaction, definition, ct) : await ReconcileAsync(definition, row, ct);
                if (wanted != row) changed.Add(wanted);
            }

            changed.AddRange(rows.Where(row => catalogue.IndexById(row.IndexId) is null && row.State != IndexStates.Dropped)
                .Select(row => Emptied(row) with { State = IndexStates.Dropped, Old = Emptied(row).Old ?? IndexKeys.DerivedEpoch }));
            if (changed.Count > 0) await IndexRows.ChangeAsync(connection, transaction, changed, ct);
            return changed.Count;
        }, ct);
        await plans.RefreshAsync(long.MaxValue - 1, ct);
    }

    /// <summary>A new epoch: from here on, writes go to it too.</summary>
    public async Task BeginAsync(IndexDefinition index, int bits, Survey survey, byte[] sealedSurvey, CancellationToken ct)
    {
        var before = await FindAsync(index, ct);
        await indexKeys.DestroyAllButAsync(index.Id, before.Complete is { } complete ? [complete.Epoch] : [], ct);
        var shape = new IndexShape(await indexKeys.CreateAsync(index.Id, ct), bits, index.Partitions);
        await ChangeAsync(index, row => row.Next is not null ? null : row with { Next = shape, Cursor = null, Done = 0, Survey = sealedSurvey, SurveyedAt = survey.At, Reason = null }, shape.Epoch, EntryResult.Ok, ct);
    }

    /// <summary>Everybody's terms are in the new epoch: it is the one from here on.</summary>
    public Task SwitchAsync(IndexDefinition index, CancellationToken ct) => ChangeAsync(
        index,
        row => row.Next is not { } next ? null : row with { State = IndexStates.Ready, Complete = next, EpochAt = clock.Now, Next = null, Old = row.Complete?.Epoch ?? row.Old, Cursor = null, Done = 0 },
        null, EntryResult.Ok, ct);

    /// <summary>It must not be built as the values are; what may have been stored of it goes.</summary>
    public Task RefuseAsync(IndexDefinition index, string reason, byte[]? survey, CancellationToken ct) => ChangeAsync(
        index,
        row => row.Complete is not null && row.Next is null
            ? row with { Reason = reason, Survey = survey ?? row.Survey, SurveyedAt = clock.Now }
            : Emptied(row) with { State = IndexStates.Refused, Reason = reason, Survey = survey ?? row.Survey, SurveyedAt = clock.Now },
        null, EntryResult.Denied, ct);

    /// <summary>What was seen of the values, where nothing needs to change.</summary>
    public Task NoteAsync(IndexDefinition index, byte[] survey, CancellationToken ct) => database.RunAsync(async (connection, transaction) =>
    {
        await using var command = new NpgsqlCommand("update vault.index_plan set survey = $2, surveyed_at = $3 where index_id = $1", connection, transaction)
        {
            Parameters = { new() { Value = index.Id }, new() { Value = survey }, new() { Value = clock.Now.UtcDateTime } },
        };
        return await command.ExecuteNonQueryAsync(ct);
    }, ct);

    /// <summary>Its epoch is due, whatever its age.</summary>
    public Task<bool> RequestAsync(IndexDefinition index, CancellationToken ct) => database.RunAsync(async (connection, transaction) =>
    {
        await using var command = new NpgsqlCommand("update vault.index_plan set epoch_at = null where index_id = $1 and state = 'ready' and next_epoch is null", connection, transaction)
        {
            Parameters = { new() { Value = index.Id } },
        };
        return await command.ExecuteNonQueryAsync(ct) == 1;
    }, ct);

    /// <summary>The terms of other epochs than those in use are deleted: their keys go too, and with a dropped index its row.</summary>
    public async Task RetiredAsync(IndexRow row, IndexDefinition? index, CancellationToken ct)
    {
        var kept = new[] { row.Complete?.Epoch, row.Next?.Epoch }.OfType<int>().ToList();
        await indexKeys.DestroyAllButAsync(row.IndexId, kept, ct);
        await database.RunAsync(async (connection, transaction) =>
        {
            await IndexRows.TakeAloneAsync(connection, transaction, ct);
            if (await IndexRows.FindAsync(connection, transaction, row.IndexId, ct) is not { Old: { } old } now) return false;
            await IndexRows.ChangeAsync(connection, transaction, now.State == IndexStates.Dropped ? [] : [now with { Old = null, Cursor = null, Done = 0 }], ct);
            if (now.State == IndexStates.Dropped) await ExecuteAsync(connection, transaction, IndexRows.Delete(row.IndexId), ct);
            await log.AppendWithinAsync(connection, transaction, [Entry(EntryType.IndexChange, index, old, EntryResult.Ok)], ct);
            return true;
        }, ct);
        await plans.RefreshAsync(long.MaxValue - 1, ct);
    }

    public async Task<IndexRow> FindAsync(IndexDefinition index, CancellationToken ct) => (await IndexRows.ReadAllAsync(database, ct)).Rows.Find(row => row.IndexId == index.Id)
        ?? throw new InvalidOperationException("The index is not in the plan.");

    private async Task ChangeAsync(IndexDefinition index, Func<IndexRow, IndexRow?> change, int? epoch, EntryResult result, CancellationToken ct)
    {
        await database.RunAsync(async (connection, transaction) =>
        {
            await IndexRows.TakeAloneAsync(connection, transaction, ct);
            if (await IndexRows.FindAsync(connection, transaction, index.Id, ct) is not { } row || change(row) is not { } changed) return false;
            await IndexRows.ChangeAsync(connection, transaction, [changed], ct);
            await log.AppendWithinAsync(connection, transaction, [Entry(EntryType.IndexChange, index, epoch ?? changed.Complete?.Epoch ?? 0, result)], ct);
            return true;
        }, ct);
        await plans.RefreshAsync(long.MaxValue - 1, ct);
    }

    private LogEntry Entry(EntryType type, IndexDefinition? index, int epoch, EntryResult result) =>
        log.Entry(type, LogWorker.Keeper, default, "", result, [.. index?.Parts.Select(part => AuditLog.ItemCode(part.Field)) ?? []]) with { RecordVersion = epoch };

    private async Task<IndexRow> DeclareAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, IndexDefinition index, CancellationToken ct)
    {
        await using var anybody = new NpgsqlCommand("select exists (select from vault.subject)", connection, transaction);
        var row = new IndexRow(index.Id, index.Signature, IndexStates.Building, null, null, null, null, 0, null, null, null, null);
        if (await anybody.ExecuteScalarAsync(ct) is true) return row;
        await indexKeys.DestroyAllButAsync(index.Id, [], ct);
        var shape = new IndexShape(await indexKeys.CreateAsync(index.Id, ct), index.Bits ?? IndexPlanner.Choose(Distribution.Empty), index.Partitions);
        return row with { State = IndexStates.Ready, Complete = shape, EpochAt = clock.Now };
    }

    private async Task<IndexRow> ReconcileAsync(IndexDefinition index, IndexRow row, CancellationToken ct)
    {
        var adopted = row.Signature.Length == 0 && !index.IsTruncated ? row with { Signature = index.Signature } : row;
        if (adopted.Signature != index.Signature || adopted.State == IndexStates.Dropped) return Emptied(adopted) with { Signature = index.Signature };
        if (adopted.State == IndexStates.Refused) return adopted with { State = IndexStates.Building, Reason = null };
        // A key that this keys database lacks makes the terms noise: after a restore of one database and not the other, say.
        if (await IsLostAsync(index, adopted.Complete, ct)) return Emptied(adopted);
        if (await IsLostAsync(index, adopted.Next, ct)) return adopted with { Next = null, Old = adopted.Old ?? adopted.Next!.Value.Epoch, Cursor = null, Done = 0 };
        return adopted.Reason is null ? adopted : adopted with { Reason = null };
    }

    private async Task<bool> IsLostAsync(IndexDefinition index, IndexShape? shape, CancellationToken ct)
    {
        if (shape is not { } known) return false;
        using var opened = await indexKeys.OpenAsync(index.Id, known, ct);
        return opened is null;
    }

    /// <summary>Begun anew; whatever terms there are of it go.</summary>
    private static IndexRow Emptied(IndexRow row) => row with
    {
        State = IndexStates.Building,
        Complete = null,
        EpochAt = null,
        Next = null,
        Old = row.Complete?.Epoch ?? row.Next?.Epoch ?? row.Old,
        Cursor = null,
        Done = 0,
        Reason = null,
    };

    private static async Task ExecuteAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, NpgsqlBatchCommand command, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { command } };
        await batch.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>What the planner saw of an index's values, and when.</summary>
internal sealed record Survey(DateTimeOffset At, Distribution Values);

/// <summary>
/// Keeps surveys sealed: how often values occur is what a frequency analyst would like to know.
/// </summary>
internal sealed class SurveySeal(KeyRegistry keys, IRandomBytes random)
{
    public byte[] Seal(IndexDefinition index, Survey survey)
    {
        using var key = keys.Derive("index-survey");
        return SealedValue.Seal(key.Span, 1, 0, JsonSerializer.SerializeToUtf8Bytes(survey), Context(index, stackalloc byte[AssociatedData.Limit]), random);
    }

    /// <summary>Null when there is none.</summary>
    public Survey? Open(IndexDefinition index, byte[]? value)
    {
        if (value is null) return null;
        using var key = keys.Derive("index-survey");
        var plain = new byte[SealedValue.OpenedLength(value.Length)];
        SealedValue.Open(key.Span, value, Context(index, stackalloc byte[AssociatedData.Limit]), plain);
        return JsonSerializer.Deserialize<Survey>(plain);
    }

    private ReadOnlySpan<byte> Context(IndexDefinition index, Span<byte> buffer) => new AssociatedData(buffer, "index-survey").Add(keys.VaultId).Add(index.Id).Bytes;
}
