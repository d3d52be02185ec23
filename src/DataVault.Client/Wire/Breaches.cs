namespace DataVault.Client.Wire;

/// <summary>Body of <c>POST /v1/breaches</c>: a breach as it is first noted.</summary>
/// <param name="Title">A few words.</param>
/// <param name="Natures"><c>confidentiality</c>, <c>integrity</c>, <c>availability</c>.</param>
/// <param name="AwareAt">Since when it is reasonably certain: the clock runs from here.</param>
/// <param name="Zone">IANA time zone in which people read that.</param>
public sealed record OpenBreach(string Title, IReadOnlyList<string> Natures, DateTimeOffset AwareAt, string Zone)
{
    /// <summary>Since when there was a suspicion.</summary>
    public DateTimeOffset? SuspectedAt { get; init; }

    /// <summary>Regime; the policy's own if left out.</summary>
    public string? Jurisdiction { get; init; }

    /// <summary><c>controller</c> (if left out) or <c>processor</c>.</summary>
    public string? Side { get; init; }

    /// <summary>Of a processor, the controllers whom it tells.</summary>
    public IReadOnlyList<string>? Controllers { get; init; }

    /// <summary>What happened, as far as it is known.</summary>
    public string? Description { get; init; }
}

/// <summary>What is known of a breach; in a call, what is left out stays as it was.</summary>
public sealed record BreachFacts
{
    /// <summary>People concerned, about.</summary>
    public long? People { get; init; }

    /// <summary>Records concerned, about.</summary>
    public long? Records { get; init; }

    /// <summary>Categories of people.</summary>
    public IReadOnlyList<string>? PeopleCategories { get; init; }

    /// <summary>Categories of data.</summary>
    public IReadOnlyList<string>? Categories { get; init; }

    /// <summary>Whether a special category is among them.</summary>
    public bool? Special { get; init; }

    /// <summary>People by country or regime.</summary>
    public IReadOnlyDictionary<string, long>? Places { get; init; }

    /// <summary><c>readable</c>, <c>pseudonymous</c> or <c>unintelligible</c>.</summary>
    public string? KeyState { get; init; }

    /// <summary>What may come of it.</summary>
    public string? Consequences { get; init; }

    /// <summary>What was done and will be done.</summary>
    public string? Measures { get; init; }

    /// <summary><c>none</c>, <c>low</c> or <c>high</c>.</summary>
    public string? Risk { get; init; }

    /// <summary>Why this risk; needed with it.</summary>
    public string? RiskReasons { get; init; }
}

/// <summary>Body of <c>POST /v1/breaches/{id}/impact</c>: whose misuse is counted from the log, or what was copied whole.</summary>
public sealed record AttachImpact
{
    /// <summary>Credential, name of an application or role, or a tag.</summary>
    public string? Actor { get; init; }

    /// <summary>Purpose named.</summary>
    public string? Purpose { get; init; }

    /// <summary>Not before.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Before.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>A copy of databases or backups, of which no entry tells; nothing else is named with it.</summary>
    public CopiedStores? Copy { get; init; }
}

/// <summary>What was copied whole.</summary>
public sealed record CopiedStores
{
    /// <summary><c>vault</c>, <c>keys</c>.</summary>
    public IReadOnlyList<string>? Databases { get; init; }

    /// <summary><c>data</c>, <c>keys</c>.</summary>
    public IReadOnlyList<string>? Backups { get; init; }

    /// <summary>The passphrases of the backups too.</summary>
    public bool Passphrases { get; init; }

    /// <summary>The root key too.</summary>
    public bool RootKey { get; init; }
}

