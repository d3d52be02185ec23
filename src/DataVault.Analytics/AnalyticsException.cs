using System.Diagnostics.CodeAnalysis;

namespace DataVault.Analytics;

/// <summary>A question that cannot be answered. <see cref="Slug"/> is the problem type; the message names no person and repeats no input.</summary>
[SuppressMessage("Design", "CA1032:Implement standard exception constructors", Justification = "Without a slug it could not be answered to a caller.")]
public sealed class AnalyticsException : Exception
{
    private AnalyticsException(string slug, string message, Exception? cause = null)
        : base(message, cause) => Slug = slug;

    /// <summary><c>invalid-request</c> or <c>unavailable</c>.</summary>
    public string Slug { get; }

    internal static AnalyticsException Invalid(string message) => new("invalid-request", message);

    internal static AnalyticsException Unavailable(Exception cause) => new("unavailable", "The analytics database cannot be reached.", cause);
}
