using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What was true of a consent at an instant, with everything that shows it.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="At">The instant asked about.</param>
/// <param name="State">The state then: a word of <see cref="ConsentStates"/>, or <c>expired</c>.</param>
/// <param name="Valid">Whether that state let the purpose be pursued, so far as consent goes.</param>
/// <param name="Receipts">A receipt of every act until then, oldest first.</param>
/// <param name="Checkpoint">The log's newest signed checkpoint.</param>
public sealed record ProvenConsent(Purpose Purpose, DateTimeOffset At, string State, bool Valid, IReadOnlyList<ConsentReceipt> Receipts, string Checkpoint);

/// <summary>
/// Receipts of consent acts, for the person to keep, and the proof of a consent, for the officer. A receipt is made anew whenever it is asked for:
/// it says what the act says, in the words that the policy of the day has for the purpose, and leads to the newest checkpoint. Each is an entry of the log.
/// </summary>
public sealed class ConsentReceipts
{
    private readonly VaultDatabase database;
    private readonly ConsentDoor door;
    private readonly NoticeArchive archive;
    private readonly SignedProofs proofs;
    private readonly AuditLog log;
    private readonly ActivePolicy policy;

    internal ConsentReceipts(VaultDatabase database, ConsentDoor door, NoticeArchive archive, SignedProofs proofs, AuditLog log, ActivePolicy policy) =>
        (this.database, this.door, this.archive, this.proofs, this.log, this.policy) = (database, door, archive, proofs, log, policy);

    /// <param name="recipient">The person, or whoever may record consents.</param>
    /// <param name="subject">Whose consent.</param>
    /// <param name="purpose">To which purpose.</param>
    /// <param name="entry">Entry of the act; null for the newest.</param>
    /// <param name="withdrawAt">Where consents are withdrawn.</param>
    /// <param name="requestId">Id of the request.</param>
    /// <param name="ct">Ends the waiting.</param>
    /// <exception cref="VaultException">not-found when there is no such act.</exception>
    public async Task<ConsentReceipt> IssueAsync(
        Recipient recipient, SubjectId subject, string purpose, long? entry, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        var known = policy.Current.Purposes.Find(purpose) ?? throw VaultException.UnknownPurpose();
        using var opened = await door.OpenAsync(recipient, subject, requestId, ct);
        var acts = await ActsAsync(subject, known, ct);
        var at = entry is null ? acts.Count - 1 : acts.FindIndex(owned => owned.Act.LogIndex == entry);
        if (at < 0) throw VaultException.NotFound();
        await LogAsync(recipient, opened.Keys, known, acts[at], requestId, ct);
        return (await MakeAsync(known, acts, at, at, withdrawAt, ct))[0];
    }

    /// <summary>Everything about a consent as it stood at an instant. For those who may read the log and see the person's consents.</summary>
    public async Task<ProvenConsent> ProveAsync(
        Recipient recipient, SubjectId subject, string purpose, DateTimeOffset? instant, Uri withdrawAt, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        var known = policy.Current.Purposes.Find(purpose) ?? throw VaultException.UnknownPurpose();
        if (recipient.Kind == RecipientKind.Customer || !policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.AuditRead))
            throw await door.RefusedAsync(recipient, default, VaultException.Forbidden(), requestId, ct);

        using var opened = await door.OpenAsync(recipient, subject, requestId, ct);
        var at = instant ?? proofs.Now;
        var acts = (await ActsAsync(subject, known, ct)).FindAll(owned => owned.Act.At <= at);
        await LogAsync(recipient, opened.Keys, known, acts.Count > 0 ? acts[^1] : null, requestId, ct);
        var receipts = acts.Count == 0 ? [] : await MakeAsync(known, acts, 0, acts.Count - 1, withdrawAt, ct);
        var state = ConsentFold.StateAt(acts.Select(owned => owned.Act), at);
        return new ProvenConsent(known, at, state, ConsentFold.IsValid(state), receipts, await proofs.CheckpointAsync(ct));
    }

    private async Task<List<OwnedAct>> ActsAsync(SubjectId subject, Purpose purpose, CancellationToken ct) =>
        [.. (await ConsentActs.OfAsync(database, subject, ct)).Where(owned => owned.Purpose == purpose.Id).Reverse()];

    private Task<long> LogAsync(Recipient recipient, SubjectKeys held, Purpose purpose, OwnedAct? owned, Guid requestId, CancellationToken ct) =>
        log.AppendAsync(
            log.Entry(EntryType.ConsentReceipt, recipient, held.Tag, purpose.Name, EntryResult.Ok, [], requestId) with { Reference = owned?.Act.LogIndex }, null, ct);

    private async Task<List<ConsentReceipt>> MakeAsync(Purpose purpose, List<OwnedAct> acts, int from, int to, Uri withdrawAt, CancellationToken ct)
    {
        var texts = await archive.TextsAsync(acts.Select(owned => owned.Act.NoticeHash), ct);
        var made = new List<ConsentReceipt>(to - from + 1);
        for (var at = from; at <= to; at++)
        {
            var statement = Statement(purpose, acts[at], at > 0 ? acts[at - 1].Hash : default, texts, withdrawAt);
            made.Add(await proofs.ReceiptAsync(statement, acts[at].Act.LogIndex, ct));
        }

        return made;
    }

    private ConsentReceiptStatement Statement(Purpose purpose, OwnedAct owned, ReadOnlyMemory<byte> before, IReadOnlyDictionary<string, string> texts, Uri withdrawAt) => new()
    {
        Act = owned.Act.Evidence(owned.Subject, owned.Purpose), Purpose = purpose.Name, Title = purpose.Title, Dpv = purpose.Dpv, LegalBasis = purpose.LegalBasis,
        SpecialBasis = purpose.SpecialBasis, NoticeText = texts.GetValueOrDefault(Convert.ToHexStringLower(owned.Act.NoticeHash.Span)),
        Categories = CategoriesOf(purpose), PolicyVersion = policy.Current.Version, Before = before,
        WithdrawAt = owned.Act.State is "given" or "renewed" ? withdrawAt.AbsoluteUri : null,
        Controller = policy.Current.Purposes.Controller is { } who ? new ReceiptController(who.Name, who.Address, who.Contact) : null,
    };

    /// <summary>What the policy lets be used for the purpose, as categories of data.</summary>
    private List<string> CategoriesOf(Purpose purpose) =>
        [.. policy.Current.Questions.UsedFor(purpose).Select(item => item.Category).Where(category => category.Length > 0).Distinct().Order(StringComparer.Ordinal)];
}

/// <summary>What a person's acts come to at an instant: the same as the facts then, without asking them.</summary>
internal static class ConsentFold
{
    private const string Expired = "expired";

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
