using System.Collections.Frozen;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>A request as it stands. Once the person is erased <paramref name="Subject"/> is null and the rest names nobody.</summary>
public sealed record RequestView(
    Guid Id, SubjectId? Subject, string Kind, string State, DateTimeOffset OpenedAt, DateTimeOffset DueAt, DateTimeOffset? CompletedAt,
    string? Reason, double? Progress, bool HasPackage, bool HasCertificate, long LogIndex, string OpenedBy)
{
    /// <summary>How far an erasure has come; null of other requests, and before it was begun.</summary>
    public ErasureProgress? Erasure { get; init; }

    /// <summary>Where it stands in time, by both clocks.</summary>
    public required RequestClock Clock { get; init; }

    /// <summary>What happened to it besides.</summary>
    public required RequestFacts Facts { get; init; }
}

/// <summary>What happened to a request besides its state.</summary>
/// <param name="Jurisdiction">The regime that it is under.</param>
/// <param name="Outcome"><c>partly-refused</c> where single items were refused and the rest was not; of a contest how it ended; else null.</param>
public sealed record RequestFacts(string Jurisdiction, string? Outcome)
{
    /// <summary>The earlier open request of the same kind, whose clock this one shares.</summary>
    public Guid? Repeats { get; init; }

    /// <summary>The automated decision that it contests.</summary>
    public Guid? Decision { get; init; }

    /// <summary>When receipt must be acknowledged; null where the law asks for none.</summary>
    public DateTimeOffset? AcknowledgeBy { get; init; }

    /// <summary>When it was.</summary>
    public DateTimeOffset? AcknowledgedAt { get; init; }

    /// <summary>The first due date of what was extended.</summary>
    public DateTimeOffset? FirstDueAt { get; init; }

    /// <summary>What the person was asked for, oldest first.</summary>
    public IReadOnlyList<RequestQuestionView> Questions { get; init; } = [];

    /// <summary>How surely the person is known.</summary>
    public string Assurance { get; init; } = "none";

    /// <summary>How surely they must be.</summary>
    public string Needed { get; init; } = "none";

    /// <summary>Every attempt to establish the identity, oldest first.</summary>
    public IReadOnlyList<IdentityCheckView> Checks { get; init; } = [];

    /// <summary>By what it can be established.</summary>
    public IReadOnlyList<VerificationMethod> Methods { get; init; } = [];

    /// <summary>Why a second officer has to agree, in words; empty where none has to.</summary>
    public IReadOnlyList<string> SecondFor { get; init; } = [];

    /// <summary>Who approved first, and when; null before, and of what needed nobody.</summary>
    public FirstApproval? ApprovedFirst { get; init; }

    /// <summary>What was decided of single items.</summary>
    public IReadOnlyList<ItemChoiceView> Choices { get; init; } = [];

    /// <summary>Of an objection, how each purpose stands.</summary>
    public IReadOnlyList<ObjectedPurposeView> Objections { get; init; } = [];
}

/// <summary>How a purpose stands that a person objects to.</summary>
/// <param name="Purpose">Its name.</param>
/// <param name="State">
/// <c>waiting</c>: not stopped before it is known who asks; <c>stopped</c>: for good; <c>paused</c>: until an officer decides; <c>overridden</c>: it goes on; <c>ended</c>: it goes on, for
/// the request ended otherwise or the person took it back.
/// </param>
/// <param name="Since">Since when it is, or was, stopped.</param>
/// <param name="Until">Until when it was.</param>
/// <param name="Reason">Why it goes on, where an officer decided so.</param>
/// <param name="Term">The reason as a term of the W3C Data Privacy Vocabulary.</param>
/// <param name="Article">Of the GDPR.</param>
public sealed record ObjectedPurposeView(string Purpose, string State, DateTimeOffset? Since, DateTimeOffset? Until, string? Reason, string? Term, string? Article)
{
    /// <summary>Direct marketing: nobody weighs.</summary>
    public bool DirectMarketing { get; init; }
}

