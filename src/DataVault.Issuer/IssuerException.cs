namespace DataVault.Issuer;

/// <summary>A refused change of an account or a client. Slug is one of the API's problem slugs; the message holds no personal data.</summary>
public sealed class IssuerException(string slug, string message) : Exception(message)
{
    public string Slug { get; } = slug;

    internal static IssuerException NotFound(string what) => new("not-found", $"There is no such {what}.");
    internal static IssuerException Conflict(string what) => new("conflict", $"There is such {what} already.");
    internal static IssuerException Forbidden(string message) => new("forbidden", message);
    internal static IssuerException Invalid(string message) => new("invalid-fields", message);
}
