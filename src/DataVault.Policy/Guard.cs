using System.Collections.Frozen;
using System.Globalization;

namespace DataVault.Policy;

/// <summary>Why not. INVARIANT: the smaller says more to a caller who is nearly there, and is the one told.</summary>
internal enum Obstacle : byte
{
    None,
    AssuranceTooLow,
    OutsideHours,
    OnHold,
    Restricted,
    Objected,
    ConsentExpired,
    ConsentWithdrawn,
    ConsentMissing,
    PurposeNotBound,
    NotPermitted,
}

/// <summary>
/// A condition on the request and the facts. All parts must hold. A fact that is not known does not hold: so a permit that needs it
/// does not apply, and a forbid with it as exception does.
/// </summary>
internal sealed class Guard
{
    public static Guard Always { get; } = new();

    /// <summary>The recipient is the subject.</summary>
    public bool OwnRecord { get; init; }

    /// <summary>Least assurance of the sign-in.</summary>
    public int Assurance { get; init; } = Recipient.Password;

    /// <summary>Ids of purposes consented to, ascending.</summary>
    public IReadOnlyList<int> Consents { get; init; } = [];

    /// <summary>Those of them to which a child does not consent alone.</summary>
    public FrozenSet<int> Guarded { get; init; } = [];

    /// <summary>Whose record it is.</summary>
    public PersonCircle Circle { get; init; } = PersonCircle.Everybody;

    /// <summary>The person is a child, or is known to be none; null where both are meant.</summary>
    public bool? Child { get; init; }

    public RecordAge? Age { get; init; }

    public TimeWindow? Time { get; init; }

    public bool IsAlways => Key == Always.Key;

    /// <summary>Equal keys are equal conditions.</summary>
    public string Key => field ??= string.Create(
        CultureInfo.InvariantCulture, $"{OwnRecord}/{Assurance}/{string.Join(',', Consents)}/{Circle.Key}/{Child}/{Age?.OlderThan}-{Age?.YoungerThan}/{Time?.Key}");

    /// <summary>What stands in the way. What is asked of the person counts as no rule at all, so that nobody learns it; then what the caller can mend; then consents.</summary>
    public Obstacle Test(AccessRequest request, DecisionFacts facts, DateTimeOffset now)
    {
        if (OwnRecord && request.Recipient.Subject != request.Subject) return Obstacle.NotPermitted;
        if (Child is not null && Child != facts.Child) return Obstacle.NotPermitted;
        if (!Circle.Holds(facts) || Age?.Holds(facts.Traits.RecordedAt, now) == false) return Obstacle.NotPermitted;
        if (Time?.Contains(now) == false) return Obstacle.OutsideHours;
        if (request.Recipient.Assurance < Assurance) return Obstacle.AssuranceTooLow;
        var worst = Obstacle.None;
        for (var index = 0; index < Consents.Count; index++)
        {
            var consent = ConsentState.Of(Consents[index], Guarded.Contains(Consents[index]), facts, now);
            if (consent > worst) worst = consent;
        }

        return worst;
    }

    /// <summary>True when whoever satisfies <paramref name="other"/> satisfies this.</summary>
    public bool IsImpliedBy(Guard other) =>
        (!OwnRecord || other.OwnRecord) && Assurance <= other.Assurance && Consents.All(other.Consents.Contains)
        && Circle.IsImpliedBy(other.Circle) && (Child is null || Child == other.Child)
        && (Age is null || (other.Age is not null && Age.IsImpliedBy(other.Age)))
        && (Time is null || (other.Time is not null && Time.IsImpliedBy(other.Time)));

    /// <summary>True when nothing satisfies both. False says nothing.</summary>
    public bool Excludes(Guard other) =>
        Circle.Excludes(other.Circle)
        || (Child is not null && other.Child is not null && Child != other.Child)
        || (Age is not null && other.Age is not null && Age.Excludes(other.Age))
        || (Time is not null && other.Time is not null && Time.Excludes(other.Time));

