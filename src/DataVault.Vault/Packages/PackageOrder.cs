using System.Globalization;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;

namespace DataVault.Vault;

/// <summary>What a package is made from: the request, the keys and the record, and what the decision point permitted.</summary>
internal sealed record PackageOrder(RequestRow Request, SubjectKeys Keys, SealedRecord Record, Decision Decision, PolicySet Policy)
{
    /// <summary>Entry <c>export</c> of the log.</summary>
    public required long LogIndex { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>Told the share that is done, 0 to 1.</summary>
    public Action<double> Progress { get; init; } = _ => { };

    /// <summary>GDPR Article 20; otherwise Article 15.</summary>
    public bool IsPortability => Request.Kind == RequestKinds.Portability;

    /// <summary>What the zip is called, and the folder in it.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"my-data-{At.UtcDateTime:yyyy-MM-dd}-{Request.Id.ToString("N")[..12]}");

    /// <summary>Items that the person may take along (GDPR Article 20).</summary>
    public IReadOnlySet<CatalogueItem> Portable { get; } = PortableItems.Of(Policy);
}

/// <summary>
/// What portability is about: items that people provided, or that were observed of them, and that some purpose resting on consent or on a contract uses.
/// </summary>
// SPEC GDPR 20(1)
internal static class PortableItems
{
    /// <summary>Why an item that is held is not for taking along; null when it is.</summary>
    public const string NotProvided = "not-provided", OtherBasis = "other-basis";

    public static IReadOnlySet<CatalogueItem> Of(PolicySet policy) =>
        policy.Items.Where(item => ReasonAgainst(policy, item) is null).ToHashSet();

    public static string? ReasonAgainst(PolicySet policy, CatalogueItem item)
    {
        if (item is FieldDefinition field && !(field.Portable && IsFromPerson(field.Origin))) return NotProvided;
        return policy.Purposes.All.Any(purpose => RestsOnPerson(purpose) && policy.Questions.UsedFor(purpose).Contains(item)) ? null : OtherBasis;
    }

    /// <summary>Provided by the person or observed of them; what was concluded about them is neither.</summary>
    public static bool IsFromPerson(string origin) => origin is "provided" or "observed";

    private static bool RestsOnPerson(Purpose purpose) => purpose.NeedsConsent || purpose.LegalBasis == "contract";
}
