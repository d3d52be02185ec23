using System.Collections.Frozen;
using System.Text;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>The legal grounds that a hold may rest on: a closed list, for the code stands in the log for ever.</summary>
public static class HoldAuthorities
{
    // SPEC GDPR 17(3)(a) to (e): what stands against an erasure.
    public static FrozenSet<string> All { get; } = FrozenSet.ToFrozenSet(
        ["legal-obligation", "legal-claim", "court-order", "supervisory-authority", "public-health", "research", "freedom-of-expression"]);
}

/// <summary>A hold that is to be placed.</summary>
/// <param name="Subjects">Whom it is about.</param>
/// <param name="Items">Names of fields, <c>event:</c> types, and <c>class:</c> names; null or empty: everything.</param>
/// <param name="Purposes">Who may see what is left of them for what, should they be erased otherwise.</param>
/// <param name="Authority">The legal ground: one of <see cref="HoldAuthorities"/>.</param>
/// <param name="CaseReference">The case, in words; kept sealed, never in the log.</param>
/// <param name="ReviewAt">When somebody looks whether it is still needed. It then reminds; it ends nothing.</param>
/// <param name="ExpiresAt">When it ends by itself; null: when it is released.</param>
public sealed record NewHold(
    IReadOnlyList<SubjectId> Subjects, IReadOnlyList<string>? Items, IReadOnlyList<string> Purposes, string Authority, string CaseReference, DateTimeOffset ReviewAt,
    DateTimeOffset? ExpiresAt = null);

/// <summary>A hold as officers see it.</summary>
public sealed record HoldView(
    Guid Id, IReadOnlyList<SubjectId> Subjects, IReadOnlyList<string> Items, IReadOnlyList<string> Purposes, string Authority, string? CaseReference, DateTimeOffset PlacedAt,
    string PlacedBy, DateTimeOffset ReviewAt, DateTimeOffset? ExpiresAt, DateTimeOffset? ReleasedAt, string? ReleasedBy, bool Overdue, long LogIndex)
{
    /// <summary>Why it was released; null once all its people are erased.</summary>
    public string? ReleaseReason { get; init; }

    /// <summary>What is wrong with what is stored of it: <c>changed</c>, the row is not what the vault wrote, <c>deleted</c>, it is gone and the log has the hold in force, <c>unreadable</c>, the case or the reason does not open; else null.</summary>
    public string? Damage { get; init; }

    /// <summary>Approved erasures that wait for it, or for another hold about the same person.</summary>
    public IReadOnlyList<Guid> Deferred { get; init; } = [];
}

/// <summary>Which holds to list; null members do not narrow.</summary>
/// <param name="Open">True: those in force; false: those that have ended.</param>
/// <param name="Overdue">Only those whose review date has passed.</param>
/// <param name="Subject">Only those about this person.</param>
public sealed record HoldFilter(bool? Open = null, bool Overdue = false, SubjectId? Subject = null);

/// <summary>Newest first.</summary>
public sealed record HoldPage(IReadOnlyList<HoldView> Items, string? Next);

/// <summary>
/// Legal holds: what may not be erased although its time has come or the person asks. A hold binds from the moment it is placed; an erasure then takes what is
/// not held, and the rest as soon as no hold keeps it. Placing and releasing are entries of the log about each person, in the transaction of the change.
/// </summary>
public sealed class LegalHolds
{
    public const int MostSubjects = 1_000;
    private const int LargestPage = 200;
    private const int LongestReference = 500;
    private const string ClassPrefix = "class:";
    private static readonly ILookup<SubjectId, Guid> None = Array.Empty<Guid>().ToLookup(static _ => default(SubjectId));

    private readonly HoldStore store;
    private readonly RequestFulfilment fulfilment;
    private readonly SubjectReach reach;
    private readonly VaultClock clock;

    internal LegalHolds(HoldStore store, RequestFulfilment fulfilment, SubjectReach reach, VaultClock clock) =>
        (this.store, this.fulfilment, this.reach, this.clock) = (store, fulfilment, reach, clock);

