using System.Text;
using System.Text.RegularExpressions;

namespace DataVault.Policy;

/// <summary>How long an emergency of one recipient about one person lasts before it must be justified anew.</summary>
public sealed record EmergencyTerms(int Minutes)
{
    internal const int UsualMinutes = 30;
}

/// <summary>The reason that a purpose asks for.</summary>
public sealed class JustificationRule
{
    /// <summary>Longest reason in characters.</summary>
    public const int MaxLength = 500;

    private readonly Regex? _pattern;

    internal JustificationRule(string? pattern)
    {
        Pattern = pattern;
        // Without backtracking, so that no pattern takes longer than the text is long; the whole reason must match.
        _pattern = pattern is null ? null : new Regex($@"\A(?:{pattern})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture);
    }

    /// <summary>What the whole reason must match, such as <c>^[A-Z]+-[0-9]+$</c> for the number of a ticket; null: any words.</summary>
    public string? Pattern { get; }

    /// <summary>Whether the reason is one that this purpose takes.</summary>
    public bool IsMetBy(string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        return IsReason(reason) && (_pattern is null || _pattern.IsMatch(reason));
    }

    /// <summary>Some words, of bounded length and without control characters.</summary>
    public static bool IsReason(string? text) =>
        !string.IsNullOrWhiteSpace(text) && text.Length <= MaxLength && !text.EnumerateRunes().Any(rune => Rune.IsControl(rune) || rune == Rune.ReplacementChar);
}

/// <summary>
/// How much of the sensitive fields (classes marked <c>sensitive</c>) one credential may get for one purpose: pairs of a person and a field, each counted once
/// within an hour and a day of UTC.
/// </summary>
/// <param name="PerHour">Null without a limit.</param>
/// <param name="PerDay">Null without a limit.</param>
public sealed record DisclosureBudget(int? PerHour, int? PerDay);
