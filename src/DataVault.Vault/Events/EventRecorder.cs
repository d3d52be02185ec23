using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Appends events. A call is a handful of round trips, however many events it has: customers looked up by blind index, their facts, their keys, and one
/// transaction with the sealed events, the feed queue and one log entry for all. One bad event does not stop the others.
/// </summary>
public sealed class EventRecorder
{
    public const int MaxBatch = 1_000;

    /// <summary>Below this many, handing work to other threads costs more than the sealing.</summary>
    private const int ParallelFrom = 64;

    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly RecordCipher cipher;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly CustomerLookups lookups;

    internal EventRecorder(VaultDatabase database, KeyRegistry keys, RecordCipher cipher, AuditLog log, Decider decider, CustomerLookups lookups) =>
        (this.database, this.keys, this.cipher, this.log, this.decider, this.lookups) = (database, keys, cipher, log, decider, lookups);

    public async Task<EventBatchOutcome> AppendAsync(Recipient recipient, IReadOnlyList<NewEvent> events, Guid requestId, CancellationToken ct)
    {
        if (events.Count is 0 or > MaxBatch) throw VaultException.BadRequest($"1 to {MaxBatch} events.");
        var items = events.Select(item => Prepare(item)).ToList();
        await ResolveAsync(recipient, items, ct);
        var subjects = items.Where(item => item.IsOpen).Select(item => item.Subject).Distinct().ToList();
        var loading = SubjectRows.FindManyAsync(database, subjects, ct);
        var damaged = new List<SubjectId>();
        var held = (await keys.GetManyAsync(subjects, damaged, ct)).ToDictionary(key => key.Subject);
        try
        {
            var records = await loading;
            foreach (var record in records.Values.Where(record => held.ContainsKey(record.Subject)).ToList())
            {
                if (await keys.FitAsync(held[record.Subject], record, database, ct) is { } fitting) records[record.Subject] = fitting;
                else records.Remove(record.Subject);
            }
            foreach (var item in items.Where(item => damaged.Contains(item.Subject))) item.Error ??= VaultException.Damaged();
            foreach (var item in items.Where(item => item.IsOpen)) item.Error ??= Refusal(recipient, item, held, records);
            MarkRepeated(items);
            await DenyAsync(recipient, items, held, requestId, ct);
            await FailAsync(recipient, items, held, requestId, ct);
            foreach (var item in items.Where(item => item.Error?.Slug is VaultException.DamagedSlug)) item.Error = decider.Told(recipient, item.Error!);
            var index = await StoreAsync(recipient, items, held, requestId, ct);
            return new EventBatchOutcome([.. items.Select(item => item.Outcome())], index);
        }
        finally
        {
            foreach (var key in held.Values) key.Dispose();
            foreach (var item in items) item.Draft?.Erase();
        }
    }

    private PendingEvent Prepare(NewEvent item)
    {
        try
        {
            decider.Purpose(item.Purpose);
            return new PendingEvent(item, EventDraft.Read(item, decider.Policy.Events, decider.Clock));
        }
        catch (VaultException e)
        {
            return new PendingEvent(item, null) { Error = e };
        }
    }

    private async Task ResolveAsync(Recipient recipient, List<PendingEvent> items, CancellationToken ct)
    {
        var open = items.Where(item => item.IsOpen).ToList();
        var found = await lookups.FindAsync(recipient, [.. open.Select(item => (item.Item.Customer, item.Item.Purpose))], ct);
        foreach (var (item, result) in open.Zip(found))
        {
            if (result.Error is { } error) item.Error = error;
            else item.Subject = result.Subject;
        }
    }

