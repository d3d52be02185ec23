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

    /// <summary>Only the first entries of the log, as many as this: what was counted once is so counted again. Null: all there are.</summary>
    public long? Size { get; init; }
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

    private static readonly int[] Disclosing = Codes(EntryType.FieldRead, EntryType.EventRead, EntryType.Export, EntryType.RequestRead, EntryType.DecisionRead);
    private static readonly int[] Searching = Codes(EntryType.Search, EntryType.AnalyticsQuery);
    private static readonly int[] Changing = Codes(
        EntryType.RecordWrite, EntryType.RecordDelete, EntryType.EventAppend, EntryType.ConsentChange, EntryType.EraseRequest, EntryType.EraseExecuted);

    private readonly AuditReader reader;
    private readonly LogSearch search;
    private readonly ReaderNames names;
    private readonly TagResolver resolver;
    private readonly ActivePolicy policy;

    internal BreachImpact(AuditReader reader, VaultDatabase database, ReaderNames names, TagResolver resolver, ActivePolicy policy) =>
        (this.reader, search, this.names, this.resolver, this.policy) = (reader, new LogSearch(database), names, resolver, policy);

    /// <exception cref="VaultException">Nothing narrows.</exception>
    public async Task<ImpactReport> ReportAsync(ImpactQuery query, CancellationToken ct = default)
    {
        var filter = await FilterAsync(query, ct);
        return await search.ReadAsync(async connection =>
        {
            var range = await RangeAsync(connection, query, ct);
            var counts = await LogSearch.CountAsync(connection, filter, range, ct);
            var disclosed = filter with { Types = Disclosing, Result = (short)EntryResult.Ok };
            var hits = await HitsAsync(connection, disclosed, range, query.Size, ct);
            var days = (await LogSearch.CountAsync(connection, disclosed, range, ct)).Days;
            var (first, last) = (await EdgeAsync(connection, disclosed, range, true, ct), await EdgeAsync(connection, disclosed, range, false, ct));
            var categories = Categories(hits);
            var totals = await PeopleAsync(connection, hits, [.. categories.Select(category => hits.MaskOf(category)), hits.MaskOf(Known(hits).Where(item => item.IsSpecialCategory))], ct);
            return Report(counts, hits, categories, totals, days, (first, last, await UnattributedAsync(connection, hits, ct)));
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
            var range = await RangeAsync(connection, query, ct);
            return await ListAsync(connection, await HitsAsync(connection, disclosed, range, query.Size, ct), after, limit + 1, ct);
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

    private static async Task<EntryRange> RangeAsync(NpgsqlConnection connection, ImpactQuery query, CancellationToken ct)
    {
        var range = await LogSearch.RangeAsync(connection, query.From, query.Until, ct);
        return query.Size is { } size ? range with { High = Math.Min(range.High, size) } : range;
    }

    /// <summary>Which shapes disclose, and which of their items are which bit: what a person lost is one string of bits, however many entries there are.</summary>
    private static async Task<ImpactHits> HitsAsync(NpgsqlConnection connection, EntryFilter disclosed, EntryRange range, long? size, CancellationToken ct)
    {
        var codes = await LogSearch.ShapesAsync(connection, disclosed, ct) ?? [];
        await using var command = new NpgsqlCommand("select code, items from audit.shape where code = any($1)", connection);
        LogSearch.Add(command, codes, NpgsqlDbType.Array | NpgsqlDbType.Integer);
        var shapes = await Rows.ReadAsync(command, row => (Code: row.GetInt32(0), Items: row.GetFieldValue<int[]>(1)), ct);
        return new ImpactHits(range, shapes, [.. shapes.SelectMany(shape => shape.Items).Distinct().Order()]) { Size = size };
    }

    private static async Task<ImpactTotals> PeopleAsync(NpgsqlConnection connection, ImpactHits hits, IReadOnlyList<long[]> sets, CancellationToken ct)
    {
        var totals = new ImpactTotals(hits.Items.Count, sets);
        if (hits.IsEmpty) return totals;
        await using var command = hits.Command(
            connection,
            $"""
            , person as (select subject, {hits.Union} from hit join shape using (code) group by subject)
            select count(*), count(g.subject), {hits.Words} from person left join gone g using (subject) group by {hits.Words}
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) totals.Add(reader.GetInt64(0), reader.GetInt64(1), hits.WordsOf(reader, 2));
        return totals;
    }

    private static async Task<List<FoundPerson>> ListAsync(NpgsqlConnection connection, ImpactHits hits, Guid after, int count, CancellationToken ct)
    {
        if (hits.IsEmpty) return [];
        await using var command = hits.Command(
            connection,
            $"""
            , person as (
                select subject, {hits.Union}, count(*) as n, min(index) as first, max(index) as last from hit join shape using (code)
                where subject > '{after}' group by subject order by subject limit {count})
            select p.subject, p.n, f.at, l.at, exists (select from gone g where g.subject = p.subject), {hits.Words} from person p
            join audit.entry_index f on f.index = p.first join audit.entry_index l on l.index = p.last order by p.subject
            """);
        return await Rows.ReadAsync(command, row => new FoundPerson(
            row.GetGuid(0), hits.ItemsOf(row, 5), row.GetInt64(1), row.GetDateTime(2), row.GetDateTime(3), row.GetBoolean(4)), ct);
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

    private IEnumerable<CatalogueItem> Known(ImpactHits hits) => hits.Items.Select(names.Definition).OfType<CatalogueItem>();

    private List<IGrouping<string, CatalogueItem>> Categories(ImpactHits hits) => [.. Known(hits).GroupBy(item => item.Category, StringComparer.Ordinal)];

    private ImpactReport Report(
        EntryCounts counts, ImpactHits hits, List<IGrouping<string, CatalogueItem>> grouped, ImpactTotals totals, IReadOnlyList<(DateOnly Day, long Entries)> days,
        (DateTimeOffset? First, DateTimeOffset? Last, long Unattributed) found)
    {
        long Sum(Func<EntryShape, bool> which) => counts.Shapes.Where(one => which(one.Shape)).Sum(one => one.Entries);
        bool IsDone(EntryShape shape, int[] types) => types.Contains(shape.Type) && shape.Result == (short)EntryResult.Ok;
        var named = counts.Shapes.Where(one => IsDone(one.Shape, Disclosing)).SelectMany(one => one.Shape.Items.Select(code => (Code: code, one.Entries)))
            .GroupBy(one => one.Code).ToDictionary(group => group.Key, group => group.Sum(one => one.Entries));
        var items = hits.Items.Select((code, bit) => Item(code, named.GetValueOrDefault(code), totals.ByItem[bit]));
        var categories = grouped.Select((group, at) => new ImpactCategory(group.Key, group.Any(item => item.IsSpecialCategory), totals.BySet[at]));
        return new ImpactReport(
            hits.Range.High, found.First, found.Last, Sum(shape => IsDone(shape, Disclosing)), found.Unattributed, Sum(shape => IsDone(shape, Searching)), Sum(shape => IsDone(shape, Changing)),
            Sum(shape => shape.Result == (short)EntryResult.Denied), totals.People, totals.Erased, totals.BySet[^1],
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

/// <summary>People by what they lost, added up while they are read: by item, and by set of items.</summary>
internal sealed class ImpactTotals(int items, IReadOnlyList<long[]> sets)
{
    public long People { get; private set; }

    public long Erased { get; private set; }

    public long[] ByItem { get; } = new long[items];

    /// <summary>People who lost at least one item of each set.</summary>
    public long[] BySet { get; } = new long[sets.Count];

    public void Add(long people, long erased, ReadOnlySpan<long> words)
    {
        (People, Erased) = (People + people, Erased + erased);
        for (var word = 0; word < words.Length; word++)
        {
            for (var left = words[word]; left != 0; left &= left - 1) ByItem[word * ImpactHits.WordBits + System.Numerics.BitOperations.TrailingZeroCount(left)] += people;
        }

        for (var set = 0; set < sets.Count; set++)
        {
            for (var word = 0; word < words.Length; word++)
            {
                if ((words[word] & sets[set][word]) == 0) continue;
                BySet[set] += people;
                break;
            }
        }
    }
}

/// <summary>A person in the list, by tag.</summary>
internal sealed record FoundPerson(Guid Tag, IReadOnlyList<int> Items, long Disclosures, DateTime First, DateTime Last, bool Erased);

/// <summary>Where disclosures are looked for. Items are bits of as many words as they need.</summary>
internal sealed class ImpactHits(EntryRange range, List<(int Code, int[] Items)> shapes, List<int> items)
{
    public const int WordBits = 63;

    private const string Hits =
        """
        with shape as materialized (select * from unnest($3::int[]{masks}) as s (code, {words})), hit as (
            select e.subject, e.shape as code, e.index from audit.entry_index e
            where e.index >= $1 and e.index < $2 and e.shape = any($3) and e.subject is not null
            union all
            select m.subject, e.shape, e.index from audit.entry_index e join audit.bulk_member m using (index)
            where e.index >= $1 and e.index < $2 and m.index >= $1 and m.index < $2 and e.shape = any($3) and e.subject is null
        ), gone as (
            select distinct e.subject from audit.entry_index e join audit.shape s on s.code = e.shape where s.type = {erased} and e.subject is not null {known}
        )
        """;

    /// <summary>Who was erased by later entries was not yet; null: the whole log tells.</summary>
    public long? Size { get; init; }

    public EntryRange Range => range;

    public IReadOnlyList<int> Items => items;

    public bool IsEmpty => range.IsEmpty || shapes.Count == 0;

    public string Words => string.Join(", ", Enumerable.Range(0, WordCount).Select(word => $"w{word}"));

    public string Union => string.Join(", ", Enumerable.Range(0, WordCount).Select(word => $"bit_or(w{word}) as w{word}"));

    private int WordCount => Math.Max(1, (items.Count + WordBits - 1) / WordBits);

    /// <summary>The items whose bits stand in the words of a row.</summary>
    public IReadOnlyList<int> ItemsOf(NpgsqlDataReader row, int firstWord) =>
        [.. items.Where((_, bit) => (row.GetInt64(firstWord + bit / WordBits) >> (bit % WordBits) & 1) != 0)];

    public long[] WordsOf(NpgsqlDataReader row, int firstWord) => [.. Enumerable.Range(firstWord, WordCount).Select(row.GetInt64)];

    /// <summary>The bits of some items.</summary>
    public long[] MaskOf(IEnumerable<CatalogueItem> some)
    {
        var bits = Bits();
        int[] codes = [.. some.Select(item => item.Code)];
        return [.. Enumerable.Range(0, WordCount).Select(word => Word(codes, word, bits))];
    }

    /// <param name="alone">Of the index alone, without the sub-queries <c>hit</c>, <c>shape</c> and <c>gone</c>.</param>
    public NpgsqlCommand Command(NpgsqlConnection connection, string sql, bool alone = false)
    {
        var command = new NpgsqlCommand(alone ? sql : Prefix() + sql, connection) { CommandTimeout = 300 };
        LogSearch.Add(command, range.Low, NpgsqlDbType.Bigint);
        LogSearch.Add(command, range.High, NpgsqlDbType.Bigint);
        LogSearch.Add(command, shapes.Select(shape => shape.Code).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer);
        if (alone) return command;
        var bits = Bits();
        for (var word = 0; word < WordCount; word++)
            LogSearch.Add(command, shapes.Select(shape => Word(shape.Items, word, bits)).ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Bigint);
        return command;
    }

    private Dictionary<int, int> Bits() => items.Select((item, bit) => (item, bit)).ToDictionary(pair => pair.item, pair => pair.bit);

    private string Prefix() => Hits
        .Replace("{masks}", string.Concat(Enumerable.Range(0, WordCount).Select(word => $", ${word + 4}::bigint[]")), StringComparison.Ordinal)
        .Replace("{words}", Words, StringComparison.Ordinal).Replace("{erased}", $"{(int)EntryType.EraseExecuted}", StringComparison.Ordinal)
        .Replace("{known}", Size is { } size ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"and e.index < {size}") : "", StringComparison.Ordinal);

    private static long Word(int[] named, int word, Dictionary<int, int> bits) =>
        named.Select(item => bits[item]).Where(bit => bit / WordBits == word).Aggregate(0L, (mask, bit) => mask | 1L << (bit % WordBits));
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
