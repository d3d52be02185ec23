using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// The one door through which plaintext leaves:
/// <code>
/// load facts and sealed record, one round trip  ->  decide, pure  ->  append to the log  ->  open what permits name  ->  apply forms  ->  release
///                                                                     \____ both at once; release waits for both ____/
/// </code>
/// INVARIANT: nothing is returned whose entry is not durable; a crash in between leaves "logged and not released". Denials are entries too.
/// INVARIANT: unknown, erased and out of reach look the same from outside.
/// </summary>
public sealed class DisclosureGate
{
    public const int MaxSubjects = 1_000;
    public const int MaxEvents = 500;

    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly RecordCipher cipher;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly ReleaseForms forms;

    internal DisclosureGate(VaultDatabase database, KeyRegistry keys, RecordCipher cipher, AuditLog log, Decider decider, ReleaseForms forms) =>
        (this.database, this.keys, this.cipher, this.log, this.decider, this.forms) = (database, keys, cipher, log, decider, forms);

    /// <exception cref="VaultException">not-found, unknown-purpose, or unavailable when the entry cannot be made durable.</exception>
    public async Task<Disclosure> ReadAsync(ReadQuery query, CancellationToken ct)
    {
        decider.Purpose(query.Purpose);
        var loading = SubjectRows.FindAsync(database, query.Subject, ct);
        using var held = await FindKeysAsync(query.Subject, loading, ct);
        var record = await FitAsync(held, await loading, ct);
        if (held is null || record is null || OutOfReach(query.Recipient, query.Subject)) throw await NotFoundAsync(query, held, ct);
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) throw await log.FailedAsync(Failure(query, held.Tag, EntryType.FieldRead), null, ct);
        var release = Decide(query, held, record, facts);
        var logging = log.AppendAsync(release.Entry, release.Detail, ct);
        var contents = TryOpen(release, out var broken);
        var index = await DurableAsync(logging, contents?.Fields);
        return contents is null ? throw await BrokenAsync(release, broken!, ct) : Compose(release, contents, index);
    }

    /// <summary>Up to 1,000 subjects: one round trip for the rows, one for the keys, one transaction for an entry each.</summary>
    public async Task<IReadOnlyList<ItemResult<Disclosure>>> ReadManyAsync(
        Recipient recipient, IReadOnlyList<SubjectId> subjects, string purpose, IReadOnlyList<RequestedItem>? items, bool provenance, Guid requestId, CancellationToken ct)
    {
        decider.Purpose(purpose);
        if (subjects.Count is 0 or > MaxSubjects) throw VaultException.BadRequest($"1 to {MaxSubjects} customers.");
        var queries = subjects.Select(subject => new ReadQuery(recipient, subject, purpose, items, provenance, requestId)).ToList();
        var loading = SubjectRows.FindManyAsync(database, [.. subjects.Distinct()], ct);
        return (await ReadAllAsync(queries, loading, static _ => true, null, ct)).Results;
    }

    /// <summary>A page of a customer's events, newest first; one entry per page.</summary>
    public async Task<EventPage> ReadEventsAsync(
        Recipient recipient, SubjectId subject, string purpose, IReadOnlyList<EventTypeDefinition>? types, int limit, string? cursor, Guid requestId, CancellationToken ct)
    {
        decider.Purpose(purpose);
        if (limit is < 1 or > MaxEvents) throw VaultException.BadRequest($"The limit is between 1 and {MaxEvents}.");
        var position = EventCursor.Parse(cursor);
        RequestedItem[] items = [.. (types ?? decider.Policy.Events.Types).Distinct().Select(type => new RequestedItem(type, null))];
        var query = new ReadQuery(recipient, subject, purpose, items, Provenance: false, requestId);
        var loading = SubjectRows.FindAsync(database, subject, ct);
        using var held = await FindKeysAsync(subject, loading, ct);
        var record = await FitAsync(held, await loading, ct);
        if (held is null || record is null || OutOfReach(recipient, subject)) throw await NotFoundAsync(query, held, ct);
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) throw await log.FailedAsync(Failure(query, held.Tag, EntryType.EventRead), null, ct);
        var release = Decide(query, held, record, facts, EntryType.EventRead);
        var logging = log.AppendAsync(release.Entry, null, ct);
        var rows = release.Permits.Count == 0 ? [] : await EventRows.PageAsync(database, subject, release.Permits, limit + 1, position, ct);
        await keys.HoldAsync(held, rows.Select(row => row.Sealed), ct);
        var events = TryOpenEvents(release, rows.Count > limit ? rows[..limit] : rows, out var broken);
        var index = await DurableAsync(logging, events);
        if (events is null) throw await BrokenAsync(release, broken!, ct);
        var next = rows.Count > limit ? EventCursor.Of(rows[limit - 1]) : null;
        return new EventPage(events, WithheldOf(release, release.Permits.Select(permit => AuditLog.ItemCode(permit.Item)).ToHashSet()), next, index, release.Refused);
    }

    /// <summary>
    /// Reads all of them; the entries are appended in one go, after the one given first, and nothing is opened before they are durable.
    /// Those that the filter drops are as if not there. Returns the index of the first entry.
    /// </summary>
    internal async Task<(long FirstIndex, IReadOnlyList<ItemResult<Disclosure>> Results)> ReadAllAsync(
        IReadOnlyList<ReadQuery> queries, Task<Dictionary<SubjectId, SealedRecord>> loading, Func<DecidedFacts, bool> filter, LogEntry? first, CancellationToken ct)
    {
        var held = (await keys.GetManyAsync([.. queries.Select(query => query.Subject).Distinct()], ct)).ToDictionary(key => key.Subject);
        try
        {
            var records = await loading;
            foreach (var key in held.Values) await FitAsync(key, records, ct);
            var chosen = queries.Select(query => Choose(query, held.GetValueOrDefault(query.Subject), records.GetValueOrDefault(query.Subject), filter)).ToList();
            var entries = chosen.Select(one => one.Entry);
            var index = await AppendAllAsync(first is null ? [.. entries] : [first, .. entries], ct);
            var at = first is null ? index : index + 1;
            var results = chosen.Select((one, i) => Result(one, at + i)).ToList();
            // Opened and found broken only now: that is said in entries of its own.
            var broken = chosen.Zip(results).Where(pair => pair.First.Release is not null && pair.Second.Error is not null).Select(pair => AuditLog.Failed(pair.First.Entry)).ToList();
            if (broken.Count > 0) await AppendAllAsync(broken, ct);
            return (index, results);
        }
        finally
        {
            foreach (var key in held.Values) key.Dispose();
        }
    }

    /// <summary>What was opened meanwhile is erased when its entry cannot be made.</summary>
    private static async Task<long> DurableAsync(Task<long> logging, IEnumerable<IDisposable>? opened)
    {
        try
        {
            return await logging;
        }
        catch
        {
            foreach (var one in opened ?? []) one.Dispose();
            throw;
        }
    }

    private Task<long> AppendAllAsync(IReadOnlyList<LogEntry> entries, CancellationToken ct) =>
        database.RunAsync((connection, transaction) => log.AppendWithinAsync(connection, transaction, entries, ct), ct);

    private Chosen Choose(ReadQuery query, SubjectKeys? held, SealedRecord? record, Func<DecidedFacts, bool> filter)
    {
        var hidden = new Chosen(null, Denial(query, default), VaultException.NotFound());
        if (held is null || record is null || OutOfReach(query.Recipient, query.Subject)) return hidden;
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) return new Chosen(null, Failure(query, held.Tag, EntryType.FieldRead), VaultException.Unavailable());
        if (!filter(new(query.Subject, facts))) return hidden;
        var release = Decide(query, held, record, facts);
        return new Chosen(release, release.Entry, null);
    }

    private ItemResult<Disclosure> Result(Chosen chosen, long index)
    {
        if (chosen.Release is not { } release) return new(chosen.Refusal!);
        return TryOpen(release, out var broken) is { } contents ? new(Compose(release, contents, index)) : new(VaultException.Unavailable(broken));
    }

    private Release Decide(ReadQuery query, SubjectKeys held, SealedRecord record, DecisionFacts facts, EntryType type = EntryType.FieldRead)
    {
        var decision = decider.Decide(query.Recipient, query.Subject, AccessAction.Read, query.Purpose, query.Items, facts);
        var unmet = decision.Released && Decider.Unmet(decision, query.Justification) is not null;
        var refused = unmet ? Reasons.NotPermitted : decision.OverallReason;
        var entry = refused is null
            ? log.Entry(type, query.Recipient, held.Tag, query.Purpose, EntryResult.Ok, Decider.LogIds(decision.Permits), query.RequestId)
            : log.Entry(EntryType.Denied, query.Recipient, held.Tag, query.Purpose, EntryResult.Denied, Decider.LogIds(decision.Items), query.RequestId);
        entry = entry with { RecordVersion = record.RowVersion, Rules = decision.RuleIds };
        if (query.Justification is null) return new Release(query, held, record, decision, entry, null, refused);
        var (justified, detail) = log.WithDetail(entry, held, Encoding.UTF8.GetBytes(query.Justification), decider.Clock.Random);
        return new Release(query, held, record, decision, justified, detail, refused);
    }

    private Contents? TryOpen(Release release, out CryptographicException? broken)
    {
        broken = null;
        try
        {
            return Open(release);
        }
        catch (CryptographicException e)
        {
            broken = e;
            return null;
        }
    }

    private Contents Open(Release release)
    {
        var released = new List<ReleasedField>(release.Permits.Count);
        var shown = new HashSet<int>(release.Permits.Count);
        if (release.Permits.Count == 0)
        {
            // Facts that somebody changed so that nothing is released are no less false than facts that release too much.
            cipher.Verify(release.Record, release.Keys);
            return new Contents(released, WithheldOf(release, shown));
        }

        using var opened = cipher.Open(release.Record, release.Keys, release.Permits);
        foreach (var field in opened)
        {
            if (forms.Apply(field, release.Query.Purpose) is not { } utf8Json) continue;
            released.Add(new ReleasedField(field.Field.Name, field.Permit.Form, utf8Json, release.Query.Provenance ? field.Provenance : null));
            shown.Add(AuditLog.ItemCode(field.Field));
        }
        return new Contents(released, WithheldOf(release, shown));
    }

    private List<ReleasedEvent>? TryOpenEvents(Release release, List<EventRow> rows, out CryptographicException? broken)
    {
        broken = null;
        try
        {
            cipher.Verify(release.Record, release.Keys);
            var permits = release.Permits.ToDictionary(permit => permit.Item.Id);
            return [.. rows.Select(row => EventContent.Release(cipher, release.Keys, permits[row.TypeId], row))];
        }
        catch (CryptographicException e)
        {
            broken = e;
            return null;
        }
    }

    /// <summary>Asked for by name and empty is said to be not held; a request for everything lists only what it may not have.</summary>
    private static List<WithheldField> WithheldOf(Release release, HashSet<int> shown)
    {
        var withheld = new List<WithheldField>();
        foreach (var item in release.Decision.Items)
        {
            var reason = release.Refused is not null && item.Permit is not null ? release.Refused : item.Reason;
            if (reason is null && !shown.Contains(AuditLog.ItemCode(item.Item)) && release.Query.Items is not null) reason = Reasons.NotHeld;
            if (reason is not null) withheld.Add(new WithheldField(item.Item.Name, reason));
        }
        return withheld;
    }

    private static Disclosure Compose(Release release, Contents contents, long index) =>
        new(release.Query.Subject, release.Record.RowVersion, index, contents.Fields, contents.Withheld)
        {
            Refused = release.Refused,
            Obligations = release.Refused is null ? release.Decision.Obligations : [],
        };

    private static bool OutOfReach(Recipient recipient, SubjectId subject) => recipient.Kind == RecipientKind.Customer && recipient.Subject != subject;

    private ValueTask<SealedRecord?> FitAsync(SubjectKeys? held, SealedRecord? record, CancellationToken ct) =>
        held is null || record is null ? ValueTask.FromResult<SealedRecord?>(null) : keys.FitAsync(held, record, database, ct);

    private async ValueTask FitAsync(SubjectKeys held, Dictionary<SubjectId, SealedRecord> records, CancellationToken ct)
    {
        if (!records.TryGetValue(held.Subject, out var record)) return;
        if (await keys.FitAsync(held, record, database, ct) is { } fitting) records[held.Subject] = fitting;
        else records.Remove(held.Subject);
    }

    private async Task<SubjectKeys?> FindKeysAsync(SubjectId subject, Task alongside, CancellationToken ct)
    {
        try
        {
            return await keys.GetAsync(subject, ct);
        }
        catch (VaultException e) when (e.Slug == "not-found")
        {
            return null;
        }
        catch
        {
            await alongside.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    private async Task<VaultException> NotFoundAsync(ReadQuery query, SubjectKeys? held, CancellationToken ct)
    {
        await log.AppendAsync(Denial(query, held?.Tag ?? default), null, ct);
        return VaultException.NotFound();
    }

    private LogEntry Denial(ReadQuery query, ReadOnlyMemory<byte> tag) => Refused(query, tag, EntryType.Denied, EntryResult.Denied);

    /// <summary>Nothing could be decided: the facts cannot be read.</summary>
    private LogEntry Failure(ReadQuery query, ReadOnlyMemory<byte> tag, EntryType type) => Refused(query, tag, type, EntryResult.Error);

    private LogEntry Refused(ReadQuery query, ReadOnlyMemory<byte> tag, EntryType type, EntryResult result) =>
        log.Entry(type, query.Recipient, tag, query.Purpose, result, [.. (query.Items ?? []).Select(item => AuditLog.ItemCode(item.Item))], query.RequestId);

    private Task<VaultException> BrokenAsync(Release release, CryptographicException cause, CancellationToken ct) => log.FailedAsync(release.Entry, cause, ct);

    internal readonly record struct DecidedFacts(SubjectId Subject, DecisionFacts Facts);

    private sealed record Contents(IReadOnlyList<ReleasedField> Fields, IReadOnlyList<WithheldField> Withheld);

    /// <summary>One of several reads: decided, or why it cannot be; and the entry that says so.</summary>
    private sealed record Chosen(Release? Release, LogEntry Entry, VaultException? Refusal);

    /// <summary>A read that was decided: what may be opened, and the entry that must be durable first.</summary>
    private sealed record Release(
        ReadQuery Query, SubjectKeys Keys, SealedRecord Record, Decision Decision, LogEntry Entry, SealedDetail? Detail, string? Refused)
    {
        public IReadOnlyList<FieldPermit> Permits => Refused is null ? Decision.Permits : [];
    }
}
