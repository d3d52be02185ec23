using System.Collections.Frozen;
using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A notice to a recipient as it stands.</summary>
/// <param name="Subject">Null once the person is erased.</param>
/// <param name="Request">The request that it tells of; null where a limit ended without one.</param>
/// <param name="Kind">The type of the message, such as <c>person.erased</c>.</param>
/// <param name="State">One of <see cref="NoticeStates"/>.</param>
/// <param name="Recipient">Name in the policy or the configuration; null when it does not open.</param>
/// <param name="Reference">By what the recipient knows the person; null of one that is told of already, where the person is erased.</param>
/// <param name="Items">Fields and event types concerned; none of everything.</param>
public sealed record NoticeView(Guid Id, SubjectId? Subject, Guid? Request, string Kind, string State, string? Recipient, string? Reference, IReadOnlyList<string> Items)
{
    /// <summary>The recipient as the policy in force declares it.</summary>
    public DeclaredRecipient? Declared { get; init; }

    /// <summary>Why nobody was told.</summary>
    public string? Reason { get; init; }

    public DateTimeOffset At { get; init; }

    public DateTimeOffset ChangedAt { get; init; }

    /// <summary>Deliveries that failed so far.</summary>
    public int Attempts { get; init; }

    /// <summary>How the last one failed.</summary>
    public string? Failure { get; init; }

    /// <summary>It failed so often that somebody should look; it is tried once a day.</summary>
    public bool IsDead => Attempts >= OutboxStore.DeadAfter;

    /// <summary>The vault did not leave the row like this: it counts as open, whatever it says.</summary>
    public bool IsChanged { get; init; }

    /// <summary>Somebody has still to be told.</summary>
    public bool IsOpen => IsChanged || NoticeStates.IsOpen(State);
}

/// <summary>Newest first.</summary>
public sealed record NoticePage(IReadOnlyList<NoticeView> Items, string? Next);

/// <summary>Which notices to list; null members do not narrow.</summary>
public sealed record RecipientNoticeQuery(Guid? Request = null, SubjectId? Subject = null, bool OpenOnly = false, int Limit = 50, string? Cursor = null);

/// <summary>What recipients were told, or have still to be told: for officers, for the person, and for the recipient who says that they know of it.</summary>
public sealed class Notices
{
    public const int LargestPage = 200;

    private static readonly FrozenSet<string> Open = FrozenSet.ToFrozenSet(NoticeStates.All.Where(NoticeStates.IsOpen));

    private readonly NoticeStore store;
    private readonly RecipientNotices notices;
    private readonly KeyRegistry keys;
    private readonly RequestStore requests;
    private readonly AuditLog log;
    private readonly SubjectReach reach;

    internal Notices(NoticeStore store, RecipientNotices notices, KeyRegistry keys, RequestStore requests, AuditLog log, SubjectReach reach) =>
        (this.store, this.notices, this.keys, this.requests, this.log, this.reach) = (store, notices, keys, requests, log, reach);

