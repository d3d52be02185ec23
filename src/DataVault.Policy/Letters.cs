using System.Collections.Frozen;
using System.Text;
using System.Text.RegularExpressions;

namespace DataVault.Policy;

/// <summary>What a letter to a person tells of.</summary>
public enum LetterKind
{
#pragma warning disable CS1591 // Each member's name, and its file's key, says all there is to say.
    Received, VerificationNeeded, Paused, Resumed, Extended, Refused, Withdrawn, Expired, PartlyRefused,
    PackageReady, Rectified, Restricted, Objected, ContestDecided, Erased,
    RestrictionLifted, ObjectionLifted, PackageWaiting, AnswerAwaited, PackageHandedOut,
#pragma warning restore CS1591
}

/// <summary>The kinds of letters by the names that policy files, the log and the API have for them.</summary>
public static partial class LetterKinds
{
    private static readonly FrozenDictionary<string, LetterKind> ByName = Enum.GetValues<LetterKind>().ToFrozenDictionary(NameOf, StringComparer.Ordinal);

    /// <summary>Every kind, in the order of the files.</summary>
    public static IReadOnlyList<LetterKind> All { get; } = Enum.GetValues<LetterKind>();

    /// <summary>Kinds that policies of an earlier version have no text for: what such a letter tells of is then a message without one.</summary>
    public static IReadOnlyList<LetterKind> Later { get; } = [LetterKind.PackageHandedOut];

    /// <summary>The name, such as <c>verification-needed</c>.</summary>
    public static string NameOf(LetterKind kind) => Capital().Replace(kind.ToString(), "-$0").ToLowerInvariant();

    /// <summary>The kind of a name; null when there is none.</summary>
    public static LetterKind? Find(string name) => ByName.TryGetValue(name, out var kind) ? kind : null;

    [GeneratedRegex("(?<!^)[A-Z]", RegexOptions.CultureInvariant)]
    private static partial Regex Capital();
}

/// <summary>What a letter may be filled with. INVARIANT: nothing of what the vault holds of the person is among them; a text that names anything else is not loaded.</summary>
public static class LetterSlots
{
    public const string Today = "today";
    public const string Request = "request";
    public const string Right = "right";
    public const string Opened = "opened";
    public const string Due = "due";
    public const string Longest = "longest";
    public const string Until = "until";
    public const string Reason = "reason";
    public const string Kept = "kept";
    public const string Marked = "marked";
    public const string Purpose = "purpose";
    public const string Ground = "ground";
    public const string Certificate = "certificate";
    public const string Account = "account";
    public const string Controller = "controller";
    public const string Address = "address";
    public const string Contact = "contact";
    public const string Officer = "officer";
    public const string Authority = "authority";

    /// <summary>What every letter may say.</summary>
    public static IReadOnlyList<string> Common { get; } = [Today, Request, Right, Opened, Account, Controller, Address, Contact, Officer, Authority];

    /// <summary>What a letter of a kind may say besides.</summary>
    public static IReadOnlyList<string> Of(LetterKind kind) => kind switch
    {
        LetterKind.Received => [Due, Longest, Purpose],
        LetterKind.Objected => [Purpose, Kept, Ground],
        LetterKind.Resumed => [Due],
        LetterKind.Extended => [Reason, Due],
        LetterKind.Paused => [Reason, Until],
        LetterKind.VerificationNeeded or LetterKind.AnswerAwaited or LetterKind.PackageReady or LetterKind.PackageWaiting => [Until],
        LetterKind.Refused or LetterKind.Rectified or LetterKind.ContestDecided or LetterKind.RestrictionLifted => [Reason],
        LetterKind.ObjectionLifted => [Reason, Purpose],
        LetterKind.PartlyRefused => [Kept, Reason, Until, Certificate, Marked],
        LetterKind.Erased => [Until, Certificate, Marked],
        _ => [],
    };

    /// <summary>What a letter of a kind must say: a text without it tells the person too little.</summary>
    public static IReadOnlyList<string> NeededBy(LetterKind kind) => kind switch
    {
        LetterKind.Received or LetterKind.Resumed => [Due],
        LetterKind.Extended => [Reason, Due],
        LetterKind.Paused or LetterKind.Refused or LetterKind.ContestDecided or LetterKind.RestrictionLifted => [Reason],
        LetterKind.ObjectionLifted => [Reason, Purpose],
        LetterKind.PartlyRefused => [Kept, Reason, Certificate],
        LetterKind.PackageReady or LetterKind.PackageWaiting => [Until],
        LetterKind.Erased => [Certificate],
        _ => [],
    };

    /// <summary>What stands in every letter, whatever it tells of (GDPR 12(4), 13(2), 77).</summary>
    public static IReadOnlyList<string> NeededByAll { get; } = [Today, Request, Controller, Contact, Officer, Authority];
}

/// <summary>The codes that a letter says in words.</summary>
public static class LetterCodes
{
    /// <summary>Every table of words, with the codes that it must have words for.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> Tables { get; } = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal)
    {
        ["rights"] = ["access", "portability", "rectification", "erasure", "restriction", "objection", "contest"],
        ["refusals"] =
        [
            "identity-verification-failure", "process-excessive", "process-unfounded", "legal-obligation", "legal-claim", "third-party-rights", "freedom-of-expression",
            "public-health", "research", "fulfilment-impossible", "already-informed", "not-applicable", Other,
        ],
        ["extensions"] = ["complexity", "high-volume", Other],
        ["pauses"] = ["identity", "clarification", "fee", Other],
        ["outcomes"] = ["decision-upheld", "decision-changed", "decision-annulled", Other],
        ["grounds"] = ["legal-obligation", "legal-claim", "court-order", "supervisory-authority", "freedom-of-expression", "public-health", "research", Other],
        ["ends"] = ["person-asked", "accuracy-settled", "claims-settled", "objection-decided", "compelling-grounds", "legal-claim", Other],
    };

