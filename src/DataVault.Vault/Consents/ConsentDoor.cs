using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>A person whose consents a decision opened to a recipient. Disposing erases the keys.</summary>
/// <param name="Keys">The person's keys.</param>
/// <param name="Record">The record, which matches its seal.</param>
/// <param name="Facts">The facts of the record.</param>
/// <param name="Purpose">The purpose for which the recipient was admitted.</param>
internal sealed record OpenedConsents(SubjectKeys Keys, SealedRecord Record, DecisionFacts Facts, string Purpose) : IDisposable
{
    public void Dispose() => Keys.Dispose();
}

/// <summary>
/// The door to people's consents: whoever sees, records, shows or proves one is decided upon person by person, for a purpose of their credential, as for any field.
/// Consents are about the whole record, so a field stands for it. INVARIANT: no act is read for a recipient who did not come through here.
/// </summary>
internal sealed class ConsentDoor(VaultDatabase database, KeyRegistry keys, AuditLog log, SubjectFacts facts, SubjectReach reach, VaultClock clock)
{
    /// <summary>The version that the call took.</summary>
    public PolicySet Policy => reach.Policy;

    public bool ReachesEverybody(Recipient recipient) => reach.IsEverybody(recipient);

    /// <summary>Opens somebody's consents, or refuses and says so in the log.</summary>
    /// <exception cref="VaultException">not-found, forbidden; unavailable when the record is damaged.</exception>
    public async Task<OpenedConsents> OpenAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        await ApproachAsync(recipient, subject, requestId, ct);
        var held = await KeysAsync(recipient, subject, requestId, ct);
        try
        {
            return await DecideAsync(recipient, held, requestId, ct);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    /// <summary>Those of them whose consents the recipient may see, by one look at rows and keys. Whoever's record is damaged is left out.</summary>
    public async Task<Dictionary<SubjectId, OpenedConsents>> OpenManyAsync(Recipient recipient, IReadOnlyCollection<SubjectId> subjects, CancellationToken ct)
    {
        var records = await SubjectRows.FindManyAsync(database, subjects, ct);
        var held = await keys.GetManyAsync([.. records.Keys], ct);
        var opened = new Dictionary<SubjectId, OpenedConsents>(records.Count);
        try
        {
            foreach (var key in held)
            {
                if (await TryOpenAsync(recipient, key, records[key.Subject], ct) is { } one) opened.Add(key.Subject, one);
            }

            return opened;
        }
        catch
        {
            opened.Clear();
            throw;
        }
        finally
        {
            foreach (var key in held.Where(key => !opened.ContainsKey(key.Subject))) key.Dispose();
        }
    }

    /// <summary>Before it is known who the person is: refuses whoever could not be admitted to anybody.</summary>
    public async Task ApproachAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        var ofAnother = recipient.Kind == RecipientKind.Customer && recipient.Subject != subject;
        if (!ofAnother && CouldEnter(recipient)) return;
        throw await RefusedAsync(recipient, default, ofAnother ? VaultException.NotFound() : VaultException.Forbidden(), requestId, ct);
    }

    /// <summary>Whether there may be anybody whose consents the recipient may see.</summary>
    public bool CouldEnter(Recipient recipient) => PurposesOf(recipient).Any();

    /// <summary>Keys of somebody whom the recipient reaches. Whoever reaches everybody is not asked.</summary>
    public async Task<SubjectKeys> KeysAsync(Recipient recipient, SubjectId subject, Guid requestId, CancellationToken ct)
    {
        SubjectKeys held;
        try
        {
            held = await keys.GetAsync(subject, ct);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            throw await RefusedAsync(recipient, default, e, requestId, ct);
        }

        if (recipient.Kind == RecipientKind.Customer || await reach.IncludesAsync(recipient, subject, ct)) return held;
        using (held) throw await RefusedAsync(recipient, held.Tag, VaultException.NotFound(), requestId, ct);
    }

    /// <summary>The purpose for which the recipient may see these consents and record one; null when there is none.</summary>
    public string? PurposeFor(Recipient recipient, SubjectId subject, DecisionFacts known) =>
        PurposesOf(recipient).FirstOrDefault(purpose => Admits(recipient, subject, purpose, known));

