using System.Collections.Concurrent;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Carries out what was approved: promptly where a caller waits, and in the background what was left unfinished, by a crash, by a hold
/// or by a database that was away. Two processes may work on one request at once; each step decides under the row's lock whether it is still due.
/// </summary>
internal sealed class RequestFulfilment(
    RequestStore store, HoldStore holds, SubjectExport export, SubjectErasure erasure, ErasureFinality finality, SubjectLimits limits)
    : RoundsWorker(store.Clock.Provider, store.Logger)
{
    private const int TriedAtOnce = 4;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);
    private readonly ConcurrentDictionary<Guid, Lazy<Task>> running = new();
    private readonly ConcurrentDictionary<Guid, Failing> failing = new();
    private readonly CancellationTokenSource ending = new();

    /// <summary>What cannot be carried out is tried again, ever more rarely: each attempt may leave an entry in the log.</summary>
    private sealed record Failing(int Times, DateTimeOffset Until);

    protected override TimeSpan Rhythm => TimeSpan.FromSeconds(30);

    private TimeSpan PauseAfter(int failures)
    {
        var pause = failures <= TriedAtOnce ? TimeSpan.Zero : Rhythm * Math.Pow(2, Math.Min(failures - TriedAtOnce, 16));
        return pause < Longest ? pause : Longest;
    }

    /// <summary>Carries out an approved request; when that takes long, answers with the request as it stands and goes on behind.</summary>
    public async Task<RequestRow> PromptlyAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row.State != RequestStates.Approved || !RequestKinds.CarriedOutByVault(row.Kind)) return row;
        try
        {
            await Start(row).WaitAsync(Patience, store.Clock.Provider, cancellation);
        }
        catch (TimeoutException)
        {
            store.Logger.LogInformation("Request {Request} takes longer and goes on in the background.", row.Id);
        }
        return await store.FindAsync(row.Id, cancellation) ?? row;
    }

    /// <inheritdoc cref="SubjectErasure.OrderAsync"/>
    public async Task<RequestRow> OrderAsync(Recipient officer, RequestRow row, string why, Guid requestId, CancellationToken cancellation) =>
        await PromptlyAsync(await erasure.OrderAsync(officer, row, why, requestId, cancellation), cancellation);

    public Task<Stream> FetchAsync(Recipient recipient, RequestRow row, Guid requestId, CancellationToken cancellation) =>
        export.FetchAsync(recipient, row, requestId, cancellation);

    /// <summary>Takes requests up again without waiting for them.</summary>
    public void Nudge(IEnumerable<RequestRow> rows)
    {
        foreach (var row in rows) _ = Start(row);
    }

    public override Task<bool> RoundAsync(CancellationToken cancellation) => ResumeAsync(cancellation);

    // Before anything is carried out.
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await store.SealOldAsync(cancellationToken);
        await base.StartAsync(cancellationToken);
    }

    /// <summary>One round over everything unfinished. False when a part of it failed.</summary>
    public async Task<bool> ResumeAsync(CancellationToken cancellation) =>
        await TryAsync("the end of holds", holds.ExpireAsync, cancellation)
        & await TryAsync("holds without a row", holds.ReportMissingAsync, cancellation)
        & await TryAsync("unfinished requests", CarryOutUnfinishedAsync, cancellation)
        & await TryAsync("old packages", export.SweepAsync, cancellation)
        & await TryAsync("the finality of erasures", finality.RunAsync, cancellation);

    private async Task CarryOutUnfinishedAsync(CancellationToken cancellation)
    {
        foreach (var row in await store.UnfinishedAsync(cancellation))
        {
            if (!failing.TryGetValue(row.Id, out var failed) || failed.Until <= store.Now) await Start(row).WaitAsync(cancellation);
        }
    }

    /// <summary>Breaks off what is under way: every step can be taken up again.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await ending.CancelAsync();
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(running.Values.Select(task => task.Value)).WaitAsync(cancellationToken);
    }

    public override void Dispose()
    {
        ending.Dispose();
        base.Dispose();
    }

    // A failure leaves the request approved, for the next round; the caller sees it in the state.
    private Task Start(RequestRow row) => running.GetOrAdd(row.Id, _ => new Lazy<Task>(() => Task.Run(async () =>
    {
        try
        {
            // It may have been begun within a call that is over before it: it takes a version of its own.
            await limits.Policy.EnsureNewestAsync(ending.Token);
            using var taken = limits.Policy.Take();
            await CarryOutAsync(row, ending.Token);
            failing.TryRemove(row.Id, out Failing? _);
        }
        catch (Exception e)
        {
            failing.AddOrUpdate(row.Id, _ => new Failing(1, store.Now), (_, before) => new Failing(before.Times + 1, store.Now + PauseAfter(before.Times + 1)));
            store.Logger.LogWarning("Request {Request} could not be carried out and stays approved: {Kind}.", row.Id, e.GetType().Name);
        }
        finally
        {
            running.TryRemove(row.Id, out Lazy<Task>? _);
        }
    }))).Value;

    internal Task<RequestRow> CarryOutAsync(RequestRow row, CancellationToken cancellation) => store.Genuine(row).Kind switch
    {
        RequestKinds.Access or RequestKinds.Portability => export.BuildAsync(row, cancellation),
        RequestKinds.Erasure => EraseAsync(row, cancellation),
        RequestKinds.Restriction or RequestKinds.Objection => limits.ApplyAsync(row, cancellation),
        _ => throw new ArgumentOutOfRangeException(nameof(row), row.Kind, "Not carried out by the vault."),
    };

    // INVARIANT: what an officer decided to keep is under a hold before the erasure begins. A hold that was placed and has ended since is not placed again: what it
    // kept is erased then like anything else.
    private async Task KeepChosenAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row is not { Work: null, Subject: { } subject }) return;
        foreach (var choice in row.Course.Choices)
        {
            if (Justifications.Find(choice.Reason)?.HoldAuthority is not { } authority || await holds.FindAsync(choice.Hold, cancellation) is not null) continue;
            var hold = new HoldRow(choice.Hold, authority, new HoldFact(choice.Items, [], []), SubjectErasure.Eraser.Id, store.Now, choice.ReviewAt!.Value) { People = 1 };
            await holds.PlaceAsync(SubjectErasure.Eraser, hold, [subject], $"request {row.Id:D}", row.Id, cancellation);
        }
    }

    // Packages of the erased cannot be opened any more; their files go too.
    private async Task<RequestRow> EraseAsync(RequestRow row, CancellationToken cancellation)
    {
        await KeepChosenAsync(row, cancellation);
        var erased = await erasure.RunAsync(row, cancellation);
        await export.SweepAsync(cancellation);
        return erased;
    }
}

