using System.Collections.Frozen;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace DataVault.Policy;

/// <summary>
/// Decides who gets what. Pure: the answer depends on the arguments and the loaded rules alone, and nothing is allocated but the answer.
/// Default is deny; a forbid beats every permit; what is not known counts against the request. The order of questions for one item is:
/// does the recipient reach the person, is the purpose known and bound to the credential, does any rule permit at all, does a rule forbid,
/// do the facts stop the purpose (hold, restriction, objection, consent), does the condition of a permit hold. Nobody learns the state of a
/// consent who could not have been released the item.
/// </summary>
// SPEC policy §3
public sealed class PolicyDecisionPoint
{
    private static readonly string[] ReasonOf =
    [
        "", Reasons.AssuranceTooLow, Reasons.OutsideHours, Reasons.OnHold, Reasons.Restricted, Reasons.Objected, Reasons.ConsentExpired,
        Reasons.ConsentWithdrawn, Reasons.ConsentMissing, Reasons.PurposeNotBound, Reasons.NotPermitted,
    ];

    private readonly RequestedItem[] everyField;
    private readonly PurposeRegistry purposes;
    private readonly FrozenDictionary<string, int> purposeOrdinals;
    private readonly FrozenDictionary<string, FrozenSet<string>> capabilities;
    private readonly FrozenSet<string> barred;
    private readonly DecisionTable table;

    internal PolicyDecisionPoint(IReadOnlyList<CatalogueItem> items, IReadOnlyList<Rule> rules, RoleRegistry roles, PurposeRegistry purposes, FrozenSet<string> barredClients)
    {
        (this.purposes, barred) = (purposes, barredClients);
        everyField = [.. items.OfType<FieldDefinition>().Select(field => new RequestedItem(field, null))];
        purposeOrdinals = purposes.All.Select((purpose, index) => (purpose.Name, index)).ToFrozenDictionary(pair => pair.Name, pair => pair.index, StringComparer.Ordinal);
        capabilities = roles.All.ToFrozenDictionary(
            role => role.Name,
            role => roles.Lineage(role).SelectMany(one => one.Capabilities)
                .Where(one => roles.ReachOf(role).IsEverybody || !Capabilities.AboutEverybody.Contains(one)).ToFrozenSet(StringComparer.Ordinal),
            StringComparer.Ordinal);
        table = DecisionTable.Compile(rules, roles, purposes, items);
        AsksRecordAge = table.Guards.Any(guard => guard.Age is not null);
    }

    internal DecisionTable Table => table;

    /// <summary>Whether any rule asks how long ago a person was first recorded: otherwise nobody need work it out.</summary>
    public bool AsksRecordAge { get; }

    public bool HasCapability(IReadOnlyList<string> roles, string capability)
    {
        ArgumentNullException.ThrowIfNull(roles);
        foreach (var role in roles)
        {
            if (capabilities.TryGetValue(role, out var own) && own.Contains(capability)) return true;
        }

        return false;
    }

