using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>What recipients are told of (GDPR 19): the type of the message that goes to them.</summary>
internal static class NoticeKinds
{
    public const string Erased = "person.erased";
    public const string Rectified = "person.rectified";
    public const string Restricted = "person.restricted";
    public const string RestrictionLifted = "person.restriction-lifted";

    public static bool Are(string kind) => kind is Erased or Rectified or Restricted or RestrictionLifted;
}

/// <summary>A change of which recipients are told.</summary>
/// <param name="Kind">One of <see cref="NoticeKinds"/>.</param>
/// <param name="Subject">Whom it is about.</param>
/// <param name="Tag">By what the log knows them.</param>
/// <param name="Request">The request that it carries out; null where there is none.</param>
/// <param name="Pseudonyms">By what analytics domains know them, by schema; null: the keys tell.</param>
internal sealed record NoticeCause(string Kind, SubjectId Subject, byte[] Tag, Guid? Request, IReadOnlyDictionary<string, string>? Pseudonyms)
{
    /// <summary>Codes of the items that changed; null: whatever there is of the person.</summary>
    public IReadOnlyList<int>? Items { get; init; }

    /// <summary>The person's keys; null when the person is being erased, and nothing may name them.</summary>
    public SubjectKeys? Keys { get; init; }

    public static NoticeCause Of(string kind, SubjectKeys held, Guid? request) => new(kind, held.Subject, held.Tag.ToArray(), request, null) { Keys = held };
}

/// <summary>
/// Writes the notices to recipients: for each who was given something that changed, a row and, where an endpoint is configured, a message in the outbox. Both, and the
/// entry about them, in the transaction of the change: no crash leaves one without the other. A notice says that something changed, and never a value.
/// </summary>
internal sealed class RecipientNotices(NoticeStore store, OutboxStore outbox, DisclosureLedger ledger, AuditLog log, ReaderNames names, VaultOptions options)
{
    public const string Made = "notice:made";

    private static readonly Recipient Keeper = Recipient.Process("vault-maintenance", SubjectRequests.Purpose);

    /// <summary>Who may have been given something: by which applications and domains, and whether the vault reaches them.</summary>
    private sealed record Party(string Name, HashSet<Guid> Clients, IReadOnlyList<AnalyticsDomain> Domains, ErasureRecipient? Endpoint)
    {
        /// <summary>Nothing ties them to anything in the log: they are told of everybody, if the configuration names them.</summary>
        public bool IsToldOfAll => Clients.Count == 0 && Domains.Count == 0;
    }

    public VaultClock Clock => store.Clock;

    /// <summary>Writes the notices. The entries about them are for the caller to append, with its own.</summary>
    public async Task<List<LogEntry>> TellAsync(DutyWork work, NoticeCause cause)
    {
        var parties = Parties();
        if (parties.Count == 0) return [];
        await ledger.CatchUpAsync(work.Cancellation);
        var given = await DisclosureLedger.GivenAsync(work.Connection, cause.Tag, work.Cancellation);
        var entries = new List<LogEntry>();
        await using var batch = new NpgsqlBatch(work.Connection, work.Transaction);
        foreach (var party in parties)
        {
            if (Concerned(party, cause, given) is not { } items || ReferenceOf(party, cause) is not { } reference) continue;
            entries.Add(Write(batch, party, cause, new NoticeContent(party.Name, reference, [.. items.Select(names.Item)]), items));
        }

        if (entries.Count > 0) await batch.ExecuteNonQueryAsync(work.Cancellation);
        return entries;
    }

    /// <summary>The endpoint took the message: noted with its entry in the transaction that takes it out of the outbox.</summary>
    public async Task DeliveredAsync(OutboxMessage message, CancellationToken ct)
    {
        var tag = await store.FindAsync(message.Id, ct) is { Subject: { } subject } ? await TagOrNullAsync(subject, ct) : null;
        await store.TransactAsync(async (connection, transaction) =>
        {
            await OutboxStore.RemoveAsync(connection, message.Id, ct);
            if (await NoticeStore.LockAsync(connection, message.Id, ct) is { State: NoticeStates.Queued } row && store.Fits(row))
                await MoveAsync(new DutyWork(connection, transaction, ct), Keeper, (row, message.Recipient, tag), (NoticeStates.Delivered, null), message.Id);
            return true;
        }, ct);
    }

