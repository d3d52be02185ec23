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
public sealed record ConsentOverview(SubjectId Id, IReadOnlyList<ConsentView> Items, long LogIndex);

/// <summary>A change that is in force everywhere.</summary>
public sealed record ConsentChange(ConsentView Consent, long LogIndex);

/// <summary>
/// Consents: an append-only list of acts, and the current state in the subject's facts, changed together under the lock on the subject's row.
/// A withdrawal counts from its commit: the next decision reads it, and the person's analytics rows are gone with it.
/// </summary>
public sealed class ConsentLedger
{
    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly SubjectFacts facts;
    private readonly ConsentRules rules;
    private readonly ConsentFollowing following;

    internal ConsentLedger(VaultDatabase database, KeyRegistry keys, AuditLog log, SubjectFacts facts, ConsentRules rules, ConsentFollowing following) =>
        (this.database, this.keys, this.log, this.facts, this.rules, this.following) = (database, keys, log, facts, rules, following);

    private PolicySet Policy => rules.Policy;

    public async Task<ConsentOverview> GetAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        var authority = await AuthoriseAsync(recipient, subject, requestId, ct);
        using var held = await KeysAsync(recipient, subject, authority, requestId, ct);
        if (await SubjectRows.FindAsync(database, subject, ct) is not { } found || await keys.FitAsync(held, found, database, ct) is not { } record)
        {
            await DenyAsync(recipient, held.Tag, authority, requestId, ct);
            throw VaultException.NotFound();
        }
        var entry = log.Entry(EntryType.FieldRead, recipient, held.Tag, authority, EntryResult.Ok, [], requestId);
        var current = await ReadFactsAsync(record, held, entry, ct);
        var acts = (await ConsentActs.OfAsync(database, subject, ct)).ToLookup(owned => owned.Purpose, owned => owned.Act);
        var index = await log.AppendAsync(entry, null, ct);
        var views = Policy.Purposes.All.Where(purpose => purpose.NeedsConsent || purpose.Gpc).Select(purpose => View(purpose, current, [.. acts[purpose.Id]]));
        return new ConsentOverview(subject, [.. views], index);
    }

    public async Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, ConsentStatement statement, Guid requestId, CancellationToken ct)
    {
        var said = await rules.CheckAsync(recipient, statement, ct);
        var authority = await AuthoriseAsync(recipient, subject, requestId, ct);
        using var held = await KeysAsync(recipient, subject, authority, requestId, ct);
        var call = new Call(recipient, authority, said, requestId);
        try
        {
            var change = await database.RunAsync((connection, transaction) => ChangeAsync(connection, transaction, held, call, ct), ct);
            await facts.CommittedAsync([held], ct);
            return change;
        }
        catch (VaultException e) when (e.Slug is "forbidden" or "not-found")
        {
            await DenyAsync(recipient, held.Tag, authority, requestId, ct);
            throw;
        }
        catch (CryptographicException e)
        {
            throw await log.FailedAsync(log.Entry(EntryType.ConsentChange, recipient, held.Tag, statement.Purpose, EntryResult.Error, [], requestId), e, ct);
        }
    }

    /// <summary>INVARIANT: the log itself says what was consented to, so a consent row that was forged or removed is found out.</summary>
    internal static LogEntry Entry(AuditLog log, Recipient recipient, ReadOnlyMemory<byte> tag, string purpose, OwnedAct owned, Guid requestId) =>
        log.Entry(EntryType.ConsentChange, recipient, tag, purpose, EntryResult.Ok, [], requestId) with { Rules = ["consent-" + owned.Act.State], DetailHash = owned.Hash };

    private async Task<DecisionFacts> ReadFactsAsync(SealedRecord record, SubjectKeys held, LogEntry entry, CancellationToken ct)
    {
        try
        {
            return facts.Read(record, held);
        }
        catch (CryptographicException e)
        {
            throw await log.FailedAsync(entry, e, ct);
        }
    }

    private sealed record Call(Recipient Recipient, string Authority, CheckedStatement Said, Guid RequestId);

    private async Task<ConsentChange> ChangeAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, SubjectKeys held, Call call, CancellationToken ct)
    {
        var (recipient, purpose) = (call.Recipient, call.Said.Purpose);
        ConsentOutcome? outcome = null;
        var changed = await facts.ChangeAsync(connection, transaction, held, (record, before) => (outcome = Outcome(held, call, record, before)).After, ct);
        var record = changed?.After ?? throw VaultException.NotFound();
        await following.AfterAsync(connection, transaction, held, [purpose], outcome!.After, ct);
        var owned = new OwnedAct(held.Subject, purpose.Id, outcome.Act);
        var entry = Entry(log, recipient, held.Tag, purpose.Name, owned, call.RequestId) with { Seal = facts.Digest(record), RecordVersion = record.RowVersion };
        if (call.Said.Notice is { } notice) await KeepAsync(connection, transaction, purpose, notice, ct);
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

    /// <summary>The purpose under which the recipient may record consents; consents are about the record, so any field stands for it.</summary>
    internal async Task<string> AuthoriseAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        var ofAnother = recipient.Kind == RecipientKind.Customer && recipient.Subject != subject;
        if (!ofAnother && ConsentAuthority.Of(recipient, Policy) is { } purpose) return purpose;
        await DenyAsync(recipient, default, recipient.Purposes.Count > 0 ? recipient.Purposes[0] : "", requestId, ct);
        throw ofAnother ? VaultException.NotFound() : VaultException.Forbidden();
    }

    // A withdrawal is taken whatever the facts: what stops processing never stops the person from stopping it.
    private ConsentOutcome Outcome(SubjectKeys held, Call call, SealedRecord record, DecisionFacts before)
    {
        var request = new AccessRequest(call.Recipient, held.Subject, AccessAction.Consent, call.Authority, [ConsentAuthority.AnyField(Policy)]);
        if (!Policy.Decisions.CanReach(call.Recipient, held.Subject, before)) throw VaultException.NotFound();
        var decision = Decider.Decide(Policy, request, before, rules.Clock.Now);
        if (call.Said.Gives && (!decision.Released || Decider.IsBound(decision))) throw VaultException.Forbidden();
        return rules.Apply(call.Recipient, call.Said, before, record, held);
    }

    /// <summary>Keys of somebody whom the recipient reaches. Whoever reaches everybody is not asked.</summary>
    internal async Task<SubjectKeys> KeysAsync(Recipient recipient, SubjectId subject, string purpose, Guid requestId, CancellationToken ct)
    {
        try
        {
            var held = await keys.GetAsync(subject, ct);
            if (recipient.Kind == RecipientKind.Customer || Policy.Decisions.ReachesEverybody(recipient)) return held;
            if (await SubjectRows.FindAsync(database, subject, ct) is { } record && FactsCodec.TryDecode(record.Facts, out var known) && Policy.Decisions.CanReach(recipient, subject, known)) return held;
            using (held) await DenyAsync(recipient, held.Tag, purpose, requestId, ct);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            await DenyAsync(recipient, default, purpose, requestId, ct);
            throw;
        }

        throw VaultException.NotFound();
    }

    private Task<long> DenyAsync(Recipient recipient, ReadOnlyMemory<byte> tag, string purpose, Guid requestId, CancellationToken ct) =>
        log.AppendAsync(log.Entry(EntryType.Denied, recipient, tag, purpose, EntryResult.Denied, [], requestId), null, ct);

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

/// <summary>Under which purpose a recipient may record consents.</summary>
internal static class ConsentAuthority
{
    public static RequestedItem AnyField(PolicySet policy) => new(policy.Catalogue.Fields[0], null);

    public static string? Of(Recipient recipient, PolicySet policy) => recipient.Purposes.FirstOrDefault(
        purpose => policy.Decisions.CouldPermit(recipient, AccessAction.Consent, purpose, AnyField(policy).Item));
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
