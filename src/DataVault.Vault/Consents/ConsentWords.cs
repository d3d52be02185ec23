using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace DataVault.Vault;

/// <summary>
/// What stands beside a consent in clear: the way in which it was said, version and language of the text that was shown, and the reference to a
/// guardian's authorisation. All are closed, so that none has room for anything about a person.
/// </summary>
internal static partial class ConsentWords
{
    public const string Channels = "app, application, chat, cli, console, customer, email, letter, paper, partner, phone, post, shop, sms, staff, web";

    /// <summary>The way of a browser's signal; nobody else says so.</summary>
    public const string Signal = "gpc";

    private static readonly FrozenSet<string> Known = Channels.Split(", ").ToFrozenSet(StringComparer.Ordinal);

    public static bool IsChannel(string text) => Known.Contains(text);

    public static bool IsNoticeVersion(string text) => Version().IsMatch(text);

    public static bool IsLanguage(string text) => LanguageTag().IsMatch(text);

    public static bool IsReference(string text) => Reference().IsMatch(text);

    [GeneratedRegex(@"^[a-z]{2,3}(-[A-Z]{2})?\z", RegexOptions.CultureInvariant)]
    private static partial Regex LanguageTag();

    // A number of a file, such as GC-2026-0113: letters enough for a kind of file, none for a name.
    [GeneratedRegex(@"^[A-Z]{1,4}(-[0-9]{1,12}){1,3}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Reference();

    // Such as 2026-01, 2026-01-15, 7, v2.1.
    [GeneratedRegex(@"^v?[0-9]{1,4}([.-][0-9]{1,2}){0,2}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Version();
}
