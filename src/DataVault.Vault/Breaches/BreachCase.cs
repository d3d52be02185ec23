namespace DataVault.Vault;

/// <summary>A step of a case as the register shows it.</summary>
/// <param name="Number">From 1 on, without gaps.</param>
/// <param name="Kind">Such as <c>opened</c>, <c>reported:initial</c>.</param>
/// <param name="At">When it was taken.</param>
/// <param name="By">Account of whoever took it.</param>
/// <param name="LogIndex">The entry that tells of it.</param>
public sealed record BreachStep(int Number, string Kind, DateTimeOffset At, string By, long LogIndex);

/// <summary>A breach as its steps leave it.</summary>
public sealed class BreachCase
{
    private readonly List<BreachStep> steps = [];
    private readonly List<(int Step, AttachedImpact Impact)> impacts = [];
    private readonly List<BreachReport> reports = [];
    private readonly List<BreachControllerNotice> told = [];
    private readonly List<string> damage = [];

    internal BreachCase(Guid id) => Id = id;

    public Guid Id { get; }

    /// <summary>Null where the first step is damaged.</summary>
    public BreachOpening? Opening { get; private set; }

    /// <summary>Elapsed hours until the authority is told; null where the law counts none.</summary>
    public int? Hours { get; private set; }

    /// <summary>When the authority must have been told; null where the law counts no hours.</summary>
    public DateTimeOffset? DueAt => Opening is { } opening && Hours is { } hours ? opening.AwareAt.ToUniversalTime().AddHours(hours) : null;

    public DateTimeOffset OpenedAt => steps.Count > 0 ? steps[0].At : default;

    public BreachFindings Findings { get; private set; } = new();

    public IReadOnlyList<BreachStep> Steps => steps;

    /// <summary>Attached impacts with the numbers of their steps, oldest first.</summary>
    public IReadOnlyList<(int Step, AttachedImpact Impact)> Impacts => impacts;

    public IReadOnlyList<BreachReport> Reports => reports;

    /// <summary>Whether the authority is told; null while it is not decided. A report that went out is a decision.</summary>
    public BreachDecision? AuthorityDecision { get; private set; }

    /// <summary>Whether the people are told; null while it is not decided.</summary>
    public BreachDecision? PeopleDecision { get; private set; }

    public IReadOnlyList<BreachControllerNotice> ControllersTold => told;

    public BreachClosing? Closing { get; private set; }

    public DateTimeOffset? ClosedAt { get; private set; }

    /// <summary>Steps that are gone, or not as the vault wrote them. Of these nothing is believed.</summary>
    public IReadOnlyList<string> Damage => damage;

    /// <summary>The number of the next step.</summary>
    internal int Next { get; set; } = 1;

    /// <summary>How many steps the keys database knows of.</summary>
    internal int Kept { get; init; }

    /// <summary>The clock runs: the authority is to be told, or not told with a reason, and was not.</summary>
    public bool ClockRuns => ClosedAt is null && reports.Count == 0 && AuthorityDecision is not { Outcome: BreachWords.DoNotTell };

    /// <summary>What GDPR 33(3) wants of a report and is not known yet, by the names of the members.</summary>
    public IReadOnlyList<string> Missing =>
    [
        .. from member in new (string Name, bool Known)[]
           {
               ("people", Findings.People is not null), ("records", Findings.Records is not null), ("categories", Findings.Categories is { Count: > 0 }),
               ("consequences", Findings.Consequences is { Length: > 0 }), ("measures", Findings.Measures is { Length: > 0 }),
           }
           where !member.Known
           select member.Name,
    ];

    /// <summary>
    /// Nobody who has what was taken can read it: the newest impact and what was found since say so, no copy of rows that opened was taken in another step, and
    /// nothing was released besides.
    /// </summary>
    internal bool IsUnintelligible => Impact?.KeyState == BreachWords.Unintelligible && Findings.KeyState == BreachWords.Unintelligible && !Taken.HasRows
        && impacts.LastOrDefault(one => one.Impact.Copy is null).Impact is not { KeyState: BreachWords.Readable, Findings.People: > 0 };

    /// <summary>The newest attached impact; null before the first.</summary>
    public AttachedImpact? Impact => impacts.Count > 0 ? impacts[^1].Impact : null;

    internal void Take(BreachRow row, BreachContent content)
    {
        steps.Add(new BreachStep(row.Number, row.Kind, row.At, row.By, row.LogIndex));
        if (content.Opened is { } opened) (Opening, Hours) = (opened, content.Hours);
        if (content.Found is { } found) Learn(found.Over(Findings));
        if (content.Impact is { } impact) Attach(row.Number, impact);
        if (content.Reported is { } report) reports.Add(report);
        if (content.Decided is { About: BreachWords.AboutAuthority } authority) AuthorityDecision = authority;
        if (content.Decided is { About: BreachWords.AboutPeople } people) PeopleDecision = people;
        if (content.Told is { } notice) told.Add(notice);
        if (content.Closed is { } closing) (Closing, ClosedAt) = (closing, row.At);
    }

    internal void Damaged(string what) => damage.Add(what);

    // What was counted stands for what is known until somebody says otherwise.
    private void Attach(int number, AttachedImpact impact)
    {
        impacts.Add((number, impact));
        Learn(impact.Findings.Over(Findings));
    }

    // SPEC GDPR 33(1), 34(1): whoever is not told is not told because of what was known. When it turns out worse, that is decided again, and the clock runs.
    private void Learn(BreachFindings now)
    {
        var isWorse = RiskOf(now) > RiskOf(Findings);
        Findings = now;
        if (isWorse && AuthorityDecision is { Outcome: BreachWords.DoNotTell }) AuthorityDecision = null;
        if (PeopleDecision is { Outcome: BreachWords.DoNotTell } silent && (isWorse || (silent.Code == BreachWords.DataIneffective && !IsUnintelligible))) PeopleDecision = null;
    }

    private static int RiskOf(BreachFindings found) => found.Risk switch { BreachWords.HighRisk => 2, BreachWords.LowRisk => 1, BreachWords.NoRisk => 0, _ => -1 };

    // Everything that was copied, in whichever steps it came to light: what one thief lacked the other may have had.
    private StolenCopy Taken
    {
        get
        {
            List<StolenCopy> copies = [.. impacts.Select(one => one.Impact.Copy).OfType<StolenCopy>()];
            return new StolenCopy
            {
                Databases = [.. copies.SelectMany(copy => copy.Databases)], Backups = [.. copies.SelectMany(copy => copy.Backups)],
                Passphrases = copies.Any(copy => copy.Passphrases), RootKey = copies.Any(copy => copy.RootKey),
            };
        }
    }
}

/// <summary>A page of cases, newest first.</summary>
public sealed record BreachPage(IReadOnlyList<BreachCase> Items, string? Next);

/// <summary>What is to be watched of the register.</summary>
/// <param name="Open">Cases that are not closed.</param>
/// <param name="DueSoon">Of them, those whose clock runs and has less than a day left, or none.</param>
/// <param name="Overdue">Of those, the ones whose time is over.</param>
/// <param name="Damaged">Cases of which something is gone or was changed.</param>
/// <param name="NextDue">The earliest end of a clock that runs.</param>
public sealed record BreachWatch(int Open, int DueSoon, int Overdue, int Damaged, DateTimeOffset? NextDue);
