using System.Security.Cryptography;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;

namespace DataVault.Vault;

/// <summary>A recipient who is told when a person has been erased (GDPR 19).</summary>
/// <param name="Name">Name in the configuration.</param>
/// <param name="Reference">By what the recipient knows the person: <c>customer</c>, the vault's id, or the name of an analytics domain, the pseudonym there.</param>
/// <param name="Client">Its client id: it is told of those alone of whom the log says that it was given something. Null: of everybody.</param>
public sealed record ErasureRecipient(string Name, string Reference = ErasureRecipient.CustomerReference, string? Client = null)
{
    public const string CustomerReference = "customer";
}

/// <summary>
/// Writes the notices of an erasure into the outbox. A notice holds the recipient's own reference to the person and the number of the request, by which the
/// certificate can be fetched; no value.
/// </summary>
internal sealed class ErasureNotices(OutboxStore outbox, LogIndexer indexer, AuditLog log, VaultOptions options, ActivePolicy policy, VaultClock clock)
{
    public const string Kind = "person.erased";

    private static readonly int[] Disclosures = [(int)EntryType.FieldRead, (int)EntryType.EventRead, (int)EntryType.Search, (int)EntryType.Export];

    public async Task EnqueueAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, (RequestRow Request, SubjectId Subject) erased, ErasureWork work, CancellationToken cancellation)
    {
        if (options.Recipients.Any(recipient => recipient.Client is not null)) await indexer.CatchUpAsync(cancellation);
        foreach (var recipient in options.Recipients)
        {
            if (ReferenceOf(recipient, erased.Subject, work) is not { } reference || !await WasGivenAsync(connection, recipient, work.Tag, cancellation)) continue;
            var id = IdOf(erased.Request.Id, recipient.Name);
            var body = JsonSerializer.SerializeToUtf8Bytes(new { type = Kind, timestamp = clock.Now.UtcDateTime, data = new { reference, request = erased.Request.Id } });
            await outbox.EnqueueAsync(connection, transaction, new OutboxMessage(id, Kind, recipient.Name, body, Attempts: 0), cancellation);
        }
    }

    private string? ReferenceOf(ErasureRecipient recipient, SubjectId subject, ErasureWork work)
    {
        if (recipient.Reference == ErasureRecipient.CustomerReference) return subject.ToString();
        return policy.Current.Analytics.FirstOrDefault(domain => domain.Name == recipient.Reference) is { } domain ? work.Pseudonyms.GetValueOrDefault(domain.Schema) : null;
    }

    private async Task<bool> WasGivenAsync(NpgsqlConnection connection, ErasureRecipient recipient, byte[] tag, CancellationToken cancellation)
    {
        if (recipient.Client is null) return true;
        var actor = EntryShape.TagOf(log.ActorOf(RecipientKind.Application, recipient.Client));
        var filter = new EntryFilter { Subject = EntryShape.TagOf(tag), Actors = [actor], Types = Disclosures, Result = (short)EntryResult.Ok };
        return (await LogSearch.FindAsync(connection, filter, await LogSearch.RangeAsync(connection, null, null, cancellation), oldestFirst: false, 1, cancellation)).Count > 0;
    }

    /// <summary>The same for the same erasure and recipient, whoever writes it and however often.</summary>
    private static Guid IdOf(Guid request, string recipient)
    {
        var hash = SHA256.HashData([.. "datavault/v1/notice\0"u8, .. request.ToByteArray(bigEndian: true), .. System.Text.Encoding.UTF8.GetBytes(recipient)]);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }
}