    /// <summary>The person sees their own; whoever reads requests sees those of the people they reach, and those of the erased. The look is an entry.</summary>
    public async Task<NoticePage> ListAsync(Recipient recipient, RecipientNoticeQuery query, Guid requestId, CancellationToken ct)
    {
        if (query.Limit is < 1 or > LargestPage) throw VaultException.BadRequest($"The limit is between 1 and {LargestPage}.");
        var own = recipient.Kind == RecipientKind.Customer;
        if (!own && !reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsRead))
            throw await requests.DeniedAsync(recipient, query.Subject, VaultException.Forbidden(), requestId, ct);
        var filter = new NoticeFilter(own ? recipient.Subject ?? throw VaultException.NotFound() : query.Subject, query.Request, query.OpenOnly ? Open : null);
        var rows = await store.ListAsync(filter, Cursor(query.Cursor), query.Limit + 1, ct);
        var shown = rows.Take(query.Limit).ToList();
        var people = await keys.GetManyFreshAsync([.. shown.Select(row => row.Subject).OfType<SubjectId>().Distinct()], new List<SubjectId>(), ct);
        try
        {
            var reached = new HashSet<SubjectId>();
            foreach (var person in people) if (await reach.IncludesAsync(recipient, person.Subject, ct)) reached.Add(person.Subject);
            var held = people.ToDictionary(person => person.Subject);
            var views = shown.Where(row => row.Subject is not { } subject || reached.Contains(subject)).Select(row => View(row, row.Subject is { } subject ? held[subject] : null)).ToList();
            var entry = log.Entry(EntryType.RequestRead, recipient, default, SubjectRequests.Purpose, EntryResult.Ok, [], requestId) with { Rules = ["notices"] };
            await log.AppendAsync(AuditLog.Concerning(entry, people.Where(person => reached.Contains(person.Subject)).Select(person => person.Tag)), ct);
            return new NoticePage(views, rows.Count > query.Limit ? CursorOf(shown[^1]) : null);
        }
        finally
        {
            foreach (var person in people) person.Dispose();
        }
    }

    /// <summary>An officer told the recipient.</summary>
    /// <exception cref="VaultException">not-found, forbidden; invalid-state: nobody has to be told any more.</exception>
    public Task<NoticeView> DoneAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken ct) => DecideAsync(recipient, id, (NoticeStates.Done, null), requestId, ct);

    /// <summary>Nobody tells the recipient, for a reason of <see cref="NoticeStates.Waivers"/>. A person decides that.</summary>
    /// <exception cref="VaultException">not-found, forbidden, invalid-fields; invalid-state: nobody has to be told any more.</exception>
    public Task<NoticeView> WaiveAsync(Recipient recipient, Guid id, string? reason, Guid requestId, CancellationToken ct)
    {
        if (reason is null || !NoticeStates.Waivers.Contains(reason))
            throw VaultException.Invalid([new FieldProblem("/reason", "unknown", $"The reason is one of {string.Join(", ", NoticeStates.Waivers)}.")]);
        return DecideAsync(recipient, id, (NoticeStates.Waived, reason), requestId, ct);
    }

    /// <summary>The recipient says that they know of it: by one of its own applications.</summary>
    /// <exception cref="VaultException">not-found: it is not theirs, or there is none.</exception>
    public async Task<NoticeView> AcknowledgeAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken ct)
    {
        var found = await FindAsync(id, ct);
        using var held = found.Keys;
        var theirs = recipient.Kind == RecipientKind.Application && reach.Policy.Recipients.OfClient(recipient.Id) is { } declared && declared.Name == found.View?.Recipient;
        if (!theirs || found.Row is null) throw await requests.DeniedAsync(recipient, null, VaultException.NotFound(), requestId, ct);
        // They know the person by their own reference, which may be a pseudonym: the answer gives no other.
        return await MoveAsync(recipient, found.Row, held, (NoticeStates.Acknowledged, null), requestId, ct) with { Subject = null, Reference = null };
    }

    private async Task<NoticeView> DecideAsync(Recipient recipient, Guid id, (string State, string? Code) to, Guid requestId, CancellationToken ct)
    {
        var found = await FindAsync(id, ct);
        using var held = found.Keys;
        var may = recipient.Kind == RecipientKind.Staff && reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsDecide);
        if (!may) throw await requests.DeniedAsync(recipient, found.Row?.Subject, VaultException.Forbidden(), requestId, ct);
        var reached = found.Row is { } row && (row.Subject is not { } subject || (held is not null && await reach.IncludesAsync(recipient, subject, ct)));
        if (!reached) throw await requests.DeniedAsync(recipient, found.Row?.Subject, VaultException.NotFound(), requestId, ct);
        return await MoveAsync(recipient, found.Row!, held, to, requestId, ct);
    }

    private async Task<NoticeView> MoveAsync(Recipient by, NoticeRow seen, SubjectKeys? held, (string State, string? Code) to, Guid requestId, CancellationToken ct)
    {
        var tag = held?.Tag.ToArray();
        var moved = await store.TransactAsync(async (connection, transaction) =>
        {
            var row = await NoticeStore.LockAsync(connection, seen.Id, ct) ?? throw VaultException.NotFound();
            // An officer's word also mends a row that somebody changed: what it said is not asked.
            var closes = to.State != NoticeStates.Acknowledged;
            if (store.Fits(row) ? closes ? !NoticeStates.IsOpen(row.State) : row.State is NoticeStates.Acknowledged or NoticeStates.Done or NoticeStates.Waived : !closes)
                throw VaultException.InvalidState($"The notice is {row.State}.");
            // Nobody has to send it any more.
            await OutboxStore.RemoveAsync(connection, row.Id, ct);
            return await notices.MoveAsync(new DutyWork(connection, transaction, ct), by, (row, store.OpenOrNull(row, held)?.Recipient ?? "", tag), to, requestId);
        }, ct);
        return View(moved, held);
    }

    private async Task<(NoticeRow? Row, NoticeView? View, SubjectKeys? Keys)> FindAsync(Guid id, CancellationToken ct)
    {
        if (await store.FindAsync(id, ct) is not { } row) return default;
        var held = row.Subject is { } subject ? await keys.FindFreshAsync(subject, ct) : null;
        return (row, View(row, held), held);
    }

    private NoticeView View(NoticeRow row, SubjectKeys? held)
    {
        var content = store.OpenOrNull(row, held);
        return new NoticeView(row.Id, row.Subject, row.Request, row.Kind, row.State, content?.Recipient, content?.Reference is { Length: > 0 } reference ? reference : null, content?.Items ?? [])
        {
            Declared = content is null ? null : reach.Policy.Recipients.Find(content.Recipient), Reason = row.Code, At = row.At, ChangedAt = row.ChangedAt,
            Attempts = row.Delivery.Attempts, Failure = row.Delivery.Failure, IsChanged = content is null || !store.Fits(row),
        };
    }

    private static string CursorOf(NoticeRow row) => string.Create(CultureInfo.InvariantCulture, $"{row.At.UtcTicks}.{row.Id:N}");

    private static (DateTimeOffset, Guid)? Cursor(string? text)
    {
        if (text is null) return null;
        var parts = text.Split('.');
        return parts.Length == 2 && long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) && ticks <= DateTime.MaxValue.Ticks && Guid.TryParseExact(parts[1], "N", out var id)
            ? (new DateTimeOffset(ticks, TimeSpan.Zero), id) : throw VaultException.BadRequest("The cursor is not valid.");
    }
}