    private VaultException? Refusal(Recipient recipient, PendingEvent item, Dictionary<SubjectId, SubjectKeys> held, Dictionary<SubjectId, SealedRecord> records)
    {
        if (!held.TryGetValue(item.Subject, out var subject) || !records.TryGetValue(item.Subject, out var record)) return VaultException.NotFound();
        RequestedItem[] wanted = [new(item.Draft!.Type, null)];
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) return VaultException.Damaged();
        // Unknown, erased and out of reach look the same, before anything else is asked.
        if (!decider.CanReach(recipient, item.Subject, facts)) return VaultException.NotFound();
        if (!IsAsWritten(record, subject)) return VaultException.Damaged();
        var decision = decider.Decide(recipient, subject.Subject, AccessAction.Create, item.Item.Purpose, wanted, facts);
        item.Rules = decision.RuleIds;
        return decision.Released && !Decider.IsBound(decision) ? null : VaultException.Forbidden();
    }

    // Facts that somebody changed in the database decide nothing.
    private bool IsAsWritten(SealedRecord record, SubjectKeys held)
    {
        try
        {
            cipher.Verify(record, held);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static void MarkRepeated(List<PendingEvent> items)
    {
        var seen = new HashSet<(SubjectId, Guid)>();
        foreach (var item in items.Where(item => item.IsOpen)) item.IsDuplicate = !seen.Add((item.Subject, item.Draft!.Id));
    }

    private async Task DenyAsync(Recipient recipient, List<PendingEvent> items, Dictionary<SubjectId, SubjectKeys> held, Guid requestId, CancellationToken ct)
    {
        var denied = items.Where(item => item.Draft is not null && item.Error?.Slug is "forbidden" or "not-found").ToList();
        if (denied.Count == 0) return;
        var types = denied.Select(item => AuditLog.ItemCode(item.Draft!.Type)).Distinct().Order().ToArray();
        var entry = log.Entry(EntryType.Denied, recipient, default, denied[0].Item.Purpose, EntryResult.Denied, types, requestId);
        var known = denied.Where(item => held.ContainsKey(item.Subject)).Select(item => held[item.Subject].Tag).ToList();
        await log.AppendAsync(AuditLog.Concerning(entry, known), ct);
    }

    /// <summary>Whose facts cannot be read: nothing is decided about them, and the log says of each that it failed.</summary>
    private async Task FailAsync(Recipient recipient, List<PendingEvent> items, Dictionary<SubjectId, SubjectKeys> held, Guid requestId, CancellationToken ct)
    {
        foreach (var failed in items.Where(item => item.Draft is not null && item.Error?.Slug is VaultException.DamagedSlug).GroupBy(item => item.Subject))
        {
            if (!held.TryGetValue(failed.Key, out var keys)) continue;
            var entry = log.Entry(EntryType.EventAppend, recipient, keys.Tag, failed.First().Item.Purpose, EntryResult.Error, TypesOf([.. failed]), requestId);
            log.Met(null, await log.AppendAsync(entry, null, ct));
        }
    }

    private async Task<long?> StoreAsync(
        Recipient recipient, List<PendingEvent> items, Dictionary<SubjectId, SubjectKeys> held, Guid requestId, CancellationToken ct)
    {
        var open = items.Where(item => item.IsOpen && !item.IsDuplicate).OrderBy(item => item.Subject.Value).ThenBy(item => item.Draft!.Id).ToList();
        if (open.Count == 0) return null;
        var stamp = new BatchStamp(decider.Clock.NewId(), decider.Clock.Now);
        Seal(open, held, stamp);
        return await database.RunAsync(async (connection, transaction) =>
        {
            var staying = await KeepAsync(connection, transaction, open, held, stamp, ct);
            if (staying.Count == 0) return null;
            var stored = await InsertAsync(connection, transaction, staying, stamp, ct);
            foreach (var item in staying) item.IsDuplicate = !stored.Contains((item.Subject, item.Draft!.Id));
            var written = staying.Where(item => !item.IsDuplicate).ToList();
            if (written.Count == 0) return null;
            var entry = log.Entry(EntryType.EventAppend, recipient, default, written[0].Item.Purpose, EntryResult.Ok, TypesOf(written), requestId);
            entry = entry with
            {
                Seal = EventLeaves.Digest(written.Select(item => item.Leaf)),
                Rules = [.. written.SelectMany(item => item.Rules).Distinct().Order(StringComparer.Ordinal)],
            };
            return (long?)await log.AppendWithinAsync(connection, transaction, [AuditLog.Concerning(entry, written.Select(item => held[item.Subject].Tag))], ct);
        }, ct);
    }

    private static int[] TypesOf(List<PendingEvent> items) => [.. items.Select(item => AuditLog.ItemCode(item.Draft!.Type)).Distinct().Order()];

    // A person's keys are not for several threads at once, so work is shared out by person.
    private void Seal(List<PendingEvent> open, Dictionary<SubjectId, SubjectKeys> held, BatchStamp stamp)
    {
        var people = open.GroupBy(item => item.Subject).ToList();
        void SealOne(IGrouping<SubjectId, PendingEvent> person)
        {
            foreach (var item in person) item.Take(Seal(item.Draft!, held[person.Key]), held[person.Key].KeyVersion, stamp);
        }
        if (open.Count < ParallelFrom) people.ForEach(SealOne);
        else Parallel.ForEach(people, SealOne);
    }

    private byte[] Seal(EventDraft draft, SubjectKeys held)
    {
        var content = EventContent.Encode(draft.Source, draft.Utf8Properties);
        var value = cipher.SealEvent(held, draft.Type, draft.Id, content);
        CryptographicOperations.ZeroMemory(content);
        return value;
    }

    // INVARIANT: an erasure deletes the record first; whoever was erased since the look-up gets no event behind it.
    // Whose key was renewed since gets events that are sealed under the new one: what is written under an older one would be lost with it.
    private async Task<List<PendingEvent>> KeepAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, List<PendingEvent> open, Dictionary<SubjectId, SubjectKeys> held, BatchStamp stamp, CancellationToken ct)
    {
        var kept = await SubjectRows.KeepAsync(connection, transaction, open.Select(item => item.Subject).Distinct(), ct);
        foreach (var item in open.Where(item => !kept.ContainsKey(item.Subject))) item.Error = VaultException.NotFound();
        var staying = open.Where(item => item.IsOpen).ToList();
        var renewed = staying.Where(item => item.KeyVersion != kept[item.Subject]).ToList();
        foreach (var subject in renewed.Select(item => item.Subject).Distinct()) await keys.MatchAsync(held[subject], kept[subject], ct);
        Seal(renewed, held, stamp);
        return staying;
    }

    private async Task<HashSet<(SubjectId, Guid)>> InsertAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, List<PendingEvent> open, BatchStamp stamp, CancellationToken ct)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(Insert(open, stamp));
        batch.BatchCommands.Add(FeedQueue.Enqueue(open.Select(item => item.Subject), decider.Clock.Now));
        await using var reader = await batch.ExecuteReaderAsync(ct);
        var stored = new HashSet<(SubjectId, Guid)>(open.Count);
        while (await reader.ReadAsync(ct)) stored.Add((new SubjectId(reader.GetGuid(0)), reader.GetGuid(1)));
        return stored;
    }

    private static NpgsqlBatchCommand Insert(List<PendingEvent> open, BatchStamp stamp) => new(
        """
        insert into vault.event (subject_id, event_id, event_type, occurred_at, recorded_at, key_version, sealed, batch)
        select u.subject_id, u.event_id, u.event_type, u.occurred_at, $7, u.key_version, u.sealed, $8
        from unnest($1, $2, $3, $4, $5, $6) as u(subject_id, event_id, event_type, occurred_at, key_version, sealed)
        on conflict (subject_id, event_id) do nothing returning subject_id, event_id
        """)
    {
        Parameters =
        {
            new NpgsqlParameter<Guid[]> { TypedValue = [.. open.Select(item => item.Subject.Value)] },
            new NpgsqlParameter<Guid[]> { TypedValue = [.. open.Select(item => item.Draft!.Id)] },
            new NpgsqlParameter<int[]> { TypedValue = [.. open.Select(item => item.Draft!.Type.Id)] },
            new NpgsqlParameter<DateTime[]> { TypedValue = [.. open.Select(item => item.Draft!.OccurredAt.UtcDateTime)] },
            new NpgsqlParameter<int[]> { TypedValue = [.. open.Select(item => item.KeyVersion)] },
            new NpgsqlParameter<byte[][]> { TypedValue = [.. open.Select(item => item.Sealed)] },
            new NpgsqlParameter<DateTime> { TypedValue = stamp.RecordedAt.UtcDateTime },
            new NpgsqlParameter<Guid> { TypedValue = stamp.Batch },
        },
    };

    /// <summary>What all events of one call share.</summary>
    private readonly record struct BatchStamp(Guid Batch, DateTimeOffset RecordedAt);

    /// <summary>One event on its way: what came, what was made of it, and what stopped it.</summary>
    private sealed class PendingEvent(NewEvent item, EventDraft? draft)
    {
        public NewEvent Item => item;

        public EventDraft? Draft => draft;

        public SubjectId Subject { get; set; }

        public VaultException? Error { get; set; }

        public bool IsDuplicate { get; set; }

        public IReadOnlyList<string> Rules { get; set; } = [];

        public byte[] Sealed { get; private set; } = [];

        public int KeyVersion { get; private set; }

        public byte[] Leaf { get; private set; } = [];

        public bool IsOpen => Error is null;

        public void Take(byte[] value, int keyVersion, BatchStamp stamp) =>
            (Sealed, KeyVersion, Leaf) = (value, keyVersion, EventLeaves.Of(Subject, draft!.Id, draft.Type.Id, draft.OccurredAt, stamp.RecordedAt, value));

        public EventOutcome Outcome() => Error is not null
            ? new EventOutcome(EventStatus.Failed, item.Id, null, Error)
            : new EventOutcome(IsDuplicate ? EventStatus.Duplicate : EventStatus.Stored, draft!.Id, Subject);
    }
}
