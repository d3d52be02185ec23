using System.Collections.Frozen;
using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A limit that counts no longer, from the next decision on.</summary>
/// <param name="At">Since when.</param>
/// <param name="LogIndex">The entry that says so.</param>
public sealed record LiftedLimit(DateTimeOffset At, long LogIndex);

/// <summary>Who hears of the end of a limit: the person before it ends, and recipients with it.</summary>
internal sealed record LimitNews(LetterBook Letters, RecipientNotices Notices);

/// <summary>
/// Ends restrictions (GDPR 18) and objections (GDPR 21), as the person or an officer wants it. Nobody's protection ends behind their back: of what an officer
/// lifts the person has a message first, in a transaction of its own.
/// </summary>
public sealed class LimitLifting
{
    internal const string Announced = "lift:announced";
    internal const string Done = "lift:done";
    internal const string OfThePerson = "person-asked";

    // SPEC GDPR 18(1)(a) to (d), each over; 21(1) compelling grounds, which direct marketing never has (21(3)).
    private static readonly FrozenSet<string> OfRestrictions = FrozenSet.ToFrozenSet([OfThePerson, "accuracy-settled", "claims-settled", "objection-decided"]);
    private static readonly FrozenSet<string> OfObjections = FrozenSet.ToFrozenSet([OfThePerson, "compelling-grounds", "legal-claim"]);
    private static readonly FrozenSet<string> OfMarketing = FrozenSet.ToFrozenSet([OfThePerson]);

    private readonly RequestStore store;
    private readonly SubjectFacts facts;
    private readonly LimitNews news;
    private readonly KeyRegistry keys;
    private readonly SubjectReach reach;
    private readonly AuditLog log;

    internal LimitLifting(RequestStore store, SubjectFacts facts, LimitNews news, KeyRegistry keys, SubjectReach reach, AuditLog log) =>
        (this.store, this.facts, this.news, this.keys, this.reach, this.log) = (store, facts, news, keys, reach, log);

    /// <exception cref="VaultException">not-found, forbidden, invalid-fields; invalid-state: there is no restriction.</exception>
    public Task<LiftedLimit> LiftRestrictionAsync(Recipient recipient, SubjectId subject, string? reason, Guid requestId, CancellationToken ct) =>
        LiftAsync(new Lift(recipient, subject, EntryType.RestrictionLift, SubjectRequests.Purpose, Known(recipient, reason, OfRestrictions), requestId)
        {
            Stands = before => before.Restricted,
            Without = before => before with { Restricted = false },
        }, ct);

    /// <exception cref="VaultException">not-found, forbidden, unknown-purpose, invalid-fields; invalid-state: the person does not object to it.</exception>
    public Task<LiftedLimit> LiftObjectionAsync(Recipient recipient, SubjectId subject, string purpose, string? reason, Guid requestId, CancellationToken ct)
    {
        var known = reach.Policy.Purposes.Find(purpose) ?? throw VaultException.UnknownPurpose();
        return LiftAsync(new Lift(recipient, subject, EntryType.ObjectionLift, known.Name, Known(recipient, reason, known.DirectMarketing ? OfMarketing : OfObjections), requestId)
        {
            Stands = before => before.ObjectedPurposes.Contains(known.Id),
            Without = before => before with { ObjectedPurposes = [.. before.ObjectedPurposes.Where(id => id != known.Id)] },
        }, ct);
    }

    private sealed record Lift(Recipient Recipient, SubjectId Subject, EntryType Type, string Purpose, string Reason, Guid RequestId)
    {
        public required Func<DecisionFacts, bool> Stands { get; init; }

        public required Func<DecisionFacts, DecisionFacts> Without { get; init; }

        public bool IsOwn => Recipient.Kind == RecipientKind.Customer;
    }

    private async Task<LiftedLimit> LiftAsync(Lift lift, CancellationToken ct)
    {
        await ApproachAsync(lift, ct);
        using var held = await keys.GetFreshAsync(lift.Subject, ct);
        try
        {
            var announced = lift.IsOwn ? (long?)null
                : await store.TransactAsync((connection, transaction) => AnnounceAsync(new DutyWork(connection, transaction, ct), lift), ct);
            var lifted = await store.TransactAsync((connection, transaction) => LiftAsync(new DutyWork(connection, transaction, ct), held, lift, announced), ct);
            await facts.CommittedAsync([held], ct);
            return lifted;
        }
        catch (CryptographicException e)
        {
            throw await log.FailedAsync(Entry(lift, held.Tag, Done) with { Result = EntryResult.Error }, e, ct);
        }
    }

