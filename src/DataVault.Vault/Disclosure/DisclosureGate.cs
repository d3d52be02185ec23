using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>
/// The one door through which plaintext leaves:
/// <code>
/// load facts and sealed record, one round trip  ->  decide, pure  ->  open what permits name, apply forms  ->  append to the log  ->  release
/// </code>
/// INVARIANT: nothing is returned whose entry is not durable; a crash in between leaves "logged and not released". Denials are entries too.
/// The entry comes after the opening so that it names what is released and nothing else; what it cannot follow is erased.
/// What a rule or the purpose asks for beyond that (<see cref="ReleaseTerms"/>) is durable together with the entry, or nothing is released.
/// INVARIANT: unknown, erased and out of reach look the same from outside; and to whom nothing of anybody could be shown for the purpose, whoever is there too.
/// </summary>
public sealed class DisclosureGate
{
    public const int MaxSubjects = 1_000;
    public const int MaxEvents = 500;

    private readonly VaultDatabase database;
    private readonly KeyRegistry keys;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly ReleaseTerms terms;
    private readonly ReleaseOpening opening;

    internal DisclosureGate(VaultDatabase database, KeyRegistry keys, AuditLog log, Decider decider, ReleaseTerms terms, ReleaseOpening opening) =>
        (this.database, this.keys, this.log, this.decider, this.terms, this.opening) = (database, keys, log, decider, terms, opening);