    /// <summary>
    /// The same for what ends or refuses a consent. It is taken whatever stops processing, which must never stop the person from stopping it; every other condition
    /// of the rules counts as always.
    /// </summary>
    public string? PurposeToEnd(Recipient recipient, SubjectId subject, DecisionFacts known) =>
        PurposesOf(recipient).FirstOrDefault(purpose => Admits(recipient, subject, purpose, Unstopped(known, purpose)));

    public async Task<VaultException> RefusedAsync(Recipient recipient, ReadOnlyMemory<byte> tag, VaultException refusal, Guid requestId, CancellationToken ct)
    {
        await log.AppendAsync(log.Entry(EntryType.Denied, recipient, tag, PurposeNamed(recipient), EntryResult.Denied, [], requestId), null, ct);
        return refusal;
    }

    /// <summary>Whether a policy lets the recipient record a consent of somebody of whom this is known.</summary>
    public static bool Admits(PolicySet policy, Recipient recipient, SubjectId subject, string purpose, DecisionFacts known, DateTimeOffset now)
    {
        var decision = Decider.Decide(policy, new AccessRequest(recipient, subject, AccessAction.Consent, purpose, [AnyField(policy)]), known, now);
        return decision.Released && !Decider.IsBound(decision);
    }

    private bool Admits(Recipient recipient, SubjectId subject, string purpose, DecisionFacts known) => Admits(Policy, recipient, subject, purpose, known, clock.Now);

    private static RequestedItem AnyField(PolicySet policy) => new(policy.Catalogue.Fields[0], null);

    private IEnumerable<string> PurposesOf(Recipient recipient) =>
        recipient.Purposes.Where(purpose => Policy.Decisions.CouldPermit(recipient, AccessAction.Consent, purpose, AnyField(Policy).Item));

    private string PurposeNamed(Recipient recipient) => PurposesOf(recipient).FirstOrDefault() ?? (recipient.Purposes.Count > 0 ? recipient.Purposes[0] : "");

    private DecisionFacts Unstopped(DecisionFacts known, string purpose)
    {
        var free = known with { Restricted = false, ObjectedPurposes = [], OnHold = false, Holds = [], Remainder = false };
        return Policy.Purposes.Find(purpose) is { NeedsConsent: true } needed
            ? FactsCodec.With(free, new ConsentFact(needed.Id, ConsentStatus.Given, null) { Backing = ConsentBacking.Guardian })
            : free;
    }

    private async Task<OpenedConsents> DecideAsync(Recipient recipient, SubjectKeys held, Guid requestId, CancellationToken ct)
    {
        if (await SubjectRows.FindAsync(database, held.Subject, ct) is not { } found || await keys.FitAsync(held, found, database, ct) is not { } record)
            throw await RefusedAsync(recipient, held.Tag, VaultException.NotFound(), requestId, ct);
        var known = await ReadAsync(recipient, record, held, requestId, ct);
        if (!Policy.Decisions.CanReach(recipient, held.Subject, known)) throw await RefusedAsync(recipient, held.Tag, VaultException.NotFound(), requestId, ct);
        return PurposeFor(recipient, held.Subject, known) is { } purpose
            ? new OpenedConsents(held, record, known, purpose)
            : throw await RefusedAsync(recipient, held.Tag, VaultException.Forbidden(), requestId, ct);
    }

    private async Task<DecisionFacts> ReadAsync(Recipient recipient, SealedRecord record, SubjectKeys held, Guid requestId, CancellationToken ct)
    {
        try
        {
            return facts.Read(record, held);
        }
        catch (CryptographicException e)
        {
            var entry = log.Entry(EntryType.FieldRead, recipient, held.Tag, PurposeNamed(recipient), EntryResult.Ok, [], requestId);
            throw reach.Told(recipient, await log.FailedAsync(entry, e, ct));
        }
    }

    private async Task<OpenedConsents?> TryOpenAsync(Recipient recipient, SubjectKeys held, SealedRecord found, CancellationToken ct)
    {
        if (await keys.FitAsync(held, found, database, ct) is not { } record) return null;
        try
        {
            var known = facts.Read(record, held);
            return PurposeFor(recipient, held.Subject, known) is { } purpose ? new OpenedConsents(held, record, known, purpose) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}
