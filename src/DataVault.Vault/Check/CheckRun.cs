namespace DataVault.Vault;

/// <summary>One run of a check: the state that all its parts look at, and what they have found.</summary>
internal sealed class CheckRun(VaultSnapshot snapshot, Action<string> progress)
{
    /// <summary>Beyond so many of one kind, more of them say nothing new.</summary>
    private const int MostOfAKind = 20;

    private readonly List<CheckFinding> findings = [];
    private readonly List<string> notes = [];
    private readonly Dictionary<string, int> found = [];
    private readonly Dictionary<string, long> counted = [];

    public VaultSnapshot Snapshot => snapshot;

    public void Step(string what) => progress(what);

    public void Wrong(string check, string message)
    {
        var seen = found[check] = found.GetValueOrDefault(check) + 1;
        if (seen <= MostOfAKind) findings.Add(new CheckFinding(check, message));
    }

    public void Note(string note) => notes.Add(note);

    public void Count(string what, long number) => counted[what] = counted.GetValueOrDefault(what) + number;

    public CheckReport Report()
    {
        foreach (var (check, number) in found.Where(kind => kind.Value > MostOfAKind)) findings.Add(new CheckFinding(check, $"and {number - MostOfAKind} more"));
        return new CheckReport([.. findings], [.. notes], counted);
    }
}
