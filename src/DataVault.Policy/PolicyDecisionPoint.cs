using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>
/// Decides who gets what. Pure: the answer depends on the arguments and the loaded rules alone. Default is deny; a forbid beats
/// every permit; what is not known counts against the request. The order of questions for one item is:
/// is the purpose known and bound to the credential, does any rule permit at all, does a rule forbid, do the facts stop the purpose
/// (hold, restriction, objection, consent), does the condition of a permit hold. Nobody learns the state of a consent
/// who could not have been released the item.
/// </summary>
public sealed class PolicyDecisionPoint
{
    /// <summary>Why not. INVARIANT: the smaller says more to a caller who is nearly there, and is the one told.</summary>
    private enum Obstacle : byte
    {
        None,
        AssuranceTooLow,
        OnHold,
        Restricted,
        Objected,
        ConsentExpired,
        ConsentWithdrawn,
        ConsentMissing,
        PurposeNotBound,
        NotPermitted,
    }

    private static readonly string[] ReasonOf =
    [
        "", Reasons.AssuranceTooLow, Reasons.OnHold, Reasons.Restricted, Reasons.Objected, Reasons.ConsentExpired,
        Reasons.ConsentWithdrawn, Reasons.ConsentMissing, Reasons.PurposeNotBound, Reasons.NotPermitted,
    ];

    private readonly RequestedItem[] everyField;
    private readonly PurposeRegistry purposes;
    private readonly FrozenDictionary<string, int> purposeOrdinals;
    private readonly FrozenDictionary<string, FrozenSet<string>> capabilities;
    private readonly DecisionTable table;
    private readonly ItemDecision[][] refusals;

    internal PolicyDecisionPoint(IReadOnlyList<CatalogueItem> items, IReadOnlyList<Rule> rules, RoleRegistry roles, PurposeRegistry purposes)
    {
        this.purposes = purposes;
        everyField = [.. items.OfType<FieldDefinition>().Select(field => new RequestedItem(field, null))];
        purposeOrdinals = purposes.All.Select((purpose, index) => (purpose.Name, index)).ToFrozenDictionary(pair => pair.Name, pair => pair.index, StringComparer.Ordinal);
        capabilities = roles.All.ToFrozenDictionary(
            role => role.Name, role => roles.Lineage(role).SelectMany(one => one.Capabilities).ToFrozenSet(StringComparer.Ordinal), StringComparer.Ordinal);
        table = DecisionTable.Compile(rules, roles, purposes, items.Count);
        refusals = [.. items.Select(item => ReasonOf.Select(reason => new ItemDecision(item, reason, [])).ToArray())];
    }

    public bool HasCapability(IReadOnlyList<string> roles, string capability)
    {
        foreach (var role in roles)
        {
            if (capabilities.TryGetValue(role, out var own) && own.Contains(capability)) return true;
        }

        return false;
    }

    /// <summary>
    /// Whether some facts would release the item: for refusing early, before a subject is known, as for the terms of a search.
    /// False means that <see cref="Decide"/> refuses whatever the facts.
    /// </summary>
    public bool CouldPermit(Recipient recipient, AccessAction action, string purpose, CatalogueItem item)
    {
        if (!purposeOrdinals.TryGetValue(purpose, out var ordinal) || !recipient.IsBoundTo(purpose)) return false;
        bool InReach(int guard) => recipient.Assurance >= table.Guards[guard].Assurance && (!table.Guards[guard].OwnRecord || recipient.Subject is not null);
        var cells = recipient.Roles.Select(role => table.Row(role, ordinal, action)?[item.Ordinal]).OfType<Cell>().ToList();
        return cells.SelectMany(cell => cell.Permits).Any(permit => InReach(permit.Guard))
            && !cells.SelectMany(cell => cell.Forbids).Any(forbid => forbid.Guard == 0 || !InReach(forbid.Guard));
    }

