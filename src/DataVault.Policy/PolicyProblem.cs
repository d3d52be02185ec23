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

/// <summary>Collects problems, so that one loading reports them all; of very many, the first and how many more.</summary>
internal sealed class ProblemList
{
    private const int Most = 200;

    private readonly HashSet<PolicyProblem> problems = [];
    private int more;

    public bool Any => problems.Count > 0;

    public IReadOnlyList<PolicyProblem> Sorted
    {
        get
        {
            var sorted = problems.OrderBy(problem => problem.File, StringComparer.Ordinal).ThenBy(problem => problem.Line).ToList();
            if (more > 0) sorted.Add(new PolicyProblem("policies", 0, $"and {more} more"));
            return sorted;
        }
    }

    public void Add(string file, int line, string message)
    {
        var problem = new PolicyProblem(file, line, Shortened(message));
        if (problems.Count < Most) problems.Add(problem);
        else if (!problems.Contains(problem)) more++;
    }

    public void ThrowIfAny()
    {
        if (Any) throw new PolicyException(Sorted);
    }

    // A message quotes what stands in the file, which may be long and hold anything.
    private static string Shortened(string message)
    {
        const int Longest = 400;
        var shown = message.Length <= Longest ? message : message[..Longest] + "…";
        return string.Concat(shown.Select(letter => char.IsControl(letter) || char.IsSurrogate(letter) ? '?' : letter));
    }
}
