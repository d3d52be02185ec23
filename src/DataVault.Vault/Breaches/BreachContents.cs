namespace DataVault.Vault;

/// <summary>The words of the register. They stand in sealed steps and in entries of the log, and never change their meaning.</summary>
public static class BreachWords
{
    public const string Confidentiality = "confidentiality";
    public const string Integrity = "integrity";
    public const string Availability = "availability";

    /// <summary>What can be broken.</summary>
    public static readonly IReadOnlyList<string> Natures = [Confidentiality, Integrity, Availability];

    public const string Controller = "controller";
    public const string Processor = "processor";

    /// <summary>As what the company processed what was breached.</summary>
    public static readonly IReadOnlyList<string> Sides = [Controller, Processor];

    public const string NoRisk = "none";
    public const string LowRisk = "low";
    public const string HighRisk = "high";

    /// <summary>From nobody is hurt to somebody surely is.</summary>
    public static readonly IReadOnlyList<string> Risks = [NoRisk, LowRisk, HighRisk];

    /// <summary>Somebody saw, or has, what can be read.</summary>
    public const string Readable = "readable";

    /// <summary>Rows without names and keys are readable, what they belong to is not.</summary>
    public const string Pseudonymous = "pseudonymous";

    /// <summary>What was taken opens with no key that was taken.</summary>
    public const string Unintelligible = "unintelligible";

    /// <summary>How readable what was breached is.</summary>
    public static readonly IReadOnlyList<string> KeyStates = [Readable, Pseudonymous, Unintelligible];

    /// <summary>Within the hours, with what is known (DPV <c>DPABreachInitialNotice</c>).</summary>
    public const string Initial = "initial";

    /// <summary>What was found out since (DPV <c>DPAPhasedBreachNotice</c>).</summary>
    public const string Further = "further";

    /// <summary>Everything (DPV <c>DataBreachConcludingReport</c>).</summary>
    public const string Final = "final";

    /// <summary>Reports to the authority in their order.</summary>
    public static readonly IReadOnlyList<string> Phases = [Initial, Further, Final];

    public const string AboutAuthority = "authority";
    public const string AboutPeople = "people";

    /// <summary>About whom it is decided whether they are told.</summary>
    public static readonly IReadOnlyList<string> Abouts = [AboutAuthority, AboutPeople];

    public const string Tell = "tell";
    public const string DoNotTell = "do-not-tell";

    /// <summary>What can be decided.</summary>
    public static readonly IReadOnlyList<string> Outcomes = [Tell, DoNotTell];

    /// <summary>GDPR 33(1): unlikely to result in a risk.</summary>
    public const string RiskUnlikely = "eu-gdpr:JustificationA33RiskUnlikely";

    /// <summary>GDPR 34(1): the risk is not high. The vocabulary has no word of its own for it.</summary>
    public const string RiskNotHigh = "risk-not-high";

    /// <summary>GDPR 34(3)(a): nobody who has it can read it.</summary>
    public const string DataIneffective = "eu-gdpr:JustificationA33BreachedDataIneffective";

    /// <summary>GDPR 34(3)(b): what was done since keeps the high risk from coming about.</summary>
    public const string RiskMitigated = "eu-gdpr:JustificationA33RiskMitigated";

    /// <summary>GDPR 34(3)(c): a public communication instead.</summary>
    public const string DisproportionateEffort = "eu-gdpr:JustificationA33DisproportionateEffort";

    /// <summary>Why people are not told.</summary>
    public static readonly IReadOnlyList<string> Exemptions = [RiskNotHigh, DataIneffective, RiskMitigated, DisproportionateEffort];
}

/// <summary>A breach as it was first noted.</summary>
/// <param name="Title">A few words.</param>
/// <param name="Natures">Words of <see cref="BreachWords.Natures"/>.</param>
/// <param name="AwareAt">Since when it is reasonably certain that there was a breach: the clock runs from here.</param>
/// <param name="Zone">IANA time zone on whose wall that was read.</param>
public sealed record BreachOpening(string Title, IReadOnlyList<string> Natures, DateTimeOffset AwareAt, string Zone)
{
    /// <summary>Since when there was a suspicion.</summary>
    public DateTimeOffset? SuspectedAt { get; init; }

    /// <summary>Name of a regime; null for the policy's own.</summary>
    public string? Jurisdiction { get; init; }

    /// <summary>A word of <see cref="BreachWords.Sides"/>.</summary>
    public string Side { get; init; } = BreachWords.Controller;

    /// <summary>The controllers for whom it was processed, by name; of a controller's own none.</summary>
    public IReadOnlyList<string> Controllers { get; init; } = [];

    /// <summary>What happened, as far as it is known.</summary>
    public string Description { get; init; } = "";
}

