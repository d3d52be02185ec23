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

    internal Jurisdiction(string name, Wording titles, (string Rule, int Amount, int Extension) period, (TimeZoneInfo Zone, bool Rolls, IEnumerable<DateOnly> Holidays) calendar)
    {
        (Name, Titles) = (name, titles);
        (DueRule, Amount, ExtensionAmount) = period;
        (zone, rolls) = (calendar.Zone, calendar.Rolls);
        holidays = calendar.Holidays.ToFrozenSet();
    }

    public string Name { get; }

    public string Title => Titles.Text;

    /// <summary>The title in each language.</summary>
    public Wording Titles { get; }

    /// <summary><c>months</c> or <c>days</c>.</summary>
    public string DueRule { get; }

    public int Amount { get; }

    /// <summary>What an extension adds; 0 where there is none.</summary>
    public int ExtensionAmount { get; }

    public IReadOnlyCollection<DateOnly> Holidays => holidays;

    /// <summary>What it wants of a breach, and which authority watches over it.</summary>
    public BreachTerms Breach { get; internal init; } = BreachTerms.None;

    /// <summary>What an unanswered question to the person is about that stops the clock; empty where nothing does.</summary>
    public IReadOnlySet<string> Stops { get; internal init; } = FrozenSet<string>.Empty;

    /// <summary>The clock that stops is the one that binds. Otherwise the strict one binds, and the other is shown beside it.</summary>
    public bool PausesBind { get; internal init; }

    /// <summary>Working days until receipt must be acknowledged; null where the law asks for none.</summary>
    public int? AcknowledgeDays { get; internal init; }

    /// <summary>Parts of the time, in percent, at which a request that is not answered is raised.</summary>
    public IReadOnlyList<int> Escalations { get; internal init; } = [50, 75, 90];

    /// <summary>Days by which the vault's own date lies before the law's, where it is open to doubt how the law counts.</summary>
    public int EarlierDays { get; internal init; }

    /// <summary>The last second of the day by which the request must be answered.</summary>
    public DateTimeOffset DueAt(DateTimeOffset received) => EndOf(DueOn(received, Amount));

    /// <summary>The same after an extension, counted from receipt and not from the first due date, which may have been shortened or rolled.</summary>
    public DateTimeOffset ExtendedDueAt(DateTimeOffset received) => EndOf(DueOn(received, Amount + ExtensionAmount));

    /// <summary>The last second of the working day by which receipt must be acknowledged; null where nothing asks for it.</summary>
    public DateTimeOffset? AcknowledgeBy(DateTimeOffset received)
    {
        if (AcknowledgeDays is not { } left) return null;
        var day = DayOf(received);
        while (left > 0)
        {
            day = day.AddDays(1);
            if (!IsDayOff(day)) left--;
        }

        return EndOf(day);
    }

    /// <summary>Where a request stands in time: by the strict clock, and by the one that stands still while the person is asked for something.</summary>
    /// <param name="received">When it came in.</param>
    /// <param name="extended">Whether it was extended.</param>
    /// <param name="pauses">When the person was asked, about what, and answered, in any order.</param>
    /// <param name="now">A pause that has not ended lasts until now.</param>
    public RequestClock ClockOf(DateTimeOffset received, bool extended, IReadOnlyList<ClockPause> pauses, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(pauses);
        var amount = extended ? Amount + ExtensionAmount : Amount;
        var stopped = Merged([.. pauses.Where(pause => Stops.Contains(pause.Cause)).Select(pause => (pause.From, Until: pause.Until ?? now)).Where(span => span.Until > span.From)]);
        var strict = EndOf(DueOn(received, amount));
        // SPEC UK GDPR 12A: the days between the question and the answer are not counted. Whole days: part of one prolongs nothing.
        var paused = EndOf(DueOn(received, amount, stopped.Sum(span => DayOf(span.Until).DayNumber - DayOf(span.From).DayNumber)));
        var due = PausesBind ? paused : strict;
        var standsStill = PausesBind && pauses.Any(pause => pause.Until is null && Stops.Contains(pause.Cause));
        var lost = PausesBind ? TimeSpan.FromTicks(stopped.Sum(span => Math.Max(0, (Earlier(span.Until, now) - span.From).Ticks))) : TimeSpan.Zero;
        var share = (now - received - lost) / (strict.AddDays(-EarlierDays) - received);
        return new RequestClock(strict, paused, due, Math.Max(0, share), Escalations.Where(percent => share * 100 >= percent).DefaultIfEmpty(0).Max(), now > due.AddDays(-EarlierDays) && !standsStill, standsStill);
    }

    private static DateTimeOffset Earlier(DateTimeOffset one, DateTimeOffset other) => one < other ? one : other;

    private static List<(DateTimeOffset From, DateTimeOffset Until)> Merged(List<(DateTimeOffset From, DateTimeOffset Until)> spans)
    {
        var merged = new List<(DateTimeOffset From, DateTimeOffset Until)>();
        foreach (var span in spans.OrderBy(span => span.From))
        {
            if (merged.Count == 0 || span.From > merged[^1].Until) merged.Add(span);
            else if (span.Until > merged[^1].Until) merged[^1] = (merged[^1].From, span.Until);
        }

        return merged;
    }

    internal DateOnly DueOn(DateTimeOffset received, int amount, int daysStopped = 0)
    {
        var receipt = DayOf(received);
        var due = (DueRule == "months" ? receipt.AddMonths(amount) : receipt.AddDays(amount)).AddDays(daysStopped);
        while (rolls && IsDayOff(due)) due = due.AddDays(1);
        return due;
    }

    /// <summary>The day that it is there at an instant.</summary>
    public DateOnly DayOf(DateTimeOffset at) => DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(at, zone).DateTime);

    private bool IsDayOff(DateOnly day) => day.DayOfWeek is DayOfWeek.Saturday or DayOfWeek.Sunday || holidays.Contains(day);

    private DateTimeOffset EndOf(DateOnly day)
    {
        var midnight = day.AddDays(1).ToDateTime(TimeOnly.MinValue);
        while (zone.IsInvalidTime(midnight)) midnight = midnight.AddMinutes(30);
        return new DateTimeOffset(midnight, zone.GetUtcOffset(midnight)).ToUniversalTime().AddSeconds(-1);
    }
}

