using System.Runtime.CompilerServices;
using DataVault.Policy;
using DataVault.Transparency;

namespace DataVault.Vault;

/// <summary>
/// What a compliance officer wants on one screen: numbers and times, and behind each number the list of what it counts. Nobody is named in it: requests, holds and
/// reviews stand there by their own numbers. Each look is an entry of the log.
/// </summary>
public sealed class OfficerDesk : IDisposable
{
    /// <summary>Requests that the screen shows by themselves.</summary>
    private const int Shown = 5;

    private sealed record Counted(DateTimeOffset At, DeskCounts Counts, DeskList Next, IReadOnlyList<DeskPart> Breaches);

    // So long a count is good for whoever else looks: many officers cost no more than one.
    private static readonly TimeSpan s_kept = TimeSpan.FromSeconds(2);
    private static readonly DeskSource s_open = DeskSources.All.First(source => source is { Tile: DeskTiles.Deadlines, Figure: "open" });

    private readonly DeskReader reader;
    private readonly DeskDigest digest;
    private readonly DeskBreaches breaches;
    private readonly DeskConsents consents;
    private readonly OversightDoor door;
    private readonly SubjectReach reach;
    private readonly VaultOptions options;
    private readonly VaultClock clock;
    private readonly SemaphoreSlim turn = new(1, 1);
    private Counted? kept;

    internal OfficerDesk(DeskCounters counters, OversightDoor door, SubjectReach reach, VaultOptions options, VaultClock clock) =>
        (reader, digest, breaches, consents, this.door, this.reach, this.options, this.clock) = (counters.Reader, counters.Digest, counters.Breaches, counters.Consents, door, reach, options, clock);

    /// <exception cref="VaultException">forbidden: to who is not of the staff, may not read requests and the log, or does not reach everybody.</exception>
    public async Task<DeskView> LookAsync(Recipient recipient, Guid requestId, CancellationToken ct)
    {
        await EnterAsync(recipient, EntryType.StatusRead, requestId, ct);
        var older = await digest.NewestAsync(ct);
        var counted = await CountsAsync(ct);
        IReadOnlyList<DeskPart> parts = [.. counted.Breaches, .. older];
        return new DeskView(clock.Now, reach.Policy.Version, options.Desk, [.. DeskTiles.All.Select(tile => Tile(tile, counted.Counts, parts))], counted.Next);
    }

    /// <summary>What a figure counts.</summary>
    /// <param name="recipient">Who looks.</param>
    /// <param name="tile">One of <see cref="DeskTiles"/>.</param>
    /// <param name="figure">One that has a list.</param>
    /// <param name="of">Narrows it to a group; null for all.</param>
    /// <param name="page">How many at most, and after which cursor.</param>
    /// <param name="requestId">For the log.</param>
    /// <param name="ct">Ends the wait.</param>
    /// <exception cref="VaultException">forbidden; not-found: there is no such figure, or it has no list; invalid-request.</exception>
    public async Task<DeskList> ListAsync(Recipient recipient, (string Tile, string Figure) figure, string? of, (int Limit, string? Cursor) page, Guid requestId, CancellationToken ct)
    {
        var source = DeskSources.All.FirstOrDefault(one => one.Tile == figure.Tile && one.Figure == figure.Figure);
        await EnterAsync(recipient, source?.About == "request" ? EntryType.RequestRead : EntryType.StatusRead, requestId, ct);
        if (source is not null) return await reader.ListAsync(source, of, page.Limit, page.Cursor, ct);
        if (figure.Tile == DeskTiles.Consents && DeskConsents.Figures.Contains(figure.Figure)) return await consents.ListAsync(figure.Figure, of, page.Limit, page.Cursor, ct);
        IReadOnlyList<DeskPart> parts = figure.Tile == DeskTiles.Breaches ? (await CountsAsync(ct)).Breaches : await digest.NewestAsync(ct);
        return parts.FirstOrDefault(part => part.List is { } list && list.Tile == figure.Tile && list.Figure == figure.Figure)?.List ?? throw VaultException.NotFound();
    }

