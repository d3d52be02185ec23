using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A release that an officer looks at afterwards.</summary>
/// <param name="Id">Of the review.</param>
/// <param name="Subject">About whom; null in a list, and of somebody who was erased.</param>
/// <param name="Actor">Roles of staff, or name of the application.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Entries">Log indexes of the releases: of an emergency, all within its window.</param>
/// <param name="OpenedAt">When the first of them was.</param>
/// <param name="DueAt">Until when somebody has to have looked.</param>
/// <param name="State"><c>open</c>, <c>justified</c> or <c>unjustified</c>; <c>changed</c> when the row is not what the vault wrote, until somebody decides it anew.</param>
public sealed record ReviewView(
    Guid Id, SubjectId? Subject, string Actor, string Purpose, IReadOnlyList<long> Entries, DateTimeOffset OpenedAt, DateTimeOffset DueAt, string State)
{
    /// <summary>Account of the member of staff, or id of the application; null in reviews of an earlier vault.</summary>
    public string? Account { get; init; }

    public bool Overdue { get; init; }

    /// <summary>The words that came with the first release; null in a list, and once the person is erased.</summary>
    public string? Reason { get; init; }

    /// <summary>What was shown; null in a list.</summary>
    public IReadOnlyList<string>? Items { get; init; }

    public string? DecidedBy { get; init; }

    public DateTimeOffset? DecidedAt { get; init; }

    /// <summary>The officer's words; null in a list.</summary>
    public string? Outcome { get; init; }

    public long? LogIndex { get; init; }
}

/// <summary>Which reviews to list; null members do not narrow.</summary>
public sealed record ReviewFilter(bool? Open = null, bool Overdue = false);

/// <summary>Newest first.</summary>
public sealed record ReviewPage(IReadOnlyList<ReviewView> Items, string? Next);

/// <summary>
/// Reviews of releases that a rule binds to one. A review stays open until an officer, who is not the one that got the data, says whether the release was
/// justified, in words; that is an entry of the log, in the transaction of the change.
/// </summary>
public sealed class Reviews
{
    private readonly VaultDatabase database;
    private readonly ReviewBook book;
    private readonly AuditLog log;
    private readonly AuditReader reader;
    private readonly KeyRegistry keys;
    private readonly Decider decider;
    private readonly OversightDoor door;

    internal Reviews(VaultDatabase database, ReviewBook book, KeyRegistry keys, AuditLog log, AuditReader reader, Decider decider)
    {
        (this.database, this.book, this.keys, this.log, this.reader, this.decider) = (database, book, keys, log, reader, decider);
        door = new OversightDoor(log, decider, Capabilities.ReviewsManage, "reviews");
    }

    /// <summary>A page of reviews. The look is an entry of the log.</summary>
    public async Task<ReviewPage> ListAsync(Recipient recipient, ReviewFilter filter, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(filter);
        var page = NewestFirst.Read(limit, cursor);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        var (shown, next) = page.Cut(await book.ListAsync(filter, page.Sought, page.Before, cancellation), row => row.Id);
        await door.LookAsync(recipient, requestId, cancellation);
        var views = new List<ReviewView>();
        foreach (var row in shown) views.Add(View(row, await reader.EntryAsync(row.Entries[0], cancellation)));
        return new ReviewPage(views, next);
    }

