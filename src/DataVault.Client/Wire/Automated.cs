using System.Text.Json;

namespace DataVault.Client.Wire;

/// <summary>Body of <c>POST /v1/customers/{id}/decisions</c>: what a model or rule came to about a person.</summary>
/// <param name="Reference">By what the application knows it: sent again, it is the same decision.</param>
/// <param name="Model">A name of <c>automated.yaml</c>.</param>
/// <param name="Version">Of the model.</param>
/// <param name="Purpose">That of the model; one that the credential is bound to.</param>
/// <param name="Outcome">A code of the model.</param>
/// <param name="Inputs">Fields and event types that it was decided by.</param>
public sealed record RecordDecision(string Reference, string Model, string Version, string Purpose, string Outcome, IReadOnlyList<string> Inputs)
{
    /// <summary>When; absent: now.</summary>
    public DateTimeOffset? DecidedAt { get; init; }

    /// <summary>A number, where there is one.</summary>
    public decimal? Score { get; init; }

    /// <summary>The values of inputs, where they are to be kept (sealed under the person's key).</summary>
    public IReadOnlyDictionary<string, JsonElement>? Values { get; init; }

    /// <summary>The main reasons, codes of the model, the weightiest first.</summary>
    public IReadOnlyList<string>? Factors { get; init; }

    /// <summary>Further reasons, in words that the person reads.</summary>
    public string? Explanation { get; init; }

    /// <summary>A person took part.</summary>
    public bool? Human { get; init; }
}

/// <summary>A decision that is on record.</summary>
/// <param name="Id">The decision.</param>
/// <param name="RecordedAt">When it was first sent.</param>
/// <param name="State">Where it stands.</param>
/// <param name="Duplicate">It was sent before.</param>
/// <param name="Receipt">The entry that recorded it.</param>
public sealed record DecisionReceipt(Guid Id, DateTimeOffset RecordedAt, string State, bool Duplicate, Receipt Receipt);

/// <summary>A code of a model, in words.</summary>
/// <param name="Code">The code.</param>
/// <param name="Title">By language.</param>
public sealed record ModelWordView(string Code, IReadOnlyDictionary<string, string> Title);

/// <summary>On what ground of GDPR 22(2) a model may decide alone.</summary>
/// <param name="Basis"><c>contract</c>, <c>law</c> or <c>explicit-consent</c>.</param>
/// <param name="Reference">The clause, or the law.</param>
/// <param name="Consent">The purpose that is consented to.</param>
/// <param name="Dpv">Identifier in W3C DPV.</param>
public sealed record ModelGroundView(string Basis, string? Reference, string? Consent, string Dpv);

/// <summary>A model or rule that decides or concludes something about people, as the policy in force declares it.</summary>
/// <param name="Name">Its name in the policy.</param>
/// <param name="Kind"><c>decision</c>, <c>score</c> or <c>segment</c>.</param>
/// <param name="Purpose">For what.</param>
/// <param name="Dpv">Identifier in W3C DPV.</param>
public sealed record ModelView(string Name, string Kind, string Purpose, string Dpv)
{
    /// <summary>By language.</summary>
    public IReadOnlyDictionary<string, string> Title { get; init; } = new Dictionary<string, string>();

    /// <summary>How it comes to its result, by language.</summary>
    public IReadOnlyDictionary<string, string> Logic { get; init; } = new Dictionary<string, string>();

    /// <summary>What that means for people, by language.</summary>
    public IReadOnlyDictionary<string, string> Consequences { get; init; } = new Dictionary<string, string>();

    /// <summary>By which decisions may be recorded.</summary>
    public IReadOnlyList<string> Versions { get; init; } = [];

    /// <summary>Whose applications decide by it.</summary>
    public IReadOnlyList<string> Roles { get; init; } = [];

    /// <summary>Fields and event types.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>Categories of the inputs, by the W3C Data Privacy Vocabulary.</summary>
    public IReadOnlyList<string> Categories { get; init; } = [];

    /// <summary>Fields that are its result.</summary>
    public IReadOnlyList<string> Derives { get; init; } = [];

    /// <summary>What it may come to.</summary>
    public IReadOnlyList<ModelWordView> Outcomes { get; init; } = [];

    /// <summary>By what it may explain itself.</summary>
    public IReadOnlyList<ModelWordView> Factors { get; init; } = [];

    /// <summary>Nobody takes part.</summary>
    public bool Solely { get; init; }

    /// <summary>It has legal effects, or affects people as much.</summary>
    public bool Significant { get; init; }

    /// <summary>Why it may decide alone.</summary>
    public ModelGroundView? Ground { get; init; }

    /// <summary>By which condition it uses special categories.</summary>
    public string? Special { get; init; }

    /// <summary>Who may look at a contested decision.</summary>
    public IReadOnlyList<string> Reviewers { get; init; } = [];

