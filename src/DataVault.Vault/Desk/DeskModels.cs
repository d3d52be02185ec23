namespace DataVault.Vault;

/// <summary>The state of the log that figures were counted at, so that they can be counted again.</summary>
/// <param name="Size">Entries of the newest signed checkpoint then.</param>
/// <param name="RootHash">Its root, in base64; empty before the first checkpoint.</param>
/// <param name="At">When the checkpoint was signed.</param>
/// <param name="Unsigned">Entries after it that the figures know too.</param>
public sealed record AsOf(long Size, string RootHash, DateTimeOffset At, long Unsigned);

/// <summary>One number, or one time, of the desk.</summary>
/// <param name="Name">What it says.</param>
/// <param name="Of">Of what: a state, a purpose, a rule; null where it is about the whole.</param>
/// <param name="Count">How many; null of a time alone.</param>
/// <param name="At">When: of a count the earliest of them; null where that says nothing.</param>
/// <param name="IsRed">Somebody has to act.</param>
/// <param name="HasList">What it counts can be listed.</param>
/// <param name="AsOf">The log that it was counted at: figures that take long to count are older than others.</param>
public sealed record DeskFigure(string Name, string? Of, long? Count, DateTimeOffset? At, bool IsRed, bool HasList, AsOf AsOf);

/// <summary>What belongs together on the desk.</summary>
/// <param name="Name">One of <see cref="DeskTiles"/>.</param>
/// <param name="Figures">In the order in which they are read.</param>
public sealed record DeskTile(string Name, IReadOnlyList<DeskFigure> Figures)
{
    /// <summary>One of its figures is.</summary>
    public bool IsRed => Figures.Any(figure => figure.IsRed);
}

/// <summary>The whole desk.</summary>
/// <param name="MadeAt">When it was put together.</param>
/// <param name="PolicyVersion">In force then.</param>
/// <param name="Limits">From where on a figure is red.</param>
/// <param name="Tiles">In the order of <see cref="DeskTiles.All"/>.</param>
/// <param name="Next">The requests that are due first.</param>
public sealed record DeskView(DateTimeOffset MadeAt, string PolicyVersion, DeskLimits Limits, IReadOnlyList<DeskTile> Tiles, DeskList Next);

/// <summary>How the cells of a column are to be read.</summary>
public enum DeskCells
{
    /// <summary>A code of the vault or a name.</summary>
    Text,

    /// <summary>A number.</summary>
    Number,

    /// <summary>A time, RFC 3339.</summary>
    Instant,
}

/// <summary>A column of a list.</summary>
public sealed record DeskColumn(string Name, DeskCells Cells = DeskCells.Text);

/// <summary>A row of a list.</summary>
/// <param name="Cells">One for each column; empty where there is nothing to say.</param>
/// <param name="Key">Number of what the row is about; null where it has none.</param>
public sealed record DeskRow(IReadOnlyList<string> Cells, string? Key);

/// <summary>What a figure counts.</summary>
/// <param name="Tile">Of which tile.</param>
/// <param name="Figure">Which figure.</param>
/// <param name="Of">Of what, where it was narrowed.</param>
/// <param name="About">What a row's key is the number of: <c>request</c>, <c>hold</c>, <c>review</c>, <c>alert</c>, <c>entry</c>, <c>breach</c>, <c>customer</c>; null where rows have none.</param>
/// <param name="AsOf">When it was listed.</param>
/// <param name="Columns">Of the rows, on the screen and in the export alike.</param>
/// <param name="Rows">Those that wait longest, or weigh most, come first.</param>
/// <param name="Next">Cursor of the page after this; null at the end.</param>
public sealed record DeskList(
    string Tile, string Figure, string? Of, string? About, AsOf AsOf, IReadOnlyList<DeskColumn> Columns, IReadOnlyList<DeskRow> Rows, string? Next);

/// <summary>The tiles of the desk.</summary>
public static class DeskTiles
{
    /// <summary>Requests by the days that are left.</summary>
    public const string Deadlines = "deadlines";

    /// <summary>Requests by what becomes of them.</summary>
    public const string Funnel = "funnel";

    /// <summary>What erasures came to.</summary>
    public const string Erasure = "erasure";

    /// <summary>Consents by purpose.</summary>
    public const string Consents = "consents";

    /// <summary>What was declared beside what was done.</summary>
    public const string Drift = "drift";

    /// <summary>What is kept too long.</summary>
    public const string Retention = "retention";

    /// <summary>Who looked more than usual.</summary>
    public const string Access = "access";

    /// <summary>How the log is signed and anchored.</summary>
    public const string Integrity = "integrity";

    /// <summary>Open cases and their clocks.</summary>
    public const string Breaches = "breaches";

    /// <summary>Ages of keys, backups and drills.</summary>
    public const string Keys = "keys";

    /// <summary>In the order of the screen.</summary>
    public static IReadOnlyList<string> All { get; } = [Deadlines, Funnel, Erasure, Consents, Drift, Retention, Access, Integrity, Breaches, Keys];
}

/// <summary>From where on a figure of the desk is red.</summary>
public sealed record DeskLimits
{
    /// <summary>An open request with less time left.</summary>
    public TimeSpan DueSoon { get; init; } = TimeSpan.FromDays(3);

    /// <summary>An open request of which nothing was done for so long.</summary>
    public TimeSpan Stuck { get; init; } = TimeSpan.FromDays(7);

    /// <summary>An approved erasure that no hold keeps and that is not carried out after so long.</summary>
    public TimeSpan Erasure { get; init; } = TimeSpan.FromDays(1);

    /// <summary>A notice that its recipient has not taken after so long.</summary>
    public TimeSpan Unacknowledged { get; init; } = TimeSpan.FromDays(7);

    /// <summary>The newest checkpoint, where witnesses are asked the newest cosigned one, and where an authority is asked the newest timestamp.</summary>
    public TimeSpan Anchored { get; init; } = TimeSpan.FromDays(1);

    /// <summary>A breach whose authority is to be told, with less time left.</summary>
    public TimeSpan BreachLeft { get; init; } = TimeSpan.FromHours(24);

    /// <summary>The last drill, where drills are kept in the log.</summary>
    public TimeSpan Drill { get; init; } = TimeSpan.FromDays(90);

    /// <summary>The vault's clock ahead of a timestamp authority's.</summary>
    public TimeSpan ClockAhead { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Reads of one reader in a day, as a multiple of their daily average of the four weeks before.</summary>
    public double ReaderFactor { get; init; } = 3;

    /// <summary>Reads in a day that are usual for anybody.</summary>
    public long ReaderFloor { get; init; } = 50;

    /// <summary>People of whom one act told, from which on it is a bulk read.</summary>
    public int BulkPeople { get; init; } = 100;

    /// <summary>How long figures that take long to count are shown before they are counted again.</summary>
    public TimeSpan RecountEvery { get; init; } = TimeSpan.FromMinutes(5);
}
