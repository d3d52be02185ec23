using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A decision as an application brings it.</summary>
/// <param name="Reference">By what the application knows it: brought again, it is the same.</param>
/// <param name="Model">A name of automated.yaml.</param>
/// <param name="Version">Of the model.</param>
/// <param name="Purpose">That of the model.</param>
/// <param name="Outcome">A code of the model.</param>
/// <param name="Inputs">Fields and event types that it was decided by, all of the model's.</param>
public sealed record NewDecision(string Reference, string Model, string Version, string Purpose, string Outcome, IReadOnlyList<string> Inputs)
{
    /// <summary>When it was decided; null: now.</summary>
    public DateTimeOffset? DecidedAt { get; init; }

    public decimal? Score { get; init; }

    /// <summary>The values it was decided by, where they are to be kept.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Values { get; init; }

    /// <summary>Codes of the model: the main reasons, the weightiest first.</summary>
    public IReadOnlyList<string> Factors { get; init; } = [];

    /// <summary>Further reasons, in words.</summary>
    public string? Explanation { get; init; }

    /// <summary>A person took part.</summary>
    public bool Human { get; init; }
}

/// <summary>A decision that is on record.</summary>
/// <param name="IsNew">False: it was brought before.</param>
public sealed record RecordedDecision(Guid Id, DateTimeOffset RecordedAt, string State, long LogIndex, bool IsNew);

