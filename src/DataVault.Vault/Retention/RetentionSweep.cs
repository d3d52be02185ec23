using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Vault.Indexes;
using DataVault.Vault.Storage;
using Microsoft.Extensions.Logging;

namespace DataVault.Vault;

/// <summary>
/// Once a day, and whenever somebody asks: goes over everybody who may hold something that has been kept long enough. A sweep that was cut off goes on where it
/// stopped, in whichever process comes first; of all processes one sweeps at a time.
/// </summary>
internal sealed class RetentionSweep(RetentionRuns runs, RetentionCut cut, RetentionErasures erasures, RetentionTools tools, ActivePolicy policy, ILogger<RetentionSweep> logger)
    : RoundsWorker(tools.Clock.Provider, logger)
{
    private const long LockKey = 0x4441_5641_5245;
    private const int Together = 64;

    protected override TimeSpan Rhythm => TimeSpan.FromMinutes(1);

    /// <summary>One round: what is begun is brought to its end. False when something is to be tried again soon.</summary>
    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await using var alone = await SessionLock.TryTakeAsync(tools.Database, LockKey, cancellation);
        if (alone is null) return true;
        await policy.EnsureNewestAsync(cancellation);
        if (await runs.DueAsync(tools.Every, cancellation) <= tools.Clock.Now) await BeginAsync(cancellation);
        while (await runs.UnfinishedAsync(cancellation) is { } begun) await GoOnAsync(begun.Run, begun.Position, cancellation);
        return true;
    }

    // Several sweeps that wait for their turn are one: the first of them finds everything.
    private Task<RetentionRun> BeginAsync(CancellationToken ct) => tools.Database.RunAsync((connection, transaction) => runs.StartAsync(connection, transaction, dry: false, askedBy: null, ct), ct);

    internal async Task GoOnAsync(RetentionRun run, Guid position, CancellationToken ct)
    {
        using var taken = policy.Take();
        var schedule = new RetentionSchedule(policy.Current);
        while (true)
        {
            var people = await RetentionLooks.NextAsync(tools.Database, position, run.StartedAt, schedule.Fingerprint, Together, ct);
            foreach (var person in people)
            {
                run = await SweepAsync(run, person, schedule, ct);
                position = person.Value;
            }

            if (people.Count < Together) run = run with { FinishedAt = tools.Clock.Now };
            // Of a sweep that is through nothing is kept that names anybody.
            await runs.SaveAsync(run, run.FinishedAt is null ? position : Guid.Empty, ct);
            if (run.FinishedAt is null) continue;
            logger.LogInformation(
                "Retention: {Looked} people looked at, {Values} values and {Events} events of {People} of them {What}.", run.Looked, run.Values, run.Events, run.People, run.Dry ? "are due" : "were deleted");
            return;
        }
    }

    private async Task<RetentionRun> SweepAsync(RetentionRun run, SubjectId person, RetentionSchedule schedule, CancellationToken ct)
    {
        try
        {
            if (await cut.SweepAsync(person, schedule, tools.Clock.Now, run.Dry, ct) is not { } swept) return run;
            if (swept.Whole && !run.Dry) await erasures.OpenAsync(person, ct);
            return Counted(run, swept);
        }
        catch (Exception e) when (e is CryptographicException or InvalidDataException || e is VaultException { Slug: not "unavailable" })
        {
            logger.LogError("Retention: something of {Person} does not open; nothing of theirs was deleted ({Kind}).", person, e.GetType().Name);
            return run with { Looked = run.Looked + 1, Failed = run.Failed + 1 };
        }
    }

    private static RetentionRun Counted(RetentionRun run, PersonSwept swept)
    {
        var rules = new Dictionary<string, long>(run.ByRule);
        foreach (var (rule, count) in swept.ByRule) rules[rule] = rules.GetValueOrDefault(rule) + count;
        return run with
        {
            Looked = run.Looked + 1,
            People = run.People + (swept.Values + swept.Events > 0 ? 1 : 0),
            Values = run.Values + swept.Values,
            Events = run.Events + swept.Events,
            Erasures = run.Erasures + (swept.Whole ? 1 : 0),
            Frozen = run.Frozen + (swept.Frozen ? 1 : 0),
            ByRule = rules,
        };
    }
}

/// <summary>What a sweep works with, whatever it does.</summary>
/// <param name="Database">Of profiles.</param>
/// <param name="Clock">By which it is due.</param>
/// <param name="Every">From one to the next.</param>
internal sealed record RetentionTools(VaultDatabase Database, VaultClock Clock, TimeSpan Every);

/// <summary>Opens the erasure of somebody of whom nothing would be left, as a request like any other: holds, certificate, journal and notices to recipients follow.</summary>
internal sealed class RetentionErasures(RequestStore store, RequestFulfilment fulfilment, ActivePolicy policy)
{
    public const string OpenedBy = "retention";

    public async Task OpenAsync(SubjectId subject, CancellationToken ct)
    {
        var (regime, _) = await store.SituationAsync(subject, RequestKinds.Erasure, ct);
        var law = (regime is null ? null : policy.Current.Jurisdictions.Find(regime)) ?? policy.Current.Jurisdictions.Default;
        var row = new RequestRow(store.Clock.NewId(), subject, RequestKinds.Erasure, RequestStates.Received, law.Name) { OpenedAt = store.Now, DueAt = law.DueAt(store.Now), OpenedBy = OpenedBy };
        row = await store.InsertAsync(IndexedValues.Keeper, row, [RequestStates.Received, RequestStates.Verified, RequestStates.Approved], row.Id, ct);
        fulfilment.Nudge([row]);
    }
}
