namespace DataVault.Vault;

/// <summary>The open cases of the register of breaches: how long their clocks still run, and what is known and reported. They are few, and counted at each look.</summary>
internal sealed class DeskBreaches(BreachBook book, VaultOptions options, VaultClock clock)
{
    private static readonly DeskColumn[] s_columns =
        [new("law"), new("aware", DeskCells.Instant), new("due", DeskCells.Instant), new("hoursLeft", DeskCells.Number), new("people", DeskCells.Number), new("records", DeskCells.Number), new("reports", DeskCells.Number), new("missing")];

    public async Task<IReadOnlyList<DeskPart>> CountAsync(AsOf asOf, CancellationToken ct)
    {
        var all = await book.AllAsync(ct);
        var open = all.Where(one => one.ClosedAt is null).OrderBy(one => one.DueAt ?? DateTimeOffset.MaxValue).ToList();
        // A closed case is evidence too.
        var damaged = all.Where(one => one.Damage.Count > 0).ToList();
        var running = open.Where(one => one.ClockRuns && one.DueAt is not null).ToList();
        var cases = DeskPart.Counting(DeskTiles.Breaches, "open", asOf, s_columns, [.. open.Select(Row)], red: false, about: "breach");
        return
        [
            cases,
            Listed(DeskPart.Figure(DeskTiles.Breaches, "clock-runs", asOf, running.Count, running.FirstOrDefault()?.DueAt, running.Any(one => one.DueAt - clock.Now < options.Desk.BreachLeft)), running),
            Listed(DeskPart.Figure(DeskTiles.Breaches, "reports-sent", asOf, open.Sum(one => one.Reports.Count)), open.Where(one => one.Reports.Count > 0)),
            Listed(DeskPart.Figure(DeskTiles.Breaches, "damaged", asOf, damaged.Count, red: damaged.Count > 0), damaged),
        ];
    }

    private DeskPart Listed(DeskPart part, IEnumerable<BreachCase> cases) => DeskPart.Explained(DeskTiles.Breaches, part.Figures[0], s_columns, [.. cases.Select(Row)], about: "breach");

    private DeskRow Row(BreachCase one) => new(
        [
            one.Opening?.Jurisdiction ?? "", one.Opening is { } opening ? DeskReader.Cell(opening.AwareAt.UtcDateTime) : "", one.DueAt is { } due ? DeskReader.Cell(due.UtcDateTime) : "",
            one.ClockRuns && one.DueAt is { } end ? DeskReader.Cell((long)Math.Floor((end - clock.Now).TotalHours)) : "", Say(one.Findings.People), Say(one.Findings.Records),
            DeskReader.Cell(one.Reports.Count), string.Join(' ', one.Missing),
        ],
        one.Id.ToString());

    private static string Say(long? known) => known is { } number ? DeskReader.Cell(number) : "";
}
