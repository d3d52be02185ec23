using System.Globalization;
using System.Text.Json;
using DataVault.Client.Wire;

namespace DataVault.Console;

/// <summary>The vault's codes and values in words for people.</summary>
internal static class Words
{
    private static readonly CultureInfo s_english = CultureInfo.GetCultureInfo("en-GB");

    public static string Instant(DateTimeOffset at) => at.UtcDateTime.ToString("d MMM yyyy, HH:mm 'UTC'", s_english);

    public static string Day(DateTimeOffset at) => at.UtcDateTime.ToString("d MMM yyyy", s_english);

    public static string Machine(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFF'Z'", CultureInfo.InvariantCulture);

    public static string Number(long number) => number.ToString("N0", s_english);

    public static string Number(double number) => number.ToString(Math.Abs(number) < 100 ? "#,0.##" : "N0", s_english);

    /// <summary><c>loyaltyTier</c>, <c>event:page_view</c>, <c>legal-obligation</c> as words.</summary>
    public static string Of(string code)
    {
        if (code.StartsWith("class:", StringComparison.Ordinal)) return $"All of {code["class:".Length..]}";
        var name = code.StartsWith("event:", StringComparison.Ordinal) ? code["event:".Length..] : code;
        var words = string.Concat(name.Select((c, i) => c is '_' or '-' or '.' ? " " : char.IsUpper(c) && i > 0 ? $" {char.ToLowerInvariant(c)}" : c.ToString()));
        return words.Length == 0 ? words : char.ToUpperInvariant(words[0]) + words[1..];
    }

    public static string Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.True => "yes",
        JsonValueKind.False => "no",
        JsonValueKind.Array => string.Join(", ", value.EnumerateArray().Select(Value)),
        JsonValueKind.Object when value.TryGetProperty("amount", out var amount) && value.TryGetProperty("currency", out var currency) => $"{Value(amount)} {Value(currency)}",
        JsonValueKind.Object => string.Join(", ", value.EnumerateObject().Select(m => Value(m.Value)).Where(t => t.Length > 0)),
        JsonValueKind.Null => "",
        _ => value.GetRawText(),
    };

    public static string Act(string entryType) => entryType switch
    {
        "field.read" => "Read",
        "event.read" => "Read events",
        "record.write" => "Wrote",
        "event.append" => "Recorded an event",
        "search" => "Looked up",
        "export" => "Exported",
        "consent.change" => "Changed a consent",
        "consent.receipt" => "Took a receipt of a consent",
        "request.change" => "Handled a request",
        "restriction.lift" => "Ended a restriction",
        "objection.lift" => "Ended an objection",
        "analytics.feed" => "Passed on, pseudonymised",
        "denied" => "Was refused",
        "audit.read" => "Read the log",
        "key.create" => "Made your keys",
        "sign-in" => "Signed in",
        "sign-in.failed" => "Tried to sign in",
        "token.issued" => "Session begun or renewed",
        "account.change" => "Changed the account",
        _ => Of(entryType),
    };

    /// <summary>How a letter gets to the person, and how far it has come.</summary>
    public static string Way(string way) => way switch
    {
        "mail" => "waits to be sent by e-mail",
        "sent" => "sent by e-mail",
        "post" => "waits to be posted",
        "posted" => "posted or handed over",
        "inbox" => "lies with the messages",
        _ => Of(way),
    };

    private static readonly Dictionary<string, string> s_tongues =
        "bg Български, cs Čeština, da Dansk, de Deutsch, el Ελληνικά, en English, es Español, et Eesti, fi Suomi, fr Français, ga Gaeilge, hr Hrvatski, hu Magyar, it Italiano, lt Lietuvių, lv Latviešu, mt Malti, nl Nederlands, pl Polski, pt Português, ro Română, sk Slovenčina, sl Slovenščina, sv Svenska, zh 中文"
            .Split(", ").ToDictionary(pair => pair[..2], pair => pair[3..], StringComparer.Ordinal);

    /// <summary>A language in its own words; its tag where these are not at hand.</summary>
    public static string Language(string? tag) => s_tongues.GetValueOrDefault(tag?.Split('-')[0] ?? "") ?? tag ?? "";

    public static string Basis(string legalBasis) => legalBasis switch
    {
        "consent" => "your consent",
        "explicit-consent" => "your explicit consent",
        "contract" => "our contract with you",
        "legal-obligation" => "a legal obligation",
        "vital-interests" => "vital interests",
        "public-task" => "a public task",
        "legitimate-interests" => "legitimate interests",
        _ => Of(legalBasis),
    };

    public static string Withheld(string reason) => reason switch
    {
        "not-held" => "not held",
        "not-permitted" => "not shown",
        _ => Of(reason).ToLowerInvariant(),
    };

    public static string KeyLevel(string level) => level switch
    {
        "root" => "Root key",
        "vault" => "Vault key",
        "epoch" => "Key epoch",
        "subjects" => "People's keys",
        "index" => "Search indexes",
        _ => Of(level),
    };

    /// <summary>Where a root key of this name lies: the name begins with its provider.</summary>
    public static string KeyProvider(string rootKey) => rootKey.Split('/')[0] switch
    {
        "local" => "in a sealed file",
        "pkcs11" => "on a token (PKCS#11)",
        "aws-kms" => "at AWS KMS",
        var other => Of(other),
    };

    public static string Age(TimeSpan age) => age switch
    {
        { TotalHours: < 1 } => "less than an hour",
        { TotalHours: < 2 } => "an hour",
        { TotalDays: < 2 } => $"{(int)age.TotalHours} hours",
        _ => $"{Number((long)age.TotalDays)} days",
    };

    /// <summary>What is wrong with what is stored of a hold.</summary>
    public static string OfHoldDamage(string damage) => damage switch
    {
        "changed" => "Somebody changed it in the database; it stays in force.",
        "deleted" => "Its row is gone from the database. This is what the log knows; it stays in force until it is released.",
        _ => "The case or the reason cannot be read.",
    };

    public static string Problem(string slug) => slug switch
    {
        "forbidden" => "This is not yours to see",
        "not-found" => "There is nothing here",
        "unavailable" or "timeout" => "The vault is busy",
        "rate-limited" => "That was a little fast",
        "conflict" => "That is already there",
        "invalid-state" => "That is not possible any more",
        "unauthenticated" or "sign-in-again" => "Please sign in again",
        "record-damaged" => "The record is damaged",
        "internal" => "Something went wrong",
        _ => "That could not be done",
    };

    public static string Explain(Problem problem)
    {
        var members = problem.Errors is { Count: > 0 } errors
            ? " " + string.Join(" ", errors.Select(e => $"{Of(e.Pointer[(e.Pointer.LastIndexOf('/') + 1)..])}: {e.Message}"))
            : "";
        var usual = problem.Slug switch
        {
            "unavailable" or "timeout" => "Nothing was released or changed. Please try again in a moment.",
            "rate-limited" => "Please try again in a minute.",
            "forbidden" => "The policy does not allow it for your role.",
            "not-found" => "It may have been erased, or it never was.",
            "record-damaged" => "It is not what the vault wrote, so nothing of it is shown. The operator can see which entry of the log says so.",
            "internal" => "The problem has been recorded. Please try again.",
            _ => "",
        };
        return (problem.Detail ?? usual) + members;
    }
}
