using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>A hold as the log tells of it.</summary>
internal sealed class ToldHold
{
    /// <summary>The entry that placed it, about the first of its people.</summary>
    public required long Index { get; init; }

    public required LogEntry Entry { get; init; }

    /// <summary>Tags of those whom it was placed about.</summary>
    public HashSet<string> People { get; } = [];

    /// <summary>The entry that ended it. A hold ends for everybody at once, whoever the entry is about.</summary>
    public long? ReleasedAt { get; set; }

    /// <summary>Whether a row says of it what the log does.</summary>
    public bool IsAs(HoldRow row) =>
        Entry.Rules.Contains("authority:" + row.Authority) && Entry.Items.Order().SequenceEqual(row.Scope.Items.Order())
        && Entry.Rules.Where(rule => rule.StartsWith("class:", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
            .SequenceEqual(row.Scope.Classes.Select(id => $"class:{id}").Order(StringComparer.Ordinal));

    /// <summary>What the log knows of a hold whose row is gone. Who placed it, the case, its dates and purposes went with the row.</summary>
    public HoldRow Missing(Guid id) => new(id, After("authority:").FirstOrDefault() ?? "", new HoldFact(Entry.Items, [.. After("class:").Select(Number)], []), "unknown", At, At)
    {
        People = People.Count, LogIndex = Index, IsMissing = true,
    };

    private DateTimeOffset At => DateTimeOffset.FromUnixTimeMilliseconds(Entry.Time);

    private IEnumerable<string> After(string prefix) => Entry.Rules.Where(rule => rule.StartsWith(prefix, StringComparison.Ordinal)).Select(rule => rule[prefix.Length..]);

    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}

/// <summary>The holds of the whole log, read from its entries: neither rows nor the index of the log are believed here.</summary>
internal sealed class ToldHolds
{
    public const string PlacedRule = "hold-placed";
    public const string ReleasedRule = "hold-released";
    private const string Prefix = "hold:";

    private readonly Dictionary<Guid, ToldHold> holds = [];

    public IReadOnlyDictionary<Guid, ToldHold> All => holds;

    /// <summary>From the mirror as far as it goes, which lies where no administrator of the database writes.</summary>
    /// <exception cref="VaultException">The log cannot be read whole: invalid-state.</exception>
    public static async Task<ToldHolds> ReadAsync(LogStore store, LogMirror mirror, CancellationToken ct)
    {
        var told = new ToldHolds();
        var next = 0L;
        try
        {
            var (size, _) = await store.HeadAsync(ct);
            await foreach (var entry in mirror.EntriesAsync(0, Math.Min(size, mirror.Read().Size), ct)) told.Read(next++, LogEntry.Decode(entry));
            await foreach (var (index, entry) in store.EntriesAsync(next, size, ct))
            {
                if (index == next) told.Read(next++, LogEntry.Decode(entry));
            }

            if (next == size) return told;
        }
        catch (Exception e) when (e is FormatException or VaultStartException)
        {
            throw VaultException.InvalidState("The log cannot be read whole, so nobody knows which holds are in force: have it checked first.");
        }

        throw VaultException.InvalidState("The log lacks entries, so nobody knows which holds are in force: have it checked first.");
    }

    public void Read(long index, LogEntry entry)
    {
        if (entry.Type != EntryType.HoldChange || entry.Rules.FirstOrDefault(rule => rule.StartsWith(Prefix, StringComparison.Ordinal)) is not { } rule) return;
        if (!Guid.TryParseExact(rule[Prefix.Length..], "D", out var id)) return;
        if (entry.Rules.Contains(PlacedRule))
        {
            if (!holds.TryGetValue(id, out var placed)) holds[id] = placed = new ToldHold { Index = index, Entry = entry };
            placed.People.Add(Convert.ToHexString(entry.Subject.Span));
        }
        else if (entry.Rules.Contains(ReleasedRule) && holds.TryGetValue(id, out var ended)) ended.ReleasedAt ??= index;
    }

    public bool IsHeld(ReadOnlySpan<byte> tag)
    {
        var person = Convert.ToHexString(tag);
        return holds.Values.Any(hold => hold.ReleasedAt is null && hold.People.Contains(person));
    }
}

/// <summary>
/// The holds that the log has in force, found by its look-up tables: for showing, at little cost. Whoever writes to the database can leave entries out of these;
/// what is decided is asked of the whole log (<see cref="ToldHolds.ReadAsync"/>).
/// </summary>
internal sealed class IndexedHolds(LogStore store, LogIndexer indexer, LogSearch search)
{
    private const int Step = 1_000;

    private static readonly EntryFilter OfHolds = new() { Types = [(int)EntryType.HoldChange] };

    private Known known = new([], 0, new ToldHolds());

    public async Task<IReadOnlyList<KeyValuePair<Guid, ToldHold>>> InForceAsync(CancellationToken ct)
    {
        await indexer.CatchUpAsync(ct);
        var before = Volatile.Read(ref known);
        var after = await search.ReadAsync(connection => GoOnAsync(connection, before, ct), ct);
        Volatile.Write(ref known, after);
        return [.. after.Told.All.Where(hold => hold.Value.ReleasedAt is null)];
    }

    // Whoever reads at the same time has what was known before; nothing of that is changed.
    private async Task<Known> GoOnAsync(Npgsql.NpgsqlConnection connection, Known before, CancellationToken ct)
    {
        var range = await LogSearch.RangeAsync(connection, null, null, ct);
        var news = new List<(long Index, LogEntry Entry)>();
        for (var rest = range with { Low = Math.Max(range.Low, before.Next) }; !rest.IsEmpty;)
        {
            var indexes = await LogSearch.FindAsync(connection, OfHolds, rest, oldestFirst: true, Step, ct);
            var found = await store.EntriesAtAsync(indexes, ct);
            news.AddRange(indexes.Where(found.ContainsKey).Select(index => (index, LogEntry.Decode(found[index]))));
            if (indexes.Count < Step) break;
            rest = rest with { Low = indexes[^1] + 1 };
        }

        if (news.Count == 0) return before with { Next = Math.Max(before.Next, range.High) };
        var told = new ToldHolds();
        var entries = before.Entries.Concat(news).ToList();
        foreach (var (index, entry) in entries) told.Read(index, entry);
        return new Known(entries, range.High, told);
    }

    private sealed record Known(IReadOnlyList<(long Index, LogEntry Entry)> Entries, long Next, ToldHolds Told);
}
