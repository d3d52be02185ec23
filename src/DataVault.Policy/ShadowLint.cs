namespace DataVault.Policy;

/// <summary>
/// Finds rules that never change an answer, over the cells of the compiled table: a permit whose every cell is forbidden (a contradiction), or is forbidden
/// or permitted as widely under no more conditions already; a forbid of which another says as much. A forbid of what nothing permits yet is a guard rail, no mistake.
/// </summary>
internal sealed class ShadowLint
{
    private readonly PolicySet policy;
    private readonly Rule[] rules;
    private readonly Standing[] standings;

    public ShadowLint(PolicySet policy)
    {
        this.policy = policy;
        rules = [.. policy.Rules.OrderBy(rule => rule.Id, StringComparer.Ordinal)];
        standings = new Standing[rules.Length];
    }

    /// <summary>What has been seen of a rule in the cells gone through.</summary>
    [Flags]
    private enum Standing
    {
        None = 0,
        Forbidden = 1,
        Covered = 2,

        /// <summary>Somewhere the rule says what nothing else does.</summary>
        Useful = 4,
    }

    public IEnumerable<(Rule Rule, string Message)> Findings()
    {
        for (var role = 0; role < policy.Roles.All.Count; role++) GoThrough(role, policy.Roles.All[role]);
        for (var index = 0; index < rules.Length; index++)
        {
            if (standings[index].HasFlag(Standing.Useful) || standings[index] == Standing.None) continue;
            if (rules[index].Forbids) yield return (rules[index], "is shadowed by a wider forbid");
            else if (standings[index] == Standing.Forbidden) yield return (rules[index], "contradicts the forbids: they take all that it permits");
            else yield return (rules[index], "is shadowed: others forbid it or permit as much already");
        }
    }

    /// <summary>A rule is looked at where it names the role itself; what heirs make of it is theirs.</summary>
    private void GoThrough(int ordinal, Role role)
    {
        var seen = new HashSet<Cell>(ReferenceEqualityComparer.Instance);
        for (var purpose = 0; purpose < policy.Purposes.All.Count; purpose++)
        {
            foreach (var action in Enum.GetValues<AccessAction>())
            {
                foreach (var cell in policy.Decisions.Table.Row(ordinal, purpose, action) ?? [])
                {
                    if (cell is not null && seen.Add(cell)) Look(cell, role);
                }
            }
        }
    }

    private void Look(Cell cell, Role role)
    {
        foreach (var group in cell.Permits)
        {
            foreach (var rule in group.Rules.Indexes.Where(rule => Concerns(rule, role)))
            {
                if (cell.Forbids.Any(forbid => forbid.Guard == 0 || Guard(forbid.Guard).Excludes(rules[rule].Guard))) standings[rule] |= Standing.Forbidden;
                else standings[rule] |= cell.Permits.Any(other => Covers(other, group, rule, role)) ? Standing.Covered : Standing.Useful;
            }
        }

        foreach (var group in cell.Forbids)
        {
            foreach (var rule in group.Rules.Indexes.Where(rule => Concerns(rule, role)))
            {
                standings[rule] |= cell.Forbids.Any(other => Covers(other, rule, role)) ? Standing.Covered : Standing.Useful;
            }
        }
    }

    private bool Concerns(int rule, Role role) => !standings[rule].HasFlag(Standing.Useful) && rules[rule].Roles.Contains(role);

    private Guard Guard(int number) => policy.Decisions.Table.Guards[number];

    private bool Covers(PermitGroup other, PermitGroup own, int rule, Role role)
    {
        if (other.Form < own.Form || !Guard(other.Guard).IsImpliedBy(rules[rule].Guard)) return false;
        var asWide = other.Form == own.Form && rules[rule].Guard.IsImpliedBy(Guard(other.Guard));
        return other.Rules.Indexes.Any(one => one != rule && rules[one].Obligations.All(rules[rule].Obligations.Contains)
            && !(asWide && rules[rule].Obligations.All(rules[one].Obligations.Contains) && IsLater(one, rule, role)));
    }

    /// <summary>One forbid covers another when it holds wherever that holds: when its exception lies within the other's.</summary>
    private bool Covers(ForbidGroup other, int rule, Role role)
    {
        var own = rules[rule].Guard;
        if (other.Guard != 0 && (own.IsAlways || !own.IsImpliedBy(Guard(other.Guard)))) return false;
        var same = other.Guard == 0 ? own.IsAlways : Guard(other.Guard).IsImpliedBy(own);
        return other.Rules.Indexes.Any(one => one != rule && !(same && IsLater(one, rule, role)));
    }

    /// <summary>Two rules that say the same cover each other: the later one is reported.</summary>
    private bool IsLater(int one, int rule, Role role) => rules[one].Roles.Contains(role) && one > rule;
}
