using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>
/// The clock of one regime for answering a request. Periods are counted as in Regulation (EEC) 1182/71 Article 3: the day of
/// receipt, in the controller's own time zone, is not counted; a period in months ends on the day of the same number, or on
/// the last day of a shorter month; where the regime rolls, an end on a weekend or holiday moves to the next working day.
/// </summary>
public sealed class Jurisdiction
{
    private readonly TimeZoneInfo zone;
    private readonly FrozenSet<DateOnly> holidays;
    private readonly bool rolls;

    internal Jurisdiction(string name, string title, (string Rule, int Amount, int Extension) period, (TimeZoneInfo Zone, bool Rolls, IEnumerable<DateOnly> Holidays) calendar)
    {
        (Name, Title) = (name, title);
        (DueRule, Amount, ExtensionAmount) = period;
        (zone, rolls) = (calendar.Zone, calendar.Rolls);
        holidays = calendar.Holidays.ToFrozenSet();
    }

    public string Name { get; }

    public string Title { get; }

    /// <summary><c>months</c> or <c>days</c>.</summary>
    public string DueRule { get; }

    public int Amount { get; }

    /// <summary>What an extension adds; 0 where there is none.</summary>
    public int ExtensionAmount { get; }

    public IReadOnlyCollection<DateOnly> Holidays => holidays;

    /// <summary>What it wants of a breach, and which authority watches over it.</summary>
    public BreachTerms Breach { get; internal init; } = BreachTerms.None;

    /// <summary>The last second of the day by which the request must be answered.</summary>
    public DateTimeOffset DueAt(DateTimeOffset received) => EndOf(DueOn(received, Amount));

    /// <summary>The same after an extension, counted from receipt and not from the first due date, which may have been shortened or rolled.</summary>
    public DateTimeOffset ExtendedDueAt(DateTimeOffset received) => EndOf(DueOn(received, Amount + ExtensionAmount));

    /// <summary>The day that it is there at an instant.</summary>
    public DateOnly DayOf(DateTimeOffset at) => DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(at, zone).DateTime);

    internal DateOnly DueOn(DateTimeOffset received, int amount)
    {
        var receipt = DayOf(received);
        var due = DueRule == "months" ? receipt.AddMonths(amount) : receipt.AddDays(amount);
        while (rolls && IsDayOff(due)) due = due.AddDays(1);
        return due;
    }

    private bool IsDayOff(DateOnly day) => day.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday || holidays.Contains(day);

    private DateTimeOffset EndOf(DateOnly day)
    {
        var midnight = day.AddDays(1).ToDateTime(TimeOnly.MinValue);
        while (zone.IsInvalidTime(midnight)) midnight = midnight.AddMinutes(30);
        return new DateTimeOffset(midnight, zone.GetUtcOffset(midnight)).ToUniversalTime().AddSeconds(-1);
    }
}

/// <summary>The regimes by name.</summary>
public sealed class JurisdictionTable
{
    private readonly FrozenDictionary<string, Jurisdiction> byName;

    internal JurisdictionTable(IReadOnlyList<Jurisdiction> all, Jurisdiction standard)
    {
        (All, Default) = (all, standard);
        byName = all.ToFrozenDictionary(item => item.Name, StringComparer.Ordinal);
    }

    public IReadOnlyList<Jurisdiction> All { get; }

    /// <summary>The regime of a subject whose own is not known.</summary>
    public Jurisdiction Default { get; }

    public Jurisdiction? Find(string name) => byName.GetValueOrDefault(name);
}