    /// <summary>The condition taken apart: it holds when each of these does.</summary>
    public IEnumerable<Guard> Parts()
    {
        if (OwnRecord) yield return new Guard { OwnRecord = true };
        if (Assurance > Recipient.Password) yield return new Guard { Assurance = Assurance };
        foreach (var consent in Consents) yield return new Guard { Consents = [consent], Guarded = [.. Guarded.Where(one => one == consent)] };
        if (Circle.Jurisdictions.Count > 0) yield return new Guard { Circle = PersonCircle.Everybody with { Jurisdictions = Circle.Jurisdictions } };
        if (Circle.Residencies.Count > 0) yield return new Guard { Circle = PersonCircle.Everybody with { Residencies = Circle.Residencies } };
        if (Circle.Brands.Count > 0) yield return new Guard { Circle = PersonCircle.Everybody with { Brands = Circle.Brands } };
        if (Circle.Relations.Count > 0) yield return new Guard { Circle = PersonCircle.Everybody with { Relations = Circle.Relations } };
        if (Child is not null) yield return new Guard { Child = Child };
        if (Age?.OlderThan is { } older) yield return new Guard { Age = new RecordAge(older, null) };
        if (Age?.YoungerThan is { } younger) yield return new Guard { Age = new RecordAge(null, younger) };
        if (Time is not null) yield return new Guard { Time = Time };
    }

    /// <summary>Each part in a word, such as <c>own-record</c>, <c>mfa</c>, <c>consent:wellbeing</c>, <c>brand:acme|nova</c>.</summary>
    public IEnumerable<string> Words(PurposeRegistry purposes)
    {
        if (OwnRecord) yield return "own-record";
        if (Assurance >= Recipient.MultiFactor) yield return "mfa";
        foreach (var purpose in Consents) yield return "consent:" + purposes.ById(purpose)!.Name;
        foreach (var word in Circle.Words()) yield return word;
        if (Child is { } child) yield return child ? "child" : "no-child";
        if (Age?.OlderThan is { } older) yield return string.Create(CultureInfo.InvariantCulture, $"record-older-than:{older}");
        if (Age?.YoungerThan is { } younger) yield return string.Create(CultureInfo.InvariantCulture, $"record-younger-than:{younger}");
        if (Time is not null) yield return "time:" + Time.Key;
    }
}

/// <summary>How a consent stands at a moment.</summary>
internal static class ConsentState
{
    /// <summary>
    /// Only given and unexpired counts; where the purpose has a child rule, only with a guardian's word or of somebody who is known to be old enough, or whom the rule
    /// takes for that. That this is what is missing is not told, for it would tell that somebody is a child. Should the facts name a purpose twice, the worse counts.
    /// </summary>
    public static Obstacle Of(int purpose, bool guarded, DecisionFacts facts, DateTimeOffset now)
    {
        var state = Obstacle.None;
        var known = false;
        for (var index = 0; index < facts.Consents.Count; index++)
        {
            var fact = facts.Consents[index];
            if (fact.PurposeId != purpose) continue;
            known = true;
            var own = fact.Status switch
            {
                _ when guarded && fact.IsGiven && fact.MayBeAChilds(facts.Child) => Obstacle.ConsentMissing,
                _ when fact.HoldsAt(now) => Obstacle.None,
                ConsentStatus.Given or ConsentStatus.Renewed => Obstacle.ConsentExpired,
                ConsentStatus.Withdrawn => Obstacle.ConsentWithdrawn,
                _ => Obstacle.ConsentMissing,
            };
            if (own > state) state = own;
        }

        return known ? state : Obstacle.ConsentMissing;
    }
}

/// <summary>People by what is known of them: one of each list that is not empty. A trait that is not known is none of the listed.</summary>
internal sealed record PersonCircle(IReadOnlyList<string> Jurisdictions, IReadOnlyList<string> Residencies, IReadOnlyList<string> Brands, IReadOnlyList<string> Relations)
{
    public static PersonCircle Everybody { get; } = new([], [], [], []);

    public bool IsEverybody => Jurisdictions.Count + Residencies.Count + Brands.Count + Relations.Count == 0;

    public string Key => string.Join(' ', Words());

    public bool Holds(DecisionFacts facts)
    {
        var traits = facts.Traits;
        return Has(Jurisdictions, traits.Jurisdiction) && Has(Residencies, traits.Residency) && Has(Brands, traits.Brand) && Stands(facts.Relations);
    }

    public bool IsImpliedBy(PersonCircle other) =>
        Within(Jurisdictions, other.Jurisdictions) && Within(Residencies, other.Residencies) && Within(Brands, other.Brands) && Within(Relations, other.Relations);

    /// <summary>True when nobody is in both. Relations exclude nothing: one may stand in several.</summary>
    public bool Excludes(PersonCircle other) =>
        Apart(Jurisdictions, other.Jurisdictions) || Apart(Residencies, other.Residencies) || Apart(Brands, other.Brands);

    public IEnumerable<string> Words()
    {
        if (Jurisdictions.Count > 0) yield return "jurisdiction:" + string.Join('|', Jurisdictions);
        if (Residencies.Count > 0) yield return "residency:" + string.Join('|', Residencies);
        if (Brands.Count > 0) yield return "brand:" + string.Join('|', Brands);
        if (Relations.Count > 0) yield return "relation:" + string.Join('|', Relations);
    }

