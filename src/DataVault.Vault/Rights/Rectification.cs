using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What an officer decided about one wanted value.</summary>
/// <param name="Field">The field.</param>
/// <param name="Outcome"><c>accepted</c>, <c>changed</c> (accepted with another value) or <c>refused</c>.</param>
/// <param name="Reason">Of a refusal, one of <see cref="RequestReasons.Refusals"/>.</param>
public sealed record RectifiedField(string Field, string Outcome, string? Reason);

/// <summary>A rectification as it stands.</summary>
/// <param name="Wanted">The values that the person wants; null removes.</param>
/// <param name="Decided">What was decided about each; none before.</param>
public sealed record RectificationView(Guid Request, IReadOnlyDictionary<string, JsonElement> Wanted, IReadOnlyList<RectifiedField> Decided);

/// <summary>What an officer decides.</summary>
/// <param name="Accept">Fields to write; with null the value that is wanted, else the one given.</param>
/// <param name="Refuse">Fields that stay as they are, each with a reason.</param>
/// <param name="Note">In words, for the person.</param>
public sealed record RectificationDecision(IReadOnlyDictionary<string, JsonElement?> Accept, IReadOnlyDictionary<string, string> Refuse, string? Note)
{
    /// <summary>The newest entry of the request that whoever decides has seen: it is refused when there is a newer one.</summary>
    public long? Seen { get; init; }
}

/// <summary>
/// Rectification (GDPR 16): the person says which values are right, an officer decides value by value, and what is accepted is written by the ordinary edit of the
/// record, in the one transaction that completes the request and writes the notices to recipients. The replaced value goes sealed to the history, which nothing
/// but the export of a request opens.
/// </summary>
public sealed class Rectification
{
    /// <summary>The edit is the vault's, on an officer's word: the entry of the request says whose.</summary>
    internal static readonly Recipient Rectifier = Recipient.Process("rights-rectification", SubjectRequests.Purpose);

    private const string Accepted = "accepted";
    private const string Changed = "changed";
    private const string Refused = "refused";

    private readonly SubjectRequests requests;
    private readonly RequestStore store;
    private readonly RequestNotes notes;
    private readonly ProfilePatcher patcher;
    private readonly RecipientNotices notices;
    private readonly ActivePolicy policy;

    internal Rectification(SubjectRequests requests, RequestStore store, RequestNotes notes, ProfilePatcher patcher, RecipientNotices notices, ActivePolicy policy) =>
        (this.requests, this.store, this.notes, this.patcher, this.notices, this.policy) = (requests, store, notes, patcher, notices, policy);

    /// <summary>The person, or an officer for them, says which values are right; what was said before is replaced.</summary>
    /// <exception cref="VaultException">not-found, forbidden; invalid-fields: not values of these fields; invalid-state: no open request for rectification.</exception>
    public async Task<RectificationView> AskAsync(Recipient recipient, Guid id, IReadOnlyDictionary<string, JsonElement> wanted, Guid requestId, CancellationToken ct, long? seen = null)
    {
        var row = await OpenAsync(recipient, id, requestId, ct);
        if (seen is { } newest && newest != row.LogIndex) throw RequestSteps.Overtaken();
        if (recipient.Kind != RecipientKind.Customer && !MayDecide(recipient)) throw await store.DeniedAsync(recipient, row.Subject, VaultException.Forbidden(), requestId, ct);
        _ = ProfileDraft.Read(Patch(id, wanted), policy.Current.Catalogue, store.Now);
        var by = recipient.Kind == RecipientKind.Customer ? "customer" : "officer";
        var note = await notes.AddAsync(row, new RequestNote(store.Now, by, "") { Wanted = wanted }, ct);
        await store.ChangeAsync(recipient, id, current => Asked(recipient, Unchanged(row, current)) with { Notes = RequestNotes.Joined(current.Notes, note) }, requestId, ct, "request:rectification:wanted");
        return new RectificationView(id, wanted, []);
    }

