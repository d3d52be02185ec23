using System.Collections.Frozen;
using System.Runtime.InteropServices;

namespace DataVault.Policy;

/// <summary>
/// The rules, compiled: for each role, purpose and action a row with a cell per item, so that a decision looks up and never searches.
/// A role's row holds the rules of its parents too. Equal rows and equal cells are one object.
/// </summary>
internal sealed class DecisionTable
{
    private static readonly int ActionCount = ActionNames.All.Count;

    private readonly Cell?[]?[] rows;
    private readonly FrozenDictionary<string, int> roles;
    private readonly Reach[] reaches;
    private readonly int purposes;

    private DecisionTable(RoleRegistry roles, int purposes, Guard[] guards, string[] ruleIds)
    {
        (this.purposes, Guards, RuleIds) = (purposes, guards, ruleIds);
        rows = new Cell?[]?[roles.All.Count * purposes * ActionCount];
        reaches = [.. roles.All.Select(roles.ReachOf)];
        this.roles = roles.All.Select((role, index) => (role.Name, index)).ToFrozenDictionary(pair => pair.Name, pair => pair.index, StringComparer.Ordinal);
    }

    /// <summary>The distinct conditions; number 0 is the one that always holds.</summary>
    public Guard[] Guards { get; }

    /// <summary>All rules, sorted, so that the order of files and of rules in them is without effect.</summary>
    public string[] RuleIds { get; }

    /// <summary>Number of a role, or -1 for a name that is not known.</summary>
    public int RoleOf(string role) => roles.TryGetValue(role, out var ordinal) ? ordinal : -1;

    public Reach ReachOf(int role) => reaches[role];

    /// <summary>The cells by item ordinal, or null where no rule speaks.</summary>
    public Cell?[]? Row(int role, int purposeOrdinal, AccessAction action) => rows[Index(role, purposeOrdinal, action)];

    private int Index(int role, int purpose, AccessAction action) => (((role * purposes) + purpose) * ActionCount) + (int)action;

    public static DecisionTable Compile(IReadOnlyList<Rule> rules, RoleRegistry roles, PurposeRegistry purposes, IReadOnlyList<CatalogueItem> items)
    {
        Rule[] sorted = [.. rules.OrderBy(rule => rule.Id, StringComparer.Ordinal)];
        Guard[] guards = [.. sorted.Select(rule => rule.Guard).Prepend(Guard.Always).DistinctBy(guard => guard.Key)];
        var table = new DecisionTable(roles, purposes.All.Count, guards, [.. sorted.Select(rule => rule.Id)]);
        var factory = new RowFactory(sorted, guards, items);
        var own = RulesByRole(sorted, roles);
        var ordinals = purposes.All.Select((purpose, ordinal) => (purpose, ordinal)).ToDictionary(pair => pair.purpose, pair => pair.ordinal);
        for (var role = 0; role < own.Length; role++)
        {
            var speaking = new List<int>?[purposes.All.Count * ActionCount];
            foreach (var rule in own[role])
            {
                foreach (var purpose in sorted[rule].Purposes)
                {
                    foreach (var action in sorted[rule].Actions) (speaking[(ordinals[purpose] * ActionCount) + (int)action] ??= []).Add(rule);
                }
            }

            for (var at = 0; at < speaking.Length; at++)
            {
                if (speaking[at] is { } list) table.rows[(role * speaking.Length) + at] = factory.Row([.. list], (AccessAction)(at % ActionCount));
            }
        }

        return table;
    }

