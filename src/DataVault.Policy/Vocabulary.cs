using System.Diagnostics.CodeAnalysis;

namespace DataVault.Policy;

/// <summary>The person a record is about.</summary>
public readonly record struct SubjectId(Guid Value)
{
    public override string ToString() => Value.ToString("D");

    /// <summary>Accepts the 36-character form only, so that one id has one spelling.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out SubjectId subject)
    {
        var parsed = Guid.TryParseExact(text, "D", out var value) && value != Guid.Empty;
        subject = parsed ? new SubjectId(value) : default;
        return parsed;
    }
}

/// <summary>How much of a value is shown. Ordered: a greater form shows more.</summary>
public enum Form
{
    Withheld,
    Token,
    Generalised,
    Masked,
    Plain,
}

/// <summary>Wire names of <see cref="Form"/>.</summary>
public static class FormNames
{
    private static readonly string[] Names = ["withheld", "token", "generalised", "masked", "plain"];

    public static string Of(Form form) => Names[(int)form];

    public static bool TryParse(string? text, out Form form)
    {
        var index = Array.IndexOf(Names, text);
        form = index < 0 ? Form.Withheld : (Form)index;
        return index >= 0;
    }
}

/// <summary>What a recipient wants to do with an item.</summary>
public enum AccessAction
{
    Create,
    Read,
    Update,

    /// <summary>Use the field as a search term; says nothing about reading what is found.</summary>
    Search,
    Export,
    Erase,

    /// <summary>Hand to a pseudonymised analytics domain.</summary>
    Feed,

    /// <summary>Record a consent, refusal or withdrawal on the subject's behalf; about the record, whatever the item.</summary>
    Consent,

    /// <summary>Say that two records, or two pseudonyms, are of one person.</summary>
    Link,

    /// <summary>Say whose pseudonym it is.</summary>
    ReIdentify,
}

/// <summary>Wire names of <see cref="AccessAction"/>.</summary>
public static class ActionNames
{
    private static readonly string[] Names = ["create", "read", "update", "search", "export", "erase", "feed", "consent", "link", "re-identify"];

    public static IReadOnlyList<string> All => Names;

    public static string Of(AccessAction action) => Names[(int)action];

    public static bool TryParse(string? text, out AccessAction action)
    {
        var index = Array.IndexOf(Names, text);
        action = index < 0 ? default : (AccessAction)index;
        return index >= 0;
    }

    /// <summary>True where a value leaves the vault, so that a form is chosen.</summary>
    internal static bool Discloses(AccessAction action) => action is AccessAction.Read or AccessAction.Export or AccessAction.Feed;
}

/// <summary>Who stands behind a credential.</summary>
public enum RecipientKind
{
    Application,
    Staff,
    Customer,

    /// <summary>A process of the vault itself, such as the erasure of an approved request.</summary>
    Process,
}

/// <summary>Whoever asks: an application, a member of staff, the customer, or a process of the vault.</summary>
public sealed class Recipient
{
    public const int Password = 1;
    public const int MultiFactor = 2;

    /// <param name="kind">Who stands behind the credential.</param>
    /// <param name="id">Client id, account id or role of the process.</param>
    /// <param name="displayName">For people to read in the log; no personal data for staff and customers.</param>
    /// <param name="roles">Roles that the credential carries.</param>
    /// <param name="purposes">Purposes that the credential is bound to.</param>
    /// <param name="subject">The customer's own record.</param>
    /// <param name="assurance">How surely the person is known: <see cref="Password"/> or <see cref="MultiFactor"/>.</param>
    public Recipient(
        RecipientKind kind, string id, string displayName, IReadOnlyList<string> roles, IReadOnlyList<string> purposes,
        SubjectId? subject = null, int assurance = Password)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        ArgumentNullException.ThrowIfNull(roles);
        ArgumentNullException.ThrowIfNull(purposes);
        (Kind, Id, DisplayName, Roles, Purposes, Subject, Assurance) = (kind, id, displayName, roles, purposes, subject, assurance);
    }

    public RecipientKind Kind { get; }

    public string Id { get; }

    public string DisplayName { get; }

    public IReadOnlyList<string> Roles { get; }

    public IReadOnlyList<string> Purposes { get; }

    public SubjectId? Subject { get; }

    public int Assurance { get; }

    public static Recipient Process(string role, params string[] purposes) =>
        new(RecipientKind.Process, role, role, [role], purposes);

    internal bool IsBoundTo(string purpose)
    {
        for (var index = 0; index < Purposes.Count; index++)
        {
            if (string.Equals(Purposes[index], purpose, StringComparison.Ordinal)) return true;
        }

        return false;
    }
}

/// <summary>Stable codes that say why an item is withheld. None reveals a value.</summary>
public static class Reasons
{
    public const string NotPermitted = "not-permitted";
    public const string PurposeNotBound = "purpose-not-bound";
    public const string ConsentMissing = "consent-missing";
    public const string ConsentWithdrawn = "consent-withdrawn";
    public const string ConsentExpired = "consent-expired";
    public const string Objected = "objected";
    public const string Restricted = "restricted";
    public const string OnHold = "on-hold";
    public const string AssuranceTooLow = "assurance-too-low";

    /// <summary>The rule opens at other hours only.</summary>
    public const string OutsideHours = "outside-hours";

    /// <summary>Set by the gate, which counts disclosures; the decision itself is pure.</summary>
    public const string BudgetExhausted = "budget-exhausted";

    /// <summary>Set by the gate for a permitted field without a value.</summary>
    public const string NotHeld = "not-held";
}

/// <summary>What must be carried out with a release, or the release fails.</summary>
public static class ObligationNames
{
    /// <summary>The values leave under a pseudonym of the consumer's domain only.</summary>
    public const string Pseudonymise = "pseudonymise";

    /// <summary>The caller states in words why; the text is kept with the log entry.</summary>
    public const string Justification = "justification";

    /// <summary>The subject is told.</summary>
    public const string NotifySubject = "notify-subject";

    /// <summary>A compliance officer looks at it afterwards.</summary>
    public const string Review = "review";

    /// <summary>A second person agrees beforehand.</summary>
    public const string FourEyes = "four-eyes";

    internal static readonly string[] All = [FourEyes, Justification, NotifySubject, Pseudonymise, Review];
}