    private static bool Has(IReadOnlyList<string> wanted, string? trait)
    {
        for (var index = 0; index < wanted.Count; index++)
        {
            if (string.Equals(wanted[index], trait, StringComparison.Ordinal)) return true;
        }

        return wanted.Count == 0;
    }

    private bool Stands(IReadOnlyList<string> relations)
    {
        if (Relations.Count == 0) return true;
        for (var index = 0; index < relations.Count; index++)
        {
            if (Has(Relations, relations[index])) return true;
        }

        return false;
    }

    private static bool Within(IReadOnlyList<string> wide, IReadOnlyList<string> narrow) => wide.Count == 0 || (narrow.Count > 0 && narrow.All(wide.Contains));

    private static bool Apart(IReadOnlyList<string> left, IReadOnlyList<string> right) => left.Count > 0 && right.Count > 0 && !left.Any(right.Contains);
}

/// <summary>How long ago a person was first recorded, in whole months. At exactly N months a record is older.</summary>
internal sealed record RecordAge(int? OlderThan, int? YoungerThan)
{
    public bool Holds(DateTimeOffset? recorded, DateTimeOffset now)
    {
        // A date in the future is a mistake and no age.
        if (recorded is not { } since || since > now) return false;
        return (OlderThan is not { } older || since.AddMonths(older) <= now) && (YoungerThan is not { } younger || since.AddMonths(younger) > now);
    }

    /// <summary>No record is both that old and that young.</summary>
    public bool IsNever => OlderThan >= YoungerThan;

    public bool IsImpliedBy(RecordAge other) =>
        (OlderThan is null || OlderThan <= other.OlderThan) && (YoungerThan is null || YoungerThan >= other.YoungerThan);

    public bool Excludes(RecordAge other) => OlderThan >= other.YoungerThan || other.OlderThan >= YoungerThan;
}

/// <summary>
/// Hours of the week by the clock on the wall of a zone: each instant has one reading there, also in the nights in which clocks change.
/// A window that ends before it begins goes over midnight, and its days say when it begins.
/// </summary>
internal sealed class TimeWindow
{
    public const int MinutesOfDay = 24 * 60;
    private const int MinutesOfWeek = 7 * MinutesOfDay;

    /// <summary>As written in the files; the week begins on Monday.</summary>
    public static readonly string[] DayNames = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    private readonly ulong[] open = new ulong[(MinutesOfWeek + 63) / 64];

    /// <param name="days">0 is Monday.</param>
    /// <param name="from">Minute of the day, included.</param>
    /// <param name="to">Minute of the day, not included; up to 1440.</param>
    /// <param name="zone">Whose clock.</param>
    public TimeWindow(IReadOnlyList<int> days, int from, int to, TimeZoneInfo zone)
    {
        (Zone, Key) = (zone, $"{string.Join(',', days.Order().Select(day => DayNames[day]))} {Clock(from)}-{Clock(to)} {zone.Id}");
        var length = to > from ? to - from : to - from + MinutesOfDay;
        foreach (var day in days)
        {
            for (var minute = 0; minute < length; minute++)
            {
                var at = ((day * MinutesOfDay) + from + minute) % MinutesOfWeek;
                open[at / 64] |= 1UL << (at % 64);
            }
        }
    }

    public TimeZoneInfo Zone { get; }

    public string Key { get; }

    public bool Contains(DateTimeOffset now)
    {
        var utc = now.UtcDateTime;
        var local = utc + Zone.GetUtcOffset(utc);
        var day = ((int)local.DayOfWeek + 6) % 7;
        var at = (day * MinutesOfDay) + (local.Hour * 60) + local.Minute;
        return (open[at / 64] >> (at % 64) & 1) != 0;
    }

    /// <summary>Windows of two zones are not compared: their distance changes with the seasons.</summary>
    public bool IsImpliedBy(TimeWindow other) => IsSameZone(other) && open.Zip(other.open).All(pair => (pair.Second & ~pair.First) == 0);

    public bool Excludes(TimeWindow other) => IsSameZone(other) && open.Zip(other.open).All(pair => (pair.First & pair.Second) == 0);

    private bool IsSameZone(TimeWindow other) => Zone.Id == other.Zone.Id;

    private static string Clock(int minute) => string.Create(CultureInfo.InvariantCulture, $"{minute / 60:00}:{minute % 60:00}");
}