/// <summary>What a breach cost, as it was counted at one state of the log.</summary>
/// <param name="Step">The step of the case that attached it.</param>
/// <param name="Size">Entries of the log that it was counted from.</param>
/// <param name="Root">The root over them.</param>
/// <param name="Counts"><c>people</c>, <c>records</c>, <c>specialPeople</c> and others.</param>
/// <param name="Items">People by field and event type.</param>
/// <param name="Categories">People by category; <c>*</c> ends the name of a special one.</param>
/// <param name="Places">People by place.</param>
/// <param name="KeyState"><c>readable</c>, <c>pseudonymous</c> or <c>unintelligible</c>.</param>
public sealed record BreachImpactView(
    int Step, long Size, string Root, DateTimeOffset MadeAt, IReadOnlyDictionary<string, long> Counts, IReadOnlyDictionary<string, long> Items, IReadOnlyDictionary<string, long> Categories,
    IReadOnlyDictionary<string, long> Places, string KeyState)
{
    /// <summary>What was asked.</summary>
    public AttachImpact? Asked { get; init; }

    /// <summary>Of a copy, what shows how readable it is.</summary>
    public KeyEvidenceView? Evidence { get; init; }

    /// <summary>Between which moments something was disclosed.</summary>
    public DateTimeOffset? First { get; init; }

    /// <inheritdoc cref="First"/>
    public DateTimeOffset? Last { get; init; }
}

/// <summary>What shows whether a copy can be read.</summary>
public sealed record KeyEvidenceView(
    string Cipher, string RootKey, DateTimeOffset? OldestEpoch, int EpochsAlive, bool HasRows, bool HasKeys, bool HasRootKey, long PseudonymousRows);

/// <summary>An attached impact, counted again.</summary>
/// <param name="Step">Which.</param>
/// <param name="RootHolds">The log of today continues the log that it was counted from.</param>
/// <param name="Differences">Figures that come out otherwise.</param>
/// <param name="Unknown">Why it cannot be counted again (<c>pruned</c>, <c>copy</c>); null when it was.</param>
public sealed record ImpactComparisonView(int Step, bool RootHolds, IReadOnlyList<ImpactDifferenceView> Differences, string? Unknown);

/// <summary>A figure that a second count gives otherwise.</summary>
public sealed record ImpactDifferenceView(string Name, long? Said, long? Counted);

/// <summary>Body of <c>POST /v1/breaches/{id}/reports</c>: a report to the authority that went out.</summary>
/// <param name="Phase"><c>initial</c>, <c>further</c> or <c>final</c>.</param>
/// <param name="Language">Of its text.</param>
/// <param name="Text">As it went out.</param>
public sealed record SubmitBreachReport(string Phase, string Language, string Text)
{
    /// <summary>When; now if left out.</summary>
    public DateTimeOffset? SubmittedAt { get; init; }

    /// <summary>What the authority calls it.</summary>
    public string? Reference { get; init; }

    /// <summary>Why the first report comes after its time.</summary>
    public string? LateReason { get; init; }
}

/// <summary>A report to the authority.</summary>
public sealed record BreachReportView(string Phase, DateTimeOffset SubmittedAt, string Language, string Text, string? Reference, string? LateReason, IReadOnlyList<string> Missing);

/// <summary>Whether somebody is told of a breach; also the body of <c>POST /v1/breaches/{id}/decisions</c>.</summary>
/// <param name="About"><c>authority</c> or <c>people</c>.</param>
/// <param name="Outcome"><c>tell</c> or <c>do-not-tell</c>.</param>
/// <param name="Reason">Why.</param>
public sealed record BreachDecisionView(string About, string Outcome, string Reason)
{
    /// <summary>
    /// By which rule people are not told: <c>risk-not-high</c>, <c>eu-gdpr:JustificationA33BreachedDataIneffective</c>, <c>eu-gdpr:JustificationA33RiskMitigated</c>,
    /// <c>eu-gdpr:JustificationA33DisproportionateEffort</c>.
    /// </summary>
    public string? Code { get; init; }

    /// <summary>What is published instead of letters.</summary>
    public string? PublicNotice { get; init; }

    /// <summary>In an answer: the step of the impact that the decision rests on.</summary>
    public int? Evidence { get; init; }
}

/// <summary>A controller was told by its processor; also the body of <c>POST /v1/breaches/{id}/controllers</c>.</summary>
/// <param name="Controller">One of those of the case.</param>
/// <param name="Language">Of the text.</param>
/// <param name="Text">As it went out.</param>
public sealed record ControllerNoticeView(string Controller, string Language, string Text)
{
    /// <summary>When; now if left out.</summary>
    public DateTimeOffset? ToldAt { get; init; }
}

