using System.Collections.Concurrent;
using System.Runtime.CompilerServices;

namespace DataVault.Policy;

/// <summary>
/// A way to an item: conditions that are enough together, beside what its purpose asks, and the form that they give. INVARIANT: of two ways of the same cell
/// neither makes the other superfluous: each asks less than the other or gives more.
/// </summary>
/// <param name="Form">What is released.</param>
/// <param name="Guards">The condition of a permit, the exceptions of the forbids that stand against it, and whom the role reaches.</param>
internal sealed record Way(Form Form, IReadOnlyList<Guard> Guards, IReadOnlyList<string> Obligations, IReadOnlyList<string> RuleIds)
{
    /// <summary>Whether whoever satisfies this way's conditions satisfies another: part by part, so that two lists of relations that both must hold are not confused.</summary>
    public bool Implies(Guard guard) => guard.Guarded.All(Merged.Guarded.Contains) && guard.Parts().All(part => part.IsImpliedBy(Merged) || Guards.Any(part.IsImpliedBy));

    /// <summary>Whether this way is open wherever the other is.</summary>
    public bool IsOpenUnder(Way other) => Guards.All(other.Implies);

    /// <summary>
    /// Whether these ways together are open wherever the other is, give as much, and oblige to no more: of a list, each person is asked for by itself. Where windows of
    /// time do not let it be decided, the answer is no, so that a change is rather told of than kept back.
    /// </summary>
    public static bool Cover(IReadOnlyList<Way> ways, Way other) => CoverAll(ways, other) || (other.Merged.Circle is { IsEverybody: false } circle
        && Split(circle).All(one => CoverAll(ways, other with { Merged = Merge(new Guard { Circle = one }, other.Merged) })));

    // The widest that is open decides, with what it obliges to.
    private static bool CoverAll(IReadOnlyList<Way> ways, Way other)
    {
        var open = ways.Where(way => way.IsOpenUnder(other)).ToList();
        var widest = open.Count == 0 ? Form.Withheld : open.Max(way => way.Form);
        return open.Count > 0 && widest >= other.Form && open.Where(way => way.Form == widest).All(way => way.Obligations.All(other.Obligations.Contains));
    }

    private static IEnumerable<PersonCircle> Split(PersonCircle circle) =>
        from jurisdiction in Each(circle.Jurisdictions)
        from residency in Each(circle.Residencies)
        from brand in Each(circle.Brands)
        from relation in Each(circle.Relations)
        select new PersonCircle(jurisdiction, residency, brand, relation);

    private static IEnumerable<IReadOnlyList<string>> Each(IReadOnlyList<string> names) => names.Count == 0 ? [[]] : names.Select(name => (IReadOnlyList<string>)[name]);

    /// <summary>All of the guards as one, as far as one can say them.</summary>
    private Guard Merged { get => field ??= Guards.Aggregate(Guard.Always, Merge); init; }

    // Two lists of people, two ages or two windows that both must hold become the narrower where one is; else the first, which asks less than both.
    private static Guard Merge(Guard left, Guard right) => new()
    {
        OwnRecord = left.OwnRecord || right.OwnRecord,
        Assurance = Math.Max(left.Assurance, right.Assurance),
        Consents = [.. left.Consents.Union(right.Consents).Order()],
        Guarded = [.. left.Guarded.Union(right.Guarded).Order()],
        Circle = new PersonCircle(
            Narrower(left.Circle.Jurisdictions, right.Circle.Jurisdictions), Narrower(left.Circle.Residencies, right.Circle.Residencies),
            Narrower(left.Circle.Brands, right.Circle.Brands), right.Circle.Relations.Count > 0 && left.Circle.Relations.Count == 0 ? right.Circle.Relations : left.Circle.Relations),
        Child = left.Child ?? right.Child,
        Age = left.Age is null ? right.Age : right.Age is null ? left.Age : new RecordAge(Greater(left.Age.OlderThan, right.Age.OlderThan), Less(left.Age.YoungerThan, right.Age.YoungerThan)),
        Time = left.Time is null || (right.Time is not null && left.Time.IsImpliedBy(right.Time)) ? right.Time : left.Time,
    };

    private static IReadOnlyList<string> Narrower(IReadOnlyList<string> left, IReadOnlyList<string> right) =>
        left.Count == 0 ? right : right.Count == 0 ? left : [.. left.Intersect(right)];

    private static int? Greater(int? left, int? right) => left is null ? right : right is null ? left : Math.Max(left.Value, right.Value);

    private static int? Less(int? left, int? right) => left is null ? right : right is null ? left : Math.Min(left.Value, right.Value);
}

/// <summary>
/// Finds the ways to items in the compiled table. A cell that many combinations share is worked out once, so the work grows with the rules and not with roles times
/// purposes times items.
/// </summary>
internal sealed class WayFinder(PolicySet policy)
{
    /// <summary>A child's consent counts with a guardian's word, or where the child was old enough.</summary>
    public const string ChildPrefix = "not-of-a-child-alone:";

    private readonly ConcurrentDictionary<(CellKey Cell, int Consent), IReadOnlyList<Way>> found = new();

    private DecisionTable Table => policy.Decisions.Table;

    /// <summary>How many cells were worked out so far: what the work is measured by.</summary>
    public int Worked => found.Count;

