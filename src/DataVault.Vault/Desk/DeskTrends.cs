using DataVault.Transparency;
using DataVault.Vault.Storage;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Vault;

/// <summary>What the log shows of use: undeclared, denied, unusual. Counted from its index, up to a signed state and no further.</summary>
internal sealed class DeskTrends(VaultDatabase database, LogIndexer indexer, ReaderNames names, ActivePolicy policy, VaultClock clock, VaultOptions options)
{
    private const int DriftDays = 90;
    private const int UsualDays = 28;
    private const int MostRows = 500;

    private static readonly HashSet<int> s_reads = [(int)EntryType.FieldRead, (int)EntryType.EventRead, (int)EntryType.Search, (int)EntryType.Export];

    private const string Bulk =
        """
        select b.index, e.at, s.actor, s.purpose, length(b.tags) / 16 from audit.bulk b join audit.entry_index e using (index) join audit.shape s on s.code = e.shape
        where b.index >= $1 and b.index < $2 and length(b.tags) >= $3 * 16 and s.type = any($4) order by length(b.tags) desc, b.index desc limit $5
        """;

    /// <summary>Counts of stretches of time that end with the same entry.</summary>
    private sealed record Looked(AsOf AsOf, EntryCounts Quarter, EntryCounts Usual, EntryCounts Day, IReadOnlyList<(long Index, DateTimeOffset At, Guid Actor, string Purpose, int People)> Bulk);

    private sealed record Reader(string Name, long Today, double Usual);

    public async Task<IReadOnlyList<DeskPart>> CountAsync(CancellationToken ct)
    {
        await indexer.CatchUpAsync(ct);
        var looked = await new LogSearch(database).ReadAsync(connection => LookAsync(connection, ct), ct);
        await using var context = Contexts.Vault(database.Source);
        var actors = (await context.Actors.ToListAsync(ct)).ToDictionary(actor => EntryShape.TagOf(actor.Tag), actor => actor.Name);
        string Name(Guid tag) => actors.GetValueOrDefault(tag) ?? EntryShape.Hex(tag);
        return [Undeclared(looked), UnknownPurposes(looked), Denied(looked, Name), Readers(looked, Name), BulkReads(looked, Name), Reports(looked)];
    }

    private async Task<Looked> LookAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        var (asOf, now) = (await DeskReader.AsOfAsync(connection, ct), clock.Now);
        // The snapshot may know entries that are not signed yet: they are left to the next count.
        async Task<EntryRange> Since(TimeSpan back, TimeSpan until)
        {
            var range = await LogSearch.RangeAsync(connection, now - back, until == TimeSpan.Zero ? null : now - until, ct);
            return range with { High = Math.Min(range.High, asOf.Size) };
        }

