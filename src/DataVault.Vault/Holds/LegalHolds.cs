using System.Collections.Frozen;
using System.Text;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>The legal grounds that a hold may rest on: a closed list, for the code stands in the log for ever.</summary>
public static class HoldAuthorities
{
    // SPEC GDPR 17(3)(b), (c), (d), (e): what stands against an erasure.
    public static FrozenSet<string> All { get; } = FrozenSet.ToFrozenSet(
        ["legal-obligation", "legal-claim", "court-order", "supervisory-authority", "public-health", "research"]);
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
    string PlacedBy, DateTimeOffset ReviewAt, DateTimeOffset? ExpiresAt, DateTimeOffset? ReleasedAt, string? ReleasedBy, bool Overdue, long LogIndex);

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

    private readonly HoldStore store;
    private readonly RequestFulfilment fulfilment;
    private readonly ActivePolicy policy;
    private readonly VaultClock clock;

    internal LegalHolds(HoldStore store, RequestFulfilment fulfilment, ActivePolicy policy, VaultClock clock) =>
        (this.store, this.fulfilment, this.policy, this.clock) = (store, fulfilment, policy, clock);

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
            row = await store.PlaceAsync(recipient, row, [.. hold.Subjects.Distinct()], hold.CaseReference, requestId, cancellation);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            await store.DeniedAsync(recipient, requestId, cancellation);
            throw;
        }
        return View(row, [.. hold.Subjects.Distinct()], hold.CaseReference);
    }

    /// <summary>A page of holds. The look is an entry of the log.</summary>
    public async Task<HoldPage> ListAsync(Recipient recipient, HoldFilter filter, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(filter);
        if (limit is < 1 or > LargestPage) throw VaultException.BadRequest($"The limit is between 1 and {LargestPage}.");
        await AuthoriseAsync(recipient, requestId, cancellation);
        Guid? before = null;
        if (cursor is not null) before = Guid.TryParseExact(cursor, "N", out var id) ? id : throw VaultException.BadRequest("The cursor is not valid.");
        var rows = await store.ListAsync(filter, limit + 1, before, cancellation);
        List<HoldRow> shown = [.. rows.Take(limit)];
        var subjects = await store.SubjectsAsync([.. shown.Select(row => row.Id)], cancellation);
        await store.RecordLookAsync(recipient, requestId, cancellation);
        return new HoldPage([.. shown.Select(row => View(row, [.. subjects[row.Id]], store.CaseOf(row)))], rows.Count > limit ? shown[^1].Id.ToString("N") : null);
    }

    /// <summary>Ends a hold. What only it kept of people who have been erased otherwise is erased too, by itself.</summary>
    /// <exception cref="VaultException">not-found, or invalid-state when it has ended already.</exception>
    public async Task<HoldView> ReleaseAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await AuthoriseAsync(recipient, requestId, cancellation);
        try
        {
            var (row, subjects) = await store.ReleaseAsync(recipient, id, requestId, cancellation);
            fulfilment.Nudge(await store.WaitingErasuresAsync(subjects, cancellation));
            return View(row, subjects, store.CaseOf(row));
        }
        catch (VaultException e) when (e.Slug is "not-found" or "invalid-state")
        {
            await store.DeniedAsync(recipient, requestId, cancellation);
            throw;
        }
    }

    private async Task AuthoriseAsync(Recipient recipient, Guid requestId, CancellationToken cancellation)
    {
        if (recipient.Kind == RecipientKind.Staff && policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.HoldsManage)) return;
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
            if (name.StartsWith(ClassPrefix, StringComparison.Ordinal) && policy.Current.Catalogue.Classes.FirstOrDefault(c => c.Name == name[ClassPrefix.Length..]) is { } known) classes.Add(known.Id);
            else if (policy.Current.Items.FirstOrDefault(item => item.Name == name) is { } item) items.Add(item.Code);
            else Problem(true, $"/items/{at}", "unknown", "Neither a field, an event type nor a class of the policy.");
        }
        foreach (var (name, at) in hold.Purposes.Select((name, at) => (name, at)))
        {
            if (policy.Current.Purposes.Find(name) is { } purpose) purposes.Add(purpose.Id);
            else Problem(true, $"/purposes/{at}", "unknown", "Not a purpose of the policy.");
        }
        return problems.Count == 0 ? new HoldFact([.. items], [.. classes], [.. purposes]) : throw VaultException.Invalid(problems);
    }

    private HoldView View(HoldRow row, IReadOnlyList<SubjectId> subjects, string? reference) => new(
        row.Id, subjects,
        [
            .. row.Scope.Classes.Select(id => ClassPrefix + (policy.Current.Catalogue.ClassById(id)?.Name ?? "?")),
            .. row.Scope.Items.Select(code => policy.Current.Items.FirstOrDefault(item => item.Code == code)?.Name ?? "?"),
        ],
        [.. row.Scope.Purposes.Select(id => policy.Current.Purposes.ById(id)?.Name ?? "?")],
        row.Authority, reference, row.PlacedAt, row.PlacedBy, row.ReviewAt, row.ExpiresAt, row.ReleasedAt, row.ReleasedBy,
        row.ReleasedAt is null && row.ReviewAt <= clock.Now, row.LogIndex);
}
