using System.Diagnostics.CodeAnalysis;

namespace DataVault.Policy;

/// <summary>Something wrong with a policy file. <see cref="Line"/> counts from 1; 0 speaks of the whole file.</summary>
public sealed record PolicyProblem(string File, int Line, string Message)
{
    public override string ToString() => Line > 0 ? $"{File}:{Line}: {Message}" : $"{File}: {Message}";
}

/// <summary>A policy that was refused, with everything that is wrong with it.</summary>
[SuppressMessage("Design", "CA1032:Implement standard exception constructors", Justification = "A refusal without its problems would say nothing.")]
public sealed class PolicyException : Exception
{
    public PolicyException(IReadOnlyList<PolicyProblem> problems)
        : base("The policy is refused:\n" + string.Join('\n', problems)) => Problems = problems;

    public IReadOnlyList<PolicyProblem> Problems { get; }
}

/// <summary>Collects problems, so that one loading reports them all.</summary>
internal sealed class ProblemList
{
    private readonly List<PolicyProblem> problems = [];

    public bool Any => problems.Count > 0;

    public IReadOnlyList<PolicyProblem> Sorted =>
        [.. problems.Distinct().OrderBy(problem => problem.File, StringComparer.Ordinal).ThenBy(problem => problem.Line)];

    public void Add(string file, int line, string message) => problems.Add(new PolicyProblem(file, line, message));

    public void ThrowIfAny()
    {
        if (Any) throw new PolicyException(Sorted);
    }
}