        Task<EntryCounts> Of(EntryRange range) => LogSearch.CountAsync(connection, new EntryFilter(), range, ct);
        var day = await Since(TimeSpan.FromDays(1), TimeSpan.Zero);
        return new Looked(
            asOf with { Unsigned = 0 }, await Of(await Since(TimeSpan.FromDays(DriftDays), TimeSpan.Zero)), await Of(await Since(TimeSpan.FromDays(UsualDays + 1), TimeSpan.FromDays(1))), await Of(day),
            await BulkAsync(connection, day, ct));
    }

    private async Task<IReadOnlyList<(long, DateTimeOffset, Guid, string, int)>> BulkAsync(NpgsqlConnection connection, EntryRange day, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(Bulk, connection);
        LogSearch.Add(command, day.Low, NpgsqlDbType.Bigint);
        LogSearch.Add(command, day.High, NpgsqlDbType.Bigint);
        LogSearch.Add(command, options.Desk.BulkPeople, NpgsqlDbType.Integer);
        LogSearch.Add(command, s_reads.ToArray(), NpgsqlDbType.Array | NpgsqlDbType.Integer);
        LogSearch.Add(command, MostRows, NpgsqlDbType.Integer);
        return await Rows.ReadAsync(command, row => (row.GetInt64(0), row.GetFieldValue<DateTimeOffset>(1), row.GetGuid(2), row.GetString(3), row.GetInt32(4)), ct);
    }

    // By the policy in force, as the record of processing has it.
    private DeskPart Undeclared(Looked looked)
    {
        var current = policy.Current;
        var declared = current.Purposes.All.ToDictionary(
            purpose => purpose.Name, purpose => current.Questions.WhoCan(purpose).Select(grant => grant.Item.Name).ToHashSet(StringComparer.Ordinal), StringComparer.Ordinal);
        var rows = from one in looked.Quarter.Shapes
                   where one.Shape.Result == (short)EntryResult.Ok && declared.ContainsKey(one.Shape.Purpose)
                   from item in one.Shape.Items.Select(names.Item)
                   where !declared[one.Shape.Purpose].Contains(item)
                   group one.Entries by (one.Shape.Purpose, item) into use
                   orderby use.Sum() descending
                   select Row(use.Key.Purpose, use.Key.item, Say(use.Sum()));
        return DeskPart.Counting(DeskTiles.Drift, "undeclared", looked.AsOf, [new("purpose"), new("item"), new("entries", DeskCells.Number)], [.. rows], red: true);
    }

    private DeskPart UnknownPurposes(Looked looked)
    {
        var rows = from one in looked.Quarter.Shapes
                   where one.Shape.Result == (short)EntryResult.Ok && one.Shape.Purpose.Length > 0 && policy.Current.Purposes.Find(one.Shape.Purpose) is null
                   group one.Entries by one.Shape.Purpose into use
                   orderby use.Sum() descending
                   select Row(use.Key, Say(use.Sum()));
        return DeskPart.Counting(DeskTiles.Drift, "unknown-purposes", looked.AsOf, [new("purpose"), new("entries", DeskCells.Number)], [.. rows], red: false);
    }

    private static DeskPart Denied(Looked looked, Func<Guid, string> name)
    {
        var denied = looked.Quarter.Shapes.Where(one => one.Shape.Result == (short)EntryResult.Denied).ToList();
        var rows = from one in denied
                   group one.Entries by (Actor: name(one.Shape.Actor), one.Shape.Purpose) into refused
                   orderby refused.Sum() descending
                   select Row(refused.Key.Actor, refused.Key.Purpose, Say(refused.Sum()));
        return DeskPart.Summing(
            DeskTiles.Drift, "denied", looked.AsOf, [new("actor"), new("purpose"), new("entries", DeskCells.Number)], [.. rows.Take(MostRows)], denied.Sum(one => one.Entries));
    }

    // Roles of staff share a name and credentials do not: each credential is compared with itself.
    private DeskPart Readers(Looked looked, Func<Guid, string> name)
    {
        var usual = ReadsOf(looked.Usual).ToDictionary(one => one.Actor, one => one.Entries / (double)UsualDays);
        var limits = options.Desk;
        var readers = ReadsOf(looked.Day).Select(one => new Reader(name(one.Actor), one.Entries, usual.GetValueOrDefault(one.Actor)))
            .Where(reader => reader.Today > limits.ReaderFloor && reader.Today > limits.ReaderFactor * reader.Usual).OrderByDescending(reader => reader.Today - reader.Usual);
        var rows = readers.Select(reader => Row(reader.Name, Say(reader.Today), reader.Usual.ToString("0.0", System.Globalization.CultureInfo.InvariantCulture)));
        return DeskPart.Counting(
            DeskTiles.Access, "unusual-readers", looked.AsOf, [new("actor"), new("day", DeskCells.Number), new("usual", DeskCells.Number)], [.. rows.Take(MostRows)], red: true);
    }

    private static IEnumerable<(Guid Actor, long Entries)> ReadsOf(EntryCounts counts) => counts.Shapes.Where(one => s_reads.Contains(one.Shape.Type) && one.Shape.Result == (short)EntryResult.Ok)
        .GroupBy(one => one.Shape.Actor).Select(group => (group.Key, group.Sum(one => one.Entries)));

    private static DeskPart BulkReads(Looked looked, Func<Guid, string> name) => DeskPart.Counting(
        DeskTiles.Access, "bulk-reads", looked.AsOf, [new("entry", DeskCells.Number), new("at", DeskCells.Instant), new("actor"), new("purpose"), new("people", DeskCells.Number)],
        [.. looked.Bulk.Select(one => new DeskRow([Say(one.Index), DeskReader.Cell(one.At.UtcDateTime), name(one.Actor), one.Purpose, Say(one.People)], Say(one.Index)))], red: false, about: "entry");

    private static DeskPart Reports(Looked looked) => DeskPart.Figure(
        DeskTiles.Access, "impact-reports", looked.AsOf, looked.Quarter.Shapes.Where(one => one.Shape.Type == (int)EntryType.ImpactReport).Sum(one => one.Entries));

    private static DeskRow Row(params string[] cells) => new(cells, null);

    private static string Say(long number) => DeskReader.Cell(number);
}