    /// <summary>Who may not.</summary>
    public IReadOnlyList<string> Operators { get; init; } = [];

    /// <summary>Days within which they look, where that is before the law's own date.</summary>
    public int? ReviewDays { get; init; }

    /// <summary>Reference of the impact assessment.</summary>
    public string? Assessment { get; init; }

    /// <summary>Who answers for it.</summary>
    public string Owner { get; init; } = "";

    /// <summary>Where to reach them.</summary>
    public string Contact { get; init; } = "";

    /// <summary>Months for which a decision is kept.</summary>
    public int KeptMonths { get; init; }
}

/// <summary>What one regime gives people against automated decisions.</summary>
public sealed record AutomationLawView(string Jurisdiction, string Law, IReadOnlyList<string> Rights);

/// <summary>Answer to <c>GET /v1/policy/automated</c>.</summary>
/// <param name="Policy">The version that says so.</param>
/// <param name="Items">The models.</param>
/// <param name="Laws">What the regimes give.</param>
public sealed record ModelRegister(string Policy, IReadOnlyList<ModelView> Items, IReadOnlyList<AutomationLawView> Laws);

/// <summary>How somebody's look at a contested decision ended.</summary>
/// <param name="Result"><c>decision-upheld</c>, <c>decision-changed</c> or <c>decision-annulled</c>.</param>
/// <param name="Outcome">What it comes to now; absent where it was not changed.</param>
/// <param name="Words">To the person.</param>
/// <param name="At">When.</param>
public sealed record DecisionReviewState(string Result, string? Outcome, string? Words, DateTimeOffset At);

/// <summary>What a model or rule decided about a person.</summary>
/// <param name="Id">The decision.</param>
/// <param name="Customer">About whom.</param>
/// <param name="Model">Its name.</param>
/// <param name="Version">Of the model.</param>
/// <param name="Client">The application that decided.</param>
/// <param name="State"><c>recorded</c>, <c>contested</c>, <c>upheld</c>, <c>changed</c> or <c>annulled</c>.</param>
/// <param name="DecidedAt">When.</param>
/// <param name="RecordedAt">When it came in.</param>
public sealed record AutomatedDecision(Guid Id, Guid Customer, string Model, string Version, string Client, string State, DateTimeOffset DecidedAt, DateTimeOffset RecordedAt)
{
    /// <summary>The model as the policy in force declares it; absent of one that it declares no more.</summary>
    public ModelView? Declared { get; init; }

    /// <summary>What it came to.</summary>
    public string? Outcome { get; init; }

    /// <summary>What it comes to today; absent of one that was annulled.</summary>
    public string? Standing { get; init; }

    /// <summary>A number, where there is one.</summary>
    public decimal? Score { get; init; }

    /// <summary>By what the application knows it; for the application and for officers.</summary>
    public string? Reference { get; init; }

    /// <summary>What it was decided by.</summary>
    public IReadOnlyList<string> Inputs { get; init; } = [];

    /// <summary>The values among them that were kept.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Values { get; init; }

    /// <summary>The main reasons, codes of the model.</summary>
    public IReadOnlyList<string> Factors { get; init; } = [];

    /// <summary>Further reasons, in words.</summary>
    public string? Explanation { get; init; }

    /// <summary>A person took part.</summary>
    public bool Human { get; init; }

    /// <summary>The request that contests it.</summary>
    public Guid? Request { get; init; }

    /// <summary>When somebody must have looked.</summary>
    public DateTimeOffset? ReviewBy { get; init; }

    /// <summary>That date has passed.</summary>
    public bool Overdue { get; init; }

    /// <summary>How somebody's look ended.</summary>
    public DecisionReviewState? Review { get; init; }

    /// <summary>When something last happened to it.</summary>
    public DateTimeOffset ChangedAt { get; init; }

    /// <summary>The entry that recorded it.</summary>
    public long Index { get; init; }

    /// <summary><c>changed</c>: the vault did not leave the row like this, and nothing of it is shown.</summary>
    public string? Damage { get; init; }
}

/// <summary>Which decisions to list; members left null do not narrow.</summary>
public sealed record DecisionFilter
{
    /// <summary>About this person.</summary>
    public Guid? Customer { get; init; }

    /// <summary>By this model.</summary>
    public string? Model { get; init; }

    /// <summary>By this version of it.</summary>
    public string? Version { get; init; }

    /// <summary>That came to this, or come to it now; pages may hold fewer than the limit.</summary>
    public string? Outcome { get; init; }

    /// <summary>In this state.</summary>
    public string? State { get; init; }

    /// <summary>Not decided before.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Decided before.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Those alone whose look is overdue.</summary>
    public bool Overdue { get; init; }

    /// <summary>Most of one page.</summary>
    public int? Limit { get; init; }

    /// <summary>Of the page before.</summary>
    public string? Cursor { get; init; }
}
