using System.Collections;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>Whose misuse is looked into; at least one of the members narrows.</summary>
public sealed record ImpactQuery
{
    public const int MaxLimit = 1000;

    /// <summary>Credential (client or account id), name of an application or role, or a tag as 32 hex digits.</summary>
    public string? Actor { get; init; }

    public string? Purpose { get; init; }

    public DateTimeOffset? From { get; init; }

    public DateTimeOffset? Until { get; init; }
}

/// <summary>A field or event type that was disclosed.</summary>
/// <param name="Disclosures">Entries that name it.</param>
/// <param name="People">Persons of whom it was disclosed.</param>
public sealed record ImpactItem(string Name, string Category, bool Special, long Disclosures, long People);

/// <summary>A category of personal data.</summary>
public sealed record ImpactCategory(string Name, bool Special, long People);

/// <summary>What somebody saw, changed and was refused, from the log as it stood at <paramref name="Size"/> entries.</summary>
/// <param name="Disclosures">Entries by which something left the vault in a readable form.</param>
/// <param name="Unattributed">Those among them that name no person: lists and figures.</param>
/// <param name="People">Distinct persons whose data was disclosed.</param>
/// <param name="ErasedSince">Those among them who were erased since: nothing of them can be read in the vault any more; what was disclosed was.</param>
/// <param name="SpecialPeople">Persons of whom a special category was disclosed.</param>
public sealed record ImpactReport(
    long Size, DateTimeOffset? First, DateTimeOffset? Last, long Disclosures, long Unattributed, long Searches, long Changes, long Denied,
    long People, long ErasedSince, long SpecialPeople, IReadOnlyList<ImpactItem> Items, IReadOnlyList<ImpactCategory> Categories,
    IReadOnlyList<AuditCount> Types, IReadOnlyList<AuditCount> Purposes, IReadOnlyList<AuditCount> Days);

/// <summary>A person concerned.</summary>
/// <param name="Customer">Who it is; null when nobody asked, or the person was erased: the tag leads nowhere then.</param>
public sealed record ImpactPerson(
    string Tag, SubjectId? Customer, bool Erased, long Disclosures, DateTimeOffset First, DateTimeOffset Last, IReadOnlyList<string> Items, bool Special);

/// <summary>In the order of the tags, which is none that means anything.</summary>
public sealed record ImpactPage(IReadOnlyList<ImpactPerson> People, string? Next);

/// <summary>
/// What a stolen credential, a person or a stretch of time cost: whom and what it concerned. Read from the index of the log, so it says of whom something was
/// released even when the record is gone; who the people are is found by deriving the tags of those who are still there.
/// </summary>
public sealed class BreachImpact
{
    private const int Chunk = 50_000;

    private static readonly int[] Disclosing = Codes(EntryType.FieldRead, EntryType.EventRead, EntryType.Export, EntryType.RequestRead);
    private static readonly int[] Searching = Codes(EntryType.Search, EntryType.AnalyticsQuery);
    private static readonly int[] Changing = Codes(
        EntryType.RecordWrite, EntryType.RecordDelete, EntryType.EventAppend, EntryType.ConsentChange, EntryType.EraseRequest, EntryType.EraseExecuted);

    private readonly AuditReader reader;
    private readonly LogSearch search;
    private readonly ReaderNames names;
    private readonly TagResolver resolver;
    private readonly PolicySet policy;

    internal BreachImpact(AuditReader reader, VaultDatabase database, ReaderNames names, TagResolver resolver, PolicySet policy) =>
        (this.reader, search, this.names, this.resolver, this.policy) = (reader, new LogSearch(database), names, resolver, policy);

    /// <exception cref="VaultException">Nothing narrows.</exception>
    public async Task<ImpactReport> ReportAsync(ImpactQuery query, CancellationToken ct = default)
    {
        var filter = await FilterAsync(query, ct);
        return await search.ReadAsync(async connection =>
        {
            var range = await LogSearch.RangeAsync(connection, query.From, query.Until, ct);
            var counts = await LogSearch.CountAsync(connection, filter, range, ct);
            var disclosed = filter with { Types = Disclosing, Result = (short)EntryResult.Ok };
            var hits = await HitsAsync(connection, disclosed, range, ct);
            var days = (await LogSearch.CountAsync(connection, disclosed, range, ct)).Days;
            var (first, last) = (await EdgeAsync(connection, disclosed, range, true, ct), await EdgeAsync(connection, disclosed, range, false, ct));
            return Report(counts, hits, await PeopleAsync(connection, hits, ct), days, (first, last, await UnattributedAsync(connection, hits, ct)));
        }, ct);
    }