/// <summary>Carries out restrictions (GDPR 18) and objections (GDPR 21): both bind the next decision, since they stand where decisions look.</summary>
internal sealed class SubjectLimits(RequestStore store, SubjectFacts facts, KeyRegistry keys, RecipientNotices notices, Objections objections, ActivePolicy policy)
{
    public ActivePolicy Policy => policy;

    private static readonly Recipient Process = Recipient.Process("vault-maintenance", SubjectRequests.Purpose);

    public async Task<RequestRow> ApplyAsync(RequestRow row, CancellationToken cancellation)
    {
        if (row.Course.Objects.Count > 0) return await CloseAsync(row, cancellation);
        var subject = row.Subject!.Value;
        using var held = await keys.GetFreshAsync(subject, cancellation);
        var applied = await store.TransactAsync(async (connection, transaction) =>
        {
            var current = await store.LockAsync(connection, row.Id, cancellation);
            if (current.State != RequestStates.Approved) return current;
            var (_, after) = await facts.ChangeAsync(connection, transaction, held, before => Limited(before, current.Kind), cancellation) ?? throw VaultException.NotFound();
            // The feed looks at the person again, and takes out of analytics what may no longer be there.
            await using (var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { FeedQueue.Enqueue([subject], store.Now) } })
                await batch.ExecuteNonQueryAsync(cancellation);
            var done = current.Done(store.Now);
            var entry = store.Entry(EntryType.RequestChange, Process, done, held.Tag, row.Id) with { Seal = facts.Digest(after), RecordVersion = after.RowVersion };
            // SPEC GDPR 19: of a restriction; nobody is told of an objection.
            var cause = NoticeCause.Of(NoticeKinds.Restricted, held, current.Id);
            var told = current.Kind == RequestKinds.Restriction ? await notices.TellAsync(new DutyWork(connection, transaction, cancellation), cause) : [];
            var letter = current.Kind == RequestKinds.Restriction ? new LetterOrder(LetterKind.Restricted)
                : new LetterOrder(LetterKind.Objected) { Purposes = [.. policy.Current.Purposes.All.Where(purpose => purpose.CanBeObjectedTo).Select(purpose => purpose.Name)] };
            return await store.SaveAsync(new DutyWork(connection, transaction, cancellation), done, [.. told, entry], letter, row.Id);
        }, cancellation);
        await facts.CommittedAsync([held], cancellation);
        return applied;
    }

    // What is granted is stopped already; what was overridden goes on with the letter that says why.
    private async Task<RequestRow> CloseAsync(RequestRow row, CancellationToken cancellation)
    {
        using var step = objections.Step();
        var closed = await store.TransactAsync(async (connection, transaction) =>
        {
            var work = new DutyWork(connection, transaction, cancellation);
            var current = await store.LockAsync(connection, row.Id, cancellation);
            if (current.State != RequestStates.Approved) return current;
            var done = await step.TakeAsync(work, current.Done(store.Now) with { Objecting = step });
            var entry = store.Entry(EntryType.RequestChange, Process, done, await store.TagAsync(done.Subject!.Value, cancellation), row.Id);
            return await store.SaveAsync(work, done, [entry], objections.LetterOf(done, LetterKind.Objected), row.Id);
        }, cancellation);
        await step.CommittedAsync(cancellation);
        return closed;
    }

    // Of a request from before an objection named its purposes.
    private DecisionFacts Limited(DecisionFacts before, string kind)
    {
        if (kind == RequestKinds.Restriction) return before with { Restricted = true };
        var objected = policy.Current.Purposes.All.Where(purpose => purpose.CanBeObjectedTo);
        return before with { ObjectedPurposes = [.. before.ObjectedPurposes.Union(objected.Select(p => p.Id))] };
    }
}
