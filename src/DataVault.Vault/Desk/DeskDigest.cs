using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace DataVault.Vault;

/// <summary>Figures of a tile that were counted together, and the list behind the one that has one.</summary>
internal sealed record DeskPart(string Tile, IReadOnlyList<DeskFigure> Figures, DeskList? List = null)
{
    /// <summary>A figure that counts the rows of its list.</summary>
    public static DeskPart Counting(string tile, string name, AsOf asOf, IReadOnlyList<DeskColumn> columns, IReadOnlyList<DeskRow> rows, bool red, string? about = null) => new(
        tile, [new DeskFigure(name, null, rows.Count, null, red && rows.Count > 0, HasList: true, asOf)], new DeskList(tile, name, null, about, asOf, columns, rows, null));

    /// <summary>A figure that its list divides.</summary>
    public static DeskPart Summing(string tile, string name, AsOf asOf, IReadOnlyList<DeskColumn> columns, IReadOnlyList<DeskRow> rows, long sum) => new(
        tile, [new DeskFigure(name, null, sum, null, IsRed: false, HasList: true, asOf)], new DeskList(tile, name, null, null, asOf, columns, rows, null));

    /// <summary>A figure with a list that explains it: not of as many rows as it says.</summary>
    public static DeskPart Explained(string tile, DeskFigure figure, IReadOnlyList<DeskColumn> columns, IReadOnlyList<DeskRow> rows, string? about = null) => new(
        tile, [figure with { HasList = true }], new DeskList(tile, figure.Name, null, about, figure.AsOf, columns, rows, null));

    /// <summary>A figure alone.</summary>
    public static DeskPart Figure(string tile, string name, AsOf asOf, long? count, DateTimeOffset? at = null, bool red = false, string? of = null) =>
        new(tile, [new DeskFigure(name, of, count, at, red, HasList: false, asOf)]);
}

/// <summary>
/// What takes longer to count than a page may take: everybody's consents, a quarter of the log, all keys. It is counted from time to time and kept in the memory of the
/// process; each figure says how old it is.
/// </summary>
internal sealed class DeskDigest(DeskTrends trends, DeskStock stock, VaultOptions options, TimeProvider clock, ILogger<DeskDigest> logger) : RoundsWorker(clock, logger)
{
    // Of the process's time the counts take a hundredth at most, and a small vault is counted often.
    private const int Rest = 100;
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(15);

    private readonly SemaphoreSlim turn = new(1, 1);
    private IReadOnlyList<DeskPart>? newest;
    private TimeSpan took;

    protected override TimeSpan Rhythm => TimeSpan.FromTicks(Math.Min(Math.Max((took * Rest).Ticks, s_shortest.Ticks), options.Desk.RecountEvery.Ticks));

    /// <summary>The newest count. Before the first, whoever asks waits for it.</summary>
    public async ValueTask<IReadOnlyList<DeskPart>> NewestAsync(CancellationToken ct)
    {
        if (Volatile.Read(ref newest) is { } known) return known;
        await turn.WaitAsync(ct);
        try
        {
            return newest ??= await CountAsync(ct);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Counts anew.</summary>
    public override async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation);
        try
        {
            var began = Clock.GetTimestamp();
            Volatile.Write(ref newest, await CountAsync(cancellation));
            took = Clock.GetElapsedTime(began);
            return true;
        }
        finally
        {
            turn.Release();
        }
    }

    public override void Dispose()
    {
        turn.Dispose();
        base.Dispose();
    }

    private async Task<IReadOnlyList<DeskPart>> CountAsync(CancellationToken ct) => [.. await trends.CountAsync(ct), .. await stock.CountAsync(ct)];
}

/// <summary>What there is in stock: consents, sweeps, what is not as the vault wrote it, keys, backups and drills.</summary>
internal sealed class DeskStock(VaultDatabase database, ConsentHealth consents, RetentionRuns runs, RightsWatch rights, DeskKeys keys, VaultOptions options)
{
    private const int LastRuns = 20;

    private const string WithdrawnToday = "select purpose_id, count(*) from vault.consent_event where state = $1 and at >= $2 group by 1";

    private static readonly string[] s_states = ["given", "expired", "withdrawn", "refused"];
    private static readonly byte s_withdrawn = ConsentStates.TryParse("withdrawn", out var code) ? code : throw new InvalidOperationException("There is no such state of a consent.");

    public async Task<IReadOnlyList<DeskPart>> CountAsync(CancellationToken ct)
    {
        await using var connection = await database.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        var asOf = await DeskReader.AsOfAsync(connection, ct);
        return [.. await ConsentsAsync(connection, asOf, ct), .. await RetentionAsync(asOf, ct), await DamageAsync(asOf, ct), .. await keys.CountAsync(asOf, ct)];
    }

    private async Task<IEnumerable<DeskPart>> ConsentsAsync(NpgsqlConnection connection, AsOf asOf, CancellationToken ct)
    {
        var health = await consents.CountAsync(connection, ct);
        await using var command = new NpgsqlCommand(WithdrawnToday, connection) { Parameters = { new() { Value = (short)s_withdrawn }, new() { Value = consents.Now.UtcDateTime.Date } } };
        var today = (await Rows.ReadAsync(command, row => (row.GetInt32(0), row.GetInt64(1)), ct)).ToDictionary();
        return health.SelectMany(one => ByPurpose(one, today.GetValueOrDefault(one.Purpose.Id), asOf));
    }