    /// <summary>For each role the numbers of its rules and of those of its parents, ascending.</summary>
    private static List<int>[] RulesByRole(Rule[] rules, RoleRegistry roles)
    {
        var heirs = roles.All.ToDictionary(role => role, _ => new List<int>());
        for (var role = 0; role < roles.All.Count; role++)
        {
            foreach (var ancestor in roles.Lineage(roles.All[role])) heirs[ancestor].Add(role);
        }

        List<int>[] own = [.. roles.All.Select(_ => new List<int>())];
        for (var rule = 0; rule < rules.Length; rule++)
        {
            foreach (var heir in rules[rule].Roles.SelectMany(role => heirs[role]))
            {
                if (own[heir].Count == 0 || own[heir][^1] != rule) own[heir].Add(rule);
            }
        }

        return own;
    }

    /// <summary>Makes rows and cells, each distinct one once.</summary>
    private sealed class RowFactory(Rule[] rules, Guard[] guards, IReadOnlyList<CatalogueItem> items)
    {
        private readonly Dictionary<(int[] Rules, AccessAction Action, Form Widest), Cell> cells = new(new ByRules<Form>());
        private readonly Dictionary<(int[] Rules, AccessAction Action, int Unused), Cell?[]> rows = new(new ByRules<int>());
        private readonly Dictionary<string, int> guardNumbers = guards.Select((guard, number) => (guard.Key, number)).ToDictionary(pair => pair.Key, pair => pair.number, StringComparer.Ordinal);

        public Cell?[] Row(int[] speaking, AccessAction action)
        {
            if (rows.TryGetValue((speaking, action, 0), out var known)) return known;
            var byItem = new List<int>?[items.Count];
            foreach (var rule in speaking)
            {
                foreach (var item in rules[rule].Items) (byItem[item.Ordinal] ??= []).Add(rule);
            }

            return rows[(speaking, action, 0)] = [.. byItem.Select((own, ordinal) => own is null ? null : Make([.. own], items[ordinal], action))];
        }

        private Cell Make(int[] own, CatalogueItem item, AccessAction action)
        {
            var key = (own, action, item.Class.Widest);
            if (!cells.TryGetValue(key, out var cell)) cells[key] = cell = new Cell(Permits(own, item, action), Forbids(own));
            return cell;
        }

        private PermitGroup[] Permits(int[] own, CatalogueItem item, AccessAction action) =>
        [
            .. own.Where(rule => !rules[rule].Forbids)
                .GroupBy(rule => (Form: rules[rule].FormFor(item, action), Guard: GuardOf(rule)))
                .OrderByDescending(group => group.Key.Form).ThenBy(group => group.Key.Guard)
                .Select(group => new PermitGroup(group.Key.Form, group.Key.Guard, Named(group), ObligationSet.Of(group.SelectMany(rule => rules[rule].Obligations)))),
        ];

        private ForbidGroup[] Forbids(int[] own) =>
            [.. own.Where(rule => rules[rule].Forbids).GroupBy(GuardOf).OrderBy(group => group.Key).Select(group => new ForbidGroup(group.Key, Named(group)))];

        private NamedRules Named(IEnumerable<int> indexes)
        {
            int[] all = [.. indexes];
            return new NamedRules([.. all.Select(index => rules[index].Id)], all);
        }

        private int GuardOf(int rule) => guardNumbers[rules[rule].Guard.Key];
    }

    private sealed class ByRules<T> : IEqualityComparer<(int[] Rules, AccessAction Action, T Other)>
    {
        public bool Equals((int[] Rules, AccessAction Action, T Other) left, (int[] Rules, AccessAction Action, T Other) right) =>
            left.Action == right.Action && EqualityComparer<T>.Default.Equals(left.Other, right.Other) && left.Rules.AsSpan().SequenceEqual(right.Rules);

        public int GetHashCode((int[] Rules, AccessAction Action, T Other) key)
        {
            var hash = default(HashCode);
            hash.AddBytes(MemoryMarshal.AsBytes(key.Rules.AsSpan()));
            hash.Add(key.Action);
            hash.Add(key.Other);
            return hash.ToHashCode();
        }
    }
}

/// <summary>What all rules together say of one item to one role for one purpose and action. Permits stand widest first.</summary>
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
