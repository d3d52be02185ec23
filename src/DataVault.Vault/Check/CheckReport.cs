namespace DataVault.Vault;

/// <summary>Something in the databases that is not as the vault leaves it.</summary>
/// <param name="Check">Which check found it: a word such as <c>keys</c>, <c>log</c>, <c>rows</c>.</param>
/// <param name="Message">A sentence; it names rows by their ids and no value of a person.</param>
public sealed record CheckFinding(string Check, string Message)
{
    public override string ToString() => $"{Check}: {Message}";
}

/// <summary>Outcome of a check of both databases.</summary>
/// <param name="Findings">What is wrong; empty when nothing is.</param>
/// <param name="Notes">What is unusual and allowed, such as keys that a crash left without a record.</param>
/// <param name="Counted">What was looked at, and how many of it.</param>
public sealed record CheckReport(IReadOnlyList<CheckFinding> Findings, IReadOnlyList<string> Notes, IReadOnlyDictionary<string, long> Counted)
{
    public bool Ok => Findings.Count == 0;
}

/// <summary>What to check beyond the rows and the log.</summary>
/// <param name="Deep">Open every person's keys: seals, values, index terms, analytics rows, and the records against the log.</param>
public sealed record CheckOptions(bool Deep = false);