/// <summary>The first of two approvals.</summary>
/// <param name="By">Account of the officer.</param>
/// <param name="At">When; null of one from before that was kept.</param>
public sealed record FirstApproval(string By, DateTimeOffset? At);

/// <summary>The person was asked for something.</summary>
/// <param name="Stops">Whether it stops the clock of the regime.</param>
public sealed record RequestQuestionView(string Cause, DateTimeOffset From, DateTimeOffset AnswerBy, DateTimeOffset? Until, bool Stops);

/// <summary>An attempt to establish who somebody is.</summary>
public sealed record IdentityCheckView(string Method, string Level, DateTimeOffset At, bool Passed);

/// <summary>Items of which an officer decided otherwise than of the rest.</summary>
/// <param name="Term">Of the W3C Data Privacy Vocabulary.</param>
/// <param name="Article">Of the GDPR.</param>
public sealed record ItemChoiceView(IReadOnlyList<string> Items, string Reason, string Term, string Article, DateTimeOffset? ReviewAt);

/// <summary>How far an erasure has come.</summary>
/// <param name="State">
/// <c>running</c>; <c>partial</c>: what a hold keeps is still there, everything else is gone; <c>executed</c>; <c>final</c>: no backup brings the key back.
/// </param>
/// <param name="FinalAt">When it became final; until then when it will be at the latest.</param>
public sealed record ErasureProgress(string State, DateTimeOffset? FinalAt)
{
    /// <summary>Names of the items that holds keep.</summary>
    public IReadOnlyList<string> Deferred { get; init; } = [];

    /// <summary>Why and until when they are kept.</summary>
    public IReadOnlyList<HoldGround> Because { get; init; } = [];
}

/// <summary>A hold as the person may know of it.</summary>
/// <param name="Authority">The legal ground.</param>
/// <param name="ReviewAt">When it will be looked at again.</param>
/// <param name="ExpiresAt">When it ends by itself; null when somebody must end it.</param>
public sealed record HoldGround(string Authority, DateTimeOffset ReviewAt, DateTimeOffset? ExpiresAt);

/// <summary>What is wanted of a request besides its kind.</summary>
/// <param name="Language">That letters about it should be in.</param>
/// <param name="Purposes">Of an objection, what it is to; null: all that can be objected to.</param>
public sealed record RequestWish(string? Language = null, IReadOnlyList<string>? Purposes = null)
{
    /// <summary>Of a contest, the automated decision that it is about.</summary>
    public Guid? Decision { get; init; }
}

/// <summary>Which requests to list; null members do not narrow.</summary>
public sealed record RequestFilter(string? State = null, string? Kind = null, SubjectId? Subject = null);

/// <summary>Newest first.</summary>
public sealed record RequestPage(IReadOnlyList<RequestView> Items, string? Next);

/// <summary>A remark on a request. <paramref name="By"/> is <c>customer</c> or <c>officer</c>.</summary>
public sealed record RequestNote(DateTimeOffset At, string By, string Text)
{
    /// <summary>Of a rectification, the values that are wanted; null removes.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyDictionary<string, JsonElement>? Wanted { get; init; }

    /// <summary>Of a rectification, what was decided about them.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<RectifiedField>? Decided { get; init; }
}

/// <summary>
/// Requests for a person's rights. Customers open their own, verified by their sign-in; officers open and decide for others. Each step is an
/// entry of the log in the transaction of the step; what is written down in words is sealed under the person's key and dies with it.
/// </summary>
public sealed class SubjectRequests
{
    internal const string Purpose = "data-subject-rights";

    /// <summary>So many requests a person may open within <see cref="LimitWindow"/>; officers may open more for them.</summary>
    internal const int MostOpenedByCustomer = 10;

    /// <summary>So many of those that protect them (<see cref="RequestKinds.Protects"/>), counted apart.</summary>
    internal const int MostProtectionsByCustomer = 50;
    internal static readonly TimeSpan LimitWindow = TimeSpan.FromDays(1);

    private const int LargestPage = 200;