    private static IEnumerable<DeskPart> ByPurpose(PurposeHealth health, long withdrawnToday, AsOf asOf)
    {
        DeskPart Of(string name, long count, bool red = false) => new(DeskTiles.Consents, [new DeskFigure(name, health.Purpose.Name, count, null, red && count > 0, HasList: true, asOf)]);
        foreach (var state in s_states) yield return Of(state, health.States.GetValueOrDefault(state));
        yield return Of("renewal-due", health.RenewalDue);
        yield return Of("withdrawn-today", withdrawnToday);
        yield return Of("objected-by-signal", health.Objected);
        yield return Of("without-notice", health.WithoutNotice, red: true);
    }

    private static readonly DeskColumn[] s_runs =
    [
        new("started", DeskCells.Instant), new("finished", DeskCells.Instant), new("people", DeskCells.Number), new("values", DeskCells.Number), new("events", DeskCells.Number), new("erasures", DeskCells.Number),
        new("frozen", DeskCells.Number), new("failed", DeskCells.Number),
    ];

    private async Task<IEnumerable<DeskPart>> RetentionAsync(AsOf asOf, CancellationToken ct)
    {
        var all = (await runs.ListAsync(LastRuns, ct)).Where(run => !run.Dry).ToList();
        var last = all.FirstOrDefault();
        DeskFigure Of(string name, long? count, DateTimeOffset? at, bool red = false, string? of = null) => new(name, of, count, at, red, HasList: false, asOf);
        DeskPart ByRun(DeskFigure figure, Func<RetentionRun, bool> counts) => DeskPart.Explained(DeskTiles.Retention, figure, s_runs, [.. all.Where(counts).Select(Row)]);
        var rules = (last?.ByRule ?? new Dictionary<string, long>()).OrderBy(rule => rule.Key, StringComparer.Ordinal).ToList();
        return
        [
            new(DeskTiles.Retention, [Of("next-run", null, await runs.DueAsync(options.RetentionEvery, ct))]), ByRun(Of("last-run", last?.People, last?.StartedAt), _ => true),
            ByRun(Of("failed", last?.Failed ?? 0, null, last?.Failed > 0), run => run.Failed > 0), ByRun(Of("frozen", last?.Frozen ?? 0, null), run => run.Frozen > 0),
            .. rules.Select(rule => DeskPart.Explained(
                DeskTiles.Retention, Of("deleted", rule.Value, last!.StartedAt, of: rule.Key), [new("rule"), new("deleted", DeskCells.Number)],
                [.. rules.Select(one => new DeskRow([one.Key, DeskReader.Cell(one.Value)], null))])),
        ];
    }

    private static DeskRow Row(RetentionRun run) => new(
        [
            DeskReader.Cell(run.StartedAt.UtcDateTime), run.FinishedAt is { } finished ? DeskReader.Cell(finished.UtcDateTime) : "",
            .. new[] { run.People, run.Values, run.Events, run.Erasures, run.Frozen, run.Failed }.Select(number => DeskReader.Cell(number)),
        ],
        null);

    private async Task<DeskPart> DamageAsync(AsOf asOf, CancellationToken ct)
    {
        var backlog = await rights.LookAsync(ct);
        var kinds = new[] { ("hold", (long)backlog.ChangedHolds), ("request", backlog.ForgedRequests), ("notice", backlog.ChangedNotices) };
        var changed = kinds.Sum(kind => kind.Item2);
        return DeskPart.Explained(
            DeskTiles.Integrity, new DeskFigure("not-as-written", null, changed, null, changed > 0, HasList: true, asOf), [new("kind"), new("rows", DeskCells.Number)],
            [.. kinds.Where(kind => kind.Item2 > 0).Select(kind => new DeskRow([kind.Item1, DeskReader.Cell(kind.Item2)], null))]);
    }
}

/// <summary>Ages of keys, backups and drills.</summary>
internal sealed class DeskKeys(KeyAdministration keys, BackupHistory backups, VaultOptions options, VaultClock clock)
{
    public async Task<IEnumerable<DeskPart>> CountAsync(AsOf asOf, CancellationToken ct)
    {
        DeskPart Of(string name, long? count, DateTimeOffset? at, bool red, string? of = null) => DeskPart.Figure(DeskTiles.Keys, name, asOf, count, at, red, of);
        var state = await keys.StatusAsync(ct);
        var history = await backups.LookAsync(ct);
        var damaged = state.Damage.People + state.Damage.IndexKeys + state.Damage.Epochs.Count;
        var drill = history.Drill.At;
        IReadOnlyList<DeskRow> levels = [.. state.Levels.Select(level => new DeskRow([level.Level, level.Since is { } since ? DeskReader.Cell(since.UtcDateTime) : "", level.IsDue ? "due" : ""], null))];
        IReadOnlyList<DeskRow> broken =
        [
            .. new[] { ("people", (long)state.Damage.People), ("index", state.Damage.IndexKeys), ("epoch", state.Damage.Epochs.Count) }
                .Where(kind => kind.Item2 > 0).Select(kind => new DeskRow([kind.Item1, DeskReader.Cell(kind.Item2)], null)),
        ];
        DeskPart Listed(DeskPart part, DeskColumn[] columns, IReadOnlyList<DeskRow> rows) => DeskPart.Explained(DeskTiles.Keys, part.Figures[0], columns, rows);
        return
        [
            .. state.Levels.Select(level => Listed(
                Of("key-since", null, level.Since, level.IsDue && level.Level != RotationLevels.Epoch, level.Level), [new("level"), new("since", DeskCells.Instant), new("state")], levels)),
            Listed(Of("damaged-keys", damaged, null, damaged > 0), [new("kind"), new("keys", DeskCells.Number)], broken),
            .. history.Backups.Select(backup => Of("backup", null, backup.At, backup.IsDue, BackupFacts.NameOf(backup.Part))),
            Of("drill", null, drill, options.DrillsDueAfter is not null && (drill is null || clock.Now - drill > options.Desk.Drill)),
        ];
    }
}