/// <summary>The person was asked for something that the answer waits for.</summary>
/// <param name="Cause">One of <see cref="Causes"/>.</param>
/// <param name="From">When.</param>
/// <param name="Until">When they answered, or nobody waited any longer; null while the question is open.</param>
public sealed record ClockPause(string Cause, DateTimeOffset From, DateTimeOffset? Until)
{
    /// <summary>What somebody may be asked for: who they are, what they mean, a fee.</summary>
    public static IReadOnlyList<string> Causes { get; } = ["identity", "clarification", "fee"];
}

/// <summary>Where a request stands in time.</summary>
/// <param name="StrictDueAt">Due as if nothing stopped the clock.</param>
/// <param name="PausedDueAt">Due if what the regime names stops it; while it stands still, as if it went on now.</param>
/// <param name="DueAt">The one of both that binds.</param>
/// <param name="Elapsed">Part of the time that is gone; more than 1 once it is late.</param>
/// <param name="Escalation">The highest of the regime's percentages that is reached; 0 before the first.</param>
/// <param name="Overdue">The time is over.</param>
/// <param name="StandsStill">The binding clock waits for the person.</param>
public sealed record RequestClock(
    DateTimeOffset StrictDueAt, DateTimeOffset PausedDueAt, DateTimeOffset DueAt, double Elapsed, int Escalation, bool Overdue, bool StandsStill);

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

    /// <summary>The regime of the name, or the default where there is none such.</summary>
    public Jurisdiction OrDefault(string? name) => (name is null ? null : Find(name)) ?? Default;
}
