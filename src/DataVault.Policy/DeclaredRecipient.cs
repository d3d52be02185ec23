using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>By what right personal data go to a country outside the European Economic Area (GDPR 44 to 49).</summary>
/// <param name="Mechanism"><c>adequacy</c> (45), <c>scc</c> (46(2)(c)), <c>bcr</c> (47) or <c>derogation</c> (49).</param>
/// <param name="Reference">The decision, the clauses as signed, the approved rules, or which derogation.</param>
public sealed record TransferMechanism(string Mechanism, string Reference);

/// <summary>Whom a processor has engaged in turn (GDPR 28(2)).</summary>
public sealed record SubProcessor(string Name, string Country, TransferMechanism? Transfer);

/// <summary>
/// Whoever receives personal data from the vault outside the controller's own departments (GDPR 4(9)): which applications and analytics domains are theirs, and on
/// what terms. One that lacks what the law wants of it receives nothing.
/// </summary>
public sealed class DeclaredRecipient
{
    /// <summary>Nothing is transferred to a third country within these (Decision of the EEA Joint Committee 154/2018).</summary>
    private static readonly FrozenSet<string> EconomicArea = FrozenSet.ToFrozenSet(
    [
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
    ]);

    internal DeclaredRecipient(string name, RecipientTerms terms)
    {
        (Name, Terms) = (name, terms);
        Obstacles = [.. Missing()];
    }

    /// <summary>Stands in entries of the log: another recipient needs another name.</summary>
    public string Name { get; }

    /// <summary>Legal name.</summary>
    public string Title => Terms.Title;

    /// <summary><c>processor</c>, <c>controller</c> or <c>joint-controller</c>.</summary>
    public string Role => Terms.Role;

    /// <summary>ISO 3166-1, two letters.</summary>
    public string Country => Terms.Country;

    /// <summary>Where to reach who answers for data protection there.</summary>
    public string Contact => Terms.Contact;

    /// <summary>The contract of a processor (GDPR 28(3)) or the arrangement of joint controllers (26); null when there is none.</summary>
    public string? Agreement => Terms.Agreement;

    public TransferMechanism? Transfer => Terms.Transfer;

    public IReadOnlyList<SubProcessor> SubProcessors => Terms.SubProcessors;

    /// <summary>Ids of the applications that are theirs.</summary>
    public IReadOnlyList<string> Clients => Terms.Clients;

    /// <summary>Names of the analytics domains that are theirs.</summary>
    public IReadOnlyList<string> Analytics => Terms.Analytics;

    /// <summary>The recipient is outside the European Economic Area.</summary>
    public bool IsInThirdCountry => IsThird(Country);

    /// <summary>What is missing, in words; while anything is, the recipient receives nothing.</summary>
    public IReadOnlyList<string> Obstacles { get; }

    public bool MayReceive => Obstacles.Count == 0;

    internal RecipientTerms Terms { get; }

    private static bool IsThird(string country) => !EconomicArea.Contains(country);

    // SPEC GDPR 26, 28(3), 44.
    private IEnumerable<string> Missing()
    {
        if (Role != "controller" && Agreement is null) yield return "no agreement is named";
        if (IsInThirdCountry && Transfer is null) yield return $"{Country} is a third country and no transfer mechanism is named";
        foreach (var sub in SubProcessors.Where(sub => IsThird(sub.Country) && sub.Transfer is null))
            yield return $"the sub-processor {sub.Name} is in the third country {sub.Country} and no transfer mechanism is named";
    }
}

/// <summary>What recipients.yaml says of a recipient.</summary>
internal sealed record RecipientTerms(string Title, string Role, string Country, string Contact)
{
    public string? Agreement { get; init; }

    public TransferMechanism? Transfer { get; init; }

    public IReadOnlyList<SubProcessor> SubProcessors { get; init; } = [];

    public IReadOnlyList<string> Clients { get; init; } = [];

    public IReadOnlyList<string> Analytics { get; init; } = [];
}

/// <summary>The recipients, by name. Applications and domains that belong to none are the controller's own.</summary>
public sealed class RecipientRegistry
{
    private readonly FrozenDictionary<string, DeclaredRecipient> byName;
    private readonly FrozenDictionary<string, DeclaredRecipient> byClient;
    private readonly FrozenDictionary<string, DeclaredRecipient> byDomain;

    internal RecipientRegistry(IReadOnlyList<DeclaredRecipient> all)
    {
        All = all;
        byName = all.ToFrozenDictionary(one => one.Name, StringComparer.Ordinal);
        byClient = all.SelectMany(one => one.Clients.Select(client => (client, one))).DistinctBy(pair => pair.client).ToFrozenDictionary(pair => pair.client, pair => pair.one, StringComparer.Ordinal);
        byDomain = all.SelectMany(one => one.Analytics.Select(domain => (domain, one))).DistinctBy(pair => pair.domain).ToFrozenDictionary(pair => pair.domain, pair => pair.one, StringComparer.Ordinal);
    }

    public IReadOnlyList<DeclaredRecipient> All { get; }

    public DeclaredRecipient? Find(string name) => byName.GetValueOrDefault(name);

    /// <summary>Whose application it is; null: the controller's own.</summary>
    public DeclaredRecipient? OfClient(string client) => byClient.GetValueOrDefault(client);

    /// <summary>Whose analytics domain it is; null: the controller's own.</summary>
    public DeclaredRecipient? OfDomain(string domain) => byDomain.GetValueOrDefault(domain);

    /// <summary>Applications of recipients who may receive nothing.</summary>
    internal FrozenSet<string> BarredClients => All.Where(one => !one.MayReceive).SelectMany(one => one.Clients).ToFrozenSet(StringComparer.Ordinal);
}
