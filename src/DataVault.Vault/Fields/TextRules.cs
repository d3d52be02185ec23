using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace DataVault.Vault;

/// <summary>
/// The one canonical spelling of each kind of text value. Each rule takes what people type and returns what the vault keeps, or null:
/// equal things become equal bytes, so that a look-up by blind index finds them.
/// </summary>
internal static partial class TextRules
{
    /// <summary>Long texts may hold line breaks; one-line values may not.</summary>
    private const int LineBreaksFrom = 200;

    // RFC 5321 4.5.3.1: 64 octets before the @, 254 in all (the path's 256 less its brackets).
    private const int LongestMailbox = 254;
    private const int LongestLocalPart = 64;

    // ITU-T E.164 6.2.1: at most 15 digits; no country's shortest subscriber number with its code has fewer than 7.
    private const int ShortestPhone = 7;
    private const int LongestPhone = 15;

    // ISO 13616: 15 (Norway) to 34 characters.
    private const int ShortestIban = 15;
    private const int LongestIban = 34;

    [GeneratedRegex(@"^[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$", RegexOptions.CultureInvariant)]
    private static partial Regex DotAtom();

    [GeneratedRegex(@"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", RegexOptions.CultureInvariant)]
    private static partial Regex HostLabel();

    [GeneratedRegex(@"^([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|[0-9]{3}))?((?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*)$", RegexOptions.CultureInvariant)]
    private static partial Regex LanguageTag();

    /// <summary>NFC, trimmed; null when it holds what no text should: controls, direction overrides, unpaired surrogates.</summary>
    public static string? Text(string value, int maxLength)
    {
        if (!IsWellFormed(value)) return null;
        var text = value.Normalize(NormalizationForm.FormC).Trim();
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsForbidden(rune, maxLength > LineBreaksFrom)) return null;
        }
        return text;
    }

    public static string? Email(string value)
    {
        var text = Text(value, LongestMailbox);
        if (text is null || text.Length > LongestMailbox) return null;
        var at = text.LastIndexOf('@');
        if (at is < 1 or > LongestLocalPart || !DotAtom().IsMatch(text.AsSpan(0, at))) return null;
        return Host(text[(at + 1)..]) is { } host ? $"{text[..at]}@{host}" : null;
    }

    /// <summary>
    /// E.164. Spaces, hyphens, dots, slashes and brackets are how people group digits and are dropped, and so is the trunk zero in <c>(0)</c>;
    /// without the leading + the country would be a guess, so such a number is refused.
    /// </summary>
    public static string? Phone(string value)
    {
        var trimmed = value.Trim().Replace("(0)", "", StringComparison.Ordinal);
        if (trimmed.Length is 0 or > 40 || trimmed[0] != '+') return null;
        var digits = new StringBuilder("+", LongestPhone + 1);
        foreach (var character in trimmed.AsSpan(1))
        {
            if (char.IsAsciiDigit(character)) digits.Append(character);
            else if (!" -./()\u00a0\u2011\u2013".Contains(character, StringComparison.Ordinal)) return null;
        }
        return digits.Length is > ShortestPhone and <= LongestPhone + 1 && digits[1] != '0' ? digits.ToString() : null;
    }

    /// <summary>ISO 13616: upper case without spaces, and the check digits hold (ISO 7064 mod 97-10).</summary>
    public static string? Iban(string value)
    {
        var iban = value.Replace(" ", "", StringComparison.Ordinal).ToUpperInvariant();
        if (iban.Length is < ShortestIban or > LongestIban || !Iso.IsCountry(iban[..2])) return null;
        var remainder = 0;
        for (var index = 0; index < iban.Length; index++)
        {
            var character = iban[(index + 4) % iban.Length];
            if (!char.IsAsciiLetterOrDigit(character)) return null;
            remainder = char.IsAsciiDigit(character)
                ? ((remainder * 10) + (character - '0')) % 97
                : ((remainder * 100) + (character - 'A' + 10)) % 97;
        }
        return remainder == 1 && char.IsAsciiDigit(iban[2]) && char.IsAsciiDigit(iban[3]) ? iban : null;
    }

    public static string? Date(string value) =>
        DateOnly.TryParseExact(value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date) && date.Year >= 1850
            ? date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)
            : null;

    /// <summary>RFC 3339 with an offset, kept in UTC to the millisecond.</summary>
    public static string? Instant(string value)
    {
        var hasOffset = value.Length > 19 && (value[^1] is 'Z' or 'z' || (value[^3] == ':' && value[^6] is '+' or '-'));
        return hasOffset && DateTimeOffset.TryParse(value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant)
            ? instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)
            : null;
    }

    public static string? Country(string value)
    {
        var code = value.Trim().ToUpperInvariant();
        return Iso.IsCountry(code) ? code : null;
    }

    /// <summary>BCP 47 in its recommended case (RFC 5646 2.1.1): language lower, script title, region upper.</summary>
    public static string? Language(string value)
    {
        var match = LanguageTag().Match(value.Trim());
        if (!match.Success) return null;
        var language = match.Groups[1].Value.ToLowerInvariant();
        if (language.Length == 2 && !Iso.IsLanguage(language)) return null;
        var tag = new StringBuilder(language);
        if (match.Groups[2] is { Success: true, Value: var script }) tag.Append('-').Append(char.ToUpperInvariant(script[0])).Append(script[1..].ToLowerInvariant());
        if (match.Groups[3] is { Success: true, Value: var region }) tag.Append('-').Append(region.ToUpperInvariant());
        return tag.Append(match.Groups[4].Value.ToLowerInvariant()).ToString();
    }

    /// <summary>What two spellings of one thing have in common: compatibility-normalised and case-folded. For look-up only, never kept.</summary>
    public static string Folded(string value) => value.Normalize(NormalizationForm.FormKC).Trim().ToUpperInvariant().ToLowerInvariant();

    public static int Length(string value)
    {
        var count = 0;
        foreach (var _ in value.EnumerateRunes()) count++;
        return count;
    }

    private static string? Host(string value)
    {
        if (!TryAscii(value.TrimEnd('.'), out var ascii)) return null;
        var host = ascii.ToLowerInvariant();
        var labels = host.Split('.');
        return host.Length <= 253 && labels.Length > 1 && !char.IsAsciiDigit(labels[^1][..1].FirstOrDefault()) && labels.All(label => HostLabel().IsMatch(label))
            ? host
            : null;
    }

    private static bool TryAscii(string host, [NotNullWhen(true)] out string? ascii)
    {
        try
        {
            ascii = System.Text.Ascii.IsValid(host) ? host : new IdnMapping().GetAscii(host);
            return true;
        }
        catch (ArgumentException)
        {
            ascii = null;
            return false;
        }
    }

    private static bool IsWellFormed(string value)
    {
        for (var index = 0; index < value.Length; index++)
        {
            if (!char.IsSurrogate(value[index])) continue;
            if (!char.IsHighSurrogate(value[index]) || index + 1 == value.Length || !char.IsLowSurrogate(value[++index])) return false;
        }
        return true;
    }

    private static bool IsForbidden(Rune rune, bool lineBreaks) => rune.Value switch
    {
        '\n' or '\t' => !lineBreaks,
        // Direction overrides make a value read as another one (CVE-2021-42574); U+FFFE and U+FFFF are no characters.
        (>= 0x202A and <= 0x202E) or (>= 0x2066 and <= 0x2069) or 0xFFFE or 0xFFFF => true,
        _ => Rune.IsControl(rune),
    };
}
