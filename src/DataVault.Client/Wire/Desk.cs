namespace DataVault.Client.Wire;

/// <summary>The state of the log that a figure was counted at.</summary>
/// <param name="Size">Entries of the newest signed checkpoint then.</param>
/// <param name="RootHash">Its root, in base64; empty before the first checkpoint.</param>
/// <param name="At">When the checkpoint was signed.</param>
/// <param name="Unsigned">Entries after it that the figure knows too.</param>
public sealed record DeskAsOf(long Size, string RootHash, DateTimeOffset At, long Unsigned);

/// <summary>One number, or one time, of the officer's desk.</summary>
/// <param name="Name">What it says.</param>
/// <param name="Of">Of what: a state, a purpose, a rule; null where it is about the whole.</param>
/// <param name="Count">How many; null of a time alone.</param>
/// <param name="At">When; of a count the earliest.</param>
/// <param name="Red">Somebody has to act.</param>
/// <param name="HasList">What it counts can be listed, under <c>/v1/desk/{tile}/{name}</c>.</param>
/// <param name="AsOf">The log that it was counted at.</param>
public sealed record DeskFigureView(string Name, string? Of, long? Count, DateTimeOffset? At, bool Red, bool HasList, DeskAsOf AsOf);

/// <summary>What belongs together on the desk.</summary>
public sealed record DeskTileView(string Name, bool Red, IReadOnlyList<DeskFigureView> Figures);

/// <summary>From where on a figure is red, in hours where it is a time.</summary>
public sealed record DeskLimitsView(
    double DueSoonHours, double StuckHours, double ErasureHours, double UnacknowledgedHours, double AnchoredHours, double BreachLeftHours, double DrillHours, double ClockAheadSeconds, double ReaderFactor,
    long ReaderFloor, int BulkPeople);

/// <summary>The officer's desk: what is to be known on one screen.</summary>
/// <param name="MadeAt">When it was put together.</param>
/// <param name="PolicyVersion">In force then.</param>
/// <param name="Limits">From where on a figure is red.</param>
/// <param name="Tiles">In the order of the screen.</param>
/// <param name="Next">The requests that are due first.</param>
public sealed record OfficerDeskView(DateTimeOffset MadeAt, string PolicyVersion, DeskLimitsView Limits, IReadOnlyList<DeskTileView> Tiles, DeskListView Next);

/// <summary>A column of a list.</summary>
/// <param name="Name">Its heading.</param>
/// <param name="Cells"><c>text</c>, <c>number</c> or <c>instant</c>.</param>
public sealed record DeskColumnView(string Name, string Cells);

/// <summary>A row of a list.</summary>
/// <param name="Cells">One for each column; empty where there is nothing to say.</param>
/// <param name="Key">Number of what the row is about; null where it has none.</param>
public sealed record DeskRowView(IReadOnlyList<string> Cells, string? Key);

/// <summary>What a figure counts.</summary>
/// <param name="Tile">Of which tile.</param>
/// <param name="Figure">Which figure.</param>
/// <param name="Of">Narrowed to what.</param>
/// <param name="About">What a row's key is the number of: <c>request</c>, <c>hold</c>, <c>review</c>, <c>alert</c>, <c>entry</c> or <c>breach</c>; null where rows have none.</param>
/// <param name="AsOf">When it was listed.</param>
/// <param name="Columns">Of the rows; the export has the same.</param>
/// <param name="Rows">Those that wait longest, or weigh most, first.</param>
/// <param name="Next">Cursor of the page after this.</param>
public sealed record DeskListView(
    string Tile, string Figure, string? Of, string? About, DeskAsOf AsOf, IReadOnlyList<DeskColumnView> Columns, IReadOnlyList<DeskRowView> Rows, string? Next);
