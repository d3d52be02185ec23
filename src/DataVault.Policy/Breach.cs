using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>Where people complain, and whom a breach is reported to (GDPR 33, 77).</summary>
/// <param name="Name">As it calls itself.</param>
/// <param name="Address">Postal address; empty where the policy does not say.</param>
/// <param name="Web">Its site.</param>
public sealed record AuthorityContact(string Name, string Address, string Web)
{
    /// <summary>Address for breach reports by mail, where there is one.</summary>
    public string? Email { get; init; }
}

/// <summary>The data protection officer, or whoever people turn to (GDPR 37 to 39).</summary>
/// <param name="Name">A name or an office.</param>
/// <param name="Email">Electronic address.</param>
/// <param name="Phone">Where they are called; null where the policy does not say.</param>
public sealed record PrivacyContact(string Name, string Email, string? Phone);

/// <summary>From which risk on the authority is told of a breach.</summary>
public enum BreachThreshold
{
    /// <summary>Of every one.</summary>
    Any,

    /// <summary>Unless it is unlikely to result in a risk (GDPR 33(1)).</summary>
    Risk,

    /// <summary>Only of a high risk.</summary>
    HighRisk,
}

/// <summary>What one regime wants of a breach: how soon, from which risk on, and from whom to whom.</summary>
public sealed class BreachTerms
{
    /// <summary>Of a regime that says nothing of it: without undue delay, of every breach.</summary>
    public static readonly BreachTerms None = new(null, BreachThreshold.Any, null, null, FrozenDictionary<string, AuthorityContact>.Empty);

    private readonly FrozenDictionary<string, AuthorityContact> countries;

    internal BreachTerms(int? hours, BreachThreshold threshold, PrivacyContact? contact, AuthorityContact? authority, IReadOnlyDictionary<string, AuthorityContact> countries)
    {
        (Hours, Threshold, Contact, Authority) = (hours, threshold, contact, authority);
        this.countries = countries.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>Elapsed hours from awareness to the report; null where the law counts none.</summary>
    public int? Hours { get; }

    public BreachThreshold Threshold { get; }

    /// <summary>Whom the authority and the people concerned turn to.</summary>
    public PrivacyContact? Contact { get; }

    /// <summary>The controller's own.</summary>
    public AuthorityContact? Authority { get; }

    /// <summary>By country, in ISO 3166 letters: people may complain where they live.</summary>
    public IReadOnlyDictionary<string, AuthorityContact> Countries => countries;

    /// <summary>The authority of a country; the controller's own of one that is not known.</summary>
    public AuthorityContact? AuthorityOf(string? country) => country is not null && countries.TryGetValue(country, out var own) ? own : Authority;

    /// <summary>
    /// Elapsed hours, whatever the clocks on the wall do meanwhile: the two working days of Regulation (EEC) 1182/71 Article 3(5) would only make it later.
    /// </summary>
    public DateTimeOffset? DueAt(DateTimeOffset aware) => Hours is { } hours ? aware.ToUniversalTime().AddHours(hours) : null;
}
