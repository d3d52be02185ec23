using DataVault.Policy;

namespace DataVault.Vault;

/// <summary>
/// Whom a recipient reaches, for calls that release no field and so ask for no decision about one. Nothing is looked up for whoever reaches everybody.
/// INVARIANT: whoever is out of reach is answered for as if nobody were there; the log alone knows better.
/// </summary>
internal sealed class SubjectReach(VaultDatabase database, Decider decider)
{
    /// <summary>The version that the call took.</summary>
    public PolicySet Policy => decider.Policy;

    public bool IsEverybody(Recipient recipient) => decider.ReachesEverybody(recipient);

    /// <summary>Facts that cannot be read bring nobody near.</summary>
    public bool Includes(Recipient recipient, SealedRecord record) =>
        IsEverybody(recipient) || (FactsCodec.TryDecode(record.Facts, out var facts) && decider.CanReach(recipient, record.Subject, facts));

    /// <inheritdoc cref="Decider.Told"/>
    public VaultException Told(Recipient recipient, VaultException damage) => decider.Told(recipient, damage);

    /// <summary>False for nobody at all too, but for whoever reaches everybody: who is there is the call's own matter.</summary>
    public async Task<bool> IncludesAsync(Recipient recipient, SubjectId subject, CancellationToken ct) =>
        recipient.Kind == RecipientKind.Customer
            ? recipient.Subject == subject
            : IsEverybody(recipient) || (await SubjectRows.FindAsync(database, subject, ct) is { } record && Includes(recipient, record));

    /// <summary>Those of them whom the recipient reaches, by one look.</summary>
    public async Task<HashSet<SubjectId>> AmongAsync(Recipient recipient, IReadOnlyCollection<SubjectId> subjects, CancellationToken ct)
    {
        if (IsEverybody(recipient)) return [.. subjects];
        if (recipient.Kind == RecipientKind.Customer) return [.. subjects.Where(subject => subject == recipient.Subject)];
        return [.. (await SubjectRows.FindManyAsync(database, subjects, ct)).Values.Where(record => Includes(recipient, record)).Select(record => record.Subject)];
    }
}