    private readonly RequestStore store;
    private readonly RequestIntake intake;
    private readonly RequestFulfilment fulfilment;
    private readonly RequestViews views;
    private readonly SubjectReach reach;
    private readonly RequestSteps steps;

    internal SubjectRequests(
        RequestStore store, RequestIntake intake, RequestFulfilment fulfilment, RequestViews views, SubjectReach reach, RequestSteps steps) =>
        (this.store, this.intake, this.fulfilment, this.views, this.reach, this.steps) = (store, intake, fulfilment, views, reach, steps);

    /// <summary>
    /// Opens a request. A customer's own is verified at once, and one that ends in a package is carried out without an officer.
    /// A second open request of the same kind keeps the first one's clock. A key that was used before gives the request that it opened.
    /// </summary>
    /// <param name="recipient">Who opens it.</param>
    /// <param name="kind">Which right.</param>
    /// <param name="subject">Whose.</param>
    /// <param name="note">In words.</param>
    /// <param name="jurisdiction">Under which law, where an officer names one.</param>
    /// <param name="requestId">For the log.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="key">Makes repeating it harmless.</param>
    /// <param name="wish">What else is wanted of it.</param>
    public async Task<RequestView> OpenAsync(
        Recipient recipient, string kind, SubjectId subject, string? note, string? jurisdiction, Guid requestId, CancellationToken cancellation, IdempotencyKey? key = null, RequestWish? wish = null)
    {
        var own = recipient.Kind == RecipientKind.Customer;
        if (own ? recipient.Subject != subject : !MayDecide(recipient))
            throw await store.DeniedAsync(recipient, subject, own ? VaultException.NotFound() : VaultException.Forbidden(), requestId, cancellation);
        if (!await reach.IncludesAsync(recipient, subject, cancellation)) throw await store.DeniedAsync(recipient, subject, VaultException.NotFound(), requestId, cancellation);
        var draft = await intake.DraftAsync(recipient, kind, subject, jurisdiction, cancellation, wish) with { Language = wish?.Language };
        try
        {
            var row = await intake.OpenAsync(recipient, draft, RequestSteps.Checked(note), requestId, key, cancellation);
            return await views.OfAsync(await fulfilment.PromptlyAsync(row, cancellation), cancellation);
        }
        catch (VaultException e) when (e.Slug == "rate-limited")
        {
            throw await store.DeniedAsync(recipient, subject, e, requestId, cancellation);
        }
    }