    /// <param name="resolve">Whether to find out who the people are: every person's tag is derived until all are found, seconds for a million.</param>
    /// <exception cref="VaultException">Nothing narrows, or the limit or the cursor is not valid.</exception>
    public async Task<ImpactPage> PeopleAsync(ImpactQuery query, bool resolve, int limit, string? cursor, CancellationToken ct = default)
    {
        if (limit is < 1 or > ImpactQuery.MaxLimit) throw VaultException.BadRequest($"The limit is between 1 and {ImpactQuery.MaxLimit}.");
        return await PageAsync(query, resolve, limit, cursor, ct);
    }

    /// <summary>All of them, in chunks so large that who they are is looked up few times.</summary>
    public async IAsyncEnumerable<ImpactPerson> ExportAsync(
        ImpactQuery query, bool resolve, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct = default)
    {
        for (string? cursor = null; ;)
        {
            var page = await PageAsync(query, resolve, Chunk, cursor, ct);
            foreach (var person in page.People) yield return person;
            if (page.Next is null) yield break;
            cursor = page.Next;
        }
    }

    private async Task<ImpactPage> PageAsync(ImpactQuery query, bool resolve, int limit, string? cursor, CancellationToken ct)
    {
        var after = cursor is null ? Guid.Empty : ReaderNames.TryTag(cursor) ?? throw VaultException.BadRequest("The cursor is not valid.");
        var disclosed = await FilterAsync(query, ct) with { Types = Disclosing, Result = (short)EntryResult.Ok };
        var found = await search.ReadAsync(async connection =>
        {
            var range = await LogSearch.RangeAsync(connection, query.From, query.Until, ct);
            return await ListAsync(connection, await HitsAsync(connection, disclosed, range, ct), after, limit + 1, ct);
        }, ct);
        var shown = found.Take(limit).ToList();
        var next = found.Count > limit ? EntryShape.Hex(shown[^1].Tag) : null;
        var who = resolve && shown.Count > 0 ? await resolver.FindAsync([.. shown.Where(person => !person.Erased).Select(person => person.Tag)], ct) : [];
        return new ImpactPage([.. shown.Select(person => Person(person, who))], next);
    }

    private static int[] Codes(params EntryType[] types) => Array.ConvertAll(types, type => (int)type);

    private async Task<EntryFilter> FilterAsync(ImpactQuery query, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(query);
        if (query is { Actor: null, Purpose: null, From: null, Until: null }) throw VaultException.BadRequest("Name an actor, a purpose or a time.");
        await reader.CatchUpAsync(ct);
        return new EntryFilter { Purpose = query.Purpose, Actors = query.Actor is { } actor ? await names.ActorsAsync(actor, ct) : null };
    }

    /// <summary>Which shapes disclose, and which of their items are which bit: what a person lost is one string of bits, however many entries there are.</summary>
    private static async Task<ImpactHits> HitsAsync(NpgsqlConnection connection, EntryFilter disclosed, EntryRange range, CancellationToken ct)
    {
        var codes = await LogSearch.ShapesAsync(connection, disclosed, ct) ?? [];
        await using var command = new NpgsqlCommand("select code, items from audit.shape where code = any($1)", connection);
        LogSearch.Add(command, codes, NpgsqlDbType.Array | NpgsqlDbType.Integer);
        var shapes = await Rows.ReadAsync(command, row => (Code: row.GetInt32(0), Items: row.GetFieldValue<int[]>(1)), ct);
        return new ImpactHits(range, shapes, [.. shapes.SelectMany(shape => shape.Items).Distinct().Order()]);
    }

    private static async Task<List<ImpactGroup>> PeopleAsync(NpgsqlConnection connection, ImpactHits hits, CancellationToken ct)
    {
        if (hits.IsEmpty) return [];
        await using var command = hits.Command(
            connection,
            """
            , person as (select subject, bit_or(mask) as mask from hit join shape using (code) group by subject)
            select mask, count(*), count(g.subject) from person left join gone g using (subject) group by mask
            """);
        return await Rows.ReadAsync(command, row => new ImpactGroup(row.GetFieldValue<BitArray>(0), row.GetInt64(1), row.GetInt64(2)), ct);
    }

