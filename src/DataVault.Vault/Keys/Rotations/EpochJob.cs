using System.Globalization;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>A new epoch as a rotation: the root first, then the pages, chunk by chunk.</summary>
internal sealed class EpochJob(KeysDatabase database, EpochRotation epochs, EpochLedger ledger) : IRotation
{
    public string Level => RotationLevels.Epoch;

    public async Task<RotationPlan> PlanAsync(string? target, CancellationToken ct)
    {
        if (target is not null) throw VaultException.BadRequest("The next epoch has no other name.");
        await using var command = database.Source.CreateCommand("select (select max(epoch_id) from keys.epoch), (select count(*) from keys.page)");
        var (current, pages) = (await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetInt64(1)), ct))[0];
        return new RotationPlan((current + 1).ToString(CultureInfo.InvariantCulture), pages);
    }

    public async Task<RotationStep> StepAsync(RotationJob job, CancellationToken ct)
    {
        var target = int.Parse(job.View.Target, CultureInfo.InvariantCulture);
        if (job.Cursor is null)
        {
            // Done again after a crash in between, it begins nothing and enters what has no entry yet.
            await epochs.BeginAsync(target, ct);
            await ledger.EnterMissingAsync(ct);
            return new RotationStep(0, RotationStore.Cursor(target), Finished: false);
        }

        var finished = await epochs.RewrapChunkAsync(ct) == 0;
        var behind = await epochs.BehindAsync(target, ct);
        return new RotationStep(job.View.Total - (finished ? 0 : behind), job.Cursor, finished, finished && behind > 0 ? Remark(behind) : null);
    }

    private static string Remark(long behind) =>
        string.Create(CultureInfo.InvariantCulture, $"{behind} pages stay behind: the root that they are wrapped under does not open. It is not destroyed before they are brought after.");
}

/// <summary>What the clock asks of epochs: the next one when the current is old enough, the end of those that were kept long enough.</summary>
internal sealed class EpochTurn(EpochRotation epochs, EpochJob job, RotationStore store, RotationRunner runner, DamagedKeys damage, EpochLedger ledger)
{
    /// <summary>Each part by itself: a turn that cannot begin the next epoch destroys old ones all the same. What failed is thrown at the end.</summary>
    public Task RunAsync(bool now, CancellationToken ct)
    {
        Func<Task>[] parts =
        [
            async () =>
            {
                // INVARIANT: planned before the look: should another process begin and end that epoch meanwhile, this one plans it once more and begins nothing.
                var plan = await job.PlanAsync(null, ct);
                if (now || (await epochs.LookAsync(ct)).IsDue) await BeginAsync(plan, ct);
                await runner.DriveAsync(RotationLevels.Epoch, rest: false, ct);
            },
            () => damage.MendAsync(ct),
            () => epochs.DestroyOldAsync(ct),
            () => damage.TellAsync(ct),
            () => ledger.EnterMissingAsync(ct),
        ];
        return Separately.EachAsync(parts, part => part(), static (_, _) => { }, ct);
    }

    private async Task BeginAsync(RotationPlan plan, CancellationToken ct)
    {
        try
        {
            await store.InsertAsync(RotationLevels.Epoch, plan, ct);
        }
        catch (VaultException e) when (e.Slug == "invalid-state")
        {
            // Another process was quicker, or the one before failed and is tried again: there is one such rotation, and this process helps with it.
            return;
        }
    }
}