/// <summary>What is known now; members that are null leave what was known before.</summary>
public sealed record BreachFindings
{
    /// <summary>People concerned, about.</summary>
    public long? People { get; init; }

    /// <summary>Records concerned, about.</summary>
    public long? Records { get; init; }

    /// <summary>Categories of people, such as customers.</summary>
    public IReadOnlyList<string>? PeopleCategories { get; init; }

    /// <summary>Categories of data.</summary>
    public IReadOnlyList<string>? Categories { get; init; }

    /// <summary>Whether any is special (GDPR 9).</summary>
    public bool? Special { get; init; }

    /// <summary>People by country or regime.</summary>
    public IReadOnlyDictionary<string, long>? Places { get; init; }

    /// <summary>A word of <see cref="BreachWords.KeyStates"/>.</summary>
    public string? KeyState { get; init; }

    /// <summary>What may come of it (GDPR 33(3)(c)).</summary>
    public string? Consequences { get; init; }

    /// <summary>What was done and will be done (GDPR 33(3)(d)).</summary>
    public string? Measures { get; init; }

    /// <summary>A word of <see cref="BreachWords.Risks"/>.</summary>
    public string? Risk { get; init; }

    /// <summary>Why this risk.</summary>
    public string? RiskReasons { get; init; }

    internal BreachFindings Over(BreachFindings older) => new()
    {
        People = People ?? older.People,
        Records = Records ?? older.Records,
        PeopleCategories = PeopleCategories ?? older.PeopleCategories,
        Categories = Categories ?? older.Categories,
        Special = Special ?? older.Special,
        Places = Places ?? older.Places,
        KeyState = KeyState ?? older.KeyState,
        Consequences = Consequences ?? older.Consequences,
        Measures = Measures ?? older.Measures,
        Risk = Risk ?? older.Risk,
        RiskReasons = RiskReasons ?? older.RiskReasons,
    };
}

/// <summary>A report to the authority, as it was submitted.</summary>
/// <param name="Phase">A word of <see cref="BreachWords.Phases"/>.</param>
/// <param name="SubmittedAt">When.</param>
/// <param name="Language">Of its text.</param>
/// <param name="Text">As it went out.</param>
public sealed record BreachReport(string Phase, DateTimeOffset SubmittedAt, string Language, string Text)
{
    /// <summary>What the authority calls it.</summary>
    public string? Reference { get; init; }

    /// <summary>Why the first report comes late (DPV <c>JustificationA33NotificationDelay</c>).</summary>
    public string? LateReason { get; init; }

    /// <summary>What GDPR 33(3) wants and was not known then.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];
}

/// <summary>Whether somebody is told.</summary>
/// <param name="About">A word of <see cref="BreachWords.Abouts"/>.</param>
/// <param name="Outcome">A word of <see cref="BreachWords.Outcomes"/>.</param>
/// <param name="Reason">Why.</param>
public sealed record BreachDecision(string About, string Outcome, string Reason)
{
    /// <summary>By which rule they are not told.</summary>
    public string? Code { get; init; }

    /// <summary>What is published instead of letters.</summary>
    public string? PublicNotice { get; init; }

    /// <summary>The attached impact that the decision rests on, by its step.</summary>
    public int? Evidence { get; init; }
}

/// <summary>A controller was told by its processor (GDPR 33(2)).</summary>
/// <param name="Controller">One of those of the case.</param>
/// <param name="ToldAt">When.</param>
/// <param name="Language">Of its text.</param>
/// <param name="Text">As it went out.</param>
public sealed record BreachControllerNotice(string Controller, DateTimeOffset ToldAt, string Language, string Text);

/// <summary>The end of a case.</summary>
/// <param name="Lessons">What was learnt.</param>
public sealed record BreachClosing(string Lessons);

/// <summary>One step of a case: exactly one member is there, by its kind.</summary>
internal sealed record BreachContent
{
    public BreachOpening? Opened { get; init; }

    /// <summary>With the opening: the hours of the regime then, so that no later version of the policy moves a clock that runs.</summary>
    public int? Hours { get; init; }

    public BreachFindings? Found { get; init; }

    public AttachedImpact? Impact { get; init; }

    public BreachReport? Reported { get; init; }

    public BreachDecision? Decided { get; init; }

    public BreachControllerNotice? Told { get; init; }

    public BreachClosing? Closed { get; init; }

    /// <summary>Codes, as the log names them.</summary>
    public string Kind => this switch
    {
        { Opened: not null } => "opened",
        { Found: not null } => "found",
        { Impact: not null } => "impact",
        { Reported: { } report } => "reported:" + report.Phase,
        { Decided: { } decision } => $"decided:{decision.About}:{decision.Outcome}",
        { Told: not null } => "told-controller",
        { Closed: not null } => "closed",
        _ => throw new InvalidOperationException("A step says something."),
    };
}
