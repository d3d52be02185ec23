using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>What was true of a consent at an instant, with everything that shows it.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="At">The instant asked about.</param>
/// <param name="State">The state then: a word of <see cref="ConsentStates"/>, or <c>expired</c>.</param>
/// <param name="Receipts">A receipt of every act until then that the log holds as it is stored, oldest first.</param>
/// <param name="Checkpoint">The log's newest signed checkpoint.</param>
public sealed record ProvenConsent(Purpose Purpose, DateTimeOffset At, string State, IReadOnlyList<ConsentReceipt> Receipts, string Checkpoint)
{
    /// <summary>What stopped the purpose then beside the consent: <c>objected</c>, <c>restricted</c>, <c>child</c>.</summary>
    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>What is not there, or not as the log has it. The state rests on it as well, and is not proven.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    /// <summary>Whether the purpose could be pursued then on the ground of this consent, and everything that shows it is there.</summary>
    public bool Valid => ConsentFold.IsValid(State) && Stops.Count == 0 && Missing.Count == 0;
}

/// <summary>
/// Receipts of consent acts, for the person to keep, and the proof of a consent, for the officer. A receipt is made anew whenever it is asked for:
/// it says what the act says, in the words that the policy of then had for the purpose, and leads to the newest checkpoint. Each is an entry of the log.
/// </summary>
public sealed class ConsentReceipts
{
    private const int Looks = 2;

    private readonly VaultDatabase database;
    private readonly ConsentDoor door;
    private readonly ConsentWitness witness;
    private readonly ConsentPast past;
    private readonly AuditLog log;
    private readonly ActivePolicy policy;

    internal ConsentReceipts(VaultDatabase database, ConsentDoor door, ConsentWitness witness, ConsentPast past, AuditLog log, ActivePolicy policy) =>
        (this.database, this.door, this.witness, this.past, this.log, this.policy) = (database, door, witness, past, log, policy);

    /// <param name="recipient">The person, or whoever may record consents.</param>
    /// <param name="subject">Whose consent.</param>
    /// <param name="purpose">To which purpose.</param>
    /// <param name="entry">Entry of the act; null for the newest.</param>
    /// <param name="withdrawAt">Where consents are withdrawn.</param>
    /// <param name="requestId">Id of the request.</param>
    /// <param name="ct">Ends the waiting.</param>
    /// <exception cref="VaultException">not-found when there is no such act; evidence-contradicted when the log or the sealed record says otherwise than the acts.</exception>
    public async Task<ConsentReceipt> IssueAsync(
        Recipient recipient, SubjectId subject, string purpose, long? entry, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        var known = policy.Current.Purposes.Find(purpose) ?? throw VaultException.UnknownPurpose();

        // As in the proof: what is recorded while this looks seems to be missing.
        for (var look = 1; ; look++)
        {
            using var opened = await door.OpenAsync(recipient, subject, requestId, ct);
            var acts = await ActsAsync(subject, known, ct);
            var missing = await past.MissingAsync(opened, known, acts, past.Now, ct);
            if (missing.Count > 0 && look < Looks) continue;
            return await IssueAsync(recipient, opened, known, acts, missing, entry, withdrawAt, requestId, ct);
        }
    }

    // INVARIANT: nothing is signed while an act is missing. A receipt of what is left would say "given" of a consent whose withdrawal somebody removed.
    private async Task<ConsentReceipt> IssueAsync(
        Recipient recipient, OpenedConsents opened, Purpose known, List<OwnedAct> acts, List<string> missing, long? entry, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        var at = entry is null ? acts.Count - 1 : acts.FindIndex(owned => owned.Act.LogIndex == entry);
        if (at < 0 && missing.Count == 0) throw VaultException.NotFound();
        var told = Entry(recipient, opened, known, at < 0 ? null : acts[at], requestId);
        var made = at < 0 ? null : (await witness.WitnessAsync(opened.Keys.Tag, known, acts, at..(at + 1), withdrawAt, ct))[0];
        List<string> damage = made?.Problem is { } problem ? [problem, .. missing] : missing;
        if (made?.Receipt is not { } receipt || damage.Count > 0)
        {
            await log.AppendAsync(AuditLog.Failed(told), null, ct);
            throw VaultException.EvidenceContradicted(damage);
        }

        await log.AppendAsync(told, null, ct);
        return receipt;
    }

