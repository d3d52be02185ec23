namespace DataVault.Client.Wire;

/// <summary>Answer of <c>GET /v1/suppressions</c>: how those who were erased are kept from being taken in again.</summary>
/// <param name="On">Whether the policy keeps marks.</param>
/// <param name="Purpose">What for; null where it keeps none.</param>
/// <param name="LegalBasis">Of that purpose.</param>
/// <param name="Ground">Why, in words.</param>
/// <param name="Identifiers">Fields of which a mark is made at an erasure.</param>
/// <param name="Months">How long a mark is kept.</param>
/// <param name="Erasures">Of how many erasures marks are kept.</param>
/// <param name="Marks">How many there are.</param>
/// <param name="NextExpiry">The day on which the next of them ends.</param>
public sealed record SuppressionsView(
    bool On, string? Purpose, string? LegalBasis, string? Ground, IReadOnlyList<string> Identifiers, int? Months, long Erasures, long Marks, DateOnly? NextExpiry);

/// <summary>Body of <c>POST /v1/suppressions/lift</c>.</summary>
/// <param name="Field">By which field the person was known.</param>
/// <param name="Value">Their value of it, as they say it.</param>
/// <param name="Ground"><c>account-opened</c>, <c>consent-given</c>, <c>contract</c> or <c>person-asked</c>.</param>
public sealed record LiftSuppression(string Field, string Value, string Ground);

/// <summary>What became of it.</summary>
/// <param name="Erasures">Of how many erasures marks were kept by that value; they are gone.</param>
/// <param name="Receipt">The log entry.</param>
public sealed record SuppressionLifted(int Erasures, Receipt Receipt);
