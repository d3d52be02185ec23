using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// Proofs of entries, for those whom an entry concerns. A proof holds the entry itself; whoever could have any would follow a person's tag,
/// known from a receipt of their own, through the whole log.
/// </summary>
public sealed class EntryProofs
{
    private readonly AuditReader reader;
    private readonly LogStore store;
    private readonly AuditLog log;
    private readonly KeyRegistry keys;
    private readonly PolicySet policy;

    internal EntryProofs(AuditReader reader, LogStore store, AuditLog log, KeyRegistry keys, PolicySet policy) =>
        (this.reader, this.store, this.log, this.keys, this.policy) = (reader, store, log, keys, policy);

    /// <exception cref="VaultException">
    /// Not found: no such entry, or none of the recipient's, which is the same to them. Unavailable: it is not signed yet.
    /// </exception>
    public async Task<InclusionProofData> ProofAsync(Recipient recipient, long index, Guid requestId, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (MayReadAll(recipient) || await IsOwnAsync(recipient, index, ct)) return await reader.ProofAsync(index, ct);
        // Written for an index without an entry too: neither the answer nor the time that it takes tells which it was.
        await log.AppendAsync(log.Entry(EntryType.Denied, recipient, default, "", EntryResult.Denied, [], requestId), null, ct);
        throw VaultException.NotFound();
    }

    private bool MayReadAll(Recipient recipient) =>
        recipient.Kind != RecipientKind.Customer && policy.Decisions.HasCapability(recipient.Roles, Capabilities.AuditRead);

    private async Task<bool> IsOwnAsync(Recipient recipient, long index, CancellationToken ct)
    {
        if (!(await store.EntriesAtAsync([index], ct)).TryGetValue(index, out var bytes)) return false;
        var entry = LogEntry.Decode(bytes);
        // INVARIANT: customers share one actor tag, so that an entry is theirs by its subject alone.
        return recipient.Kind == RecipientKind.Customer
            ? recipient.Subject is { } subject && await IsAboutAsync(entry, subject, ct)
            : entry.Actor.Span.SequenceEqual(keys.ActorTag(recipient));
    }

    private async Task<bool> IsAboutAsync(LogEntry entry, SubjectId subject, CancellationToken ct)
    {
        if (entry.Subject.IsEmpty || await keys.GetManyAsync([subject], ct) is not [var found]) return false;
        using (found) return entry.Subject.Span.SequenceEqual(found.Tag.Span);
    }
}
