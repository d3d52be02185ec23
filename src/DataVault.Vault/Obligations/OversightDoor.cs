using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>
/// What everything that officers look after has in common: staff with the capability come in and nobody else; whoever looks, and whoever is refused, is an entry
/// of the log that names the room.
/// </summary>
internal sealed class OversightDoor(AuditLog log, Decider decider, string capability, string room)
{
    public bool LetsIn(Recipient recipient) => recipient.Kind == RecipientKind.Staff && decider.Policy.Decisions.HasCapability(recipient.Roles, capability);

    /// <exception cref="VaultException">forbidden; the refusal is in the log.</exception>
    public async Task AuthoriseAsync(Recipient recipient, Guid requestId, CancellationToken ct)
    {
        if (!LetsIn(recipient)) throw await RefusedAsync(recipient, VaultException.Forbidden(), requestId, ct);
    }

    public Task<VaultException> RefusedAsync(Recipient recipient, VaultException refusal, Guid requestId, CancellationToken ct) =>
        RefusedAsync(recipient, refusal, ("", default), requestId, ct);

    /// <summary>The same, where it is known for what and about whom.</summary>
    public async Task<VaultException> RefusedAsync(
        Recipient recipient, VaultException refusal, (string Purpose, ReadOnlyMemory<byte> Tag) about, Guid requestId, CancellationToken ct)
    {
        await log.AppendAsync(log.Entry(EntryType.Denied, recipient, about.Tag, about.Purpose, EntryResult.Denied, [], requestId) with { Rules = [room] }, null, ct);
        return refusal;
    }

    public Task<long> LookAsync(Recipient recipient, Guid requestId, CancellationToken ct, EntryType type = EntryType.AuditRead) =>
        log.AppendAsync(log.Entry(type, recipient, default, "", EntryResult.Ok, [], requestId) with { Rules = [room] }, null, ct);
}
