using System.Globalization;
using DataVault.Client.Wire;

namespace DataVault.Console;

/// <summary>The codes of the officer's desk in words for officers.</summary>
internal static class DeskWords
{
    private static readonly Dictionary<string, (string Title, string? Page, string? PageTitle)> s_tiles = new()
    {
        ["deadlines"] = ("Deadlines", "/console/officer", "All requests"),
        ["funnel"] = ("Where requests are", "/console/officer", "All requests"),
        ["erasure"] = ("What erasures came to", "/console/officer?kind=erasure", "All erasures"),
        ["consents"] = ("Consents", "/console/officer/consents", "Prove a consent"),
        ["drift"] = ("Declared and done", "/console/officer/processing", "Record of processing"),
        ["retention"] = ("Kept too long", "/console/officer/retention", "Retention"),
        ["access"] = ("Unusual access", "/console/officer/alerts", "Alerts"),
        ["integrity"] = ("The log", "/console/officer/log", "Search the log"),
        ["breaches"] = ("Breaches", "/console/officer/breaches", "Register of breaches"),
        ["keys"] = ("Keys and drills", "/console/keys", "Keys"),
    };

    private static readonly Dictionary<string, string> s_figures = new()
    {
        ["deadlines/open"] = "Open", ["deadlines/extended"] = "Extended", ["deadlines/waiting"] = "Wait for the person",
        ["funnel/state"] = "Open", ["funnel/stuck"] = "Nothing done for long", ["funnel/closed"] = "Closed in 30 days", ["funnel/refused"] = "Refused in 30 days",
        ["erasure/executed"] = "Carried out in 30 days", ["erasure/deferred"] = "Deferred by a hold", ["erasure/failed"] = "Not carried out", ["erasure/awaiting-final"] = "Final one still to come",
        ["erasure/final-overdue"] = "Final one overdue", ["erasure/unacknowledged"] = "Recipients not told for long", ["erasure/waiting-notices"] = "Recipients still to be told",
        ["consents/given"] = "Given", ["consents/expired"] = "Expired", ["consents/withdrawn"] = "Withdrawn", ["consents/refused"] = "Refused", ["consents/renewal-due"] = "End soon",
        ["consents/withdrawn-today"] = "Withdrawn today", ["consents/objected-by-signal"] = "Object by signal", ["consents/without-notice"] = "Not provable",
        ["drift/undeclared"] = "Used, but not declared", ["drift/unknown-purposes"] = "Purposes nobody declares", ["drift/denied"] = "Refused in 90 days",
        ["retention/holds-overdue"] = "Holds past their review", ["retention/holds"] = "Holds in force", ["retention/overdue-people"] = "People past their sweep", ["retention/next-run"] = "Next sweep",
        ["retention/last-run"] = "People swept last", ["retention/deleted"] = "Deleted last", ["retention/failed"] = "Not readable to the sweep", ["retention/frozen"] = "Kept for another reason",
        ["access/alerts"] = "Alerts", ["access/reviews-overdue"] = "Reviews overdue", ["access/reviews"] = "Reviews to do", ["access/unusual-readers"] = "Read more than ever",
        ["access/bulk-reads"] = "Many people in one read", ["access/impact-reports"] = "Impact reports in 90 days",
        ["integrity/signed"] = "Signed up to entry", ["integrity/witnessed"] = "Cosigned up to entry", ["integrity/timestamped"] = "Timestamped up to entry", ["integrity/clock-ahead"] = "Clock ahead, seconds",
        ["integrity/unsigned"] = "Not signed yet", ["integrity/not-as-written"] = "Rows not as written",
        ["breaches/open"] = "Open cases", ["breaches/clock-runs"] = "Authority still to be told", ["breaches/reports-sent"] = "Reports sent", ["breaches/damaged"] = "Cases with damage",
        ["keys/key-since"] = "Key since", ["keys/damaged-keys"] = "Keys that do not open", ["keys/backup"] = "Newest backup", ["keys/drill"] = "Last restore drill",
    };

    private static readonly Dictionary<string, string> s_groups = new()
    {
        ["late"] = "late", ["soon"] = "due very soon", ["week"] = "due within a week", ["fortnight"] = "due within two weeks", ["later"] = "due later",
        ["honey-touched"] = "planted people touched", ["budget-exhausted"] = "budgets used up",
        ["manual"] = "by hand", ["queued"] = "on its way",
        ["root"] = "root", ["vault"] = "vault", ["epoch"] = "epoch", ["subjects"] = "people", ["index"] = "search",
    };