    /// <summary>One review with whom it is about, the reason that was given and what was shown. The look is an entry of the log.</summary>
    public async Task<ReviewView> GetAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        var row = await book.FindAsync(id, cancellation) ?? throw await door.RefusedAsync(recipient, VaultException.NotFound(), requestId, cancellation);
        await door.LookAsync(recipient, requestId, cancellation);
        return await WholeAsync(row, cancellation);
    }

    /// <summary>Says whether the release was justified, once.</summary>
    /// <exception cref="VaultException">not-found, invalid-state when it has been decided, forbidden for whoever got the data.</exception>
    public async Task<ReviewView> DecideAsync(Recipient recipient, Guid id, bool justified, string words, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, cancellation);
        if (!JustificationRule.IsReason(words)) throw VaultException.Invalid([new("/words", "missing-member", $"Why, in at most {JustificationRule.MaxLength} characters?")]);
        try
        {
            var row = await database.RunAsync((connection, transaction) => DecideAsync(new DutyWork(connection, transaction, cancellation), recipient, (id, justified, words), requestId), cancellation);
            return await WholeAsync(row, cancellation);
        }
        catch (VaultException e) when (e.Slug is "not-found" or "invalid-state" or "forbidden")
        {
            throw await door.RefusedAsync(recipient, e, requestId, cancellation);
        }
    }

    private async Task<ReviewRow> DecideAsync(DutyWork work, Recipient recipient, (Guid Id, bool Justified, string Words) outcome, Guid requestId)
    {
        var row = await ReviewBook.LockAsync(work, outcome.Id) ?? throw VaultException.NotFound();
        // What the vault did not write says nothing of who has decided: then this is the officer's order to put it right.
        var isChanged = book.IsChanged(row);
        if (row.State != ReviewStates.Open && !isChanged) throw VaultException.InvalidState("The review has been decided already.");
        if (row.Actor == EntryShape.TagOf(log.TagOf(recipient))) throw VaultException.Forbidden();
        row = row with { State = outcome.Justified ? ReviewStates.Justified : ReviewStates.Unjustified, DecidedBy = recipient.Id, DecidedAt = decider.Clock.Now };
        var entry = log.Entry(EntryType.ReviewChange, recipient, default, row.Purpose, EntryResult.Ok, [], requestId) with { Reference = row.Entries[0], Rules = isChanged ? [row.State, ReviewStates.Changed] : [row.State] };
        // The words are about the person as the reason was, and go with them; the entry names who got the data and not the person, whom the release names.
        using var held = book.PartiesOf(row) is { } parties ? await keys.FindAsync(parties.Subject, work.Cancellation) : null;
        var (described, detail) = log.WithDetail(entry, held, Encoding.UTF8.GetBytes(outcome.Words), decider.Clock.Random);
        row = row with { LogIndex = await log.AppendWithinAsync(work.Connection, work.Transaction, [new PendingEntry(described, detail)], work.Cancellation) };
        return await book.CloseAsync(work, row);
    }

    private async Task<ReviewView> WholeAsync(ReviewRow row, CancellationToken cancellation)
    {
        var first = await reader.EntryAsync(row.Entries[0], cancellation);
        var items = new SortedSet<string>(first.ItemNames, StringComparer.Ordinal);
        foreach (var index in row.Entries.Skip(1)) items.UnionWith((await reader.EntryAsync(index, cancellation)).ItemNames);
        return View(row, first) with
        {
            // Of somebody who was erased nobody is told that the release was about them.
            Subject = book.PartiesOf(row)?.Subject is { } subject && await SubjectRows.FindAsync(database, subject, cancellation) is not null ? subject : null,
            Reason = await WordsAsync(first, cancellation),
            Items = [.. items],
            Outcome = row.LogIndex is { } decided ? await WordsAsync(await reader.EntryAsync(decided, cancellation), cancellation) : null,
        };
    }

    private async Task<string?> WordsAsync(AuditRecord record, CancellationToken cancellation) =>
        await reader.DetailAsync(record, cancellation) is { } words ? Encoding.UTF8.GetString(words) : null;

    private ReviewView View(ReviewRow row, AuditRecord first) => new(
        row.Id, null, first.Actor ?? first.ActorKind ?? "unknown", row.Purpose, row.Entries, row.OpenedAt, row.DueAt, book.IsChanged(row) ? ReviewStates.Changed : row.State)
    {
        Account = book.PartiesOf(row)?.Account, Overdue = row.State == ReviewStates.Open && row.DueAt <= decider.Clock.Now, DecidedBy = row.DecidedBy, DecidedAt = row.DecidedAt, LogIndex = row.LogIndex,
    };
}