    /// <exception cref="VaultException">not-found when one of the people is unknown, erased or about to be; nothing is placed then.</exception>
    public async Task<HoldView> PlaceAsync(Recipient recipient, NewHold hold, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(hold);
        await AuthoriseAsync(recipient, requestId, cancellation);
        var scope = Check(hold);
        var row = new HoldRow(clock.NewId(), hold.Authority, scope, recipient.Id, clock.Now, hold.ReviewAt) { ExpiresAt = hold.ExpiresAt, People = hold.Subjects.Distinct().Count() };
        try
        {
            if (!await ReachesAllAsync(recipient, hold.Subjects, cancellation)) throw VaultException.NotFound();
            row = await store.PlaceAsync(recipient, row, [.. hold.Subjects.Distinct()], hold.CaseReference, requestId, cancellation);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            await store.DeniedAsync(recipient, requestId, cancellation);
            throw;
        }
        return await ViewAsync(row, [.. hold.Subjects.Distinct()], cancellation);
    }

    /// <summary>A page of holds. The look is an entry of the log.</summary>
    public async Task<HoldPage> ListAsync(Recipient recipient, HoldFilter filter, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(filter);
        var page = NewestFirst.Read(limit, cursor);
        await AuthoriseAsync(recipient, requestId, cancellation);
        var rows = (await ListReachedAsync(recipient, filter, page.Sought, page.Before, cancellation)).Concat(await MissingAsync(recipient, filter, page.Before, cancellation));
        var (shown, next) = page.Cut([.. rows.OrderByDescending(row => row.Id).Take(page.Sought)], row => row.Id);
        var subjects = await SubjectsAsync(shown, cancellation);
        await store.RecordLookAsync(recipient, requestId, cancellation);
        var waiting = await WaitingAsync(shown, subjects, cancellation);
        return new HoldPage([.. shown.Select(row => View(row, [.. subjects[row.Id]], waiting))], next);
    }

    /// <summary>One hold. The look is an entry of the log.</summary>
    /// <exception cref="VaultException">not-found.</exception>
    public async Task<HoldView> GetAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await AuthoriseAsync(recipient, requestId, cancellation);
        var row = await store.FindAsync(id, cancellation);
        var subjects = row is null ? Array.Empty<SubjectId>().ToLookup(_ => id) : await SubjectsAsync([row], cancellation);
        if (row is null || !await ReachesAllAsync(recipient, [.. subjects[id]], cancellation))
        {
            await store.DeniedAsync(recipient, requestId, cancellation);
            throw VaultException.NotFound();
        }

