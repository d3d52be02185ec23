namespace DataVault.Vault;

/// <summary>Something that was copied whole: no entry of the log tells of it.</summary>
public sealed record StolenCopy
{
    /// <summary>A live database or its files, or a dump of it: <c>vault</c>, <c>keys</c>.</summary>
    public IReadOnlyList<string> Databases { get; init; } = [];

    /// <summary>Backups as the vault writes them: <c>data</c>, <c>keys</c>.</summary>
    public IReadOnlyList<string> Backups { get; init; } = [];

    /// <summary>Whether the passphrases of the backups were taken too.</summary>
    public bool Passphrases { get; init; }

    /// <summary>Whether the root key was taken too, or could be used.</summary>
    public bool RootKey { get; init; }

    internal bool HasRows => Databases.Contains("vault") || (Backups.Contains("data") && Passphrases);

    internal bool HasKeys => Databases.Contains("keys") || (Backups.Contains("keys") && Passphrases);
}

/// <summary>What shows whether the taken can be read.</summary>
/// <param name="Cipher">How values are sealed.</param>
/// <param name="RootKey">Kind of the root key that wraps every other.</param>
/// <param name="OldestEpoch">The oldest epoch of keys whose root is not destroyed: copies of keys from before open no more.</param>
/// <param name="EpochsAlive">Epochs whose roots exist.</param>
/// <param name="HasRows">Sealed rows were taken.</param>
/// <param name="HasKeys">Wrapped keys were taken.</param>
/// <param name="HasRootKey">What unwraps them was taken.</param>
/// <param name="PseudonymousRows">
/// What stands in the vault database unsealed and without names: of each person what is kept under their number, and the rows of the analytics schemas; of a copy that has none of them 0.
/// </param>
public sealed record KeyEvidence(
    string Cipher, string RootKey, DateTimeOffset? OldestEpoch, int EpochsAlive, bool HasRows, bool HasKeys, bool HasRootKey, long PseudonymousRows);

/// <summary>What a breach cost, as it was counted at one state of the log. Whoever has that log can count it again.</summary>
/// <param name="Query">Whose misuse; empty of a copy.</param>
/// <param name="Size">Entries of the log that it was counted from.</param>
/// <param name="Root">The root over them, base64, as a checkpoint signs it.</param>
/// <param name="Policy">Version of the policy that names items and categories.</param>
/// <param name="Counts">The figures, by name.</param>
/// <param name="Items">People by field and event type.</param>
/// <param name="Categories">People by category; the name of a special one ends in <c>*</c>.</param>
/// <param name="Places">People by where their data stay, or their regime; <c>unknown</c> of those who were erased.</param>
/// <param name="KeyState">A word of <see cref="BreachWords.KeyStates"/>.</param>
public sealed record AttachedImpact(
    ImpactQuery Query, long Size, string Root, string Policy, IReadOnlyDictionary<string, long> Counts, IReadOnlyDictionary<string, long> Items, IReadOnlyDictionary<string, long> Categories,
    IReadOnlyDictionary<string, long> Places, string KeyState)
{
    /// <summary>Distinct people.</summary>
    public const string People = "people";

    /// <summary>Values and events of people: each person's each item once.</summary>
    public const string Records = "records";

    /// <summary>People of whom a special category was disclosed.</summary>
    public const string SpecialPeople = "specialPeople";

    /// <summary>Of a copy, what was taken.</summary>
    public StolenCopy? Copy { get; init; }

    public KeyEvidence? Evidence { get; init; }

    /// <summary>Between which moments something was disclosed.</summary>
    public DateTimeOffset? First { get; init; }

    /// <inheritdoc cref="First"/>
    public DateTimeOffset? Last { get; init; }

    /// <summary>When it was counted.</summary>
    public DateTimeOffset MadeAt { get; init; }

    internal BreachFindings Findings => new()
    {
        People = Counts.GetValueOrDefault(People),
        Records = Counts.GetValueOrDefault(Records),
        Categories = [.. Categories.Keys.Select(name => name.TrimEnd('*'))],
        Special = Counts.GetValueOrDefault(SpecialPeople) > 0,
        Places = Places,
        KeyState = KeyState,
    };

    /// <summary>What another count of the same says otherwise, by name: what was said, what is counted.</summary>
    internal IReadOnlyList<ImpactDifference> Against(AttachedImpact other) =>
    [
        .. Differences("counts", Counts, other.Counts), .. Differences("items", Items, other.Items), .. Differences("categories", Categories, other.Categories),
        .. from edge in new[] { ("first", First, other.First), ("last", Last, other.Last) }
           where edge.Item2 != edge.Item3
           select new ImpactDifference(edge.Item1, edge.Item2?.ToUnixTimeMilliseconds(), edge.Item3?.ToUnixTimeMilliseconds()),
    ];

    private static IEnumerable<ImpactDifference> Differences(string of, IReadOnlyDictionary<string, long> said, IReadOnlyDictionary<string, long> counted) =>
        from name in said.Keys.Union(counted.Keys).Order(StringComparer.Ordinal)
        let pair = (Said: said.TryGetValue(name, out var one) ? one : (long?)null, Counted: counted.TryGetValue(name, out var two) ? two : (long?)null)
        where pair.Said != pair.Counted
        select new ImpactDifference($"{of}/{name}", pair.Said, pair.Counted);
}

/// <summary>A figure that a second count gives otherwise.</summary>
public sealed record ImpactDifference(string Name, long? Said, long? Counted);

/// <summary>An attached impact, counted again.</summary>
/// <param name="Step">Which.</param>
/// <param name="RootHolds">The log of today continues the log that it was counted from, by a proof.</param>
/// <param name="Differences">Figures that come out otherwise; none when all hold.</param>
/// <param name="Unknown">Why it cannot be counted again, in a code: <c>pruned</c>, <c>copy</c>; null when it was.</param>
public sealed record ImpactComparison(int Step, bool RootHolds, IReadOnlyList<ImpactDifference> Differences, string? Unknown);
