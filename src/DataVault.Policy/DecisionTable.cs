using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>
/// The rules, compiled: for each role, purpose and action a row with a cell per item, so that a decision looks up and never searches.
/// A role's row holds the rules of its parents too. Equal cells are one object.
/// </summary>
internal sealed class DecisionTable
{
    private static readonly int ActionCount = ActionNames.All.Count;

    private readonly Cell?[]?[] rows;
    private readonly FrozenDictionary<string, int> roles;
    private readonly int purposes;

    private DecisionTable(Cell?[]?[] rows, RoleRegistry roles, int purposes, IReadOnlyList<Guard> guards, IReadOnlyList<string> ruleIds)
    {
        (this.rows, this.purposes, Guards, RuleIds) = (rows, purposes, guards, ruleIds);
        this.roles = roles.All.Select((role, index) => (role.Name, index)).ToFrozenDictionary(pair => pair.Name, pair => pair.index, StringComparer.Ordinal);
    }

    /// <summary>The distinct conditions; number 0 is the one that always holds.</summary>
    public IReadOnlyList<Guard> Guards { get; }

    /// <summary>All rules, sorted, so that the order of files and of rules in them is without effect.</summary>
    public IReadOnlyList<string> RuleIds { get; }

    /// <summary>The cells by item ordinal, or null where no rule speaks.</summary>
    public Cell?[]? Row(string role, int purposeOrdinal, AccessAction action) =>
        roles.TryGetValue(role, out var ordinal) ? rows[Index(ordinal, purposeOrdinal, action)] : null;

    private int Index(int role, int purpose, AccessAction action) => (((role * purposes) + purpose) * ActionCount) + (int)action;

    public static DecisionTable Compile(IReadOnlyList<Rule> rules, RoleRegistry roles, PurposeRegistry purposes, int itemCount)
    {
        var sorted = rules.OrderBy(rule => rule.Id, StringComparer.Ordinal).ToList();
        var guards = sorted.Select(rule => rule.Guard).Prepend(Guard.Always).DistinctBy(guard => guard.Key).ToList();
        var table = new DecisionTable(
            new Cell?[]?[roles.All.Count * purposes.All.Count * ActionCount], roles, purposes.All.Count, guards, [.. sorted.Select(rule => rule.Id)]);
        var cells = new CellFactory(sorted, guards);
        for (var role = 0; role < roles.All.Count; role++)
        {
            var lineage = roles.Lineage(roles.All[role]);
            var own = Enumerable.Range(0, sorted.Count).Where(rule => sorted[rule].Roles.Any(lineage.Contains)).ToList();
            for (var purpose = 0; purpose < purposes.All.Count; purpose++)
            {
                var relevant = own.Where(rule => sorted[rule].Purposes.Contains(purposes.All[purpose])).ToList();
                foreach (var action in Enum.GetValues<AccessAction>())
                {
                    table.rows[table.Index(role, purpose, action)] = cells.Row(relevant, action, itemCount);
                }
            }
        }

        return table;
    }

    /// <summary>Makes cells, each distinct one once.</summary>
    private sealed class CellFactory(IReadOnlyList<Rule> rules, List<Guard> guards)
    {
        private readonly Dictionary<string, Cell> made = new(StringComparer.Ordinal);

        public Cell?[]? Row(IReadOnlyList<int> relevant, AccessAction action, int itemCount)
        {
            var speaking = new List<int>[itemCount];
            var items = new Dictionary<int, CatalogueItem>();
            foreach (var rule in relevant.Where(rule => rules[rule].Actions.Contains(action)))
            {
                foreach (var item in rules[rule].Items)
                {
                    (speaking[item.Ordinal] ??= []).Add(rule);
                    items[item.Ordinal] = item;
                }
            }

            if (items.Count == 0) return null;
            return [.. speaking.Select((own, ordinal) => own is null ? null : Make(own, items[ordinal], action))];
        }

        private Cell Make(List<int> own, CatalogueItem item, AccessAction action)
        {
            var key = $"{string.Join(',', own)}/{item.Class.Widest}/{action}";
            if (!made.TryGetValue(key, out var cell)) made[key] = cell = new Cell(Permits(own, item, action), Forbids(own));
            return cell;
        }

        private PermitGroup[] Permits(List<int> own, CatalogueItem item, AccessAction action) =>
        [
            .. own.Where(rule => !rules[rule].Forbids)
                .GroupBy(rule => (Form: rules[rule].FormFor(item, action), Guard: GuardOf(rule)))
                .OrderByDescending(group => group.Key.Form).ThenBy(group => group.Key.Guard)
                .Select(group => new PermitGroup(group.Key.Form, group.Key.Guard, Named(group), ObligationSet.Of(group.SelectMany(rule => rules[rule].Obligations)))),
        ];

        private ForbidGroup[] Forbids(List<int> own) =>
            [.. own.Where(rule => rules[rule].Forbids).GroupBy(GuardOf).OrderBy(group => group.Key).Select(group => new ForbidGroup(group.Key, Named(group)))];

        private NamedRules Named(IEnumerable<int> indexes)
        {
            int[] all = [.. indexes];
            return new NamedRules([.. all.Select(index => rules[index].Id)], all);
        }

        private int GuardOf(int rule) => guards.FindIndex(guard => guard.Key == rules[rule].Guard.Key);
    }
}

/// <summary>What all rules together say of one item to one role for one purpose and action.</summary>
internal sealed record Cell(PermitGroup[] Permits, ForbidGroup[] Forbids);

/// <summary>Permits of the same form under the same condition.</summary>
internal sealed record PermitGroup(Form Form, int Guard, NamedRules Rules, int Obligations);

/// <summary>Forbids with the same exception; condition 0 means without exception.</summary>
internal sealed record ForbidGroup(int Guard, NamedRules Rules);

/// <summary>Rules as decisions name them, and their numbers in <see cref="DecisionTable.RuleIds"/>.</summary>
internal sealed record NamedRules(string[] Ids, int[] Indexes);

/// <summary>Sets of obligations as bits, with the list of each set made once.</summary>
internal static class ObligationSet
{
    private static readonly string[][] Lists =
        [.. Enumerable.Range(0, 1 << ObligationNames.All.Length).Select(bits => ObligationNames.All.Where((_, bit) => (bits >> bit & 1) != 0).ToArray())];

    public static int Of(IEnumerable<string> names) => names.Aggregate(0, (bits, name) => bits | (1 << Array.IndexOf(ObligationNames.All, name)));

    public static IReadOnlyList<string> ListOf(int bits) => Lists[bits];
}
