using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>How a person's look at a contested decision ended.</summary>
/// <param name="Result">One of <see cref="RequestReasons.Outcomes"/>.</param>
/// <param name="Outcome">What the decision comes to now; null where it was not changed.</param>
/// <param name="Words">To the person.</param>
/// <param name="At">When.</param>
public sealed record DecisionReviewView(string Result, string? Outcome, string? Words, DateTimeOffset At);

/// <summary>A decision that a model or rule came to about somebody.</summary>
/// <param name="Id">The decision.</param>
/// <param name="Subject">About whom.</param>
/// <param name="Model">A name of automated.yaml, now or then.</param>
/// <param name="Version">Of the model.</param>
/// <param name="Client">The application that decided.</param>
/// <param name="State">One of <see cref="DecisionStates"/>.</param>
/// <param name="DecidedAt">When.</param>
/// <param name="RecordedAt">When it was brought here.</param>
public sealed record AutomatedDecisionView(
    Guid Id, SubjectId Subject, string Model, string Version, string Client, string State, DateTimeOffset DecidedAt, DateTimeOffset RecordedAt)
{
    /// <summary>The model as the policy in force declares it.</summary>
    public AutomatedModel? Declared { get; init; }

    /// <summary>What it came to, a code of the model; null when it does not open.</summary>
    public string? Outcome { get; init; }

    public decimal? Score { get; init; }

    /// <summary>By what the application knows it.</summary>
    public string? Reference { get; init; }

    /// <summary>Fields and event types that it was decided by.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>The values among them that were kept.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Values { get; init; }

    public IReadOnlyList<string> Factors { get; init; } = [];

    public string? Explanation { get; init; }

    /// <summary>A person took part.</summary>
    public bool Human { get; init; }

    /// <summary>The request that contests it.</summary>
    public Guid? Request { get; init; }

    /// <summary>When somebody must have looked.</summary>
    public DateTimeOffset? ReviewBy { get; init; }

    /// <summary>That date has passed.</summary>
    public bool IsOverdue { get; init; }

    public DecisionReviewView? Review { get; init; }

    public DateTimeOffset ChangedAt { get; init; }

    /// <summary>Of the entry that recorded it.</summary>
    public long LogIndex { get; init; }

    /// <summary>Of the newest entry about it.</summary>
    public long ChangeIndex { get; init; }

    /// <summary>The vault did not leave the row like this: nothing of it is shown.</summary>
    public bool IsDamaged { get; init; }

    /// <summary>What it comes to today: null of one that was annulled.</summary>
    public string? Standing => State == DecisionStates.Annulled ? null : Review?.Outcome ?? Outcome;
}

/// <summary>Newest first.</summary>
public sealed record DecisionPage(IReadOnlyList<AutomatedDecisionView> Items, string? Next);

/// <summary>Which decisions to list; null members do not narrow.</summary>
public sealed record DecisionQuery(int Limit = 50, string? Cursor = null)
{
    public SubjectId? Subject { get; init; }

    public string? Model { get; init; }

    public string? Version { get; init; }

    /// <summary>What it came to: opened to be looked at, so a page may hold fewer than the limit.</summary>
    public string? Outcome { get; init; }

    public string? State { get; init; }

    /// <summary>Not decided before.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Decided before.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Those alone that somebody should have looked at by now.</summary>
    public bool Overdue { get; init; }
}

/// <summary>What was decided about people by itself: for the person, for whoever oversees it, and for the application that decided. Every look is an entry of the log.</summary>
public sealed class AutomatedDecisions
{
    private readonly DecisionRows rows;
    private readonly KeyRegistry keys;
    private readonly RequestStore requests;
    private readonly AuditLog log;
    private readonly SubjectReach reach;

    internal AutomatedDecisions(DecisionRows rows, KeyRegistry keys, RequestStore requests, AuditLog log, SubjectReach reach) =>
        (this.rows, this.keys, this.requests, this.log, this.reach) = (rows, keys, requests, log, reach);

    /// <summary>The person sees their own; whoever may see decisions those of the people they reach.</summary>
    /// <exception cref="VaultException">forbidden; invalid-request.</exception>
    public async Task<DecisionPage> ListAsync(Recipient recipient, DecisionQuery query, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(query);
        var page = NewestFirst.Read(query.Limit, query.Cursor);
        if (recipient.Kind == RecipientKind.Customer) query = query with { Subject = recipient.Subject ?? throw VaultException.NotFound() };
        else if (!MayOversee(recipient)) throw await requests.DeniedAsync(recipient, query.Subject, VaultException.Forbidden(), requestId, ct);
        var found = await rows.ListAsync(Terms(query), page.Before, page.Sought, ct);
        var (shown, next) = page.Cut(found, row => row.Id);
        var views = await OpenAsync(recipient, shown, "decisions", requestId, ct);
        return new DecisionPage([.. views.Where(view => query.Outcome is null || view.Standing == query.Outcome || view.Outcome == query.Outcome)], next);
    }

    /// <summary>All of them, page by page; each page is an entry before any of it is given.</summary>
    /// <inheritdoc cref="ListAsync"/>
    public async IAsyncEnumerable<AutomatedDecisionView> ExportAsync(Recipient recipient, DecisionQuery query, Guid requestId, [EnumeratorCancellation] CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(query);
        for (var page = query with { Limit = NewestFirst.Largest }; ;)
        {
            var shown = await ListAsync(recipient, page, requestId, ct);
            foreach (var view in shown.Items) yield return view;
            if (shown.Next is null) yield break;
            page = page with { Cursor = shown.Next };
        }
    }