    // What an officer has begun to decide is not replaced under their hands.
    private static RequestRow Asked(Recipient recipient, RequestRow current)
    {
        if (!RequestStates.IsOpen(current.State)) throw NotNow(current);
        if (recipient.Kind == RecipientKind.Customer && current.State is RequestStates.Confirming or RequestStates.Approved)
            throw VaultException.InvalidState("It is being decided about the values that you said. Open another request for others.");
        return current;
    }

    /// <summary>What is wanted, and what was decided. The look is an entry.</summary>
    /// <exception cref="VaultException">not-found, forbidden.</exception>
    public async Task<RectificationView> GetAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(recipient, id, requestId, ct);
        if (recipient.Kind != RecipientKind.Customer && !MayDecide(recipient)) throw await store.DeniedAsync(recipient, row.Subject, VaultException.Forbidden(), requestId, ct);
        if (recipient.Kind == RecipientKind.Customer) await store.RecordAsync(recipient, row, EntryType.FieldRead, null, requestId, ct);
        return await ReadAsync(row, ct);
    }

    /// <summary>Decides about every value that is wanted, and completes the approved request. A person does.</summary>
    /// <exception cref="VaultException">
    /// not-found, forbidden; invalid-fields: a wanted value that nothing is said of, or one that is not wanted, or a value that cannot be written; invalid-state: it is not approved.
    /// </exception>
    public async Task<RectificationView> DecideAsync(Recipient officer, Guid id, RectificationDecision decision, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(officer, id, requestId, ct);
        if (officer.Kind != RecipientKind.Staff || !MayDecide(officer)) throw await store.DeniedAsync(officer, row.Subject, VaultException.Forbidden(), requestId, ct);
        if (Completed(row) is null) throw NotNow(row);
        if (decision.Seen is { } seen && seen != row.LogIndex) throw RequestSteps.Overtaken();
        var wanted = (await ReadAsync(row, ct)).Wanted;
        Check(wanted, decision);
        List<RectifiedField> decided =
        [
            .. decision.Accept.Select(one => new RectifiedField(one.Key, one.Value is null ? Accepted : Changed, null)),
            .. decision.Refuse.Select(one => new RectifiedField(one.Key, Refused, one.Value)),
        ];
        var note = await notes.AddAsync(row, new RequestNote(store.Now, "officer", decision.Note ?? "") { Decided = decided }, ct);
        // SPEC GDPR 12(4): of what is left as it is the person is told why.
        var refusal = decision.Refuse.Values.FirstOrDefault();
        if (decision.Accept.Count == 0)
        {
            var notice = new RequestNotice("request.refused", new LetterOrder(LetterKind.Refused) { Reason = refusal });
            await store.TellAsync(
                officer, id, current => Unchanged(row, Completed(current) ?? throw NotNow(current)) with { State = RequestStates.Refused, Reason = refusal, Notes = RequestNotes.Joined(current.Notes, note), Said = ["reason:" + refusal] },
                _ => notice, requestId, ct);
            return new RectificationView(id, wanted, decided);
        }

        var values = decision.Accept.ToDictionary(one => one.Key, one => one.Value ?? wanted[one.Key], StringComparer.Ordinal);
        var ending = new Ending(this, officer, row, requestId) { Note = note, Refusals = [.. decision.Refuse.Values.Distinct()] };
        await patcher.PatchAsync(Rectifier, row.Subject!.Value, null, Patch(id, values), requestId, ct, ending);
        return new RectificationView(id, wanted, decided);
    }

    /// <summary>The request's own part of the transaction that writes the values.</summary>
    private sealed class Ending(Rectification desk, Recipient officer, RequestRow seen, Guid requestId) : IWriteEnding
    {
        private RequestRow? locked;

        public byte[]? Note { get; init; }

        /// <summary>Why values were left as they are; none when none were.</summary>
        public IReadOnlyList<string> Refusals { get; init; } = [];

        private string? Refusal => Refusals.Count > 0 ? Refusals[0] : null;

        // INVARIANT: the request is locked before the person's row.
        public async Task BeginAsync(DutyWork work)
        {
            var current = await desk.store.LockAsync(work.Connection, seen.Id, work.Cancellation);
            var done = Unchanged(seen, Completed(current, desk.store.Now) ?? throw NotNow(current));
            locked = done with
            {
                Notes = RequestNotes.Joined(current.Notes, Note),
                Reason = Refusal,
                Course = done.Course with { RefusedFor = Refusals },
                Said = Refusals.Count > 0 ? [RequestReasons.PartlyRefused, .. Refusals.Select(reason => "refused:" + reason)] : [],
            };
        }

        public async Task<long> AppendAsync(DutyWork work, SubjectKeys held, LogEntry written)
        {
            var cause = NoticeCause.Of(NoticeKinds.Rectified, held, seen.Id) with { Items = written.Items };
            List<LogEntry> entries = [written, .. await desk.notices.TellAsync(work, cause)];
            var told = new RequestNotice("request.rectified", new LetterOrder(LetterKind.Rectified) { Reason = Refusal });
            return (await desk.store.TellAsync(work, officer, locked!, told, requestId, entries)).First;
        }
    }

    private static ProfilePatch Patch(Guid id, IReadOnlyDictionary<string, JsonElement> values) => new(values, $"rectification:{id:D}", null, null, SubjectRequests.Purpose);

    private RequestRow? Completed(RequestRow row) => Completed(row, store.Now);

    private static RequestRow? Completed(RequestRow row, DateTimeOffset now) => RequestLifecycle.Next(row.Kind, row.State, RequestAct.Complete) is null ? null : row.Done(now);

    // INVARIANT: what is written is what the values were when they were read: the person may say others at any moment.
    private static RequestRow Unchanged(RequestRow seen, RequestRow now) => seen.LogIndex == now.LogIndex ? now : throw RequestSteps.Overtaken();

    private async Task<RequestRow> OpenAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken ct)
    {
        var row = await FindAsync(recipient, id, requestId, ct);
        return RequestStates.IsOpen(row.State) ? row : throw NotNow(row);
    }

    private async Task<RequestRow> FindAsync(Recipient recipient, Guid id, Guid requestId, CancellationToken ct)
    {
        var seen = await requests.GetAsync(recipient, id, requestId, ct);
        if (seen.Kind != RequestKinds.Rectification || seen.Subject is null) throw VaultException.InvalidState("The request asks for no rectification.");
        return await store.FindAsync(id, ct) is { Subject: not null } row ? row : throw VaultException.NotFound();
    }

    private async Task<RectificationView> ReadAsync(RequestRow row, CancellationToken ct)
    {
        var all = await notes.ReadAsync(row, ct);
        return new RectificationView(
            row.Id, all.LastOrDefault(note => note.Wanted is not null)?.Wanted ?? new Dictionary<string, JsonElement>(), all.LastOrDefault(note => note.Decided is not null)?.Decided ?? []);
    }

    private static void Check(IReadOnlyDictionary<string, JsonElement> wanted, RectificationDecision decision)
    {
        List<FieldProblem> problems =
        [
            .. wanted.Keys.Where(field => !decision.Accept.ContainsKey(field) && !decision.Refuse.ContainsKey(field)).Select(field => new FieldProblem($"/fields/{field}", "undecided", "Accept or refuse it.")),
            .. decision.Accept.Keys.Concat(decision.Refuse.Keys).Where(field => !wanted.ContainsKey(field)).Select(_ => new FieldProblem("/accept", "not-wanted", "Only what is wanted is decided.")),
            .. decision.Accept.Keys.Where(decision.Refuse.ContainsKey).Select(field => new FieldProblem($"/refuse/{field}", "twice", "It is accepted and refused.")),
            .. decision.Refuse.Where(one => !RequestReasons.Refusals.Contains(one.Value)).Select(_ => new FieldProblem("/refuse", "unknown", $"The reason is one of {string.Join(", ", RequestReasons.Refusals.Order())}.")),
        ];
        if (wanted.Count == 0) problems.Add(new FieldProblem("/accept", "not-wanted", "The request says no values: somebody corrects the record, and completes it."));
        if (problems.Count > 0) throw VaultException.Invalid(problems);
    }

    private bool MayDecide(Recipient recipient) => policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsDecide);

    private static VaultException NotNow(RequestRow row) => VaultException.InvalidState($"A request that is {row.State} does not allow this.");
}
