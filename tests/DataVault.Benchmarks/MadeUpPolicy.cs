using System.Globalization;
using System.Text;
using DataVault.Policy;

namespace DataVault.Benchmarks;

/// <summary>A request about nobody in particular, with what a plain evaluator would look up first.</summary>
internal sealed record MadeUpRequest(AccessRequest Request, DecisionFacts Facts, Role Role, Purpose Purpose);

/// <summary>A large policy of the usual shape: roles of a tree, rules for a role or two and a purpose or two, some with conditions, a few forbids over everything.</summary>
internal sealed class MadeUpPolicy(int roles, int purposes, int fields, int rules)
{
    private const int Classes = 20;
    private static readonly string[] Bases = ["contract", "legitimate-interests", "consent", "legal-obligation"];
    private static readonly string[] Forms = ["plain", "masked", "masked", "generalised", "token"];
    private static readonly string[] Conditions =
    [
        "assurance: mfa", "brand: [acme]", "jurisdiction: [eu]", "relation: [assigned-agent]", "child: false",
        "recordAge: { olderThanMonths: 6 }", "time: { days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"18:00\", zone: Europe/Brussels }",
    ];

    private readonly Random random = new(1);

    public Dictionary<string, string> Files() => new()
    {
        ["catalogue.yaml"] = "classes:\n" + Lines(Classes, n => $"  c{n}: {{ id: {n + 1} }}") + "fields:\n"
            + Lines(fields, n => $"  f{n}: {{ id: {n + 1}, label: Field, class: c{n % Classes}, type: text, category: \"pd:Contact\", generalisation: initial, retention: usual }}"),
        ["events.yaml"] = "events: {}\n",
        ["people.yaml"] = "brands: { acme: { title: Acme }, nova: { title: Nova } }\nrelations: { assigned-agent: { title: Agent } }\n",
        ["purposes.yaml"] = "purposes:\n" + Lines(purposes, n => $"  p{n}: {{ id: {n + 1}, title: Purpose, basis: {Bases[n % Bases.Length]}, dpv: \"dpv:CustomerCare\", notice: Text, noticeVersion: v1 }}"),
        ["roles.yaml"] = "roles:\n" + Lines(roles, n => $"  r{n}: {{ title: Role{(n % 5 == 4 ? $", parents: [r{n - 1}, r{n / 5}]" : "")}{(n % 10 == 7 ? ", reach: [{ brand: [acme] }]" : "")} }}"),
        ["jurisdictions.yaml"] = "default: eu\njurisdictions: { eu: { title: EU, clock: months, due: 1, zone: Europe/Brussels } }\n",
        ["retention.yaml"] = "rules: { usual: { title: Usual, trigger: recorded, months: 12, ground: Need } }\n",
        ["access/rules.yaml"] = "rules:\n" + Lines(rules, Rule),
    };

    /// <summary>Reads by roles and for purposes that rules speak of, each of as many fields, of which the rules name the most.</summary>
    public List<MadeUpRequest> Requests(PolicySet policy, int count, int items)
    {
        var requests = new List<MadeUpRequest>();
        while (requests.Count < count)
        {
            var rule = policy.Rules[random.Next(policy.Rules.Count)];
            if (rule.Forbids || !rule.Actions.Contains(AccessAction.Read)) continue;
            var (role, purpose) = (rule.Roles[random.Next(rule.Roles.Count)], rule.Purposes[random.Next(rule.Purposes.Count)]);
            var named = policy.Rules.Where(one => !one.Forbids && one.Roles.Contains(role) && one.Purposes.Contains(purpose)).SelectMany(one => one.Items);
            RequestedItem[] chosen = [.. named.Concat(policy.Items.OrderBy(_ => random.Next())).Distinct().Take(items).Select(item => new RequestedItem(item, null))];
            var recipient = new Recipient(RecipientKind.Staff, "someone", "someone", [role.Name], [.. policy.Purposes.All.Take(3).Select(one => one.Name).Append(purpose.Name)], null, Recipient.MultiFactor);
            var facts = new DecisionFacts([.. policy.Purposes.All.Where(one => one.NeedsConsent).Take(8).Append(purpose).Select(one => new ConsentFact(one.Id, ConsentStatus.Given, null))], [], false, false)
            {
                Traits = new SubjectTraits("eu", null, "acme", new DateTimeOffset(2025, 1, 1, 0, 0, 0, TimeSpan.Zero)),
                Child = false,
            };
            requests.Add(new MadeUpRequest(new AccessRequest(recipient, new SubjectId(new Guid(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)), AccessAction.Read, purpose.Name, chosen), facts, role, purpose));
        }

        return requests;
    }

    private string Rule(int number)
    {
        if (number % 250 == 249) return $"  - {{ id: f{number}, why: Limit, effect: forbid, roles: [all], purposes: [all], fields: [\"class:c{number / 250}\"], actions: [export, feed] }}";
        var forbids = number % 25 == 24;
        var what = random.Next(3) == 0 ? $"[\"class:c{random.Next(Classes)}\", \"class:c{random.Next(Classes)}\"]" : Names("f", fields, random.Next(4, 16));
        var condition = random.Next(3) == 0 ? Conditions[random.Next(Conditions.Length)] : null;
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"  - {{ id: r{number}, why: Made up, roles: {Names("r", roles, random.Next(1, 4))}, purposes: {Names("p", purposes, random.Next(1, 4))}, fields: {what}"));
        text.Append(forbids ? ", effect: forbid, actions: [read]" : $", actions: [read], form: {Forms[random.Next(Forms.Length)]}");
        if (condition is not null) text.Append(CultureInfo.InvariantCulture, $", {(forbids ? "unless" : "when")}: {{ {condition} }}");
        return text.Append(" }").ToString();
    }

    private string Names(string prefix, int of, int count) =>
        $"[{string.Join(", ", Enumerable.Range(0, count).Select(_ => random.Next(of)).Distinct().Select(n => $"{prefix}{n}"))}]";

    private static string Lines(int count, Func<int, string> line) => string.Concat(Enumerable.Range(0, count).Select(n => line(n) + "\n"));
}
