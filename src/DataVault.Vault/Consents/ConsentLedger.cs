using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>How a person stands to one purpose. State: <c>given</c>, <c>withdrawn</c>, <c>refused</c>, <c>expired</c>, <c>unknown</c>, and the others of <see cref="ConsentStates"/>.</summary>
public sealed record ConsentView(Purpose Purpose, string State, DateTimeOffset? Since, DateTimeOffset? Expires, string? Notice, IReadOnlyList<ConsentAct> History)
{
    /// <summary>The person objects; a consent beside it counts for nothing.</summary>
    public bool Objected { get; init; }

    /// <summary>Their browser's signal says so.</summary>
    public bool BySignal { get; init; }

    /// <summary>It ends soon, and should be asked for again.</summary>
    public bool RenewalDue { get; init; }
}

/// <summary>All purposes that rest on consent or hear a signal, and how the person stands to each.</summary>
public sealed record ConsentOverview(SubjectId Id, IReadOnlyList<ConsentView> Items, long LogIndex)
{
    /// <summary>GDPR 18.</summary>
    public bool Restricted { get; init; }

    /// <summary>Names of purposes that are objected to (GDPR 21).</summary>
    public IReadOnlyList<string> Objections { get; init; } = [];
}

/// <summary>A change that is in force everywhere.</summary>
public sealed record ConsentChange(ConsentView Consent, long LogIndex);

/// <summary>
/// Consents: an append-only list of acts, and the current state in the subject's facts, changed together under the lock on the subject's row.
/// A withdrawal counts from its commit: the next decision reads it, and the person's analytics rows are gone with it.
/// </summary>
public sealed class ConsentLedger
{
    private readonly VaultDatabase database;
    private readonly ConsentDoor door;
    private readonly AuditLog log;
    private readonly SubjectFacts facts;
    private readonly ConsentRules rules;
    private readonly ConsentFollowing following;

    internal ConsentLedger(VaultDatabase database, ConsentDoor door, AuditLog log, SubjectFacts facts, ConsentRules rules, ConsentFollowing following) =>
        (this.database, this.door, this.log, this.facts, this.rules, this.following) = (database, door, log, facts, rules, following);

    private PolicySet Policy => rules.Policy;

