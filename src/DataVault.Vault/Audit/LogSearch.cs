using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What to look for, in the terms of the index; members that are null do not narrow.</summary>
internal sealed record EntryFilter
{
    public Guid? Subject { get; init; }

    public IReadOnlyList<Guid>? Actors { get; init; }

    public string? Purpose { get; init; }

    public int? Item { get; init; }

    public IReadOnlyList<int>? Types { get; init; }

    public short? Result { get; init; }

    public bool NamesShapes => Actors is not null || Purpose is not null || Item is not null || Types is not null || Result is not null;
}

/// <summary>Entries from <paramref name="Low"/> to before <paramref name="High"/>.</summary>
internal readonly record struct EntryRange(long Low, long High)
{
    public bool IsEmpty => Low >= High;
}

/// <summary>How many entries were found, by shape and by day.</summary>
internal sealed record EntryCounts(IReadOnlyList<(EntryShape Shape, long Entries)> Shapes, IReadOnlyList<(DateOnly Day, long Entries)> Days);

/// <summary>
/// Finds entries in the index. Whatever is asked of type, actor, purpose, result and items becomes a set of shapes; the tally says which segments have
/// entries of those, so that nothing is read in vain; a person's entries are found by their tag. Order is that of the log.
/// </summary>
internal sealed class LogSearch(VaultDatabase database)
{
    private const int FirstWindow = 2;
    private const int WindowGrowth = 4;

    private const string MatchingShapes =
        """
        select code from audit.shape
        where ($1::int[] is null or type = any($1)) and ($2::uuid[] is null or actor = any($2)) and ($3::text is null or purpose = $3)
          and ($4::smallint is null or result = $4) and ($5::int is null or items @> array[$5::int])
        """;

