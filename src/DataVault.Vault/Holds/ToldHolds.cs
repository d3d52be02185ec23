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