    private static readonly Dictionary<string, string> s_columns = new()
    {
        ["right"] = "Right", ["law"] = "Law", ["day"] = "Reads in a day", ["usual"] = "Usual in a day", ["untouched"] = "Nothing done since", ["answerBy"] = "Answer by", ["resumes"] = "To be reviewed", ["hoursLeft"] = "Hours left", ["aware"] = "Known since", ["ends"] = "Ends", ["values"] = "Values deleted", ["events"] = "Events deleted", ["frozen"] = "Kept for another reason", ["failed"] = "Not readable",
    };

    /// <summary>Figures that are read side by side, one column each, with a row for each group.</summary>
    public static IReadOnlyList<string> ConsentColumns { get; } = ["given", "renewal-due", "expired", "withdrawn", "withdrawn-today", "refused", "objected-by-signal", "without-notice"];

    public static string Tile(string tile) => s_tiles.TryGetValue(tile, out var known) ? known.Title : Words.Of(tile);

    /// <summary>Where what a tile is about is dealt with.</summary>
    public static (string Address, string Title)? Page(string tile) => s_tiles.TryGetValue(tile, out var known) && known is { Page: { } address, PageTitle: { } title } ? (address, title) : null;

    public static string Figure(string tile, string figure) => s_figures.GetValueOrDefault($"{tile}/{figure}") ?? Words.Of(figure);

    public static string Figure(string tile, DeskFigureView figure) => figure.Of is { } of ? $"{Figure(tile, figure.Name)}: {Group(of)}" : Figure(tile, figure.Name);

    public static string Group(string of) => s_groups.GetValueOrDefault(of) ?? Words.Of(of).ToLowerInvariant();

    public static string Column(string name) => s_columns.GetValueOrDefault(name) ?? Words.Of(name);

    /// <summary>From where on something is red, as it is configured.</summary>
    public static IReadOnlyList<(string What, string From)> Limits(DeskLimitsView limits) =>
    [
        ("A request", $"late, or due in less than {Span(limits.DueSoonHours)}"), ("A request nobody touches", $"for {Span(limits.StuckHours)}"),
        ("An approved erasure", $"not carried out after {Span(limits.ErasureHours)}, held by nothing"), ("A notice to a recipient", $"not taken after {Span(limits.UnacknowledgedHours)}"),
        ("A consent", "whose notice the vault cannot show"), ("Use", "of anything for a purpose that no rule declares"), ("Retention", "a hold past its review, people past two sweeps, people the sweep cannot read"),
        ("A reader", $"above {Words.Number(limits.ReaderFloor)} reads in a day and {Words.Number(limits.ReaderFactor)} times their usual"), ("Alerts and reviews", "any alert open, any review overdue"),
        ("The log", $"signed, cosigned or timestamped longer than {Span(limits.AnchoredHours)} ago; a clock {Words.Number(limits.ClockAheadSeconds)} seconds ahead; a row that the vault did not write like this"),
        ("A breach", $"whose authority is to be told in less than {Span(limits.BreachLeftHours)}"), ("A drill", $"longer than {Span(limits.DrillHours)} ago, where drills are kept in the log"),
    ];

    /// <summary>Where a row of a list is dealt with.</summary>
    public static string? Address(string? about, string key) => about switch
    {
        "request" => $"/console/officer/requests/{key}",
        "review" => $"/console/officer/reviews/{key}",
        "entry" => $"/console/proof/{key}",
        "breach" => $"/console/officer/breaches/{key}",
        "alert" => "/console/officer/alerts",
        "hold" => "/console/officer/holds",
        _ => null,
    };

    public static string List(string tile, string figure, string? of) => $"/console/officer/desk/{tile}/{figure}{(of is null ? "" : "?of=" + Uri.EscapeDataString(of))}";

    public static string Cell(DeskColumnView column, string text) => column.Cells switch
    {
        "instant" when DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) => Words.Instant(at),
        "number" when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => Words.Number(number),
        "text" when column.Name is "right" or "rule" or "level" or "state" or "reason" or "authority" or "kind" or "item" or "purpose" => Words.Of(text),
        _ => text,
    };

    private static string Span(double hours) => hours < 48 ? $"{Words.Number(hours)} hours" : $"{Words.Number(hours / 24)} days";
}