    /// <summary>What is said of a code that the texts have no words for.</summary>
    public const string Other = "other";

    /// <summary>The table that the reason of a letter is looked up in; null where it has none.</summary>
    public static string? TableOf(LetterKind kind) => kind switch
    {
        LetterKind.Refused or LetterKind.Rectified => "refusals",
        LetterKind.Extended => "extensions",
        LetterKind.Paused => "pauses",
        LetterKind.ContestDecided => "outcomes",
        LetterKind.PartlyRefused => "grounds",
        LetterKind.RestrictionLifted or LetterKind.ObjectionLifted => "ends",
        _ => null,
    };
}

/// <summary>A letter of one kind in one language: each line is a paragraph, or an item of a list where it begins with a hyphen.</summary>
public sealed record LetterTemplate(string Subject, IReadOnlyList<string> Lines);

/// <summary>The letters in one language.</summary>
public sealed class LetterLanguage
{
    private readonly FrozenDictionary<LetterKind, LetterTemplate> texts;
    private readonly FrozenDictionary<string, FrozenDictionary<string, string>> words;
    private readonly (string Pattern, string First, IReadOnlyList<string> Months) dates;

    internal LetterLanguage(
        string tag, (string Pattern, string First, IReadOnlyList<string> Months) dates, IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> words,
        IReadOnlyDictionary<LetterKind, LetterTemplate> texts)
    {
        (Tag, this.dates) = (tag, dates);
        this.words = words.ToFrozenDictionary(table => table.Key, table => table.Value.ToFrozenDictionary(StringComparer.Ordinal), StringComparer.Ordinal);
        this.texts = texts.ToFrozenDictionary();
    }

    /// <summary>BCP 47 tag, such as <c>de</c>.</summary>
    public string Tag { get; }

    public required string Greeting { get; init; }

    /// <summary>What the letter is about, a line each.</summary>
    public required IReadOnlyList<string> Particulars { get; init; }

    /// <summary>Stands under every letter: whom to ask, where to complain, who writes.</summary>
    public required IReadOnlyList<string> Closing { get; init; }

    public LetterTemplate Text(LetterKind kind) => texts[kind];

    /// <summary>Whether there is a text; only of <see cref="LetterKinds.Later"/> there may be none.</summary>
    public bool Has(LetterKind kind) => texts.ContainsKey(kind);

    /// <summary>A day as people write it.</summary>
    public string Day(DateOnly day) => new StringBuilder(dates.Pattern)
        .Replace("{day}", day.Day == 1 ? dates.First : Number(day.Day)).Replace("{month}", dates.Months[day.Month - 1]).Replace("{year}", Number(day.Year)).ToString();

    /// <summary>A code in words; what the language has no words for is said in general.</summary>
    public string Words(string table, string code) => FindWords(table, code) ?? FindWords(table, LetterCodes.Other) ?? code;

    /// <summary>Null when the language has none.</summary>
    public string? FindWords(string table, string code) => words.GetValueOrDefault(table)?.GetValueOrDefault(code);

    private static string Number(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>The letters of a policy: data like the rest of it, so that the version says what people were told.</summary>
public sealed class LetterTemplates
{
    private readonly FrozenDictionary<string, LetterLanguage> byTag;

    internal LetterTemplates(IReadOnlyList<LetterLanguage> languages, LetterLanguage standard)
    {
        (Languages, Standard) = (languages, standard);
        byTag = languages.ToFrozenDictionary(one => one.Tag, StringComparer.OrdinalIgnoreCase);
    }

    public IReadOnlyList<LetterLanguage> Languages { get; }

    /// <summary>Of whoever's language is not known or not among them.</summary>
    public LetterLanguage Standard { get; }

    /// <summary>Whether there is a text for it in every language.</summary>
    public bool Has(LetterKind kind) => Languages.All(language => language.Has(kind));

    /// <summary>The field that letters are sent to by e-mail; null where none are.</summary>
    public required FieldDefinition? AddressField { get; init; }

    /// <summary>The field that says which language somebody reads.</summary>
    public required FieldDefinition? LanguageField { get; init; }

    /// <summary>The field that says in which country somebody lives, whose authority they may complain to.</summary>
    public required FieldDefinition? CountryField { get; init; }

    /// <summary>The first language that somebody may be written to in: each wish as it stands, or without its region.</summary>
    public LetterLanguage Choose(IEnumerable<string?> wishes)
    {
        ArgumentNullException.ThrowIfNull(wishes);
        foreach (var wish in wishes.OfType<string>())
        {
            if (Find(wish) is { } fit) return fit;
        }

        return Standard;
    }

    /// <summary>Null when there are no letters in it.</summary>
    public LetterLanguage? Find(string tag)
    {
        ArgumentNullException.ThrowIfNull(tag);
        return byTag.GetValueOrDefault(tag) ?? byTag.GetValueOrDefault(tag.Split('-')[0]);
    }
}