    /// <summary>The whole list behind a figure, page by page.</summary>
    /// <inheritdoc cref="ListAsync"/>
    public async IAsyncEnumerable<DeskRow> ExportAsync(
        Recipient recipient, (string Tile, string Figure) figure, string? of, DeskList first, Guid requestId, [EnumeratorCancellation] CancellationToken ct)
    {
        for (var page = first; ;)
        {
            foreach (var row in page.Rows) yield return row;
            if (page.Next is null) yield break;
            page = await ListAsync(recipient, figure, of, (DeskReader.LargestPage, page.Next), requestId, ct);
        }
    }

    public void Dispose() => turn.Dispose();

    private async Task EnterAsync(Recipient recipient, EntryType look, Guid requestId, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        await door.AuthoriseAsync(recipient, requestId, ct);
        if (!reach.Policy.Decisions.HasCapability(recipient.Roles, Capabilities.RequestsRead) || !reach.IsEverybody(recipient))
            throw await door.RefusedAsync(recipient, VaultException.Forbidden(), requestId, ct);
        await door.LookAsync(recipient, requestId, ct, look);
    }

    private async Task<Counted> CountsAsync(CancellationToken ct)
    {
        await turn.WaitAsync(ct);
        try
        {
            if (kept is { } last && clock.Now - last.At < s_kept) return last;
            var counts = await reader.CountAsync(ct);
            var next = await reader.ListAsync(s_open, null, Shown, null, ct);
            return kept = new Counted(clock.Now, counts, next, await breaches.CountAsync(counts.AsOf, ct));
        }
        finally
        {
            turn.Release();
        }
    }

    private DeskTile Tile(string tile, DeskCounts counts, IReadOnlyList<DeskPart> parts) => new(
        tile, [.. DeskSources.All.Where(source => source.Tile == tile).SelectMany(source => Figures(source, counts)), .. Anchors(tile, counts), .. parts.Where(part => part.Tile == tile).SelectMany(part => part.Figures)]);

    private static IEnumerable<DeskFigure> Figures(DeskSource source, DeskCounts counts)
    {
        var found = counts.Rows.Where(row => row.Tile == source.Tile && row.Figure == source.Figure).ToDictionary(row => row.Of ?? "");
        var groups = source.Groups.Concat(found.Keys.Order(StringComparer.Ordinal)).Distinct();
        return groups.DefaultIfEmpty("").Select(group => (Of: group.Length > 0 ? group : null, Row: found.GetValueOrDefault(group)))
            .Select(one => new DeskFigure(source.Figure, one.Of, one.Row?.Count ?? 0, one.Row?.At, one.Row?.Count > 0 && source.Red(one.Of), HasList: true, counts.AsOf));
    }

    // What is not there is no trouble by itself: not every vault asks witnesses and authorities.
    private IEnumerable<DeskFigure> Anchors(string tile, DeskCounts counts)
    {
        DeskCount? Find(string name) => counts.Rows.FirstOrDefault(row => row.Tile == "#" && row.Figure == name);
        DeskFigure Of(string name, Func<DeskCount, bool> red, bool counted = true) =>
            Find(name) is { } row ? new DeskFigure(name, null, counted ? row.Count : null, row.At, red(row), HasList: false, counts.AsOf) : new DeskFigure(name, null, null, null, IsRed: false, HasList: false, counts.AsOf);
        bool IsOld(DeskCount row) => clock.Now - row.At > options.Desk.Anchored;
        if (tile != DeskTiles.Integrity) return [];
        return
        [
            // An idle log still ticks: a checkpoint that is old means that nobody signs.
            Of("signed", IsOld), Of("witnessed", IsOld), Of("timestamped", IsOld), Of("clock-ahead", row => row.Count > options.Desk.ClockAhead.TotalSeconds),
            new DeskFigure("unsigned", null, counts.AsOf.Unsigned, null, IsRed: false, HasList: false, counts.AsOf),
        ];
    }
}

/// <summary>Those who count for the desk.</summary>
internal sealed record DeskCounters(DeskReader Reader, DeskDigest Digest, DeskBreaches Breaches, DeskConsents Consents);