    /// <exception cref="VaultException">not-found, forbidden.</exception>
    public async Task<ConsentOverview> GetAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        using var opened = await door.OpenAsync(recipient, subject, requestId, ct);
        var acts = (await ConsentActs.OfAsync(database, subject, ct)).ToLookup(owned => owned.Purpose, owned => owned.Act);
        var index = await log.AppendAsync(log.Entry(EntryType.FieldRead, recipient, opened.Keys.Tag, opened.Purpose, EntryResult.Ok, [], requestId), null, ct);
        var views = Policy.Purposes.All.Where(purpose => purpose.NeedsConsent || purpose.Gpc).Select(purpose => View(purpose, opened.Facts, [.. acts[purpose.Id]]));
        return new ConsentOverview(subject, [.. views], index)
        {
            Restricted = opened.Facts.Restricted, Objections = [.. opened.Facts.ObjectedPurposes.Select(id => Policy.Purposes.ById(id)?.Name).OfType<string>()],
        };
    }

    /// <exception cref="VaultException">not-found, forbidden, unknown-purpose, invalid-fields.</exception>
    public async Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, ConsentStatement statement, Guid requestId, CancellationToken ct)
    {
        var said = await rules.CheckAsync(recipient, statement, ct);
        await door.ApproachAsync(recipient, subject, requestId, ct);
        using var held = await door.KeysAsync(recipient, subject, requestId, ct);
        var call = new Call(recipient, said, requestId);
        try
        {
            var change = await database.RunAsync((connection, transaction) => ChangeAsync(connection, transaction, held, call, ct), ct);
            await facts.CommittedAsync([held], ct);
            return change;
        }
        catch (VaultException e) when (e.Slug is "forbidden" or "not-found")
        {
            throw await door.RefusedAsync(recipient, held.Tag, e, requestId, ct);
        }
        catch (CryptographicException e)
        {
            throw await log.FailedAsync(log.Entry(EntryType.ConsentChange, recipient, held.Tag, statement.Purpose, EntryResult.Error, [], requestId), e, ct);
        }
    }

    /// <summary>INVARIANT: the log itself says what was consented to, so a consent row that was forged or removed is found out.</summary>
    internal static LogEntry Entry(AuditLog log, Recipient recipient, ReadOnlyMemory<byte> tag, string purpose, OwnedAct owned, Guid requestId) =>
        log.Entry(EntryType.ConsentChange, recipient, tag, purpose, EntryResult.Ok, [], requestId) with { Rules = ["consent-" + owned.Act.State], DetailHash = owned.Hash };

    private sealed record Call(Recipient Recipient, CheckedStatement Said, Guid RequestId);

    private async Task<ConsentChange> ChangeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, Call call, CancellationToken ct)
    {
        var (recipient, purpose) = (call.Recipient, call.Said.Purpose);
        ConsentOutcome? outcome = null;
        var changed = await facts.ChangeAsync(connection, transaction, held, (record, before) => (outcome = Outcome(held, call, record, before)).After, ct);
        var record = changed?.After ?? throw VaultException.NotFound();
        await following.AfterAsync(connection, transaction, held, [purpose], outcome!.After, ct);
        var owned = new OwnedAct(held.Subject, purpose.Id, outcome.Act);
        var entry = Entry(log, recipient, held.Tag, purpose.Name, owned, call.RequestId) with { Seal = facts.Digest(record), RecordVersion = record.RowVersion };
        if (call.Said.Notice.Kept is { } notice) await KeepAsync(connection, transaction, purpose, notice, ct);
        var index = await log.AppendWithinAsync(connection, transaction, [entry], ct);
        owned = owned with { Act = owned.Act with { LogIndex = index } };
        await ConsentActs.InsertAsync(connection, transaction, [owned], ct);
        return new ConsentChange(View(purpose, outcome.After, [owned.Act]), index);
    }

    private async Task KeepAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, Purpose purpose, NoticeText notice, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { NoticeArchive.Keep(purpose.Id, notice, rules.Clock.Now) } };
        await batch.ExecuteNonQueryAsync(ct);
    }

    private ConsentOutcome Outcome(SubjectKeys held, Call call, SealedRecord record, DecisionFacts before)
    {
        if (!Policy.Decisions.CanReach(call.Recipient, held.Subject, before)) throw VaultException.NotFound();
        var purpose = call.Said.Ends ? door.PurposeToEnd(call.Recipient, held.Subject, before) : door.PurposeFor(call.Recipient, held.Subject, before);
        return purpose is null ? throw VaultException.Forbidden() : rules.Apply(call.Recipient, call.Said, before, record, held);
    }

    private ConsentView View(Purpose purpose, DecisionFacts current, IReadOnlyList<ConsentAct> history)
    {
        var fact = current.Consents.FirstOrDefault(consent => consent.PurposeId == purpose.Id);
        var now = rules.Clock.Now;
        var state = fact is { IsGiven: true } && !fact.HoldsAt(now) ? "expired" : ConsentStates.NameOf((byte)(fact?.Status ?? ConsentStatus.Unknown));
        var newest = history.FirstOrDefault(act => act.State != "objected");
        var objected = current.ObjectedPurposes.Contains(purpose.Id);
        return new ConsentView(purpose, state, newest?.At, fact?.Expires, newest?.Notice, history)
        {
            Objected = objected,
            BySignal = objected && history is [{ RecordedBy: ConsentRecorder.Signal }, ..],
            RenewalDue = fact is not null && fact.HoldsAt(now) && purpose.RenewalDays is { } days && fact.Expires <= now.AddDays(days),
        };
    }
}

/// <summary>What a changed consent or objection brings with it beside the facts, in the same transaction.</summary>
internal sealed class ConsentFollowing(KeyRegistry keys, ActivePolicy policy, VaultClock clock)
{
    // The feed decides again for whom it may still show; who may not be shown at all is taken out here and now.
    public async Task AfterAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, IReadOnlyList<Purpose> changed, DecisionFacts after, CancellationToken ct)
    {
        if (changed.FirstOrDefault(purpose => purpose.Name == AnalyticsFeed.Purpose) is { NeedsConsent: true } analytics && !Stays(analytics, after))
        {
            await AnalyticsRows.DeleteAsync(connection, transaction, AnalyticsRows.PseudonymsOf(held, keys, policy.Current), ct);
            return;
        }

        if (!changed.Any(purpose => policy.Current.FeedPurposes.Contains(purpose.Id))) return;
        await using var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { FeedQueue.Enqueue([held.Subject], clock.Now) } };
        await batch.ExecuteNonQueryAsync(ct);
    }

    private bool Stays(Purpose purpose, DecisionFacts after) =>
        after.Consents.Any(fact => fact.PurposeId == purpose.Id && fact.HoldsAt(clock.Now)) && !after.ObjectedPurposes.Contains(purpose.Id);
}