    public Decision Decide(AccessRequest request, DecisionFacts facts, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(facts);
        var items = request.Items ?? everyField;
        if (!purposeOrdinals.TryGetValue(request.Purpose, out var ordinal)) return RefuseAll(items, Obstacle.NotPermitted);
        if (!request.Recipient.IsBoundTo(request.Purpose)) return RefuseAll(items, Obstacle.PurposeNotBound);
        if (request.Recipient.Kind == RecipientKind.Customer && request.Recipient.Subject != request.Subject) return RefuseAll(items, Obstacle.NotPermitted);

        var purpose = purposes.All[ordinal];
        Span<Obstacle> guards = table.Guards.Count <= 64 ? stackalloc Obstacle[table.Guards.Count] : new Obstacle[table.Guards.Count];
        for (var guard = 1; guard < guards.Length; guard++) guards[guard] = Test(table.Guards[guard], request, facts, now);
        Span<ulong> used = stackalloc ulong[(table.RuleIds.Count / 64) + 1];
        used.Clear();
        var stop = Stop(purpose, facts, now);
        var weighing = new Weighing(guards, used, stop, Rows(request, ordinal))
        {
            Holding = facts.Remainder || (request.Action == AccessAction.Erase && (facts.OnHold || facts.Holds.Count > 0)) ? (facts, purpose.Id) : null,
        };
        return DecideAll(request, items, ref weighing);
    }

    /// <summary>What stays the same for all items of a request, and what is gathered over them.</summary>
    private ref struct Weighing(ReadOnlySpan<Obstacle> guards, Span<ulong> used, Obstacle stop, Cell?[]?[] rows)
    {
        public readonly ReadOnlySpan<Obstacle> Guards = guards;
        public readonly Span<ulong> Used = used;
        public readonly Obstacle Stop = stop;
        public readonly Cell?[]?[] Rows = rows;

        /// <summary>Set where a hold, or what it left of an erased person, may stand in the way of an item.</summary>
        public (DecisionFacts Facts, int Purpose)? Holding { get; init; }

        public int Obligations;

        public readonly void Use(NamedRules rules)
        {
            foreach (var index in rules.Indexes) Used[index >> 6] |= 1UL << (index & 63);
        }
    }

    private Cell?[]?[] Rows(AccessRequest request, int purpose)
    {
        var roles = request.Recipient.Roles;
        var rows = new Cell?[]?[roles.Count];
        for (var index = 0; index < rows.Length; index++) rows[index] = table.Row(roles[index], purpose, request.Action);
        return rows;
    }

    private Decision DecideAll(AccessRequest request, IReadOnlyList<RequestedItem> items, ref Weighing weighing)
    {
        var decisions = new ItemDecision[items.Count];
        var permits = new FieldPermit[items.Count];
        var released = 0;
        for (var index = 0; index < decisions.Length; index++)
        {
            var decision = decisions[index] = DecideItem(request, items[index], ref weighing);
            if (decision.Permit is { } permit) permits[released++] = permit;
        }

        if (released < permits.Length) Array.Resize(ref permits, released);
        return new Decision(decisions, permits, ObligationSet.ListOf(weighing.Obligations), UsedRules(weighing.Used));
    }

    private ItemDecision DecideItem(AccessRequest request, RequestedItem requested, ref Weighing weighing)
    {
        var item = requested.Item;
        var obstacle = Weigh(item.Ordinal, ref weighing, out var widest);
        if (obstacle == Obstacle.NotPermitted) return Forbidden(item, ref weighing) ?? refusals[item.Ordinal][(int)obstacle];
        if (Forbidden(item, ref weighing) is { } forbidden) return forbidden;
        if (weighing.Holding is { } holding && IsHeld(item, request.Action, holding.Facts, holding.Purpose)) return refusals[item.Ordinal][(int)Obstacle.OnHold];
        if (weighing.Stop != Obstacle.None) return refusals[item.Ordinal][(int)weighing.Stop];
        if (obstacle != Obstacle.None) return refusals[item.Ordinal][(int)obstacle];

        var rules = Determining(item.Ordinal, widest, ref weighing);
        var narrows = requested.Narrower < widest && ActionNames.Discloses(request.Action);
        return new ItemDecision(new FieldPermit(item, narrows ? requested.Narrower!.Value : widest, request.Action, request.Subject), rules);
    }

    /// <summary>The widest form of the permits whose condition holds; else what stands in the way of the nearest.</summary>
    private static Obstacle Weigh(int item, ref Weighing weighing, out Form widest)
    {
        widest = Form.Withheld;
        var nearest = Obstacle.NotPermitted;
        foreach (var row in weighing.Rows)
        {
            if (row?[item] is not { } cell) continue;
            foreach (var permit in cell.Permits)
            {
                var obstacle = weighing.Guards[permit.Guard];
                if (obstacle < nearest) nearest = obstacle;
                if (obstacle == Obstacle.None && permit.Form > widest) widest = permit.Form;
            }
        }

        return nearest;
    }

