namespace DataVault.Policy;

/// <summary>A policy test: a question with facts, and what must come out.</summary>
public sealed class PolicyCase
{
    internal PolicyCase(string name, string file, int line) => (Name, File, Line) = (name, file, line);

    public string Name { get; }

    public string File { get; }

    public int Line { get; }

    public required AccessRequest Request { get; init; }

    public required DecisionFacts Facts { get; init; }

    /// <summary>Item name to form or reason.</summary>
    public required IReadOnlyList<(string Item, string Outcome)> Expected { get; init; }

    /// <summary>When it is asked.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Whether the recipient reaches the person; null where the case does not say.</summary>
    public required bool? Reachable { get; init; }

    /// <summary>Obligations that the decision must have, all of them.</summary>
    public required IReadOnlyList<string> Obligations { get; init; }
}

/// <summary>How a case came out. <see cref="Differences"/> is empty when it passed.</summary>
public sealed record CaseResult(PolicyCase Case, IReadOnlyList<string> Differences, IReadOnlyList<string> RuleIds)
{
    public bool Passed => Differences.Count == 0;
}

/// <summary>How the cases came out, and which rules none of them is determined by.</summary>
public sealed record CaseCoverage(IReadOnlyList<CaseResult> Results, IReadOnlyList<string> Rules, IReadOnlyList<string> UncoveredRules)
{
    public int Passed => Results.Count(result => result.Passed);

    /// <summary>Of the rules, in whole percent; 100 only when all are.</summary>
    public int Percent => Rules.Count == 0 ? 100 : 100 * (Rules.Count - UncoveredRules.Count) / Rules.Count;

    /// <summary>Every case passes and every rule determines one.</summary>
    public bool IsComplete => Results.Count > 0 && Passed == Results.Count && UncoveredRules.Count == 0;
}

/// <summary>Runs the cases, each at an instant of its own or at this one, so that a case means the same tomorrow.</summary>
internal static class CaseRunner
{
    public static DateTimeOffset Now { get; } = new(2026, 1, 15, 12, 0, 0, TimeSpan.Zero);

    public static SubjectId Subject { get; } = new(new Guid("01890000-0000-7000-8000-000000000001"));

    public static SubjectId Stranger { get; } = new(new Guid("01890000-0000-7000-8000-000000000002"));

    public static CaseResult Run(PolicyCase policyCase, PolicyDecisionPoint decisions)
    {
        var decision = decisions.Decide(policyCase.Request, policyCase.Facts, policyCase.At);
        var differences = new List<string>();
        for (var index = 0; index < policyCase.Expected.Count; index++)
        {
            var (item, wanted) = policyCase.Expected[index];
            var outcome = decision.Items[index].Reason ?? FormNames.Of(decision.Items[index].Form);
            if (outcome != wanted) differences.Add($"{item}: expected {wanted}, got {outcome}");
        }

        if (!decision.Obligations.Order().SequenceEqual(policyCase.Obligations.Order()))
        {
            differences.Add($"obligations: expected [{string.Join(", ", policyCase.Obligations)}], got [{string.Join(", ", decision.Obligations)}]");
        }

        if (policyCase.Reachable is { } reachable && reachable != decision.Reachable) differences.Add($"reachable: expected {(reachable ? "true" : "false")}, got {(decision.Reachable ? "true" : "false")}");
        return new CaseResult(policyCase, differences, decision.RuleIds);
    }
}
