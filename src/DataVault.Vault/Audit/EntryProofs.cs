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
    private readonly ActivePolicy policy;

    internal EntryProofs(AuditReader reader, LogStore store, AuditLog log, KeyRegistry keys, ActivePolicy policy) =>
        (this.reader, this.store, this.log, this.keys, this.policy) = (reader, store, log, keys, policy);

    /// <exception cref="VaultException">
    /// Not found: no such entry, or none of the recipient's, which is the same to them. Unavailable: it is not signed yet.
    /// </exception>
    public async Task<InclusionProofData> ProofAsync(Recipient recipient, long index, Guid requestId, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (MayReadAll(recipient)) return await reader.ProofAsync(index, ct);
        if (await OwnAsync(recipient, index, ct) is { } own) return await reader.ProofAsync(index, ct) with { Member = own.Member };
        // Written for an index without an entry too: neither the answer nor the time that it takes tells which it was.
        await log.AppendAsync(log.Entry(EntryType.Denied, recipient, default, "", EntryResult.Denied, [], requestId), null, ct);
        throw VaultException.NotFound();
    }

    private bool MayReadAll(Recipient recipient) =>
        recipient.Kind != RecipientKind.Customer && policy.Current.Decisions.HasCapability(recipient.Roles, Capabilities.AuditRead);

    /// <summary>Null when the entry is none of the recipient's; else the proof that they are among those whom it is about, if there are several.</summary>
    private async Task<Own?> OwnAsync(Recipient recipient, long index, CancellationToken ct)
    {
        if (!(await store.EntriesAtAsync([index], ct)).TryGetValue(index, out var bytes)) return null;
        var entry = LogEntry.Decode(bytes);
        // INVARIANT: customers share one actor tag, so that an entry is theirs by its subject alone.
        if (recipient.Kind != RecipientKind.Customer) return entry.Actor.Span.SequenceEqual(keys.ActorTag(recipient)) ? new Own(null) : null;
        if (recipient.Subject is not { } subject || await keys.FindFreshAsync(subject, ct) is not { } found) return null;
        using (found) return entry.Subject.Span.SequenceEqual(found.Tag.Span) ? new Own(null) : await AmongAsync(entry, index, found.Tag, ct);
    }

    private async Task<Own?> AmongAsync(LogEntry entry, long index, ReadOnlyMemory<byte> tag, CancellationToken ct)
    {
        if (entry.BulkCount == 0 || await store.MembersAsync(index, entry, ct) is not { } members) return null;
        var position = members.Find(tag.Span);
        return position < 0 ? null : new Own(new MembershipProof(tag, position, members.Prove(position)));
    }

    private sealed record Own(MembershipProof? Member);
}