    /// <summary>One consistent look, planned for the values that are asked for: a plan for any values would be a bad one for most.</summary>
    public async Task<T> ReadAsync<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        await using (var settings = new NpgsqlCommand("set local transaction_read_only = on; set local plan_cache_mode = force_custom_plan; set local jit = off; set local work_mem = '64MB'", connection))
            await settings.ExecuteNonQueryAsync(ct);
        return await work(connection);
    }

    /// <summary>The shapes that a filter admits; null when it admits all.</summary>
    public static async Task<int[]?> ShapesAsync(NpgsqlConnection connection, EntryFilter filter, CancellationToken ct)
    {
        if (!filter.NamesShapes) return null;
        await using var command = new NpgsqlCommand(MatchingShapes, connection);
        Add(command, filter.Types?.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer);
        Add(command, filter.Actors?.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Uuid);
        Add(command, filter.Purpose, NpgsqlDbType.Text);
        Add(command, filter.Result, NpgsqlDbType.Smallint);
        Add(command, filter.Item, NpgsqlDbType.Integer);
        return [.. await Rows.ReadAsync(command, row => row.GetInt32(0), ct)];
    }

    /// <summary>The entries of a time: time in the log never goes back, so they stand together.</summary>
    public static async Task<EntryRange> RangeAsync(NpgsqlConnection connection, DateTimeOffset? from, DateTimeOffset? until, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select coalesce((select min(index) from audit.entry_index), 0), next_index from audit.index_state", connection);
        var (low, high) = (await Rows.ReadAsync(command, row => (row.GetInt64(0), row.GetInt64(1)), ct))[0];
        if (from is { } first) low = Math.Max(low, await FirstFromAsync(connection, first, high, ct));
        if (until is { } last) high = Math.Min(high, await FirstFromAsync(connection, last, high, ct));
        return new EntryRange(low, high);
    }

    /// <summary>At most <paramref name="count"/> entries of a range, the newest first or the oldest.</summary>
    public static async Task<List<long>> FindAsync(NpgsqlConnection connection, EntryFilter filter, EntryRange range, bool oldestFirst, int count, CancellationToken ct)
    {
        if (range.IsEmpty) return [];
        var shapes = await ShapesAsync(connection, filter, ct);
        if (shapes is []) return [];
        if (filter.Subject is { } subject) return await OfSubjectAsync(connection, subject, shapes, range, oldestFirst, count, ct);
        if (shapes is null) return [.. Enumerable.Range(0, (int)Math.Min(count, range.High - range.Low)).Select(i => oldestFirst ? range.Low + i : range.High - 1 - i)];
        var segments = await SegmentsAsync(connection, range, ct);
        var tail = range with { Low = Math.Max(range.Low, segments.Count > 0 ? segments[^1].High : range.Low) };
        if (oldestFirst)
        {
            var found = await InSegmentsAsync(connection, shapes, segments, range, oldestFirst, count, ct);
            if (found.Count < count) found.AddRange(await DirectAsync(connection, shapes, tail, oldestFirst, count - found.Count, ct));
            return found;
        }

        segments.Reverse();
        var newest = await DirectAsync(connection, shapes, tail, oldestFirst, count, ct);
        if (newest.Count < count) newest.AddRange(await InSegmentsAsync(connection, shapes, segments, range, oldestFirst, count - newest.Count, ct));
        return newest;
    }

    /// <summary>Counts what <see cref="FindAsync"/> would find: whole segments from the tally, what is cut off at the ends of the range from the index.</summary>
    public static async Task<EntryCounts> CountAsync(NpgsqlConnection connection, EntryFilter filter, EntryRange range, CancellationToken ct)
    {
        var shapes = await ShapesAsync(connection, filter, ct);
        if (range.IsEmpty || shapes is []) return new EntryCounts([], []);
        var sources = filter.Subject is { } subject ? SubjectCounts : RangeCounts;
        await using var command = new NpgsqlCommand(
            $"""
            with c as ({sources}), g as materialized (select shape, day, sum(n)::bigint as n from c group by grouping sets ((shape), (day)))
            select g.n, g.day, s.type, s.actor, s.purpose, s.result, s.items from g left join audit.shape s on s.code = g.shape order by g.day, g.n desc
            """, connection);
        Add(command, range.Low, NpgsqlDbType.Bigint);
        Add(command, range.High, NpgsqlDbType.Bigint);
        Add(command, shapes, NpgsqlDbType.Array | NpgsqlDbType.Integer);
        if (filter.Subject is not null) Add(command, filter.Subject, NpgsqlDbType.Uuid);
        var (byShape, byDay) = (new List<(EntryShape, long)>(), new List<(DateOnly, long)>());
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            if (reader.IsDBNull(1)) byShape.Add((ShapeOf(reader, 2), reader.GetInt64(0)));
            else byDay.Add((reader.GetFieldValue<DateOnly>(1), reader.GetInt64(0)));
        }

        return new EntryCounts(byShape, byDay);
    }

    public static EntryShape ShapeOf(NpgsqlDataReader reader, int at) =>
        new(reader.GetInt32(at), reader.GetGuid(at + 1), reader.GetString(at + 2), reader.GetInt16(at + 3), reader.GetFieldValue<int[]>(at + 4));

    public static void Add(NpgsqlCommand command, object? value, NpgsqlDbType type) =>
        command.Parameters.Add(new() { Value = value ?? DBNull.Value, NpgsqlDbType = type });

    private const string RangeCounts =
        """
        select t.shape, s.day, t.entries as n from audit.tally t join audit.segment s using (first_index)
        where s.first_index >= $1 and s.end_index <= $2 and ($3::int[] is null or t.shape = any($3))
        union all
        select e.shape, (e.at at time zone 'utc')::date, 1 from audit.entry_index e
        where e.index >= $1 and e.index < least($2, coalesce((select min(first_index) from audit.segment where first_index >= $1 and end_index <= $2), $2))
          and ($3::int[] is null or e.shape = any($3))
        union all
        select e.shape, (e.at at time zone 'utc')::date, 1 from audit.entry_index e
        where e.index >= coalesce((select max(end_index) from audit.segment where first_index >= $1 and end_index <= $2), $2) and e.index < $2
          and ($3::int[] is null or e.shape = any($3))
        """;

    private const string SubjectCounts =
        """
        select e.shape, (e.at at time zone 'utc')::date as day, 1 as n from audit.entry_index e
        where e.subject = $4 and e.index >= $1 and e.index < $2 and ($3::int[] is null or e.shape = any($3))
        union all
        select e.shape, (e.at at time zone 'utc')::date, 1 from audit.bulk_member m join audit.entry_index e using (index)
        where m.subject = $4 and m.index >= $1 and m.index < $2 and ($3::int[] is null or e.shape = any($3))
        """;

    private static async Task<List<long>> OfSubjectAsync(
        NpgsqlConnection connection, Guid subject, int[]? shapes, EntryRange range, bool oldestFirst, int count, CancellationToken ct)
    {
        var order = oldestFirst ? "asc" : "desc";
        await using var command = new NpgsqlCommand(
            $"""
            select index from (
                (select e.index from audit.entry_index e
                 where e.subject = $1 and e.index >= $2 and e.index < $3 and ($4::int[] is null or e.shape = any($4)) order by e.index {order} limit $5)
                union all
                (select m.index from audit.bulk_member m join audit.entry_index e using (index)
                 where m.subject = $1 and m.index >= $2 and m.index < $3 and ($4::int[] is null or e.shape = any($4)) order by m.index {order} limit $5)
            ) found order by index {order} limit $5
            """, connection);
        Add(command, subject, NpgsqlDbType.Uuid);
        Add(command, range.Low, NpgsqlDbType.Bigint);
        Add(command, range.High, NpgsqlDbType.Bigint);
        Add(command, shapes, NpgsqlDbType.Array | NpgsqlDbType.Integer);
        Add(command, count, NpgsqlDbType.Integer);
        return await Rows.ReadAsync(command, row => row.GetInt64(0), ct);
    }

    private static async Task<List<long>> DirectAsync(NpgsqlConnection connection, int[] shapes, EntryRange range, bool oldestFirst, int count, CancellationToken ct)
    {
        if (range.IsEmpty) return [];
        await using var command = new NpgsqlCommand(
            $"select index from audit.entry_index where index >= $1 and index < $2 and shape = any($3) order by index {(oldestFirst ? "asc" : "desc")} limit $4", connection);
        Add(command, range.Low, NpgsqlDbType.Bigint);
        Add(command, range.High, NpgsqlDbType.Bigint);
        Add(command, shapes, NpgsqlDbType.Array | NpgsqlDbType.Integer);
        Add(command, count, NpgsqlDbType.Integer);
        return await Rows.ReadAsync(command, row => row.GetInt64(0), ct);
    }

    // A frequent thing is found in the first window, a rare one after few tallies of many segments: windows grow.
    private static async Task<List<long>> InSegmentsAsync(
        NpgsqlConnection connection, int[] shapes, List<EntryRange> segments, EntryRange range, bool oldestFirst, int count, CancellationToken ct)
    {
        var found = new List<long>();
        for (var (at, window) = (0, FirstWindow); at < segments.Count && found.Count < count; at += window, window *= WindowGrowth)
        {
            var (one, other) = (segments[at], segments[Math.Min(at + window, segments.Count) - 1]);
            var span = new EntryRange(Math.Min(one.Low, other.Low), Math.Max(one.Low, other.Low));
            found.AddRange(await InWindowAsync(connection, shapes, span, range, oldestFirst, count - found.Count, ct));
        }

        return found;
    }

    private static async Task<List<long>> InWindowAsync(
        NpgsqlConnection connection, int[] shapes, EntryRange firsts, EntryRange range, bool oldestFirst, int count, CancellationToken ct)
    {
        var order = oldestFirst ? "asc" : "desc";
        await using var command = new NpgsqlCommand(
            $"""
            select e.index from audit.tally t join audit.segment s using (first_index)
            cross join lateral (
                select index from audit.entry_index
                where shape = t.shape and index >= greatest(s.first_index, $4) and index < least(s.end_index, $5) order by index {order} limit $6) e
            where t.first_index >= $1 and t.first_index <= $2 and t.shape = any($3)
            order by e.index {order} limit $6
            """, connection);
        Add(command, firsts.Low, NpgsqlDbType.Bigint);
        Add(command, firsts.High, NpgsqlDbType.Bigint);
        Add(command, shapes, NpgsqlDbType.Array | NpgsqlDbType.Integer);
        Add(command, range.Low, NpgsqlDbType.Bigint);
        Add(command, range.High, NpgsqlDbType.Bigint);
        Add(command, count, NpgsqlDbType.Integer);
        return await Rows.ReadAsync(command, row => row.GetInt64(0), ct);
    }

    private static async Task<List<EntryRange>> SegmentsAsync(NpgsqlConnection connection, EntryRange range, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select first_index, end_index from audit.segment where end_index > $1 and first_index < $2 order by first_index", connection);
        Add(command, range.Low, NpgsqlDbType.Bigint);
        Add(command, range.High, NpgsqlDbType.Bigint);
        return await Rows.ReadAsync(command, row => new EntryRange(row.GetInt64(0), row.GetInt64(1)), ct);
    }

    // The last segment that began before the time holds its first entry, or ends right before it; after the last segment come the entries not counted yet.
    private static async Task<long> FirstFromAsync(NpgsqlConnection connection, DateTimeOffset at, long high, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(
            """
            with s as (select first_index, end_index from audit.segment where first_at < $1 order by first_index desc limit 1),
                 r as (select coalesce((select first_index from s), 0) as low,
                              coalesce((select min(first_index) from audit.segment where first_index > coalesce((select first_index from s), -1)), $2) as high)
            select coalesce((select min(e.index) from audit.entry_index e where e.index >= r.low and e.index < r.high and e.at >= $1), r.high) from r
            """, connection);
        Add(command, at.UtcDateTime, NpgsqlDbType.TimestampTz);
        Add(command, high, NpgsqlDbType.Bigint);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