/// <summary>
/// Takes decisions in. INVARIANT: none is recorded that the application could not have come to lawfully: its role decides by that model, its credential is bound to
/// the purpose, it may read every input of this person for it now, and the consent that the model rests on is given.
/// </summary>
public sealed class DecisionRecorder
{
    private const int LongestReference = 100;
    private const int LongestExplanation = 2_000;
    private const int LargestValue = 1_000;
    private const int MostFactors = 10;
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);

    private readonly DecisionRows rows;
    private readonly KeyRegistry keys;
    private readonly SubjectFacts facts;
    private readonly Decider decider;
    private readonly AuditLog log;
    private readonly SubjectReach reach;

    internal DecisionRecorder(DecisionRows rows, KeyRegistry keys, SubjectFacts facts, Decider decider, AuditLog log, SubjectReach reach) =>
        (this.rows, this.keys, this.facts, this.decider, this.log, this.reach) = (rows, keys, facts, decider, log, reach);

    /// <exception cref="VaultException">
    /// invalid-fields: unknown model, version, outcome, input or factor; forbidden: the application may not decide this, or the person's consent, objection or restriction stops it; not-found;
    /// idempotency-mismatch: the reference was used for another decision.
    /// </exception>
    public async Task<RecordedDecision> RecordAsync(Recipient recipient, SubjectId subject, NewDecision given, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(given);
        decider.Purpose(given.Purpose);
        var (model, inputs) = Check(given);
        var denied = log.Entry(EntryType.Denied, recipient, default, given.Purpose, EntryResult.Denied, [.. inputs.Select(AuditLog.ItemCode)], requestId) with { Rules = ["model:" + model.Name] };
        if (!MayDecide(recipient, model)) throw await RefusedAsync(denied, VaultException.Forbidden(), ct);
        if (await keys.FindFreshAsync(subject, ct) is not { } held) throw await RefusedAsync(denied, VaultException.NotFound(), ct);
        using (held)
        {
            denied = denied with { Subject = held.Tag };
            var (recorded, refusal) = await OrDamagedAsync(recipient, denied, () => TryRecordAsync(recipient, held, (given, model, inputs), requestId, ct), ct);
            return recorded ?? throw await RefusedAsync(denied, refusal!, ct);
        }
    }

    // Facts that somebody changed in the database decide nothing.
    private async Task<T> OrDamagedAsync<T>(Recipient recipient, LogEntry about, Func<Task<T>> work, CancellationToken ct)
    {
        try
        {
            return await work();
        }
        catch (CryptographicException e)
        {
            throw reach.Told(recipient, await log.FailedAsync(about, e, ct));
        }
    }

    private bool MayDecide(Recipient recipient, AutomatedModel model) =>
        recipient.Kind == RecipientKind.Application && recipient.Purposes.Contains(model.Purpose.Name) && decider.Policy.Roles.Descends(recipient.Roles, model.Roles);

    private Task<(RecordedDecision? Recorded, VaultException? Refusal)> TryRecordAsync(
        Recipient recipient, SubjectKeys held, (NewDecision Given, AutomatedModel Model, IReadOnlyList<CatalogueItem> Inputs) what, Guid requestId, CancellationToken ct) =>
        rows.TransactAsync<(RecordedDecision?, VaultException?)>(async (connection, transaction) =>
        {
            // INVARIANT: an erasure and a withdrawal change this row first: nothing is written behind either.
            if (await SubjectRows.LockAsync(connection, transaction, held.Subject, ct) is not { } record) return (null, VaultException.NotFound());
            await keys.MatchAsync(held, record, ct);
            var known = facts.Read(record, held);
            if (!decider.CanReach(recipient, held.Subject, known)) return (null, VaultException.NotFound());
            var sender = rows.SenderOf(recipient.Id, what.Given.Reference);
            if (await DecisionRows.FindAsync(connection, held.Subject, sender, ct) is { } earlier)
                return IsSame(rows.Open(earlier, held), what.Given) ? (Told(earlier, isNew: false), null) : (null, VaultException.IdempotencyMismatch());
            var decision = decider.Decide(recipient, held.Subject, AccessAction.Read, what.Model.Purpose.Name, [.. what.Inputs.Select(item => new RequestedItem(item, null))], known);
            if (StopOf(what.Model, decision, known) is { } stop) return (null, VaultException.Refused(stop));
            var row = Row(recipient, held.Subject, what.Given) with { Sender = sender };
            var (value, commitment) = rows.Seal(held, row.Id, Content(what.Given));
            var entry = log.Entry(EntryType.DecisionRecord, recipient, held.Tag, what.Model.Purpose.Name, EntryResult.Ok, [.. what.Inputs.Select(AuditLog.ItemCode)], requestId) with
            {
                Seal = commitment,
                Rules = [DecisionLog.Of(row.Id), "model:" + row.Model, "version:" + row.Version, .. decision.RuleIds],
            };
            var index = await log.AppendWithinAsync(connection, transaction, [entry], ct);
            row = row with { Sealed = value, LogIndex = index, ChangeIndex = index };
            await rows.InsertAsync(connection, row, ct);
            return (Told(row, isNew: true), null);
        }, ct);

    // What could not be read was not decided by; and a consent that the model rests on is asked for by itself, whatever its inputs are read for.
    private string? StopOf(AutomatedModel model, Decision decision, DecisionFacts known) =>
        decision.Items.Where(item => item.Permit is null).Select(item => item.Reason ?? Reasons.NotPermitted).FirstOrDefault()
        ?? (model.Ground?.Consent is { } consent ? PolicyDecisionPoint.StopOf(consent, known, decider.Clock.Now) : null);

    private DecisionRow Row(Recipient recipient, SubjectId subject, NewDecision given) => new(rows.Clock.NewId(), subject, given.Model, given.Version, recipient.Id)
    {
        DecidedAt = At(given), RecordedAt = rows.Clock.Now, ChangedAt = rows.Clock.Now,
    };

    private static RecordedDecision Told(DecisionRow row, bool isNew) => new(row.Id, row.RecordedAt, row.State, row.LogIndex, isNew);

    private static DecisionContent Content(NewDecision given) => new(given.Outcome, given.Inputs)
    {
        Reference = given.Reference, Score = given.Score, Values = given.Values is { Count: > 0 } ? given.Values : null, Factors = given.Factors,
        Explanation = string.IsNullOrWhiteSpace(given.Explanation) ? null : given.Explanation, Human = given.Human,
    };

    // Of one that was brought without a time the time is that of the first call.
    private static bool IsSame(OpenedDecision earlier, NewDecision given) =>
        earlier.Content is { } content && earlier.Row.Model == given.Model && earlier.Row.Version == given.Version
        && (given.DecidedAt is not { } at || Math.Abs((earlier.Row.DecidedAt - at).Ticks) < TimeSpan.TicksPerMicrosecond * 10)
        && content.Encode().AsSpan().SequenceEqual(Content(given).Encode());

    private DateTimeOffset At(NewDecision given) => given.DecidedAt?.ToUniversalTime() ?? rows.Clock.Now;

    private (AutomatedModel Model, IReadOnlyList<CatalogueItem> Inputs) Check(NewDecision given)
    {
        var policy = decider.Policy;
        var model = policy.Models.Find(given.Model) ?? throw Invalid("/model", "unknown", "The policy declares no such model.");
        List<FieldProblem> problems = [.. Terms(model, given), .. Limits(given)];
        var inputs = new List<CatalogueItem>();
        foreach (var (name, index) in given.Inputs.Select((name, index) => (name, index)))
        {
            if (model.Inputs.FirstOrDefault(item => item.Name == name) is { } item && !inputs.Contains(item)) inputs.Add(item);
            else problems.Add(new FieldProblem($"/inputs/{index}", "unknown", "The model does not decide by this, or it stands twice."));
        }

        if (inputs.Count == 0 && problems.Count == 0) problems.Add(new FieldProblem("/inputs", "missing", "What was it decided by?"));
        foreach (var _ in (given.Values?.Keys ?? []).Where(name => !given.Inputs.Contains(name))) problems.Add(new FieldProblem("/values", "unknown", "A value is of no input that is named."));
        return problems.Count == 0 ? (model, inputs) : throw VaultException.Invalid(problems);
    }

    private static IEnumerable<FieldProblem> Terms(AutomatedModel model, NewDecision given)
    {
        if (!model.Versions.Contains(given.Version)) yield return new FieldProblem("/version", "unknown", "The policy declares no such version of the model.");
        if (given.Purpose != model.Purpose.Name) yield return new FieldProblem("/purpose", "other", $"The model decides for {model.Purpose.Name}.");
        if (model.Outcome(given.Outcome) is null) yield return new FieldProblem("/outcome", "unknown", $"The outcome is one of {string.Join(", ", model.Outcomes.Select(one => one.Code))}.");
        foreach (var (code, index) in given.Factors.Select((code, index) => (code, index)).Where(one => model.Factor(one.code) is null))
            yield return new FieldProblem($"/factors/{index}", "unknown", "The policy declares no such factor of the model.");
        // SPEC GDPR 15(1)(h): what somebody is told of a decision that concerns them so much is why.
        if (model is { NeedsGround: true, Factors.Count: > 0 } && given.Factors.Count == 0) yield return new FieldProblem("/factors", "missing", "A decision like this says its main factors.");
    }

    private IEnumerable<FieldProblem> Limits(NewDecision given)
    {
        if (given.Reference.Length is 0 or > LongestReference) yield return new FieldProblem("/reference", "length", $"The reference has 1 to {LongestReference} characters.");
        if (given.Factors.Count > MostFactors) yield return new FieldProblem("/factors", "too-many", $"At most {MostFactors} factors are named.");
        if (Encoding.UTF8.GetByteCount(given.Explanation ?? "") > LongestExplanation) yield return new FieldProblem("/explanation", "too-long", $"The explanation has at most {LongestExplanation} bytes.");
        if (given.DecidedAt is { } at && at > rows.Clock.Now + Ahead) yield return new FieldProblem("/decidedAt", "future", "It was not decided yet.");
        foreach (var _ in (given.Values ?? new Dictionary<string, JsonElement>()).Where(value => Encoding.UTF8.GetByteCount(value.Value.GetRawText()) > LargestValue))
            yield return new FieldProblem("/values", "too-long", $"A value has at most {LargestValue} bytes.");
    }

    private async Task<VaultException> RefusedAsync(LogEntry entry, VaultException refusal, CancellationToken ct)
    {
        await log.AppendAsync(entry, null, ct);
        return refusal;
    }

    private static VaultException Invalid(string pointer, string code, string message) => VaultException.Invalid([new FieldProblem(pointer, code, message)]);
}

/// <summary>How entries of the log name decisions.</summary>
internal static class DecisionLog
{
    /// <summary>SPEC log-entry §24: before the id of an automated decision.</summary>
    public const string Rule = "decision:";

    public const string StateRule = "state:";

    /// <summary>It was kept long enough, and is gone.</summary>
    public const string Forgotten = "forgotten";

    public static string Of(Guid id) => $"{Rule}{id:D}";

    public static Guid? IdOf(LogEntry entry) =>
        entry.Rules.Count > 0 && entry.Rules[0].StartsWith(Rule, StringComparison.Ordinal) && Guid.TryParseExact(entry.Rules[0][Rule.Length..], "D", out var id) ? id : null;
}