    private async Task ApproachAsync(Lift lift, CancellationToken ct)
    {
        var (recipient, subject) = (lift.Recipient, lift.Subject);
        if (!lift.IsOwn && !reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsDecide))
            throw await store.DeniedAsync(recipient, subject, VaultException.Forbidden(), lift.RequestId, ct);
        if (!await reach.IncludesAsync(recipient, subject, ct)) throw await store.DeniedAsync(recipient, subject, VaultException.NotFound(), lift.RequestId, ct);
    }

    // SPEC GDPR 18(3): informed before the restriction is lifted. The message is there, and its entry, before anything changes.
    private async Task<long> AnnounceAsync(DutyWork work, Lift lift)
    {
        using var held = await news.Letters.Inbox.KeysAsync(work, lift.Subject);
        var record = await SubjectRows.LockAsync(work.Connection, work.Transaction, lift.Subject, work.Cancellation) ?? throw VaultException.NotFound();
        var before = facts.Read(record, held);
        if (!lift.Stands(before)) throw Absent(lift);
        var kind = lift.Type == EntryType.RestrictionLift ? LetterKind.RestrictionLifted : LetterKind.ObjectionLifted;
        var about = new LetterAbout(lift.Subject, before.Traits.Jurisdiction, null);
        using var letter = await news.Letters.WriteAsync(work, about, new LetterOrder(kind) { Reason = lift.Reason, Purposes = [lift.Purpose] }, lift.RequestId);
        var message = news.Letters.Inbox.Clock.NewId();
        List<LogEntry> entries = letter is null ? [SubjectInbox.Named(Entry(lift, held.Tag, Announced), message)] : [Entry(lift, held.Tag, Announced), letter.Entry];
        var index = await log.AppendWithinAsync(work.Connection, work.Transaction, entries, work.Cancellation);
        var recipient = lift.Recipient;
        var who = recipient.Kind == RecipientKind.Staff ? string.Join(", ", recipient.Roles) : recipient.DisplayName;
        var told = new MessageContent(EntryTypes.NameOf(lift.Type), lift.Purpose, [], who, index);
        if (letter is not null) await news.Letters.KeepAsync(work, letter, index + 1, told);
        else await news.Letters.Inbox.TellAsync(work, held, message, told);
        return index;
    }

    private async Task<LiftedLimit> LiftAsync(DutyWork work, SubjectKeys held, Lift lift, long? announced)
    {
        var (connection, transaction, ct) = work;
        var (_, after) = await facts.ChangeAsync(connection, transaction, held, before => lift.Stands(before) ? lift.Without(before) : throw Absent(lift), ct) ?? throw VaultException.NotFound();
        // The feed looks at the person again: what was stopped may be shown once more.
        await using (var batch = new NpgsqlBatch(connection, transaction) { BatchCommands = { FeedQueue.Enqueue([lift.Subject], store.Now) } })
            await batch.ExecuteNonQueryAsync(ct);
        var entry = Entry(lift, held.Tag, Done) with { Seal = facts.Digest(after), RecordVersion = after.RowVersion, Reference = announced };
        var told = lift.Type == EntryType.RestrictionLift ? await news.Notices.TellAsync(work, NoticeCause.Of(NoticeKinds.RestrictionLifted, held, null)) : [];
        return new LiftedLimit(store.Now, await log.AppendWithinAsync(connection, transaction, [entry, .. told], ct));
    }

    private LogEntry Entry(Lift lift, ReadOnlyMemory<byte> tag, string step) =>
        log.Entry(lift.Type, lift.Recipient, tag, lift.Purpose, EntryResult.Ok, [], lift.RequestId) with { Rules = [step, "reason:" + lift.Reason] };

    private static string Known(Recipient recipient, string? reason, FrozenSet<string> reasons)
    {
        if (recipient.Kind == RecipientKind.Customer) (reason, reasons) = (reason ?? OfThePerson, OfMarketing);
        return reason is not null && reasons.Contains(reason) ? reason
            : throw VaultException.Invalid([new FieldProblem("/reason", "unknown", $"The reason is one of {string.Join(", ", reasons.Order())}.")]);
    }

    private static VaultException Absent(Lift lift) =>
        VaultException.InvalidState(lift.Type == EntryType.RestrictionLift ? "There is no restriction." : "The person does not object to this purpose.");
}