    private static async Task<List<FoundPerson>> ListAsync(NpgsqlConnection connection, ImpactHits hits, Guid after, int count, CancellationToken ct)
    {
        if (hits.IsEmpty) return [];
        await using var command = hits.Command(
            connection,
            """
            , person as (
                select subject, bit_or(mask) as mask, count(*) as n, min(index) as first, max(index) as last from hit join shape using (code)
                where subject > $5 group by subject order by subject limit $6)
            select p.subject, p.mask, p.n, f.at, l.at, exists (select from gone g where g.subject = p.subject) from person p
            join audit.entry_index f on f.index = p.first join audit.entry_index l on l.index = p.last order by p.subject
            """);
        LogSearch.Add(command, after, NpgsqlDbType.Uuid);
        LogSearch.Add(command, count, NpgsqlDbType.Integer);
        return await Rows.ReadAsync(command, row => new FoundPerson(
            row.GetGuid(0), hits.ItemsOf(row.GetFieldValue<BitArray>(1)), row.GetInt64(2), row.GetDateTime(3), row.GetDateTime(4), row.GetBoolean(5)), ct);
    }

    private static async Task<DateTimeOffset?> EdgeAsync(NpgsqlConnection connection, EntryFilter disclosed, EntryRange range, bool oldest, CancellationToken ct)
    {
        if (await LogSearch.FindAsync(connection, disclosed, range, oldest, 1, ct) is not [var index]) return null;
        await using var command = new NpgsqlCommand("select at from audit.entry_index where index = $1", connection);
        LogSearch.Add(command, index, NpgsqlDbType.Bigint);
        return new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(ct))!);
    }

    /// <summary>Disclosures that name nobody, not even as one of many.</summary>
    private static async Task<long> UnattributedAsync(NpgsqlConnection connection, ImpactHits hits, CancellationToken ct)
    {
        if (hits.IsEmpty) return 0;
        await using var command = hits.Command(
            connection,
            """
            select count(*) from audit.entry_index e
            where e.subject is null and e.index >= $1 and e.index < $2 and e.shape = any($3) and not exists (select from audit.bulk b where b.index = e.index)
            """, alone: true);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    private ImpactReport Report(
        EntryCounts counts, ImpactHits hits, List<ImpactGroup> people, IReadOnlyList<(DateOnly Day, long Entries)> days,
        (DateTimeOffset? First, DateTimeOffset? Last, long Unattributed) found)
    {
        long Sum(Func<EntryShape, bool> which) => counts.Shapes.Where(one => which(one.Shape)).Sum(one => one.Entries);
        bool IsDisclosure(EntryShape shape) => Disclosing.Contains(shape.Type) && shape.Result == (short)EntryResult.Ok;
        bool IsDone(EntryShape shape, int[] types) => types.Contains(shape.Type) && shape.Result == (short)EntryResult.Ok;
        long With(Func<CatalogueItem, bool> which) => people.Where(group => hits.ItemsOf(group.Mask).Any(code => names.Definition(code) is { } item && which(item))).Sum(group => group.People);
        var items = hits.Items.Select((code, bit) => Item(code, Sum(shape => IsDisclosure(shape) && shape.Items.Contains(code)), people.Where(group => group.Mask[bit]).Sum(group => group.People)));
        var categories = hits.Items.Select(names.Definition).OfType<CatalogueItem>().GroupBy(item => item.Category, StringComparer.Ordinal)
            .Select(group => new ImpactCategory(group.Key, group.Any(item => item.IsSpecialCategory), With(item => item.Category == group.Key)));
        return new ImpactReport(
            hits.Range.High, found.First, found.Last, Sum(IsDisclosure), found.Unattributed, Sum(shape => IsDone(shape, Searching)), Sum(shape => IsDone(shape, Changing)),
            Sum(shape => shape.Result == (short)EntryResult.Denied), people.Sum(group => group.People), people.Sum(group => group.Erased), With(item => item.IsSpecialCategory),
            [.. items.OrderByDescending(item => item.People).ThenBy(item => item.Name, StringComparer.Ordinal)],
            [.. categories.OrderByDescending(category => category.People).ThenBy(category => category.Name, StringComparer.Ordinal)],
            Counted(counts, shape => EntryTypes.NameOf((EntryType)shape.Type)), Counted(counts, shape => shape.Purpose),
            [.. days.Select(day => new AuditCount(day.Day.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture), day.Entries))]);
    }

    private static IReadOnlyList<AuditCount> Counted(EntryCounts counts, Func<EntryShape, string> name) =>
    [
        .. counts.Shapes.GroupBy(one => name(one.Shape), StringComparer.Ordinal).Where(group => group.Key.Length > 0)
            .Select(group => new AuditCount(group.Key, group.Sum(one => one.Entries))).OrderByDescending(count => count.Entries).ThenBy(count => count.Name, StringComparer.Ordinal),
    ];

    private ImpactItem Item(int code, long disclosures, long people)
    {
        var item = names.Definition(code);
        return new ImpactItem(names.Item(code), item?.Category ?? "", item?.IsSpecialCategory ?? false, disclosures, people);
    }

    private ImpactPerson Person(FoundPerson found, Dictionary<Guid, SubjectId> who) => new(
        EntryShape.Hex(found.Tag), who.TryGetValue(found.Tag, out var subject) ? subject : null, found.Erased, found.Disclosures, new DateTimeOffset(found.First),
        new DateTimeOffset(found.Last), [.. found.Items.Select(names.Item)], found.Items.Any(code => names.Definition(code) is { IsSpecialCategory: true }));
}

