using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>Finds customers by what is known of them, and shows of those found what the policy allows.</summary>
public sealed class CustomerSearch
{
    public const int MaxFound = 100;

    private const string OutOfReach = "out-of-reach";

    private readonly VaultDatabase database;
    private readonly DisclosureGate gate;
    private readonly CandidateFinder finder;
    private readonly AuditLog log;
    private readonly Decider decider;
    private readonly ReleaseTerms terms;

    internal CustomerSearch(VaultDatabase database, DisclosureGate gate, CandidateFinder finder, AuditLog log, Decider decider, ReleaseTerms terms) =>
        (this.database, this.gate, this.finder, this.log, this.decider, this.terms) = (database, gate, finder, log, decider, terms);

    /// <summary>
    /// Finds over blind indexes: every condition must hold. Being allowed to search says nothing of what is shown of those found.
    /// The search is an entry, and so is each record shown; of who shares a bucket and does not match, nothing leaves and nothing is counted.
    /// </summary>
    /// <exception cref="VaultException">invalid-fields when no index answers, invalid-request when too many match, unavailable.</exception>
    public async Task<SearchOutcome> SearchAsync(
        Recipient recipient, string purpose, IReadOnlyDictionary<string, SearchCondition> where, IReadOnlyList<RequestedItem>? items, int limit, Guid requestId, CancellationToken ct,
        string? justification = null)
    {
        var named = decider.Purpose(purpose);
        if (limit is < 1 or > MaxFound) throw VaultException.BadRequest($"The limit is between 1 and {MaxFound}.");
        var conditions = SubjectSearch.Read(where, decider.Policy.Catalogue);
        int[] fields = [.. conditions.Keys.Select(AuditLog.ItemCode)];
        if (conditions.Keys.FirstOrDefault(field => !decider.Policy.Decisions.CouldPermit(recipient, AccessAction.Search, purpose, field)) is { } refused)
        {
            var reason = decider.Decide(recipient, default, AccessAction.Search, purpose, [new(refused, null)], DecisionFacts.None).OverallReason;
            var denial = log.Entry(EntryType.Denied, recipient, default, purpose, EntryResult.Denied, fields, requestId);
            return new SearchOutcome([], await log.AppendAsync(denial, null, ct), reason ?? Reasons.NotPermitted);
        }

        if (terms.Stopped(recipient, purpose) is { } wait) throw await RefusedAsync(VaultException.BudgetExhausted(wait));
        if (ReleaseTerms.ReasonProblem(recipient, named, justification) is { } problem) throw await RefusedAsync(problem);
        var hidden = new List<SubjectId>();
        var found = await FindAsync();
        if (found.Count > limit) throw await TooManyAsync();
        var queries = found.Select(record => new ReadQuery(recipient, record.Subject, purpose, items, Provenance: false, requestId, justification) { OfMany = true }).ToList();
        var entry = await finder.ConcerningAsync(HiddenEntry(log.Entry(EntryType.Search, recipient, default, purpose, EntryResult.Ok, fields, requestId), hidden), hidden, ct);
        bool MayFind(DisclosureGate.DecidedFacts at) => finder.Permits(recipient, purpose, at, [.. conditions.Keys]) is not null;
        var (index, results) = await gate.ReadAllAsync(queries, Task.FromResult(found.ToDictionary(record => record.Subject)), MayFind, new DisclosureGate.FirstEntry(entry, [.. conditions.Keys]), ct);
        return new SearchOutcome([.. results.Select(result => result.Value).OfType<Disclosure>()], index);

        // That too many would have to be looked at is an answer too.
        async Task<List<SealedRecord>> FindAsync()
        {
            try
            {
                return await finder.FindAsync(recipient, purpose, conditions, limit, hidden, ct);
            }
            catch (VaultException e) when (e.Slug == "invalid-request")
            {
                throw await RefusedAsync(e);
            }
        }

        // That so many match is told of each of them: it is in the log, seen where somebody is planted, and out of the budget, as if they were shown.
        async Task<VaultException> TooManyAsync()
        {
            var matched = found.ConvertAll(record => record.Subject);
            var wait = await terms.CountFoundAsync(recipient, named, matched, [.. conditions.Keys], requestId, ct);
            var denial = log.Entry(EntryType.Denied, recipient, default, purpose, EntryResult.Denied, fields, requestId) with { Rules = wait is null ? [] : [ReleaseTerms.StoppedRule] };
            var pending = await finder.ConcerningAsync(denial, matched, ct);
            await database.RunAsync((connection, transaction) => log.AppendWithinAsync(connection, transaction, [pending], ct), ct);
            return wait is { } left ? VaultException.BudgetExhausted(left) : VaultException.BadRequest("More customers match than were asked for; search by something narrower.");
        }

        async Task<VaultException> RefusedAsync(VaultException refusal)
        {
            await log.AppendAsync(log.Entry(EntryType.Denied, recipient, default, purpose, EntryResult.Denied, fields, requestId), null, ct);
            return refusal;
        }
    }

    // Whom the recipient does not reach is told apart in the log.
    private static LogEntry HiddenEntry(LogEntry entry, List<SubjectId> hidden) => hidden.Count == 0 ? entry : entry with { Rules = [OutOfReach] };
}

