using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>A code that a model may give, in words.</summary>
public sealed record ModelWord(string Code, Wording Title);

/// <summary>On what ground of GDPR 22(2) a decision may be solely automated.</summary>
/// <param name="Basis"><c>contract</c>, <c>law</c> or <c>explicit-consent</c>.</param>
/// <param name="Reference">The clause, or the law; null of a consent.</param>
/// <param name="Consent">The purpose that is consented to; null of the others.</param>
public sealed record AutomationGround(string Basis, string? Reference, Purpose? Consent)
{
    public const string Contract = "contract";
    public const string Law = "law";
    public const string ExplicitConsent = "explicit-consent";

    internal static readonly string[] Bases = [Contract, Law, ExplicitConsent];

    /// <summary>Identifier in W3C DPV's extension for the GDPR.</summary>
    public string Dpv => Basis switch { Contract => "eu-gdpr:A22-2-a", Law => "eu-gdpr:A22-2-b", _ => "eu-gdpr:A22-2-c" };
}

/// <summary>How a person looks at a contested decision (GDPR 22(3)).</summary>
/// <param name="Roles">Who may; empty: whoever decides requests.</param>
/// <param name="Operators">Who may not, whatever else they are: those who run the model.</param>
/// <param name="Days">Within which a review ends, where that is before the law's own date; null: the law's.</param>
public sealed record ReviewTerms(IReadOnlyList<string> Roles, IReadOnlyList<string> Operators, int? Days)
{
    internal static readonly ReviewTerms Usual = new([], [], null);
}

/// <summary>
/// A model or a rule that decides about people, or concludes something about them: what it does, by what, on what ground, and who looks at what it did
/// (GDPR 13(2)(f), 14(2)(g), 15(1)(h), 22).
/// </summary>
public sealed class AutomatedModel
{
    internal const string PublicInterest = "public-interest";

    internal AutomatedModel(string name, ModelTerms terms) => (Name, Terms) = (name, terms);

    /// <summary>Stands in decisions and in entries of the log: another model needs another name.</summary>
    public string Name { get; }

    public Wording Title => Terms.Title;

    /// <summary>How it comes to its result, in words for the people concerned.</summary>
    public Wording Logic => Terms.Logic;

    /// <summary>What that means for them.</summary>
    public Wording Consequences => Terms.Consequences;

    /// <summary>By which decisions may be recorded.</summary>
    public IReadOnlyList<string> Versions => Terms.Versions;

    public Purpose Purpose => Terms.Purpose;

    /// <summary>Whose applications decide by it.</summary>
    public IReadOnlyList<string> Roles => Terms.Roles;

    public IReadOnlyList<CatalogueItem> Inputs => Terms.Inputs;

    /// <summary>Fields that are its result.</summary>
    public IReadOnlyList<FieldDefinition> Derives => Terms.Derives;

    /// <summary><c>decision</c>, <c>score</c> or <c>segment</c>.</summary>
    public string Kind => Terms.Kind;

    /// <summary>What it may come to.</summary>
    public IReadOnlyList<ModelWord> Outcomes => Terms.Outcomes;

    /// <summary>By what it may explain itself.</summary>
    public IReadOnlyList<ModelWord> Factors => Terms.Factors;

    /// <summary>Nobody takes part.</summary>
    public bool Solely => Terms.Solely;

    /// <summary>It has legal effects, or affects people as much.</summary>
    public bool Significant => Terms.Significant;

    /// <summary>GDPR 22(1) speaks of it.</summary>
    public bool NeedsGround => Solely && Significant;

    public AutomationGround? Ground => Terms.Ground;

    /// <summary>By which condition of GDPR 22(4) special categories are used: <c>explicit-consent</c> or <c>public-interest</c>; null where none are.</summary>
    public string? Special => Terms.Special;

    public ReviewTerms Review => Terms.Review;

    /// <summary>Reference of the impact assessment; null where none was made.</summary>
    public string? Assessment => Terms.Assessment;

    /// <summary>Who answers for it.</summary>
    public string Owner => Terms.Owner;

    public string Contact => Terms.Contact;

    /// <summary>How long a decision is kept, counted from when it was recorded.</summary>
    public RetentionRule Retention => Terms.Retention;

    /// <summary>W3C DPV identifier of what it does.</summary>
    public string Dpv => Kind switch { "decision" => "dpv:AutomatedDecisionMaking", "score" => "dpv:ScoringOfIndividuals", _ => "dpv:Profiling" };

    internal ModelTerms Terms { get; }

    public ModelWord? Outcome(string code) => Outcomes.FirstOrDefault(one => one.Code == code);

    public ModelWord? Factor(string code) => Factors.FirstOrDefault(one => one.Code == code);
}

/// <summary>What automated.yaml says of a model.</summary>
internal sealed record ModelTerms(Wording Title, Wording Logic, Wording Consequences, Purpose Purpose, RetentionRule Retention)
{
    public IReadOnlyList<string> Versions { get; init; } = [];

    public IReadOnlyList<string> Roles { get; init; } = [];

    public IReadOnlyList<CatalogueItem> Inputs { get; init; } = [];

    public IReadOnlyList<FieldDefinition> Derives { get; init; } = [];

    public string Kind { get; init; } = "";

    public IReadOnlyList<ModelWord> Outcomes { get; init; } = [];

    public IReadOnlyList<ModelWord> Factors { get; init; } = [];

    public bool Solely { get; init; }

    public bool Significant { get; init; }

    public AutomationGround? Ground { get; init; }

    public string? Special { get; init; }

    public ReviewTerms Review { get; init; } = ReviewTerms.Usual;

    public string? Assessment { get; init; }

    public string Owner { get; init; } = "";

    public string Contact { get; init; } = "";
}

/// <summary>What one regime gives people against automated decisions.</summary>
/// <param name="Jurisdiction">A name of jurisdictions.yaml.</param>
/// <param name="Law">Where it stands.</param>
/// <param name="Rights">Each one of <see cref="Known"/>.</param>
public sealed record AutomationLaw(string Jurisdiction, Wording Law, IReadOnlyList<string> Rights)
{
    /// <summary>To be told how it works, to have a person look, to say how they see it, and to contest.</summary>
    public static IReadOnlyList<string> Known { get; } = ["information", "human-review", "express-view", "contest"];
}

/// <summary>The models, by name, and what the regimes give people against their decisions.</summary>
public sealed class ModelRegistry
{
    private readonly FrozenDictionary<string, AutomatedModel> byName;
    private readonly FrozenDictionary<string, AutomationLaw> laws;

    internal ModelRegistry(IReadOnlyList<AutomatedModel> all, IReadOnlyList<AutomationLaw> laws)
    {
        (All, Laws) = (all, laws);
        byName = all.ToFrozenDictionary(one => one.Name, StringComparer.Ordinal);
        this.laws = laws.ToFrozenDictionary(one => one.Jurisdiction, StringComparer.Ordinal);
    }

    public IReadOnlyList<AutomatedModel> All { get; }

    public IReadOnlyList<AutomationLaw> Laws { get; }

    public AutomatedModel? Find(string name) => byName.GetValueOrDefault(name);

    public AutomationLaw? LawOf(string? jurisdiction) => jurisdiction is null ? null : laws.GetValueOrDefault(jurisdiction);

    /// <summary>The models whose result a field is.</summary>
    public IEnumerable<AutomatedModel> Of(CatalogueItem field) => All.Where(model => model.Derives.Contains(field));
}
