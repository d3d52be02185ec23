using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>How sure it is that whoever asks for a right is the person concerned. Ordered: a greater level is surer.</summary>
public enum Assurance
{
    None,
    Low,
    Substantial,
    High,
}

/// <summary>Wire names of <see cref="Assurance"/>.</summary>
public static class AssuranceNames
{
    private static readonly string[] Names = ["none", "low", "substantial", "high"];

    public static IReadOnlyList<string> All => Names;

    public static string Of(Assurance level) => Names[(int)level];

    public static bool TryParse(string? text, out Assurance level)
    {
        var index = Array.IndexOf(Names, text);
        level = index < 0 ? Assurance.None : (Assurance)index;
        return index >= 0;
    }
}

/// <summary>A way to establish who somebody is.</summary>
/// <param name="Name">What calls and the log name it by, such as <c>document-seen</c>.</param>
/// <param name="Title">For people.</param>
/// <param name="Level">How sure it makes.</param>
/// <param name="Attempts">So many may fail on one request; then this way is closed for it.</param>
public sealed record VerificationMethod(string Name, string Title, Assurance Level, int Attempts)
{
    /// <summary>Names of the methods that a sign-in is recorded as, without and with a second factor.</summary>
    public const string SignedIn = "signed-in", SignedInTwice = "signed-in-two-factors";
}

/// <summary>What the person may be asked for, and what silence means.</summary>
/// <param name="Cause">One of <see cref="ClockPause.Causes"/>.</param>
/// <param name="Days">How long an answer is waited for.</param>
/// <param name="Expires">Silence ends the request; otherwise it goes on without the answer.</param>
public sealed record QuestionRule(string Cause, int Days, bool Expires);

/// <summary>What it takes to have a lost second factor taken away.</summary>
/// <param name="Level">How surely the person must be known.</param>
/// <param name="Days">How long its owner can stop it.</param>
public sealed record FactorRecoveryRule(Assurance Level, int Days);

/// <summary>What is known of a request when somebody approves it, as far as the rules for a second officer look at it.</summary>
/// <param name="Kind">Which right.</param>
/// <param name="OpenedBy"><c>customer</c>, <c>officer</c>, <c>application</c>.</param>
/// <param name="Assurance">How surely the person is known.</param>
/// <param name="Traits">Of the person.</param>
public sealed record RequestTraits(string Kind, string OpenedBy, Assurance Assurance, SubjectTraits Traits)
{
    /// <summary>By what their identity was established; empty where it was not.</summary>
    public IReadOnlyList<string> Methods { get; init; } = [];

    /// <summary>Since when their identity is established; null where that is not known.</summary>
    public TimeSpan? VerifiedAgo { get; init; }

    /// <summary>The record has values of special categories (GDPR 9).</summary>
    public bool Special { get; init; }

    /// <summary>The person has a sign-in.</summary>
    public bool SignIn { get; init; }

    /// <summary>Events that the record has.</summary>
    public long Events { get; init; }

    /// <summary>Names of people.yaml in which anybody stands to the person, such as <c>assigned-agent</c>.</summary>
    public IReadOnlyList<string> Relations { get; init; } = [];
}

/// <summary>A rule that makes a second officer necessary. Every condition that it names must hold; one that it does not name does not matter.</summary>
public sealed record SecondOfficerRule(string Name, string Title)
{
    public IReadOnlyList<string> Kinds { get; init; } = [];

    public IReadOnlyList<string> OpenedBy { get; init; } = [];

    public IReadOnlyList<string> Brands { get; init; } = [];

    public IReadOnlyList<string> Jurisdictions { get; init; } = [];

    public IReadOnlyList<string> Relations { get; init; } = [];

    public IReadOnlyList<string> Methods { get; init; } = [];

    /// <summary>True: only of a record with special categories.</summary>
    public bool Special { get; init; }

    /// <summary>True: only of somebody who has a sign-in.</summary>
    public bool SignIn { get; init; }

    /// <summary>Below this level of assurance.</summary>
    public Assurance? Below { get; init; }

    /// <summary>More events than this.</summary>
    public int? EventsOver { get; init; }

    /// <summary>Verified longer ago than this, or at a time that nobody knows.</summary>
    public int? VerifiedDaysAgo { get; init; }

    /// <summary>False: it holds of every approval of its kinds.</summary>
    internal bool HasCondition =>
        OpenedBy.Count + Brands.Count + Jurisdictions.Count + Relations.Count + Methods.Count > 0 || Special || SignIn || Below is not null || EventsOver is not null || VerifiedDaysAgo is not null;

    public bool Applies(RequestTraits request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Names(Kinds, request.Kind) && Names(OpenedBy, request.OpenedBy) && Names(Brands, request.Traits.Brand) && Names(Jurisdictions, request.Traits.Jurisdiction)
            && (Relations.Count == 0 || request.Relations.Any(Relations.Contains)) && (Methods.Count == 0 || request.Methods.Any(Methods.Contains))
            && (!Special || request.Special) && (!SignIn || request.SignIn) && (Below is not { } level || request.Assurance < level) && (EventsOver is not { } most || request.Events > most)
            && (VerifiedDaysAgo is not { } days || request.VerifiedAgo is not { } ago || ago > TimeSpan.FromDays(days));
    }

    private static bool Names(IReadOnlyList<string> words, string? word) => words.Count == 0 || (word is not null && words.Contains(word));
}

/// <summary>rights.yaml: how surely a person must be known for what, what they may be asked, and when one officer is not enough.</summary>
public sealed class RightsRules
{
    private readonly FrozenDictionary<string, VerificationMethod> methods;
    private readonly FrozenDictionary<string, Assurance> needs;
    private readonly FrozenDictionary<string, QuestionRule> questions;

    internal RightsRules(IReadOnlyList<VerificationMethod> methods, IReadOnlyDictionary<string, Assurance> needs, IReadOnlyList<QuestionRule> questions)
    {
        Methods = methods;
        this.methods = methods.ToFrozenDictionary(method => method.Name, StringComparer.Ordinal);
        this.needs = needs.ToFrozenDictionary(StringComparer.Ordinal);
        this.questions = questions.ToFrozenDictionary(question => question.Cause, StringComparer.Ordinal);
    }

    /// <summary>Of a policy from before there were such rules: an officer's word establishes the identity, and one officer is enough.</summary>
    public static RightsRules None { get; } = new([], new Dictionary<string, Assurance>(), []);

    /// <summary>The kinds of requests (GDPR 15 to 22).</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["access", "portability", "rectification", "erasure", "restriction", "objection", "contest"];

    /// <summary>Every way to establish an identity, by name; empty where the policy has no such rules.</summary>
    public IReadOnlyList<VerificationMethod> Methods { get; }

    /// <summary>Days after a request is closed for which what was noted of the identity can be read.</summary>
    public int EvidenceDays { get; internal init; } = 30;

    public IReadOnlyList<SecondOfficerRule> SecondOfficer { get; internal init; } = [];

    /// <summary>How a customer gets rid of a second factor that is lost.</summary>
    public FactorRecoveryRule Recovery { get; internal init; } = new(Assurance.High, 3);

    public VerificationMethod? Method(string name) => methods.GetValueOrDefault(name);

    /// <summary>How surely the person must be known for a kind.</summary>
    public Assurance Needed(string kind) => needs.GetValueOrDefault(kind, Assurance.None);

    public QuestionRule Question(string cause) => questions.GetValueOrDefault(cause) ?? new QuestionRule(cause, 30, Expires: false);
}