    // A key that does not open must not let the same be sent again and again.
    private async Task<byte[]?> TagOrNullAsync(SubjectId subject, CancellationToken ct)
    {
        try
        {
            return await names.TagAsync(subject, ct);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>Changes where a locked notice stands, with its entry as the last act of the transaction.</summary>
    public async Task<NoticeRow> MoveAsync(DutyWork work, Recipient by, (NoticeRow Row, string Recipient, byte[]? Tag) notice, (string State, string? Code) to, Guid requestId)
    {
        var row = notice.Row with { State = to.State, Code = to.Code, ChangedAt = Clock.Now };
        // Of the erased nothing is kept that somebody knows them by, once nobody needs it.
        if (row.Subject is null && store.OpenOrNull(row, null) is { } content) row = row with { Sealed = store.Sealed(row, content with { Reference = "" }, null) };
        row = await store.SaveAsync(work.Connection, row, work.Cancellation);
        await log.AppendWithinAsync(work.Connection, work.Transaction, [Entry(by, row, "notice:" + row.State, notice.Recipient, notice.Tag) with { RequestId = requestId.ToByteArray(bigEndian: true) }], work.Cancellation);
        return row;
    }

    private LogEntry Write(NpgsqlBatch batch, Party party, NoticeCause cause, NoticeContent content, IReadOnlyList<int> items)
    {
        var now = Clock.Now;
        var id = cause.Request is { } request ? IdOf(request, party.Name) : Clock.NewId();
        var row = new NoticeRow(id, cause.Keys is null ? null : cause.Subject, cause.Request, cause.Kind, party.Endpoint is null ? NoticeStates.Manual : NoticeStates.Queued) { At = now, ChangedAt = now };
        row = row with { Sealed = store.Sealed(row, content, cause.Keys) };
        batch.BatchCommands.Add(store.Insert(row));
        if (party.Endpoint is not null)
        {
            var data = new { reference = content.Reference, request = cause.Request, items = content.Items.Count > 0 ? content.Items : null };
            var body = JsonSerializer.SerializeToUtf8Bytes(new { type = cause.Kind, timestamp = now.UtcDateTime, data }, JsonSerializerOptions.Web);
            batch.BatchCommands.Add(outbox.Insert(new OutboxMessage(id, cause.Kind, party.Name, body, Attempts: 0)));
        }

        return Entry(Keeper, row, Made, party.Name, cause.Tag) with { Items = items };
    }

    private LogEntry Entry(Recipient by, NoticeRow row, string step, string recipient, byte[]? tag)
    {
        List<string> rules = [step, $"notice:{row.Id:D}", row.Kind];
        if ("recipient:" + recipient is { Length: <= LogEntry.MaxRuleLength } named && Ascii.IsValid(named) && !named.Any(char.IsWhiteSpace)) rules.Add(named);
        if (row.Request is { } request) rules.Add($"request:{request:D}");
        if (row.Code is { } code) rules.Add("reason:" + code);
        return log.Entry(EntryType.NoticeChange, by, tag, SubjectRequests.Purpose, EntryResult.Ok, [], row.Request ?? row.Id) with { Rules = rules };
    }

    private List<Party> Parties()
    {
        var endpoints = options.Recipients.ToDictionary(one => one.Name, StringComparer.Ordinal);
        var parties = new List<Party>();
        foreach (var declared in ledger.Policy.Recipients.All)
        {
            endpoints.Remove(declared.Name, out var endpoint);
            parties.Add(PartyOf(declared.Name, declared.Clients, [.. ledger.Policy.Analytics.Where(domain => declared.Analytics.Contains(domain.Name))], endpoint));
        }

        parties.AddRange(endpoints.Values.Select(one => PartyOf(one.Name, [], [], one)));
        return [.. parties.Where(party => !party.IsToldOfAll || party.Endpoint is not null)];
    }

    private Party PartyOf(string name, IReadOnlyList<string> clients, IReadOnlyList<AnalyticsDomain> domains, ErasureRecipient? endpoint) =>
        new(name, [.. clients.Concat(endpoint?.Client is { } client ? [client] : []).Select(ledger.TagOf)], domains, endpoint);

    /// <summary>Of what changed, what they were given; null when they are not concerned. A search says that somebody is there, which matters when they are not any more.</summary>
    private List<int>? Concerned(Party party, NoticeCause cause, List<Given> given)
    {
        if (party.IsToldOfAll) return [.. cause.Items ?? []];
        var theirs = given.Where(one => party.Clients.Contains(one.Shape.Actor)).ToList();
        var fed = given.Where(one => (EntryType)one.Shape.Type == EntryType.AnalyticsFeed).SelectMany(one => party.Domains.SelectMany(domain => DisclosureLedger.FedTo(domain, ledger.Policy, one.Shape))).ToHashSet();
        if (cause.Items is null) return theirs.Count > 0 || fed.Count > 0 ? [] : null;
        var seen = theirs.Where(one => (EntryType)one.Shape.Type != EntryType.Search).SelectMany(one => one.Shape.Items).Concat(fed).ToHashSet();
        List<int> concerned = [.. cause.Items.Where(seen.Contains)];
        return concerned.Count > 0 ? concerned : null;
    }

    // Whom the configuration names is told by its word; others by what they know the person as.
    private string? ReferenceOf(Party party, NoticeCause cause)
    {
        var reference = party.Endpoint?.Reference ?? (party.Clients.Count > 0 || party.Domains.Count == 0 ? ErasureRecipient.CustomerReference : party.Domains[0].Name);
        if (reference == ErasureRecipient.CustomerReference) return cause.Subject.ToString();
        if (ledger.Policy.Analytics.FirstOrDefault(domain => domain.Name == reference) is not { } domain) return null;
        return (cause.Pseudonyms ?? (cause.Keys is { } held ? ledger.PseudonymsOf(held) : null))?.GetValueOrDefault(domain.Schema);
    }

    /// <summary>The same for the same request and recipient, whoever writes it and however often.</summary>
    private static Guid IdOf(Guid request, string recipient)
    {
        var hash = SHA256.HashData([.. "datavault/v1/notice\0"u8, .. request.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(recipient)]);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }
}
