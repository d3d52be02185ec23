using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace DataVault.Vault;

/// <summary>
/// What stands beside a consent in clear: the way in which it was said, and the version of the text that was shown. Both are closed, so that
/// neither has room for anything about a person.
/// </summary>
internal static partial class ConsentWords
{
    public const string Channels = "app, application, chat, cli, console, customer, email, letter, paper, partner, phone, post, shop, sms, staff, web";

    private static readonly FrozenSet<string> Known = Channels.Split(", ").ToFrozenSet(StringComparer.Ordinal);

    public static bool IsChannel(string text) => Known.Contains(text);

    public static bool IsNoticeVersion(string text) => Version().IsMatch(text);

    // Such as 2026-01, 2026-01-15, 7, v2.1.
    [GeneratedRegex(@"^v?[0-9]{1,4}([.-][0-9]{1,2}){0,2}\z", RegexOptions.CultureInvariant)]
    private static partial Regex Version();
}
