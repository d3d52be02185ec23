using System.Text;
using DataVault.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>For parts of the server that record acts without touching a profile: sign-ins, refusals at the edge, administration, reading the log itself.</summary>
public sealed class AuditTrail
{
    private readonly AuditLog log;
    private readonly KeyRegistry keys;
    private readonly IRandomBytes random;
    private readonly TimeProvider clock;

    internal AuditTrail(AuditLog log, KeyRegistry keys, IRandomBytes random, TimeProvider clock) =>
        (this.log, this.keys, this.random, this.clock) = (log, keys, random, clock);

    /// <summary>Appends an entry; durable when it returns.</summary>
    /// <param name="purpose">Name of the purpose; empty when none applies.</param>
    /// <param name="subject">The person concerned. One who is unknown or erased leaves no tag.</param>
    /// <param name="detail">Free text, kept sealed outside the tree and erased with the person.</param>
    /// <returns>The entry's index.</returns>
    public async Task<long> RecordAsync(
        EntryType type, Recipient recipient, string purpose, EntryResult result, SubjectId? subject, string? detail, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(purpose);
        using var held = subject is { } id ? await keys.FindFreshAsync(id, ct) : null;
        var entry = log.Entry(type, recipient, held?.Tag ?? default, purpose, result, [], Uuid.Version7(clock, random));
        if (detail is null) return await log.AppendAsync(entry, null, ct);
        var (described, kept) = log.WithDetail(entry, held, Encoding.UTF8.GetBytes(detail), random);
        return await log.AppendAsync(described, kept, ct);
    }
}