/// <summary>
/// Finds whose terms match, and opens what was searched by to see whose value does. Opened is against permits to search,
/// so what may not be searched by is not opened, and it is forgotten at once.
/// </summary>
internal sealed class CandidateFinder(VaultDatabase database, IndexPlans plans, KeyRegistry keys, RecordCipher cipher, Decider decider, VaultOptions options)
{
    /// <summary>
    /// Those who match; one more than <paramref name="limit"/> may be among them. Whoever is out of reach counts for nothing, no limit included; of a search by
    /// whole values they are told apart in <paramref name="hidden"/>, for the log.
    /// </summary>
    public Task<List<SealedRecord>> FindAsync(
        Recipient recipient, string purpose, Dictionary<FieldDefinition, SearchCondition> conditions, int limit, List<SubjectId> hidden, CancellationToken ct) =>
        plans.WithPlanAsync(
            async plan =>
            {
                hidden.Clear();
                var search = SubjectSearch.Over(plan, conditions);
                if (!decider.ReachesEverybody(recipient)) return await FindReachedAsync(recipient, purpose, search, limit, hidden, ct);
                // Opened even where the term is the whole value: a row of the index that somebody pointed at another person must not find that person.
                if (search.IsExact) return await KeepMatchesAsync(recipient, purpose, search, await search.FindAsync(database, limit, ct), ct);
                var candidates = await search.FindAsync(database, options.SearchCandidates, ct);
                if (candidates.Count > options.SearchCandidates) throw TooMany();
                return await KeepMatchesAsync(recipient, purpose, search, candidates, ct);
            },
            ct);

    /// <summary>The entry of a search says of whom it has, or would have, found. It stays one entry, for whoever counts those.</summary>
    public async Task<PendingEntry> ConcerningAsync(LogEntry entry, List<SubjectId> people, CancellationToken ct)
    {
        if (people.Count == 0) return new PendingEntry(entry, null);
        var held = await keys.GetManyAsync([.. people.Distinct()], ct);
        try
        {
            return AuditLog.Concerning(entry, [.. held.Select(key => key.Tag)]);
        }
        finally
        {
            foreach (var key in held) key.Dispose();
        }
    }

    private async Task<List<SealedRecord>> FindReachedAsync(
        Recipient recipient, string purpose, SubjectSearch search, int limit, List<SubjectId> hidden, CancellationToken ct)
    {
        bool IsReached(SealedRecord record)
        {
            var reached = FactsCodec.TryDecode(record.Facts, out var facts) && decider.CanReach(recipient, record.Subject, facts);
            if (!reached && search.IsExact) hidden.Add(record.Subject);
            return reached;
        }

        var most = search.IsExact ? Math.Max(limit, options.SearchCandidates) : options.SearchCandidates;
        var candidates = await search.FindAmongAsync(database, most, IsReached, ct);
        if (candidates.Count > most) throw TooMany();
        return await KeepMatchesAsync(recipient, purpose, search, candidates, ct);
    }

    private VaultException TooMany() =>
        VaultException.BadRequest($"More than {options.SearchCandidates} customers would have to be looked at; search by something narrower, or by a further field.");

    /// <summary>Permits to search by all of these fields of one person; null when not all may be.</summary>
    public IReadOnlyList<FieldPermit>? Permits(Recipient recipient, string purpose, DisclosureGate.DecidedFacts at, IReadOnlyList<FieldDefinition> fields)
    {
        var decision = decider.Decide(recipient, at.Subject, AccessAction.Search, purpose, [.. fields.Select(field => new RequestedItem(field, null))], at.Facts);
        return decision.Permits.Count == fields.Count && !Decider.IsBound(decision) ? decision.Permits : null;
    }

    private async Task<List<SealedRecord>> KeepMatchesAsync(Recipient recipient, string purpose, SubjectSearch search, List<SealedRecord> candidates, CancellationToken ct)
    {
        var held = await HoldAsync(candidates, ct);
        try
        {
            return [.. candidates.Where(record => held.TryGetValue(record.Subject, out var key) && IsMatch(recipient, purpose, search, record, key))];
        }
        finally
        {
            foreach (var key in held.Values) key.Dispose();
        }
    }

    private async Task<Dictionary<SubjectId, SubjectKeys>> HoldAsync(List<SealedRecord> candidates, CancellationToken ct)
    {
        try
        {
            return await IndexedValues.HoldAsync(keys, candidates, ct);
        }
        catch (StaleKeyException)
        {
            // The rows are older than the keys: search again, as when the plan has changed.
            throw new StaleIndexPlanException();
        }
    }

    // What cannot be read is kept: reading it says so in the log, and shows nothing.
    private bool IsMatch(Recipient recipient, string purpose, SubjectSearch search, SealedRecord record, SubjectKeys key)
    {
        if (!FactsCodec.TryDecode(record.Facts, out var facts)) return true;
        try
        {
            cipher.Verify(record, key);
            if (Permits(recipient, purpose, new(record.Subject, facts), search.Fields) is not { } permits) return false;
            using var opened = cipher.Open(record, key, permits);
            return search.IsMetBy(opened);
        }
        catch (CryptographicException)
        {
            return true;
        }
    }
}
