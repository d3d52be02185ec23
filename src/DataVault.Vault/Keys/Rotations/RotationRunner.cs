using System.Security.Cryptography;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Storage;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault.Keys;

/// <summary>One step of one rotation, and what the log says of rotations.</summary>
internal sealed class RotationSteps(RotationStore store, IEnumerable<IRotation> levels, AuditLog log, ILogger<RotationSteps> logger)
{
    public IRotation Level(string level) => levels.FirstOrDefault(l => l.Level == level) ?? throw VaultException.BadRequest("There is no such level of keys.");

    public Task<IReadOnlyList<RotationJob>> DueAsync(CancellationToken ct) => store.DueAsync(ct);

    /// <summary>Null when the rotation is neither running nor to be tried again, or failed now.</summary>
    public async Task<RotationStep?> StepAsync(Guid id, CancellationToken ct)
    {
        if (await store.FindAsync(id, ct) is not { View.State: RotationStates.Running or RotationStates.Failed } job) return null;
        RotationStep step;
        try
        {
            step = await Level(job.View.Level).StepAsync(job, ct);
        }
        catch (Exception e) when (!DatabaseFailure.IsAway(e) && !ct.IsCancellationRequested)
        {
            logger.LogError("The rotation of level {Level} failed ({Kind}); it is tried again.", job.View.Level, e.GetType().Name);
            await store.FailAsync(id, TellOf(e), ct);
            return null;
        }

        // INVARIANT: the end is in the log before the job says so; a crash in between makes a second entry, never none.
        if (step.Finished) await EnterAsync(LogWorker.Keeper, job.View, RotationStates.Done, ct);
        await store.AdvanceAsync(id, step, ct);
        return step;
    }

    // What is written down is text of ours: it names keys by version and holds nothing of anybody.
    private static string TellOf(Exception e) =>
        e is VaultStartException or RootKeyException or VaultException or CryptographicException or InvalidDataException ? e.Message : e.GetType().Name;

    /// <summary>What somebody did with a rotation.</summary>
    public Task<long> EnterAsync(Recipient recipient, RotationView rotation, string act, CancellationToken ct) => log.AppendAsync(
        log.Entry(EntryType.KeyRotate, recipient, default, "", EntryResult.Ok, []) with { Rules = [$"rotation:{rotation.Level}:{act}", $"rotation:{rotation.Id:D}"] }, null, ct);
}

/// <summary>
/// Carries rotations forward, step by step, one process at a time: whoever holds the lock of the keys database works. A process that ends, however it ends,
/// lets go of the lock, and another goes on from the stored cursor. Between steps it rests, so that the rotation takes its share of the machine and no more.
/// </summary>
internal sealed class RotationRunner(KeysDatabase database, RotationSteps steps, VaultOptions options, TimeProvider clock, ILogger<RotationRunner> logger)
    : RoundsWorker(clock, logger)
{
    /// <summary>One rotation worker at a time in all processes of a vault; the number is this program's own.</summary>
    private const long LockKey = 0x4441_5441_5652;

    private static readonly TimeSpan LongestRest = TimeSpan.FromSeconds(10);

    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(5);

    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await DriveAsync(level: null, rest: true, cancellation);
        return true;
    }

    /// <summary>Works until nothing is left to be done now. False: another process does it.</summary>
    /// <param name="level">This level alone; null for all.</param>
    /// <param name="rest">Rests between steps.</param>
    /// <param name="ct">Stops after the step at hand.</param>
    public async Task<bool> DriveAsync(string? level, bool rest, CancellationToken ct)
    {
        if ((await steps.DueAsync(ct)).Count == 0) return true;
        await using var held = await SessionLock.TryTakeAsync(database, LockKey, ct);
        if (held is null) return false;
        while (await StepAllAsync(held.Connection, level, rest, ct))
        {
        }

        return true;
    }

    // The lock ends with its connection: without a look at it a process that lost the database would work on beside its successor.
    private async Task<bool> StepAllAsync(NpgsqlConnection connection, string? level, bool rest, CancellationToken ct)
    {
        await using (var alive = new NpgsqlCommand("select 1", connection)) await alive.ExecuteNonQueryAsync(ct);
        var moved = false;
        foreach (var job in (await steps.DueAsync(ct)).Where(job => level is null || job.View.Level == level))
        {
            var started = Clock.GetTimestamp();
            if (await steps.StepAsync(job.Id, ct) is not { } step) continue;
            var waits = step.NotBefore is { } due && due > Clock.GetUtcNow();
            moved |= !waits && !step.Finished;
            if (rest && !waits) await BreatheAsync(Clock.GetElapsedTime(started), ct);
        }

        return moved;
    }

    private async Task BreatheAsync(TimeSpan worked, CancellationToken ct)
    {
        var pause = worked * (1 / Math.Clamp(options.RotationShare, 0.01, 1) - 1);
        await Task.Delay(pause < LongestRest ? pause : LongestRest, Clock, ct);
    }
}
