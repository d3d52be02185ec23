using DataVault.Policy;
using DataVault.Policy.Reading;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Policies to test with: the shipped one, and a small complete one whose files a test replaces.</summary>
internal static class PolicyTexts
{
    public static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);

    public static readonly SubjectId Ada = new(new Guid("01980000-0000-7000-8000-00000000000a"));

    public static readonly SubjectId Bob = new(new Guid("01980000-0000-7000-8000-00000000000b"));

    private const string Catalogue = """
        classes:
          contact: { id: 2 }
          official: { id: 3, widest: masked }
          health: { id: 4 }
          transaction: { id: 20 }
        fields:
          email: { id: 2, label: E-mail, class: contact, type: email, category: "pd:EmailAddress", index: unique, mask: email, generalisation: domain, retention: usual }
          phone: { id: 1, label: Phone, class: contact, type: phone, category: "pd:TelephoneNumber", mask: phone, retention: usual }
          passport: { id: 3, label: Passport, class: official, type: text, category: "pd:OfficialID", mask: tail4, retention: usual }
          allergies: { id: 4, label: Allergies, class: health, type: textList, category: "pd:Health", special: true, retention: usual }
        """;

    private const string Events = """
        events:
          purchase:
            { id: 1, label: Purchase, class: transaction, category: "pd:Purchase", stage: buy, retention: usual, properties: { total: { type: money, required: true } } }
        """;

    private const string Purposes = """
        purposes:
          service: { id: 1, title: Service, basis: contract, dpv: "dpv:CustomerCare" }
          marketing: { id: 2, title: Offers, basis: consent, dpv: "dpv:DirectMarketing", notice: We write to you, noticeVersion: v1 }
          wellbeing: { id: 3, title: Allergies, basis: explicit-consent, dpv: "dpv:ServicePersonalisation", specialBasis: A9-2-a, notice: Explicitly, noticeVersion: v1 }
          rights: { id: 4, title: Rights, basis: legal-obligation, dpv: "dpv:RightsFulfilment" }
        """;

    private const string Roles = """
        roles:
          desk: { title: Desk }
          lead: { title: Head of the desk, parents: [desk], capabilities: [status.read] }
          campaign: { title: Campaigns }
          customer: { title: Customer }
          chief: { title: Chief, parents: [lead, campaign] }
        """;

    private const string People = """
        residencies: { eu: { title: EU }, uk: { title: UK } }
        brands: { acme: { title: Acme }, nova: { title: Nova } }
        relations: { assigned-agent: { title: Agent }, guardian: { title: Guardian } }
        """;

    private const string Jurisdictions = """
        default: eu
        jurisdictions:
          eu: { title: EU, clock: months, due: 1, extension: 2, zone: Europe/Brussels, rolls: true, holidays: [2026-12-25] }
          us: { title: US, clock: days, due: 45, zone: America/Los_Angeles }
        """;

    private const string Retention = """
        rules:
          usual: { title: Usual, trigger: recorded, months: 12, ground: Need }
        """;

    /// <summary>The small policy with these rules (the items of <c>rules:</c>).</summary>
    public static Dictionary<string, string> Small(string rules) => new()
    {
        ["catalogue.yaml"] = Catalogue,
        ["events.yaml"] = Events,
        ["purposes.yaml"] = Purposes,
        ["roles.yaml"] = Roles,
        ["people.yaml"] = People,
        ["jurisdictions.yaml"] = Jurisdictions,
        ["retention.yaml"] = Retention,
        ["access/rules.yaml"] = rules.Length == 0 ? "rules: []" : "rules:\n" + rules,
    };

    public static PolicySet Load(string rules) => PolicySet.Load(Small(rules));

    public static PolicySet Shipped() => PolicySet.Load(ShippedFiles());

    public static string ShippedFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "policies", "catalogue.yaml"))) folder = folder.Parent;
        return Path.Combine(folder!.FullName, "policies");
    }

    public static Dictionary<string, string> ShippedFiles() =>
        Directory.EnumerateFiles(ShippedFolder(), "*", SearchOption.AllDirectories)
            .Select(path => (Name: Path.GetRelativePath(ShippedFolder(), path).Replace(Path.DirectorySeparatorChar, '/'), File: path))
            .Where(one => !PolicyFileNames.IsAside(one.Name))
            .ToDictionary(one => one.Name, one => File.ReadAllText(one.File));

    /// <summary>Decides about Ada's items named like <c>email.masked</c>.</summary>
    public static Decision Decide(this PolicySet policy, Recipient recipient, AccessAction action, string purpose, DecisionFacts facts, params string[] items) =>
        policy.Decisions.Decide(new AccessRequest(recipient, Ada, action, purpose, items.Length == 0 ? null : policy.Parse(items)), facts, Now);

    /// <summary>Each item as its form, or the reason why not.</summary>
    public static string[] Outcomes(this Decision decision) =>
        [.. decision.Items.Select(item => item.Reason ?? FormNames.Of(item.Form))];

    public static IReadOnlyList<RequestedItem> Parse(this PolicySet policy, params string[] items) =>
    [
        .. items.Select(text => RequestedItem.TryParse(text, policy.Catalogue, policy.Events, out var item)
            ? item
            : throw new ArgumentException($"{text} is no item", nameof(items))),
    ];

    public static Recipient Application(string role, params string[] purposes) =>
        new(RecipientKind.Application, "app", "app", [role], purposes);
}