    /// <summary>One decision: for the person, for whoever may see decisions, and for the application that decided.</summary>
    /// <exception cref="VaultException">not-found, forbidden.</exception>
    public async Task<AutomatedDecisionView> GetAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        var row = await rows.FindAsync(id, ct);
        var theirs = row is not null && (recipient.Kind == RecipientKind.Customer ? recipient.Subject == row.Subject : IsOwn(recipient, row) || MayOversee(recipient));
        var mayAny = recipient.Kind == RecipientKind.Customer || recipient.Kind == RecipientKind.Application || MayOversee(recipient);
        if (!mayAny) throw await requests.DeniedAsync(recipient, row?.Subject, VaultException.Forbidden(), requestId, ct);
        if (!theirs) throw await requests.DeniedAsync(recipient, row?.Subject, VaultException.NotFound(), requestId, ct);
        var views = await OpenAsync(recipient, [row!], DecisionLog.Of(id), requestId, ct);
        return views is [var view] ? view : throw await requests.DeniedAsync(recipient, row!.Subject, VaultException.NotFound(), requestId, ct);
    }

    /// <summary>Of an application's own decisions those that something happened to behind a cursor, in the order in which it did.</summary>
    /// <exception cref="VaultException">forbidden: only applications decide; invalid-request.</exception>
    public async Task<DecisionPage> ChangesAsync(Recipient recipient, int limit, string? cursor, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (limit is < 1 or > NewestFirst.Largest) throw VaultException.BadRequest($"The limit is between 1 and {NewestFirst.Largest}.");
        var after = -1L;
        if (cursor is not null && !long.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out after)) throw VaultException.BadRequest("The cursor is not valid.");
        if (recipient.Kind != RecipientKind.Application) throw await requests.DeniedAsync(recipient, null, VaultException.Forbidden(), requestId, ct);
        var changed = await rows.ChangesAsync(recipient.Id, after, limit, ct);
        var views = await OpenAsync(recipient, changed, "decision-changes", requestId, ct);
        return new DecisionPage(views, changed.Count > 0 ? changed[^1].ChangeIndex.ToString(CultureInfo.InvariantCulture) : cursor);
    }

    /// <summary>How many are contested, and of how many of these the look is overdue.</summary>
    internal Task<(long Contested, long Overdue)> CountAsync(CancellationToken ct) => rows.CountAsync(ct);

    private bool MayOversee(Recipient recipient) => reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.DecisionsRead);

    private static bool IsOwn(Recipient recipient, DecisionRow row) => recipient.Kind == RecipientKind.Application && recipient.Id == row.Client;

    // INVARIANT: what is opened is shown to nobody before the look is durable.
    private async Task<List<AutomatedDecisionView>> OpenAsync(Recipient recipient, IReadOnlyList<DecisionRow> found, string mark, Guid requestId, CancellationToken ct)
    {
        var near = await reach.AmongAsync(recipient, [.. found.Select(row => row.Subject).Distinct()], ct);
        var shown = found.Where(row => near.Contains(row.Subject)).ToList();
        var people = await keys.GetManyFreshAsync([.. shown.Select(row => row.Subject).Distinct()], new List<SubjectId>(), ct);
        try
        {
            var held = people.ToDictionary(person => person.Subject);
            var views = shown.ConvertAll(row => View(rows.Open(row, held.GetValueOrDefault(row.Subject)), reach.Policy, rows.Clock.Now));
            var items = views.SelectMany(view => view.Values?.Keys ?? []).Distinct().Select(name => reach.Policy.Items.FirstOrDefault(item => item.Name == name)).OfType<CatalogueItem>();
            var entry = log.Entry(EntryType.DecisionRead, recipient, default, SubjectRequests.Purpose, EntryResult.Ok, [.. items.Select(AuditLog.ItemCode).Order()], requestId) with { Rules = [mark] };
            await log.AppendAsync(AuditLog.Concerning(entry, people.Select(person => person.Tag)), ct);
            return views;
        }
        finally
        {
            foreach (var person in people) person.Dispose();
        }
    }

    internal static AutomatedDecisionView View(OpenedDecision opened, PolicySet policy, DateTimeOffset now)
    {
        var (row, content) = (opened.Row, opened.Content);
        return new AutomatedDecisionView(row.Id, row.Subject, row.Model, row.Version, row.Client, row.State, row.DecidedAt, row.RecordedAt)
        {
            Declared = policy.Models.Find(row.Model), Outcome = content?.Outcome, Score = content?.Score, Reference = content?.Reference, Inputs = content?.Inputs ?? [], Values = content?.Values,
            Factors = content?.Factors ?? [], Explanation = content?.Explanation, Human = content?.Human ?? false, Request = row.Request, ReviewBy = row.ReviewBy,
            IsOverdue = row.State == DecisionStates.Contested && row.ReviewBy < now, ChangedAt = row.ChangedAt, LogIndex = row.LogIndex, ChangeIndex = row.ChangeIndex, IsDamaged = content is null,
            Review = opened.Review is { } review ? new DecisionReviewView(review.Result, review.Outcome, review.Words, review.At) : null,
        };
    }

    private static DecisionTerms Terms(DecisionQuery query) => new()
    {
        Subject = query.Subject, Model = query.Model, Version = query.Version, State = query.State, From = query.From, To = query.To, Overdue = query.Overdue,
    };
}