    /// <summary>
    /// Whether the recipient may know that the person is there: a customer reaches the own record, anyone else whom one of the roles reaches.
    /// False means that <see cref="Decide"/> refuses whatever the purpose, and that the answer should be the one for nobody at all.
    /// </summary>
    public bool CanReach(Recipient recipient, SubjectId subject, DecisionFacts facts)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(facts);
        return IsReached(recipient, subject, facts.SeenBy(recipient));
    }

    private bool IsReached(Recipient recipient, SubjectId subject, DecisionFacts facts)
    {
        if (recipient.Kind == RecipientKind.Customer && recipient.Subject != subject) return false;
        for (var index = 0; index < recipient.Roles.Count; index++)
        {
            var role = table.RoleOf(recipient.Roles[index]);
            if (role >= 0 && table.ReachOf(role).Holds(facts)) return true;
        }

        return false;
    }

    /// <summary>Whether <see cref="CanReach"/> is true of every person: then nobody need ask it.</summary>
    public bool ReachesEverybody(Recipient recipient)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        if (recipient.Kind == RecipientKind.Customer) return false;
        for (var index = 0; index < recipient.Roles.Count; index++)
        {
            var role = table.RoleOf(recipient.Roles[index]);
            if (role >= 0 && table.ReachOf(role).IsEverybody) return true;
        }

        return false;
    }

    /// <summary>
    /// Whether some facts would release the item: for refusing early, before a subject is known, as for the terms of a search.
    /// False means that <see cref="Decide"/> refuses whatever the facts and the hour.
    /// </summary>
    public bool CouldPermit(Recipient recipient, AccessAction action, string purpose, CatalogueItem item)
    {
        ArgumentNullException.ThrowIfNull(recipient);
        ArgumentNullException.ThrowIfNull(item);
        if (!purposeOrdinals.TryGetValue(purpose, out var ordinal) || !recipient.IsBoundTo(purpose) || IsBarred(recipient, action)) return false;
        var permitted = false;
        for (var index = 0; index < recipient.Roles.Count; index++)
        {
            var role = table.RoleOf(recipient.Roles[index]);
            if (role < 0 || table.Row(role, ordinal, action)?[item.Ordinal] is not { } cell) continue;
            foreach (var forbid in cell.Forbids)
            {
                if (forbid.Guard == 0 || !CouldHold(forbid.Guard, recipient)) return false;
            }

            foreach (var permit in cell.Permits) permitted |= CouldHold(permit.Guard, recipient);
        }

        return permitted;
    }

    // SPEC GDPR 28(3), 44: nothing goes to a recipient whose terms are not settled. A hit of a search tells something too.
    private bool IsBarred(Recipient recipient, AccessAction action) =>
        barred.Count > 0 && recipient.Kind == RecipientKind.Application && (ActionNames.Discloses(action) || action == AccessAction.Search) && barred.Contains(recipient.Id);

    private bool CouldHold(int guard, Recipient recipient) =>
        recipient.Assurance >= table.Guards[guard].Assurance && (!table.Guards[guard].OwnRecord || recipient.Subject is not null);

    public Decision Decide(AccessRequest request, DecisionFacts facts, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(facts);
        var items = Items(request.Items);
        facts = facts.SeenBy(request.Recipient);
        if (!IsReached(request.Recipient, request.Subject, facts)) return RefuseAll(items, Obstacle.NotPermitted, reachable: false);
        if (!purposeOrdinals.TryGetValue(request.Purpose, out var ordinal) || IsBarred(request.Recipient, request.Action)) return RefuseAll(items, Obstacle.NotPermitted);
        if (!request.Recipient.IsBoundTo(request.Purpose)) return RefuseAll(items, Obstacle.PurposeNotBound);

        var purpose = purposes.All[ordinal];
        var roles = request.Recipient.Roles;
        var few = default(FewRows);
        Span<HeldRow> rows = roles.Count <= FewRows.Count ? few : new HeldRow[roles.Count];
        var words = (table.RuleIds.Length / 64) + 1;
        var weighing = new Weighing(table, stackalloc byte[table.Guards.Length], stackalloc ulong[words], stackalloc ulong[words])
        {
            Request = request,
            Facts = facts,
            Now = now,
            Purpose = purpose,
            Rows = rows[..Rows(request, facts, ordinal, rows)],
            Stop = Stop(purpose, facts, now),
            MayBeHeld = facts.Remainder || (request.Action == AccessAction.Erase && (facts.OnHold || facts.Holds.Count > 0)),
        };
        return DecideAll(items, ref weighing);
    }

    /// <summary>A row of the table, and whether its role reaches the person. Of a role that does not, the forbids count and the permits do not.</summary>
    private record struct HeldRow(Cell?[] Cells, bool Reaches);

    [InlineArray(Count)]
    private struct FewRows
    {
        public const int Count = 8;
        private HeldRow first;
    }

    /// <summary>What stays the same for all items of a request, and what is gathered over them.</summary>
    private ref struct Weighing(DecisionTable table, Span<byte> tested, Span<ulong> used, Span<ulong> several)
    {
        private readonly Span<byte> tested = tested;
        private readonly Span<ulong> used = used;
        private readonly Span<ulong> several = several;
        private NamedRules? first;
        private bool isSeveral;

        public required AccessRequest Request { get; init; }

        public required DecisionFacts Facts { get; init; }

        public required DateTimeOffset Now { get; init; }

        public required Purpose Purpose { get; init; }

        public required ReadOnlySpan<HeldRow> Rows { get; init; }

        /// <summary>What the facts hold against the purpose, whatever the item.</summary>
        public required Obstacle Stop { get; init; }

        /// <summary>Set where a hold, or what it left of an erased person, may stand in the way of an item.</summary>
        public required bool MayBeHeld { get; init; }

        public int Obligations { get; set; }

        /// <summary>What stands in the way of a condition, tested when first asked for.</summary>
        public readonly Obstacle Test(int guard)
        {
            if (guard == 0) return Obstacle.None;
            if (tested[guard] == 0) tested[guard] = (byte)(1 + (int)table.Guards[guard].Test(Request, Facts, Now));
            return (Obstacle)(tested[guard] - 1);
        }

        /// <summary>These rules determine the item at hand.</summary>
        public void Use(NamedRules rules)
        {
            Mark(used, rules);
            if (first is null)
            {
                first = rules;
            }
            else if (!ReferenceEquals(first, rules) && !first.Indexes.AsSpan().SequenceEqual(rules.Indexes))
            {
                if (!isSeveral) Mark(several, first);
                Mark(several, rules);
                isSeveral = true;
            }
        }

        /// <summary>The rules that determined the item at hand. One group has its list already; of several it is made.</summary>
        public string[] TakeRules()
        {
            var ids = isSeveral ? Named(several) : first?.Ids ?? [];
            if (isSeveral) several.Clear();
            (first, isSeveral) = (null, false);
            return ids;
        }

        /// <summary>The rules that determined anything.</summary>
        public readonly string[] AllRules() => Named(used);

        private static void Mark(Span<ulong> marks, NamedRules rules)
        {
            foreach (var index in rules.Indexes) marks[index >> 6] |= 1UL << (index & 63);
        }

        private readonly string[] Named(ReadOnlySpan<ulong> marks)
        {
            var count = 0;
            foreach (var word in marks) count += BitOperations.PopCount(word);
            if (count == 0) return [];
            var ids = new string[count];
            var next = 0;
            for (var word = 0; word < marks.Length; word++)
            {
                for (var rest = marks[word]; rest != 0; rest &= rest - 1) ids[next++] = table.RuleIds[(word * 64) + BitOperations.TrailingZeroCount(rest)];
            }

            return ids;
        }
    }

    private ReadOnlySpan<RequestedItem> Items(IReadOnlyList<RequestedItem>? items) => items switch
    {
        null => everyField,
        RequestedItem[] array => array,
        List<RequestedItem> list => CollectionsMarshal.AsSpan(list),
        _ => items.ToArray(),
    };

    /// <returns>How many rows there are.</returns>
    private int Rows(AccessRequest request, DecisionFacts facts, int purpose, Span<HeldRow> rows)
    {
        var count = 0;
        for (var index = 0; index < rows.Length && index < request.Recipient.Roles.Count; index++)
        {
            var role = table.RoleOf(request.Recipient.Roles[index]);
            if (role >= 0 && table.Row(role, purpose, request.Action) is { } cells) rows[count++] = new HeldRow(cells, table.ReachOf(role).Holds(facts));
        }

        return count;
    }

    private static Decision DecideAll(ReadOnlySpan<RequestedItem> items, ref Weighing weighing)
    {
        var decisions = new ItemDecision[items.Length];
        var released = 0;
        for (var index = 0; index < decisions.Length; index++)
        {
            decisions[index] = DecideItem(items[index], ref weighing);
            if (decisions[index].Permit is not null) released++;
        }

        return new Decision(decisions, Permits(decisions, released), ObligationSet.ListOf(weighing.Obligations), weighing.AllRules());
    }

    private static FieldPermit[] Permits(ItemDecision[] decisions, int released)
    {
        if (released == 0) return [];
        var permits = new FieldPermit[released];
        var next = 0;
        foreach (ref readonly var decision in decisions.AsSpan())
        {
            if (decision.Permit is { } permit) permits[next++] = permit;
        }

        return permits;
    }

    private static ItemDecision DecideItem(RequestedItem requested, ref Weighing weighing)
    {
        var item = requested.Item;
        var nearest = Weigh(item.Ordinal, ref weighing, out var widest);
        var forbidden = Forbidden(item.Ordinal, ref weighing);
        if (forbidden != Obstacle.None) return Refuse(item, nearest == Obstacle.NotPermitted ? nearest : forbidden, weighing.TakeRules());
        if (nearest == Obstacle.NotPermitted) return Refuse(item, nearest, []);
        if (weighing.MayBeHeld && IsHeld(item, ref weighing)) return Refuse(item, Obstacle.OnHold, []);
        if (weighing.Stop != Obstacle.None) return Refuse(item, weighing.Stop, []);
        if (nearest != Obstacle.None) return Refuse(item, nearest, []);

        Determine(item.Ordinal, widest, ref weighing);
        var narrows = requested.Narrower < widest && ActionNames.Discloses(weighing.Request.Action);
        var permit = new FieldPermit(item, narrows ? requested.Narrower!.Value : widest, weighing.Request.Action, weighing.Request.Subject);
        return new ItemDecision(permit, weighing.TakeRules());
    }

    private static ItemDecision Refuse(CatalogueItem item, Obstacle obstacle, string[] rules) => new(item, ReasonOf[(int)obstacle], rules);

    /// <summary>The widest form of the permits whose condition holds; else what stands in the way of the nearest.</summary>
    private static Obstacle Weigh(int item, ref Weighing weighing, out Form widest)
    {
        widest = Form.Withheld;
        var nearest = Obstacle.NotPermitted;
        foreach (ref readonly var row in weighing.Rows)
        {
            if (!row.Reaches || row.Cells[item] is not { } cell) continue;
            foreach (var permit in cell.Permits)
            {
                var obstacle = weighing.Test(permit.Guard);
                if (obstacle < nearest) nearest = obstacle;
                if (obstacle != Obstacle.None) continue;

                // The widest stand first.
                if (permit.Form > widest) widest = permit.Form;
                break;
            }
        }

        return nearest;
    }

    /// <summary>Of the forbids that apply, what is farthest from release.</summary>
    private static Obstacle Forbidden(int item, ref Weighing weighing)
    {
        var obstacle = Obstacle.None;
        foreach (ref readonly var row in weighing.Rows)
        {
            if (row.Cells[item] is not { } cell) continue;
            foreach (var forbid in cell.Forbids)
            {
                var exception = forbid.Guard == 0 ? Obstacle.NotPermitted : weighing.Test(forbid.Guard);
                if (exception == Obstacle.None) continue;
                if (exception > obstacle) obstacle = exception;
                weighing.Use(forbid.Rules);
            }
        }

        return obstacle;
    }

    private static void Determine(int item, Form form, ref Weighing weighing)
    {
        foreach (ref readonly var row in weighing.Rows)
        {
            if (!row.Reaches || row.Cells[item] is not { } cell) continue;
            foreach (var permit in cell.Permits)
            {
                if (permit.Form < form) break;
                if (permit.Form != form || weighing.Test(permit.Guard) != Obstacle.None) continue;
                weighing.Obligations |= permit.Obligations;
                weighing.Use(permit.Rules);
            }
        }
    }

    private static Decision RefuseAll(ReadOnlySpan<RequestedItem> items, Obstacle obstacle, bool reachable = true)
    {
        var decisions = new ItemDecision[items.Length];
        for (var index = 0; index < decisions.Length; index++) decisions[index] = Refuse(items[index].Item, obstacle, []);
        return new Decision(decisions, [], [], []) { Reachable = reachable };
    }

    /// <summary>Why the facts stop a purpose, one of <see cref="Reasons"/>; null when they do not.</summary>
    public static string? StopOf(Purpose purpose, DecisionFacts facts, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        ArgumentNullException.ThrowIfNull(facts);
        return Stop(purpose, facts, now) is not Obstacle.None and var stop ? ReasonOf[(int)stop] : null;
    }

    /// <summary>What the facts hold against the purpose itself, whatever the item.</summary>
    private static Obstacle Stop(Purpose purpose, DecisionFacts facts, DateTimeOffset now)
    {
        if (facts.Restricted && purpose.StopsOnRestriction) return Obstacle.Restricted;
        if (purpose.StopsOnObjection && facts.ObjectsTo(purpose.Id)) return Obstacle.Objected;
        return purpose.NeedsConsent ? ConsentState.Of(purpose.Id, purpose.Child is not null, facts, now) : Obstacle.None;
    }

    // What is held may not be erased. What a hold has left of an erased person may be disclosed for the purposes that the hold names, and nothing may be added.
    private static bool IsHeld(CatalogueItem item, ref Weighing weighing)
    {
        var (action, facts) = (weighing.Request.Action, weighing.Facts);
        if (action == AccessAction.Erase) return facts.Keeps(item);
        return !(ActionNames.Discloses(action) && action != AccessAction.Feed && facts.KeepsFor(item, weighing.Purpose.Id));
    }
}