    /// <summary>Everything about a consent as it stood at an instant. For those who may read the log and see the person's consents.</summary>
    public async Task<ProvenConsent> ProveAsync(
        Recipient recipient, SubjectId subject, string purpose, DateTimeOffset? instant, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        var known = policy.Current.Purposes.Find(purpose) ?? throw VaultException.UnknownPurpose();
        if (recipient.Kind == RecipientKind.Customer || !policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.AuditRead))
            throw await door.RefusedAsync(recipient, default, VaultException.Forbidden(), requestId, ct);

        // What is recorded while this looks seems to be missing: a second look tells.
        for (var look = 1; ; look++)
        {
            var proven = await LookAsync(recipient, subject, known, instant, withdrawAt, requestId, ct);
            if (proven.Missing.Count == 0 || look == Looks) return proven;
        }
    }

    private async Task<ProvenConsent> LookAsync(
        Recipient recipient, SubjectId subject, Purpose known, DateTimeOffset? instant, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        using var opened = await door.OpenAsync(recipient, subject, requestId, ct);
        var at = instant ?? past.Now;
        var all = await ActsAsync(subject, known, ct);
        var acts = all.FindAll(owned => owned.Act.At <= at);
        await log.AppendAsync(Entry(recipient, opened, known, acts.LastOrDefault(), requestId), null, ct);
        var made = await witness.WitnessAsync(opened.Keys.Tag, known, acts, .., withdrawAt, ct);
        var missing = await past.MissingAsync(opened, known, all, at, ct);
        return new ProvenConsent(
            known, at, ConsentFold.StateAt(acts.Select(owned => owned.Act), at), [.. made.Select(one => one.Receipt).OfType<ConsentReceipt>()], await witness.CheckpointAsync(ct))
        {
            Stops = await past.StopsAsync(opened, known, acts, at, ct),
            Missing = [.. made.Select(one => one.Problem).OfType<string>(), .. missing],
        };
    }

    private async Task<List<OwnedAct>> ActsAsync(SubjectId subject, Purpose purpose, CancellationToken ct) =>
        [.. (await ConsentActs.OfAsync(database, subject, ct)).Where(owned => owned.Purpose == purpose.Id).Reverse()];

    private LogEntry Entry(Recipient recipient, OpenedConsents opened, Purpose purpose, OwnedAct? owned, Guid requestId) =>
        log.Entry(EntryType.ConsentReceipt, recipient, opened.Keys.Tag, purpose.Name, EntryResult.Ok, [], requestId) with { Reference = owned?.Act.LogIndex };
}

/// <summary>What a person's acts come to at an instant: the same as the facts then, without asking them.</summary>
internal static class ConsentFold
{
    public const string Expired = "expired";

    /// <param name="acts">For one purpose, oldest first.</param>
    /// <param name="at">The instant.</param>
    public static string StateAt(IEnumerable<ConsentAct> acts, DateTimeOffset at)
    {
        ConsentAct? counts = null;
        foreach (var act in acts.Where(act => act.At <= at && act.State != "objected"))
        {
            if (counts is null || ConsentRules.Changes((ConsentStatus)act.StateCode, new ConsentFact(0, (ConsentStatus)counts.StateCode, null))) counts = act;
        }

        if (counts is null) return ConsentStates.NameOf(0);
        return IsValid(counts.State) && counts.Expires <= at ? Expired : counts.State;
    }

    public static bool IsValid(string state) => state is "given" or "renewed";
}