/// <summary>Body of <c>POST /v1/breaches/{id}/close</c>.</summary>
/// <param name="Lessons">What was learnt.</param>
public sealed record CloseBreach(string Lessons);

/// <summary>Body of <c>POST /v1/breaches/{id}/drafts</c>: what is to be drafted from the case.</summary>
/// <param name="Audience"><c>authority</c>, <c>people</c> or <c>controller</c>.</param>
/// <param name="Language"><c>en</c>, <c>de</c>, <c>fr</c> or <c>zh</c>.</param>
public sealed record AskBreachDraft(string Audience, string Language)
{
    /// <summary>Of a report: <c>initial</c> (if left out), <c>further</c> or <c>final</c>.</summary>
    public string? Phase { get; init; }

    /// <summary>Of a notice to a controller, which.</summary>
    public string? Controller { get; init; }

    /// <summary>Why the report is late.</summary>
    public string? LateReason { get; init; }
}

/// <summary>A draft. Nothing was sent.</summary>
public sealed record BreachDraft(string Audience, string Language, string Text);

/// <summary>A step of a case.</summary>
/// <param name="Number">From 1 on.</param>
/// <param name="Kind">Such as <c>opened</c>, <c>reported:initial</c>.</param>
/// <param name="At">When.</param>
/// <param name="By">Account of whoever took it.</param>
/// <param name="LogIndex">The entry that tells of it.</param>
public sealed record BreachStepView(int Number, string Kind, DateTimeOffset At, string By, long LogIndex);

/// <summary>A breach in the list.</summary>
/// <param name="Id">The case.</param>
/// <param name="Title">Empty where the first step is damaged.</param>
/// <param name="State"><c>open</c> or <c>closed</c>.</param>
/// <param name="AwareAt">Since when it was certain.</param>
/// <param name="Jurisdiction">Whose clock runs.</param>
/// <param name="DueAt">When the authority must have been told; null where the law counts no hours.</param>
/// <param name="ClockRuns">The authority was not told yet, and it was not decided that it is not.</param>
/// <param name="HoursLeft">Of a clock that runs; negative when the time is over.</param>
/// <param name="People">About how many, as far as it is known.</param>
/// <param name="Risk"><c>none</c>, <c>low</c>, <c>high</c>; null while it is not assessed.</param>
/// <param name="Reports">Reports that went out.</param>
/// <param name="Damage">Steps that are gone or were changed in the database.</param>
public sealed record BreachSummary(
    Guid Id, string Title, string State, DateTimeOffset? AwareAt, string? Jurisdiction, DateTimeOffset? DueAt, bool ClockRuns, double? HoursLeft, long? People, string? Risk, int Reports,
    IReadOnlyList<string> Damage);

/// <summary>A breach as its steps leave it.</summary>
/// <param name="Summary">What the list shows of it.</param>
/// <param name="Opening">As it was first noted; null where that step is damaged.</param>
/// <param name="Facts">What is known now.</param>
/// <param name="Missing">What GDPR 33(3) wants of a report and is not known yet.</param>
/// <param name="Steps">Oldest first.</param>
/// <param name="Impacts">What was counted, oldest first.</param>
/// <param name="Reports">To the authority, oldest first.</param>
/// <param name="ControllersTold">Oldest first.</param>
public sealed record BreachView(
    BreachSummary Summary, OpenBreach? Opening, BreachFacts Facts, IReadOnlyList<string> Missing, IReadOnlyList<BreachStepView> Steps, IReadOnlyList<BreachImpactView> Impacts,
    IReadOnlyList<BreachReportView> Reports, IReadOnlyList<ControllerNoticeView> ControllersTold)
{
    /// <summary>Whether the authority is told; null while it is not decided.</summary>
    public BreachDecisionView? AuthorityDecision { get; init; }

    /// <summary>Whether the people are told; null while it is not decided.</summary>
    public BreachDecisionView? PeopleDecision { get; init; }

    /// <summary>What was learnt; null while it is open.</summary>
    public string? Lessons { get; init; }
}