    /// <exception cref="VaultException">
    /// not-found, unknown-purpose, what <see cref="ReleaseTerms"/> refuses, or unavailable when the entry cannot be made durable.
    /// </exception>
    public async Task<Disclosure> ReadAsync(ReadQuery query, CancellationToken ct)
    {
        decider.Purpose(query.Purpose);
        var loading = SubjectRows.FindAsync(database, query.Subject, ct);
        using var held = await FindKeysAsync(query.Subject, loading, ct);
        var record = await FitAsync(held, await loading, ct);
        if (IsHopeless(query)) throw await ForbiddenAsync(query, held, ct);
        if (held is null || record is null || OutOfReach(query.Recipient, query.Subject)) throw await NotFoundAsync(query, held, ct);
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) throw decider.Told(query.Recipient, await log.FailedAsync(Failure(query, held.Tag, EntryType.FieldRead), null, ct));
        if (!decider.CanReach(query.Recipient, query.Subject, facts)) throw await NotFoundAsync(query, held, ct);
        var decided = Decide(query, held, record, facts);
        if (opening.TryOpen(decided, out var broken) is not { } contents) throw await BrokenAsync(decided, EntryType.FieldRead, broken!, ct);
        return await DurableAsync(contents.Fields, async () =>
        {
            var release = await terms.CountAsync(terms.Draft(decided with { Shown = contents.Shown }, EntryType.FieldRead), ct);
            return Compose(release, contents, await terms.AppendAsync(release, ct));
        });
    }

    /// <summary>Up to 1,000 subjects: one round trip for the rows, one for the keys, one transaction for an entry each.</summary>
    public async Task<IReadOnlyList<ItemResult<Disclosure>>> ReadManyAsync(
        Recipient recipient, IReadOnlyList<SubjectId> subjects, string purpose, IReadOnlyList<RequestedItem>? items, bool provenance, Guid requestId, CancellationToken ct,
        string? justification = null)
    {
        decider.Purpose(purpose);
        if (subjects.Count is 0 or > MaxSubjects) throw VaultException.BadRequest($"1 to {MaxSubjects} customers.");
        var queries = subjects.Select(subject => new ReadQuery(recipient, subject, purpose, items, provenance, requestId, justification) { OfMany = true }).ToList();
        var loading = SubjectRows.FindManyAsync(database, [.. subjects.Distinct()], ct);
        return (await ReadAllAsync(queries, loading, static _ => true, null, ct)).Results;
    }

    /// <summary>A page of a customer's events, newest first; one entry per page.</summary>
    public async Task<EventPage> ReadEventsAsync(
        Recipient recipient, SubjectId subject, string purpose, IReadOnlyList<EventTypeDefinition>? types, int limit, string? cursor, Guid requestId, CancellationToken ct,
        string? justification = null, Guid? approval = null)
    {
        decider.Purpose(purpose);
        if (limit is < 1 or > MaxEvents) throw VaultException.BadRequest($"The limit is between 1 and {MaxEvents}.");
        var position = EventCursor.Parse(cursor);
        RequestedItem[] items = [.. (types ?? decider.Policy.Events.Types).Distinct().Select(type => new RequestedItem(type, null))];
        var query = new ReadQuery(recipient, subject, purpose, items, Provenance: false, requestId, justification, approval);
        var loading = SubjectRows.FindAsync(database, subject, ct);
        using var held = await FindKeysAsync(subject, loading, ct);
        var record = await FitAsync(held, await loading, ct);
        if (IsHopeless(query)) throw await ForbiddenAsync(query, held, ct);
        if (held is null || record is null || OutOfReach(recipient, subject)) throw await NotFoundAsync(query, held, ct);
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) throw decider.Told(query.Recipient, await log.FailedAsync(Failure(query, held.Tag, EntryType.EventRead), null, ct));
        if (!decider.CanReach(query.Recipient, query.Subject, facts)) throw await NotFoundAsync(query, held, ct);
        var decided = Decide(query, held, record, facts);
        var rows = decided.Permits.Count == 0 ? [] : await EventRows.PageAsync(database, subject, decided.Permits, limit + 1, position, ct);
        await keys.HoldAsync(held, rows.Select(row => row.Sealed), ct);
        var page = rows.Count > limit ? rows[..limit] : rows;
        if (opening.TryOpenEvents(decided, page, out var broken) is not { } events) throw await BrokenAsync(decided, EntryType.EventRead, broken!, ct);
        return await DurableAsync(events, async () =>
        {
            var shown = page.Select(row => row.TypeId).ToHashSet();
            var release = terms.Draft(decided with { Shown = [.. decided.Permits.Where(permit => shown.Contains(permit.Item.Id))] }, EntryType.EventRead);
            release = await terms.CountAsync(release, ct);
            var index = await terms.AppendAsync(release, ct);
            return new EventPage(events, ReleaseOpening.WithheldOf(release, release.Permits), rows.Count > limit ? EventCursor.Of(page[^1]) : null, index, release.Refused);
        });
    }

    /// <summary>
    /// Reads all of them; the entries are appended in one go, after the one given first, and nothing is released before they are durable.
    /// Those that the filter drops are as if not there. Returns the index of the first entry.
    /// </summary>
    internal async Task<(long FirstIndex, IReadOnlyList<ItemResult<Disclosure>> Results)> ReadAllAsync(
        IReadOnlyList<ReadQuery> queries, Task<Dictionary<SubjectId, SealedRecord>> loading, Func<DecidedFacts, bool> filter, FirstEntry? first, CancellationToken ct)
    {
        var held = (await keys.GetManyAsync([.. queries.Select(query => query.Subject).Distinct()], ct)).ToDictionary(key => key.Subject);
        try
        {
            var records = await loading;
            foreach (var key in held.Values) await FitAsync(key, records, ct);
            var chosen = queries.Select(query => Choose(query, held.GetValueOrDefault(query.Subject), records.GetValueOrDefault(query.Subject), filter)).ToList();
            return await DurableAsync(chosen.Select(one => one.Contents).OfType<Contents>(), async () =>
            {
                var reads = chosen.ConvertAll(one => (one.Entry, one.Release));
                await terms.CountAllAsync(reads, first?.Items ?? [], ct);
                var index = await terms.AppendAllAsync(reads, first?.Entry, ct);
                var at = first is null ? index : index + 1;
                return (index, (IReadOnlyList<ItemResult<Disclosure>>)[.. chosen.Select((one, i) => Result(one, at + i))]);
            });
        }
        finally
        {
            foreach (var key in held.Values) key.Dispose();
        }
    }

    /// <summary>What was opened is erased when its entry cannot be made.</summary>
    private static async Task<T> DurableAsync<T>(IEnumerable<IDisposable> opened, Func<Task<T>> log)
    {
        try
        {
            return await log();
        }
        catch
        {
            foreach (var one in opened) one.Dispose();
            throw;
        }
    }

    private Chosen Choose(ReadQuery query, SubjectKeys? held, SealedRecord? record, Func<DecidedFacts, bool> filter)
    {
        Chosen Hidden() => new(null, new PendingEntry(Denial(query, held?.Tag ?? default), null), VaultException.NotFound());
        if (IsHopeless(query)) return new(null, new PendingEntry(Hopeless(query, held?.Tag ?? default), null), VaultException.Forbidden());
        if (held is null || record is null || OutOfReach(query.Recipient, query.Subject)) return Hidden();
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) return new Chosen(null, new PendingEntry(Failure(query, held.Tag, EntryType.FieldRead), null), decider.Told(query.Recipient, VaultException.Damaged()));
        if (!decider.CanReach(query.Recipient, query.Subject, facts) || !filter(new(query.Subject, facts))) return Hidden();
        var decided = Decide(query, held, record, facts);
        if (opening.TryOpen(decided, out var broken) is not { } contents)
        {
            return new Chosen(null, new PendingEntry(AuditLog.Failed(Attempt(decided, EntryType.FieldRead)), null), VaultException.Damaged(broken)) { Broken = broken };
        }

        var release = terms.Draft(decided with { Shown = contents.Shown }, EntryType.FieldRead);
        return new Chosen(release, release.Entry, null) { Contents = contents };
    }

    private ItemResult<Disclosure> Result(Chosen chosen, long index)
    {
        if (chosen.Entry.Entry.Result == EntryResult.Error) log.Met(chosen.Broken, index);
        if (chosen.Release is { Problem: null } release) return new(Compose(release, chosen.Contents!, index));
        return new(chosen.Refusal ?? chosen.Release!.Problem!);
    }

    /// <summary>Decided, and not yet drafted: the entry waits for what is shown.</summary>
    private Release Decide(ReadQuery query, SubjectKeys held, SealedRecord record, DecisionFacts facts)
    {
        var decision = decider.Decide(query.Recipient, query.Subject, AccessAction.Read, query.Purpose, query.Items, facts);
        var refusal = decision.Released ? terms.Refuse(query, decision) : null;
        return new Release(query, held, record, decision, null!, refusal?.Reason ?? decision.OverallReason) { Problem = refusal?.Problem };
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

    private async Task<VaultException> ForbiddenAsync(ReadQuery query, SubjectKeys? held, CancellationToken ct)
    {
        await log.AppendAsync(Hopeless(query, held?.Tag ?? default), null, ct);
        return VaultException.Forbidden();
    }

    /// <summary>Whether nothing of what is asked could be shown to the recipient for the purpose, whoever the person is.</summary>
    private bool IsHopeless(ReadQuery query)
    {
        var decisions = decider.Policy.Decisions;
        if (query.Items is null)
        {
            foreach (var field in decider.Policy.Catalogue.Fields)
            {
                if (decisions.CouldPermit(query.Recipient, AccessAction.Read, query.Purpose, field)) return false;
            }

            return true;
        }

        foreach (var asked in query.Items)
        {
            if (decisions.CouldPermit(query.Recipient, AccessAction.Read, query.Purpose, asked.Item)) return false;
        }

        return true;
    }

    // What was decided of nobody in particular: the entry alone says about whom it was asked.
    private LogEntry Hopeless(ReadQuery query, ReadOnlyMemory<byte> tag)
    {
        var decision = decider.Decide(query.Recipient, query.Subject, AccessAction.Read, query.Purpose, query.Items, DecisionFacts.None);
        return log.Entry(EntryType.Denied, query.Recipient, tag, query.Purpose, EntryResult.Denied, Decider.LogIds(decision.Items), query.RequestId) with { Rules = decision.RuleIds };
    }

    private LogEntry Denial(ReadQuery query, ReadOnlyMemory<byte> tag) => Refused(query, tag, EntryType.Denied, EntryResult.Denied);

    /// <summary>Nothing could be decided: the facts cannot be read.</summary>
    private LogEntry Failure(ReadQuery query, ReadOnlyMemory<byte> tag, EntryType type) => Refused(query, tag, type, EntryResult.Error);

    private LogEntry Refused(ReadQuery query, ReadOnlyMemory<byte> tag, EntryType type, EntryResult result) =>
        log.Entry(type, query.Recipient, tag, query.Purpose, result, [.. (query.Items ?? []).Select(item => AuditLog.ItemCode(item.Item))], query.RequestId);

    private Task<VaultException> BrokenAsync(Release release, EntryType type, CryptographicException cause, CancellationToken ct) => log.FailedAsync(Attempt(release, type), cause, ct);

    /// <summary>Of what does not open: all that would have been shown.</summary>
    private LogEntry Attempt(Release release, EntryType type) => terms.Draft(release with { Shown = release.Permits }, type).Entry.Entry;

    /// <summary>The entry of the act that the reads belong to, such as a search, and what each person read has thereby been found by.</summary>
    internal sealed record FirstEntry(PendingEntry Entry, IReadOnlyList<CatalogueItem> Items);

    internal readonly record struct DecidedFacts(SubjectId Subject, DecisionFacts Facts);

    /// <summary>One of several reads: decided, or why it cannot be; and the entry that says so.</summary>
    private sealed record Chosen(Release? Release, PendingEntry Entry, VaultException? Refusal)
    {
        /// <summary>What was opened of a release.</summary>
        public Contents? Contents { get; init; }

        public CryptographicException? Broken { get; init; }
    }
}