    private static ItemDecision? Forbidden(CatalogueItem item, ref Weighing weighing)
    {
        var obstacle = Obstacle.None;
        string[] ids = [];
        foreach (var row in weighing.Rows)
        {
            if (row?[item.Ordinal] is not { } cell) continue;
            foreach (var forbid in cell.Forbids)
            {
                var exception = forbid.Guard == 0 ? Obstacle.NotPermitted : weighing.Guards[forbid.Guard];
                if (exception == Obstacle.None) continue;
                if (exception > obstacle) obstacle = exception;
                ids = Union(ids, forbid.Rules.Ids);
                weighing.Use(forbid.Rules);
            }
        }

        if (obstacle == Obstacle.None) return null;
        var told = Weigh(item.Ordinal, ref weighing, out _) == Obstacle.NotPermitted ? Obstacle.NotPermitted : obstacle;
        return new ItemDecision(item, ReasonOf[(int)told], ids);
    }

    private static string[] Determining(int item, Form form, ref Weighing weighing)
    {
        string[] ids = [];
        foreach (var row in weighing.Rows)
        {
            if (row?[item] is not { } cell) continue;
            foreach (var permit in cell.Permits)
            {
                if (permit.Form != form || weighing.Guards[permit.Guard] != Obstacle.None) continue;
                ids = Union(ids, permit.Rules.Ids);
                weighing.Obligations |= permit.Obligations;
                weighing.Use(permit.Rules);
            }
        }

        return ids;
    }

    private static string[] Union(string[] left, string[] right) =>
        left.Length == 0 ? right : [.. left.Union(right).Order(StringComparer.Ordinal)];

    private string[] UsedRules(ReadOnlySpan<ulong> used)
    {
        var count = 0;
        foreach (var word in used) count += System.Numerics.BitOperations.PopCount(word);
        if (count == 0) return [];
        var ids = new string[count];
        var next = 0;
        for (var index = 0; next < count; index++)
        {
            if ((used[index >> 6] >> (index & 63) & 1) != 0) ids[next++] = table.RuleIds[index];
        }

        return ids;
    }

    private Decision RefuseAll(IReadOnlyList<RequestedItem> items, Obstacle obstacle) =>
        new([.. items.Select(requested => refusals[requested.Item.Ordinal][(int)obstacle])], [], [], []);

    /// <summary>What the facts hold against the purpose itself, whatever the item.</summary>
    private static Obstacle Stop(Purpose purpose, DecisionFacts facts, DateTimeOffset now)
    {
        if (facts.Restricted && purpose.StopsOnRestriction) return Obstacle.Restricted;
        if (purpose.StopsOnObjection && facts.ObjectedPurposes.Contains(purpose.Id)) return Obstacle.Objected;
        return purpose.NeedsConsent ? Consent(purpose.Id, facts, now) : Obstacle.None;
    }

    // What is held may not be erased. What a hold has left of an erased person may be disclosed for the purposes that the hold names, and nothing may be added.
    private static bool IsHeld(CatalogueItem item, AccessAction action, DecisionFacts facts, int purpose) => action == AccessAction.Erase
        ? facts.Keeps(item)
        : !(ActionNames.Discloses(action) && action != AccessAction.Feed && facts.KeepsFor(item, purpose));

    private static Obstacle Test(Guard guard, AccessRequest request, DecisionFacts facts, DateTimeOffset now)
    {
        if (guard.OwnRecord && request.Recipient.Subject != request.Subject) return Obstacle.NotPermitted;
        if (request.Recipient.Assurance < guard.Assurance) return Obstacle.AssuranceTooLow;
        var worst = Obstacle.None;
        for (var index = 0; index < guard.Consents.Count; index++)
        {
            var consent = Consent(guard.Consents[index], facts, now);
            if (consent > worst) worst = consent;
        }

        return worst;
    }

    /// <summary>Only given and unexpired counts. Should the facts name a purpose twice, the worse counts.</summary>
    private static Obstacle Consent(int purpose, DecisionFacts facts, DateTimeOffset now)
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
                ConsentStatus.Given when fact.Expires is null || fact.Expires > now => Obstacle.None,
                ConsentStatus.Given => Obstacle.ConsentExpired,
                ConsentStatus.Withdrawn => Obstacle.ConsentWithdrawn,
                _ => Obstacle.ConsentMissing,
            };
            if (own > state) state = own;
        }

        return known ? state : Obstacle.ConsentMissing;
    }
}