    /// <summary>The ways that the role opens, against the forbids of all the roles together.</summary>
    public IReadOnlyList<Way> Find(string role, int purpose, AccessAction action, CatalogueItem item, IReadOnlyList<string> together)
    {
        if (Row(role, purpose, action)?[item.Ordinal] is not { } own) return [];
        var others = together.Where(other => other != role).Select(other => Row(other, purpose, action)?[item.Ordinal]).OfType<Cell>().SelectMany(cell => cell.Forbids).ToArray();
        var asked = policy.Purposes.All[purpose];
        return others.Length == 0 ? Of(own, ReachOf(role), asked) : Work(new Cell(own.Permits, [.. own.Forbids, .. others]), ReachOf(role), asked);
    }

    /// <summary>The ways of a cell of the table, to a role.</summary>
    public IReadOnlyList<Way> Of(Cell cell, Reach reach, Purpose purpose) => reach.IsEverybody
        ? found.GetOrAdd((new CellKey(cell), purpose.NeedsConsent ? purpose.Id : 0), _ => Work(cell, Reach.Everybody, purpose))
        : Work(cell, reach, purpose);

    public Cell?[]? Row(string role, int purpose, AccessAction action) => Table.RoleOf(role) is var number and >= 0 ? Table.Row(number, purpose, action) : null;

    public Reach ReachOf(string role) => Table.RoleOf(role) is var number and >= 0 ? Table.ReachOf(number) : Reach.Everybody;

    public Guard GuardOf(int number) => Table.Guards[number];

    /// <summary>Every condition of a way, in words and in order; for an action the purpose's own among them.</summary>
    public string[] Words(Way way, Purpose purpose, AccessAction action) =>
        [.. way.Guards.SelectMany(guard => guard.Words(policy.Purposes)).Concat(StopsOf(purpose, action)).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>What the purpose asks of the person, whatever the item.</summary>
    public static IReadOnlyList<string> StopsOf(Purpose purpose, AccessAction action)
    {
        var stops = new List<string>();
        if (purpose.NeedsConsent) stops.Add("consent:" + purpose.Name);
        if (purpose is { NeedsConsent: true, Child: not null }) stops.Add(ChildPrefix + purpose.Name);
        if (purpose.StopsOnObjection) stops.Add("no-objection:" + purpose.Name);
        if (purpose.StopsOnRestriction) stops.Add("no-restriction");
        if (action == AccessAction.Erase) stops.Add("no-hold");
        return stops;
    }

    // Equal cells are one object, so that which it is is enough.
    private readonly record struct CellKey(Cell Cell)
    {
        public bool Equals(CellKey other) => ReferenceEquals(Cell, other.Cell);

        public override int GetHashCode() => RuntimeHelpers.GetHashCode(Cell);
    }

    // The consent that the purpose asks for is a condition like any: a permit that asks for the same asks for nothing more.
    private List<Way> Work(Cell cell, Reach reach, Purpose purpose)
    {
        var ways = new List<Way>();
        if (cell.Forbids.Any(forbid => forbid.Guard == 0)) return ways;
        Guard[] asked = purpose.NeedsConsent ? [new Guard { Consents = [purpose.Id], Guarded = purpose.Child is null ? [] : [purpose.Id] }] : [];
        var exceptions = cell.Forbids.Select(forbid => Table.Guards[forbid.Guard]).Concat(asked).DistinctBy(guard => guard.Key).ToList();
        foreach (var permit in cell.Permits)
        {
            foreach (var circles in Chosen(reach))
            {
                IReadOnlyList<Guard> guards = [.. exceptions.Append(Table.Guards[permit.Guard]).Concat(circles).Where(guard => !guard.IsAlways).DistinctBy(guard => guard.Key)];
                if (guards.Any(guard => guards.Any(guard.Excludes))) continue;
                Add(ways, Decided(cell, new Way(permit.Form, guards, [], [])));
            }
        }

        return ways;
    }

    /// <summary>What is decided on the way: every permit that holds there is weighed, and the widest determine.</summary>
    private Way Decided(Cell cell, Way way)
    {
        var holding = cell.Permits.Where(permit => way.Implies(Table.Guards[permit.Guard])).ToList();
        var widest = holding.Max(permit => permit.Form);
        var determining = holding.Where(permit => permit.Form == widest).ToList();
        return way with
        {
            Form = widest,
            Obligations = ObligationSet.ListOf(determining.Aggregate(0, (all, permit) => all | permit.Obligations)),
            RuleIds = [.. determining.SelectMany(permit => permit.Rules.Ids).Distinct().Order(StringComparer.Ordinal)],
        };
    }

    // One that asks as much or more, gives no more and obliges to nothing further tells nothing.
    private static void Add(List<Way> ways, Way way)
    {
        if (ways.Any(one => IsSuperfluous(way, one))) return;
        ways.RemoveAll(one => IsSuperfluous(one, way));
        ways.Add(way);
    }

    private static bool IsSuperfluous(Way way, Way beside) => beside.IsOpenUnder(way) && beside.Form >= way.Form && way.Obligations.All(beside.Obligations.Contains);

    // One circle of each list of the role's reach: every choice is a way of its own.
    private static IEnumerable<IReadOnlyList<Guard>> Chosen(Reach reach) => reach.Circles.Aggregate(
        (IEnumerable<IReadOnlyList<Guard>>)[[]],
        (chosen, list) => chosen.SelectMany(one => list.Select(circle => (IReadOnlyList<Guard>)[.. one, new Guard { Circle = circle }])));
}