    /// <summary>One request. A look by anyone but the person is an entry of the log.</summary>
    public async Task<RequestView> GetAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        var row = await FindAsync(recipient, id, requestId, cancellation);
        if (recipient.Kind != RecipientKind.Customer) await store.RecordLookAsync(recipient, [row], requestId, cancellation);
        return await views.OfAsync(row, cancellation);
    }

    public async Task<RequestPage> ListAsync(Recipient recipient, RequestFilter filter, int limit, string? cursor, Guid requestId, CancellationToken cancellation)
    {
        if (limit is < 1 or > LargestPage)
            throw Invalid("/limit", "out-of-range", $"The limit lies between 1 and {LargestPage}.");
        if (recipient.Kind == RecipientKind.Customer)
            filter = filter with { Subject = recipient.Subject };
        else if (!reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsRead))
            throw await store.DeniedAsync(recipient, filter.Subject, VaultException.Forbidden(), requestId, cancellation);
        var rows = await ListReachedAsync(recipient, filter, limit + 1, ParseCursor(cursor), cancellation);
        List<RequestRow> shown = [.. rows.Take(limit)];
        if (recipient.Kind != RecipientKind.Customer) await store.RecordLookAsync(recipient, shown, requestId, cancellation);
        return new RequestPage(await views.OfAsync(shown, cancellation), rows.Count > limit ? rows[limit - 1].Id.ToString("N") : null);
    }

    /// <summary>
    /// Takes a request one step further: officers any, the person their own answers and withdrawal. Approves, and carries out what the vault can carry out by
    /// itself; a long task goes on after the answer. Completes what was carried out by hand, and takes up again what the vault carries out itself; a contest is
    /// closed by a person, with one of <see cref="RequestReasons.Outcomes"/>.
    /// </summary>
    public async Task<RequestView> TakeAsync(Recipient recipient, Guid id, RequestAct act, StepTerms terms, Guid requestId, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(terms);
        var before = await FindAsync(recipient, id, requestId, cancellation);
        if (act == RequestAct.Refuse && terms.Reason == RequestReasons.WithdrawnByCustomer) act = RequestAct.Withdraw;
        if (act == RequestAct.Withdraw) terms = terms with { Reason = RequestReasons.WithdrawnByCustomer };
        var own = recipient.Kind == RecipientKind.Customer && act is RequestAct.Withdraw or RequestAct.Answer;
        if (act == RequestAct.Expire || (!own && !MayDecide(recipient))) throw await store.DeniedAsync(recipient, before.Subject, VaultException.Forbidden(), requestId, cancellation);
        if (act == RequestAct.Complete) terms = terms with { Reason = await OutcomeAsync(recipient, before, terms.Reason, requestId, cancellation) };
        if (act == RequestAct.Complete && RequestKinds.CarriedOutByVault(before.Kind)) return await ResumeAsync(recipient, before, terms, requestId, cancellation);
        if (before.Subject is null) throw NotNow(before.State);
        var after = await steps.TakeAsync(recipient, before, act, terms, requestId, cancellation);
        return await views.OfAsync(await fulfilment.PromptlyAsync(after, cancellation), cancellation);
    }

    /// <summary>Whoever asks showed who they are, by a method of the policy where it has such rules.</summary>
    public Task<RequestView> VerifyAsync(Recipient recipient, Guid id, string? note, Guid requestId, CancellationToken cancellation, string? method = null) =>
        TakeAsync(recipient, id, RequestAct.Verify, new StepTerms(null, note) { Method = method }, requestId, cancellation);

    /// <summary>Moves the due date as the law of the person allows: once, for a reason of <see cref="RequestReasons.Extensions"/>, before the first has passed; the words are the person's to read.</summary>
    public Task<RequestView> ExtendAsync(Recipient recipient, Guid id, string? reason, string? note, Guid requestId, CancellationToken cancellation) =>
        TakeAsync(recipient, id, RequestAct.Extend, new StepTerms(reason, note), requestId, cancellation);

    /// <inheritdoc cref="TakeAsync"/>
    public Task<RequestView> ApproveAsync(Recipient recipient, Guid id, string? note, Guid requestId, CancellationToken cancellation) =>
        TakeAsync(recipient, id, RequestAct.Approve, new StepTerms(null, note), requestId, cancellation);

    /// <summary>Refuses for a reason of <see cref="RequestReasons.Refusals"/>, which the words explain to the person. Customers may withdraw their own.</summary>
    public Task<RequestView> RefuseAsync(Recipient recipient, Guid id, string? reason, string? note, Guid requestId, CancellationToken cancellation) =>
        TakeAsync(recipient, id, RequestAct.Refuse, new StepTerms(reason, note), requestId, cancellation);

    /// <inheritdoc cref="TakeAsync"/>
    public Task<RequestView> CompleteAsync(Recipient recipient, Guid id, string? note, Guid requestId, CancellationToken cancellation, string? outcome = null) =>
        TakeAsync(recipient, id, RequestAct.Complete, new StepTerms(outcome, note), requestId, cancellation);

    /// <summary>
    /// Orders that an erasure which waits because the record or the key does not open is carried out all the same, for a reason of
    /// <see cref="RequestReasons.DamagedOrders"/>. Who ordered it, and why, stands in the log.
    /// </summary>
    /// <exception cref="VaultException">invalid-state: it does not wait for this, what did not open opens by now, or a hold names the person.</exception>
    public async Task<RequestView> EraseDamagedAsync(Recipient recipient, Guid id, string? reason, string? note, Guid requestId, CancellationToken cancellation)
    {
        var row = await FindAsync(recipient, id, requestId, cancellation);
        if (!MayDecide(recipient)) throw await store.DeniedAsync(recipient, row.Subject, VaultException.Forbidden(), requestId, cancellation);
        var why = Known(reason, RequestReasons.DamagedOrders);
        if (note is not null) throw Invalid("/note", "not-kept", "A note would be sealed under the person's key, and go with it: give a reason alone.");
        if (row.Subject is null) throw NotNow(row.State);
        return await views.OfAsync(await fulfilment.OrderAsync(recipient, row, why, requestId, cancellation), cancellation);
    }

    /// <summary>What was written down with a request. Reading it is an entry of the log.</summary>
    public async Task<IReadOnlyList<RequestNote>> NotesAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        var row = await FindAsync(recipient, id, requestId, cancellation);
        if (recipient.Kind != RecipientKind.Customer) await store.RecordLookAsync(recipient, [row], requestId, cancellation);
        else await store.RecordAsync(recipient, row, EntryType.FieldRead, null, requestId, cancellation);
        // Values are no words: whoever may decide sees them with the rectification.
        return [.. (await steps.Notes.ReadAsync(row, cancellation)).Where(note => note.Text.Length > 0)];
    }

    /// <summary>
    /// What was shown of the person's identity, for an officer, who is a person: until some days after the request was closed, and never to be copied into the
    /// record. Reading it is an entry of the log.
    /// </summary>
    public async Task<IReadOnlyList<RequestNote>> EvidenceAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        var row = await FindAsync(recipient, id, requestId, cancellation);
        if (recipient.Kind != RecipientKind.Staff || !MayDecide(recipient)) throw await store.DeniedAsync(recipient, row.Subject, VaultException.Forbidden(), requestId, cancellation);
        await store.RecordLookAsync(recipient, [row], requestId, cancellation);
        return await steps.EvidenceAsync(row, cancellation);
    }

    /// <summary>
    /// The export as a zip, once; whoever disposes the stream removes it. For the person concerned, or for an officer where one opened the request
    /// on behalf of somebody without a sign-in: a person, no application. Of somebody who can sign in an officer fetches it only where two officers have agreed to that.
    /// </summary>
    /// <exception cref="VaultException">not-found, forbidden; invalid-state: there is none, or the person can fetch it and no second officer agreed.</exception>
    public async Task<Stream> PackageAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        var row = await FindAsync(recipient, id, requestId, cancellation);
        if (recipient.Kind != RecipientKind.Customer && (recipient.Kind != RecipientKind.Staff || row.OpenedBy != "officer" || !MayDecide(recipient)))
            throw await store.DeniedAsync(recipient, row.Subject, VaultException.Forbidden(), requestId, cancellation);
        if (recipient.Kind == RecipientKind.Staff && row is { Course.ConfirmedBy: null, Subject: { } subject } && await steps.CanSignInAsync(subject, cancellation))
            throw await store.DeniedAsync(recipient, subject, TheirsToFetch(), requestId, cancellation);
        return await fulfilment.FetchAsync(recipient, row, requestId, cancellation);
    }

    /// <summary>
    /// The certificate for whoever knows the request's number. The person concerned has no account any more, so the number is what they have; the
    /// certificate holds a tag that nobody can compute, counts, and proofs.
    /// </summary>
    public async Task<string> PublishedCertificateAsync(Guid id, CancellationToken cancellation) =>
        await store.CertificateAsync(id, cancellation) ?? throw VaultException.NotFound();

    /// <summary>The certificate of an erasure. It names nobody: officers may have it, and any customer who knows the request's number.</summary>
    public async Task<string> CertificateAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        if (recipient.Kind != RecipientKind.Customer && !reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsRead))
            throw await store.DeniedAsync(recipient, null, VaultException.Forbidden(), requestId, cancellation);
        return await PublishedCertificateAsync(id, cancellation);
    }

    private async Task<RequestView> ResumeAsync(Recipient recipient, RequestRow row, StepTerms terms, Guid requestId, CancellationToken cancellation)
    {
        if (row.State != RequestStates.Approved) throw NotNow(row.State);
        var note = await steps.Notes.AddAsync(row, "officer", RequestSteps.Checked(terms.Note), cancellation);
        if (note is not null) row = await store.ChangeAsync(recipient, row.Id, current => current with { Notes = RequestNotes.Joined(current.Notes, note) }, requestId, cancellation);
        return await views.OfAsync(await fulfilment.PromptlyAsync(row, cancellation), cancellation);
    }

    // SPEC GDPR 22(3): human intervention. No application looks at a decision in a person's stead.
    private async Task<string?> OutcomeAsync(Recipient recipient, RequestRow row, string? outcome, Guid requestId, CancellationToken cancellation)
    {
        if (row.Kind != RequestKinds.Contest) return outcome is null ? null : throw Invalid("/reason", "not-kept", "Only a contest has an outcome.");
        if (recipient.Kind != RecipientKind.Staff || !await store.Contests.MayReviewAsync(recipient, row, cancellation))
            throw await store.DeniedAsync(recipient, row.Subject, VaultException.Forbidden(), requestId, cancellation);
        return Known(outcome, RequestReasons.Outcomes);
    }

    private async Task<RequestRow> FindAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken cancellation)
    {
        var row = await store.FindAsync(id, cancellation);
        if (recipient.Kind == RecipientKind.Customer)
            return row is not null && row.Subject is not null && row.Subject == recipient.Subject ? row
                : throw await store.DeniedAsync(recipient, recipient.Subject, VaultException.NotFound(), requestId, cancellation);
        if (!reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsRead))
            throw await store.DeniedAsync(recipient, row?.Subject, VaultException.Forbidden(), requestId, cancellation);
        if (row is null || !await ReachesAsync(recipient, row, cancellation)) throw await store.DeniedAsync(recipient, row?.Subject, VaultException.NotFound(), requestId, cancellation);
        return row;
    }

    /// <summary>A request is as far away as the person; of those who are gone only whoever reaches everybody sees what is left.</summary>
    private async Task<bool> ReachesAsync(Recipient recipient, RequestRow row, CancellationToken cancellation) =>
        reach.IsEverybody(recipient) || (row.Subject is { } subject && await reach.IncludesAsync(recipient, subject, cancellation));

    // Whoever is out of reach takes nobody's place on the page.
    private async Task<IReadOnlyList<RequestRow>> ListReachedAsync(Recipient recipient, RequestFilter filter, int limit, Guid? before, CancellationToken cancellation)
    {
        if (recipient.Kind == RecipientKind.Customer || reach.IsEverybody(recipient)) return await store.ListAsync(filter, limit, before, cancellation);
        var reached = new List<RequestRow>();
        while (reached.Count < limit)
        {
            var page = await store.ListAsync(filter, LargestPage, before, cancellation);
            var among = await reach.AmongAsync(recipient, [.. page.Select(row => row.Subject).OfType<SubjectId>().Distinct()], cancellation);
            reached.AddRange(page.Where(row => row.Subject is { } subject && among.Contains(subject)));
            if (page.Count < LargestPage) break;
            before = page[^1].Id;
        }

        return [.. reached.Take(limit)];
    }

    private bool MayDecide(Recipient recipient) => reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsDecide);

    private static Guid? ParseCursor(string? cursor)
    {
        if (cursor is null)
            return null;
        return Guid.TryParseExact(cursor, "N", out var id) ? id : throw VaultException.BadRequest("The cursor is not valid.");
    }

    private static string Known(string? reason, FrozenSet<string> reasons) =>
        reason is not null && reasons.Contains(reason)
            ? reason
            : throw Invalid("/reason", "unknown", $"The reason is one of {string.Join(", ", reasons.Order())}.");

    private static VaultException TheirsToFetch() => VaultException.InvalidState(
        "The person can sign in, so that the package is theirs to fetch. An officer fetches it only of a request that two officers approved (secondOfficer in rights.yaml, signIn).");

    private static VaultException NotNow(string state) => VaultException.InvalidState($"A request that is {state} does not allow this.");

    private static VaultException Invalid(string pointer, string code, string message) =>
        VaultException.Invalid([new FieldProblem(pointer, code, message)]);
}