        await store.RecordLookAsync(recipient, requestId, cancellation);
        return await ViewAsync(row, [.. subjects[id]], cancellation);
    }

    /// <summary>Ends a hold. What only it kept of people who have been erased otherwise is erased too, by itself.</summary>
    /// <exception cref="VaultException">not-found, or invalid-state when it has ended already.</exception>
    /// <param name="recipient">Who ends it.</param>
    /// <param name="id">The hold.</param>
    /// <param name="reason">Why, in words; kept sealed, never in the log.</param>
    /// <param name="requestId">The call.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<HoldView> ReleaseAsync(Recipient recipient, Guid id, string? reason, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await AuthoriseAsync(recipient, requestId, cancellation);
        if (string.IsNullOrWhiteSpace(reason)) reason = null;
        if (reason is not null && Encoding.UTF8.GetByteCount(reason) > LongestReference) throw VaultException.Invalid([new("/reason", "too-long", $"At most {LongestReference} bytes.")]);
        try
        {
            if (!reach.IsEverybody(recipient) && !await ReachesAllAsync(recipient, [.. (await store.SubjectsAsync([id], cancellation))[id]], cancellation)) throw VaultException.NotFound();
            var (row, subjects) = await store.ReleaseAsync(recipient, id, reason, requestId, cancellation);
            fulfilment.Nudge(await store.WaitingErasuresAsync(subjects, cancellation));
            return await ViewAsync(row, subjects, cancellation);
        }
        catch (VaultException e) when (e.Slug is "not-found" or "invalid-state")
        {
            await store.DeniedAsync(recipient, requestId, cancellation);
            throw;
        }
    }

    // Of whom such a hold is about nobody can be sure: whoever reaches everybody sees it.
    private async Task<IEnumerable<HoldRow>> MissingAsync(Recipient recipient, HoldFilter filter, Guid? before, CancellationToken cancellation)
    {
        if (filter.Open == false || filter.Overdue || !reach.IsEverybody(recipient)) return [];
        var missing = (await store.MissingAsync(cancellation)).Where(row => before is null || row.Id.CompareTo(before.Value) < 0).ToList();
        if (filter.Subject is not { } subject || missing.Count == 0) return missing;
        var named = await SubjectsAsync(missing, cancellation);
        return missing.Where(row => named[row.Id].Contains(subject));
    }

    private async Task<ILookup<Guid, SubjectId>> SubjectsAsync(IReadOnlyList<HoldRow> rows, CancellationToken cancellation)
    {
        var stored = await store.SubjectsAsync([.. rows.Where(row => !row.IsMissing).Select(row => row.Id)], cancellation);
        var named = new List<(Guid Hold, SubjectId Subject)>();
        foreach (var row in rows.Where(row => row.IsMissing)) named.AddRange((await store.NamedAsync(row.Id, cancellation)).Select(subject => (row.Id, subject)));
        return stored.SelectMany(of => of.Select(subject => (Hold: of.Key, Subject: subject))).Concat(named).ToLookup(pair => pair.Hold, pair => pair.Subject);
    }

    /// <summary>A hold is one act about all its people: whoever does not reach them all does not see it.</summary>
    private async Task<bool> ReachesAllAsync(Recipient recipient, IReadOnlyList<SubjectId> subjects, CancellationToken cancellation) =>
        reach.IsEverybody(recipient) || (subjects.Count > 0 && (await reach.AmongAsync(recipient, [.. subjects.Distinct()], cancellation)).IsSupersetOf(subjects));

    private async Task<IReadOnlyList<HoldRow>> ListReachedAsync(Recipient recipient, HoldFilter filter, int limit, Guid? before, CancellationToken cancellation)
    {
        if (reach.IsEverybody(recipient)) return await store.ListAsync(filter, limit, before, cancellation);
        var reached = new List<HoldRow>();
        while (reached.Count < limit)
        {
            var page = await store.ListAsync(filter, LargestPage, before, cancellation);
            var subjects = await store.SubjectsAsync([.. page.Select(row => row.Id)], cancellation);
            var among = await reach.AmongAsync(recipient, [.. subjects.SelectMany(of => of).Distinct()], cancellation);
            reached.AddRange(page.Where(row => subjects[row.Id].Any() && among.IsSupersetOf(subjects[row.Id])));
            if (page.Count < LargestPage) break;
            before = page[^1].Id;
        }

        return [.. reached.Take(limit)];
    }

    private async Task AuthoriseAsync(Recipient recipient, Guid requestId, CancellationToken cancellation)
    {
        if (recipient.Kind == RecipientKind.Staff && reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.HoldsManage)) return;
        await store.DeniedAsync(recipient, requestId, cancellation);
        throw VaultException.Forbidden();
    }

    private HoldFact Check(NewHold hold)
    {
        var problems = new List<FieldProblem>();
        void Problem(bool isWrong, string pointer, string code, string message)
        {
            if (isWrong) problems.Add(new(pointer, code, message));
        }
        Problem(hold.Subjects.Count is 0 or > MostSubjects, "/customers", "out-of-range", $"1 to {MostSubjects} customers.");
        Problem(!HoldAuthorities.All.Contains(hold.Authority), "/authority", "unknown", $"One of {string.Join(", ", HoldAuthorities.All.Order())}.");
        Problem(string.IsNullOrWhiteSpace(hold.CaseReference), "/caseReference", "missing-member", "Which case is it for?");
        Problem(Encoding.UTF8.GetByteCount(hold.CaseReference) > LongestReference, "/caseReference", "too-long", $"At most {LongestReference} bytes.");
        Problem(hold.ReviewAt <= clock.Now, "/reviewAt", "out-of-range", "In the future.");
        Problem(hold.ExpiresAt <= clock.Now, "/expiresAt", "out-of-range", "In the future.");
        var (items, classes, purposes) = (new SortedSet<int>(), new SortedSet<int>(), new SortedSet<int>());
        foreach (var (name, at) in (hold.Items ?? []).Select((name, at) => (name, at)))
        {
            if (name.StartsWith(ClassPrefix, StringComparison.Ordinal) && reach.Policy.Catalogue.Classes.FirstOrDefault(c => c.Name == name[ClassPrefix.Length..]) is { } known) classes.Add(known.Id);
            else if (reach.Policy.Items.FirstOrDefault(item => item.Name == name) is { } item) items.Add(item.Code);
            else Problem(true, $"/items/{at}", "unknown", "Neither a field, an event type nor a class of the policy.");
        }
        foreach (var (name, at) in hold.Purposes.Select((name, at) => (name, at)))
        {
            if (reach.Policy.Purposes.Find(name) is { } purpose) purposes.Add(purpose.Id);
            else Problem(true, $"/purposes/{at}", "unknown", "Not a purpose of the policy.");
        }
        return problems.Count == 0 ? new HoldFact([.. items], [.. classes], [.. purposes]) : throw VaultException.Invalid(problems);
    }

    private async Task<HoldView> ViewAsync(HoldRow row, IReadOnlyList<SubjectId> subjects, CancellationToken cancellation) =>
        View(row, subjects, row.ReleasedAt is null ? await WaitingAsync(subjects, cancellation) : None);

    // Only a hold in force keeps anything waiting.
    private Task<ILookup<SubjectId, Guid>> WaitingAsync(IEnumerable<HoldRow> rows, ILookup<Guid, SubjectId> subjects, CancellationToken cancellation) =>
        WaitingAsync([.. rows.Where(row => row.ReleasedAt is null).SelectMany(row => subjects[row.Id]).Distinct()], cancellation);

    private async Task<ILookup<SubjectId, Guid>> WaitingAsync(IReadOnlyList<SubjectId> subjects, CancellationToken cancellation) =>
        subjects.Count == 0 ? None : (await store.WaitingErasuresAsync(subjects, cancellation)).ToLookup(request => request.Subject!.Value, request => request.Id);

    private HoldView View(HoldRow row, IReadOnlyList<SubjectId> subjects, ILookup<SubjectId, Guid> waiting) => new(
        row.Id, subjects,
        [
            .. row.Scope.Classes.Select(id => ClassPrefix + (reach.Policy.Catalogue.ClassById(id)?.Name ?? "?")),
            .. row.Scope.Items.Select(code => reach.Policy.Items.FirstOrDefault(item => item.Code == code)?.Name ?? "?"),
        ],
        [.. row.Scope.Purposes.Select(id => reach.Policy.Purposes.ById(id)?.Name ?? "?")],
        row.Authority, store.CaseOf(row), row.PlacedAt, row.PlacedBy, row.ReviewAt, row.ExpiresAt, row.ReleasedAt, row.ReleasedBy,
        row is { ReleasedAt: null, IsMissing: false } && row.ReviewAt <= clock.Now, row.LogIndex)
    {
        ReleaseReason = store.ReleaseOf(row),
        Damage = row.IsMissing ? "deleted" : store.IsChanged(row) ? "changed" : store.IsUnreadable(row) ? "unreadable" : null,
        Deferred = row.ReleasedAt is null ? [.. subjects.SelectMany(subject => waiting[subject])] : [],
    };
}