/// <summary>Persons who lost the same.</summary>
internal sealed record ImpactGroup(BitArray Mask, long People, long Erased);

/// <summary>A person in the list, by tag.</summary>
internal sealed record FoundPerson(Guid Tag, IReadOnlyList<int> Items, long Disclosures, DateTime First, DateTime Last, bool Erased);

/// <summary>Where disclosures are looked for.</summary>
internal sealed class ImpactHits(EntryRange range, List<(int Code, int[] Items)> shapes, List<int> items)
{
    private const string Hits =
        """
        with shape as materialized (select code, bits::bit({width}) as mask from unnest($3::int[], $4::text[]) as s (code, bits)), hit as (
            select e.subject, e.shape as code, e.index from audit.entry_index e
            where e.index >= $1 and e.index < $2 and e.shape = any($3) and e.subject is not null
            union all
            select m.subject, e.shape, e.index from audit.entry_index e join audit.bulk_member m using (index)
            where e.index >= $1 and e.index < $2 and m.index >= $1 and m.index < $2 and e.shape = any($3) and e.subject is null
        ), gone as (
            select distinct e.subject from audit.entry_index e join audit.shape s on s.code = e.shape where s.type = {erased} and e.subject is not null
        )
        """;

    public EntryRange Range => range;

    public IReadOnlyList<int> Items => items;

    public bool IsEmpty => range.IsEmpty || shapes.Count == 0;

    public IReadOnlyList<int> ItemsOf(BitArray mask) => [.. items.Where((_, bit) => mask[bit])];

    /// <param name="alone">Of the index alone, without the sub-queries <c>hit</c>, <c>shape</c> and <c>gone</c>.</param>
    public NpgsqlCommand Command(NpgsqlConnection connection, string sql, bool alone = false)
    {
        var hits = Hits.Replace("{width}", $"{Math.Max(1, items.Count)}", StringComparison.Ordinal).Replace("{erased}", $"{(int)EntryType.EraseExecuted}", StringComparison.Ordinal);
        var command = new NpgsqlCommand(alone ? sql : hits + sql, connection) { CommandTimeout = 300 };
        LogSearch.Add(command, range.Low, NpgsqlDbType.Bigint);
        LogSearch.Add(command, range.High, NpgsqlDbType.Bigint);
        LogSearch.Add(command, shapes.Select(shape => shape.Code).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer);
        if (!alone) LogSearch.Add(command, shapes.Select(shape => Bits(shape.Items)).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Text);
        return command;
    }

    private string Bits(int[] named) => items.Count == 0 ? "0" : string.Concat(items.Select(item => named.Contains(item) ? '1' : '0'));
}

/// <summary>
/// Who stands behind tags. Nothing stored leads from a tag to a person, so that an erasure leaves the tag without meaning; for those who are there, tags
/// are derived one after the other until all that are sought are found.
/// </summary>
internal sealed class TagResolver(KeysDatabase database, KeyRegistry keys)
{
    private const int Step = 500;

    public async Task<Dictionary<Guid, SubjectId>> FindAsync(HashSet<Guid> sought, CancellationToken ct)
    {
        var found = new Dictionary<Guid, SubjectId>(sought.Count);
        for (var after = Guid.Empty; found.Count < sought.Count;)
        {
            if (await NextAsync(after, ct) is not [.., var last] some) break;
            after = last.Value;
            foreach (var held in await keys.GetManyAsync(some, ct))
            {
                using (held)
                {
                    var tag = EntryShape.TagOf(held.Tag.Span);
                    if (sought.Contains(tag)) found[tag] = held.Subject;
                }
            }
        }

        return found;
    }

    private async Task<List<SubjectId>> NextAsync(Guid after, CancellationToken ct)
    {
        await using var command = database.Reads.CreateCommand("select subject_id from keys.subject_key where subject_id > $1 order by subject_id limit $2");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = Step });
        return await Rows.ReadAsync(command, row => new SubjectId(row.GetGuid(0)), ct);
    }
}
