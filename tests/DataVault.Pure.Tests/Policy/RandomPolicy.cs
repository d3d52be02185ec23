using System.Collections.Frozen;
using System.Globalization;
using DataVault.Policy;
using DataVault.Policy.Reading;
using DataVault.Policy.Yaml;

namespace DataVault.Pure.Tests.Policy;

/// <summary>A rule as a generator makes it, in the words of the file.</summary>
internal sealed record RuleSpec(string Id, bool Forbids)
{
    public required string[] Roles { get; init; }

    public required string[] Purposes { get; init; }

    public required string[] Items { get; init; }

    public required string[] Actions { get; init; }

    public required Form Form { get; init; }

    public string[] Obligations { get; init; } = [];

    public bool OwnRecord { get; init; }

    public bool MultiFactor { get; init; }

    public string[] Consents { get; init; } = [];

    public CircleSpec Circle { get; init; } = new();

    public bool? Child { get; init; }

    public int? OlderThanMonths { get; init; }

    public int? YoungerThanMonths { get; init; }

    public WindowSpec? Window { get; init; }

    public bool IsConditional => Conditions().Any();

    public string Yaml()
    {
        var lines = new List<string>
        {
            $"  - id: {Id}", "    why: Test", $"    effect: {(Forbids ? "forbid" : "permit")}",
            $"    roles: {List(Roles)}", $"    purposes: {List(Purposes)}", $"    actions: {List(Actions)}",
        };
        var (events, fields) = (Items.Where(IsEvent).ToList(), Items.Where(item => !IsEvent(item)).ToList());
        if (fields.Count > 0) lines.Add($"    fields: {List(fields)}");
        if (events.Count > 0) lines.Add($"    events: [{string.Join(", ", events.Select(item => $"\"{item}\""))}]");
        if (!Forbids && Actions.Any(action => action is "read" or "export")) lines.Add($"    form: {FormNames.Of(Form)}");
        if (Obligations.Length > 0) lines.Add($"    obligations: {List(Obligations)}");
        if (IsConditional) lines.Add($"    {(Forbids ? "unless" : "when")}: {{ {string.Join(", ", Conditions())} }}");
        return string.Join('\n', lines) + "\n";
    }

    public static string List(IEnumerable<string> words) => $"[{string.Join(", ", words)}]";

    private static bool IsEvent(string item) => item.StartsWith("event:", StringComparison.Ordinal);

    private IEnumerable<string> Conditions()
    {
        if (OwnRecord) yield return "ownRecord: true";
        if (MultiFactor) yield return "assurance: mfa";
        if (Consents.Length > 0) yield return $"consent: {List(Consents)}";
        foreach (var part in Circle.Parts()) yield return part;
        if (Child is { } child) yield return $"child: {(child ? "true" : "false")}";
        if (OlderThanMonths is not null || YoungerThanMonths is not null) yield return $"recordAge: {{ {string.Join(", ", Ages())} }}";
        if (Window is not null) yield return "time: " + Window.Yaml();
    }

    private IEnumerable<string> Ages()
    {
        if (OlderThanMonths is { } older) yield return string.Create(CultureInfo.InvariantCulture, $"olderThanMonths: {older}");
        if (YoungerThanMonths is { } younger) yield return string.Create(CultureInfo.InvariantCulture, $"youngerThanMonths: {younger}");
    }
}

/// <summary>People by their traits, as a rule or the reach of a role names them.</summary>
internal sealed record CircleSpec
{
    public string[] Jurisdictions { get; init; } = [];

    public string[] Residencies { get; init; } = [];

    public string[] Brands { get; init; } = [];

    public string[] Relations { get; init; } = [];

    public IEnumerable<string> Parts()
    {
        if (Jurisdictions.Length > 0) yield return $"jurisdiction: {RuleSpec.List(Jurisdictions)}";
        if (Residencies.Length > 0) yield return $"residency: {RuleSpec.List(Residencies)}";
        if (Brands.Length > 0) yield return $"brand: {RuleSpec.List(Brands)}";
        if (Relations.Length > 0) yield return $"relation: {RuleSpec.List(Relations)}";
    }
}

/// <summary>Hours of the week; the end is not included.</summary>
internal sealed record WindowSpec(string[] Days, string From, string To, string Zone)
{
    public string Yaml() => $"{{ days: {RuleSpec.List(Days)}, from: \"{From}\", to: \"{To}\", zone: {Zone} }}";
}

/// <summary>A set of roles with its reach, as a generator makes it. The names and parents are those of the small policy.</summary>
internal sealed record RolesSpec(IReadOnlyDictionary<string, CircleSpec[]?> Reach, RoleRegistry Roles, string Text)
{
    public static readonly (string Name, string[] Parents)[] Names = [("desk", []), ("lead", ["desk"]), ("campaign", []), ("customer", []), ("chief", ["lead", "campaign"])];

    /// <param name="reach">By role: null says nothing, no circles is <c>all</c>.</param>
    public static RolesSpec Of(IReadOnlyDictionary<string, CircleSpec[]?> reach)
    {
        var files = PolicyTexts.Small("");
        var text = files["roles.yaml"] = "roles:\n" + string.Concat(Names.Select(role => $"  {role.Name}: {{ title: Test, parents: {RuleSpec.List(role.Parents)}{Yaml(reach[role.Name])} }}\n"));
        return new RolesSpec(reach, PolicySet.Load(files).Roles, text);
    }

    private static string Yaml(CircleSpec[]? reach) => reach switch
    {
        null => "",
        [] => ", reach: all",
        _ => $", reach: {RuleSpec.List(reach.Select(circle => $"{{ {string.Join(", ", circle.Parts())} }}"))}",
    };
}

/// <summary>Random rules, roles, requests and facts over the words of the small policy. The same seed gives the same.</summary>
internal sealed class RandomPolicy(int seed)
{
    /// <summary>The small policy, with a purpose to which children do not consent alone.</summary>
    public static readonly PolicySet Words = Guarded();

    private static readonly string[] Items = ["email", "phone", "passport", "allergies", "event:purchase"];
    private static readonly string[] Purposes = ["service", "marketing", "wellbeing", "rights"];
    private static readonly string[] Roles = [.. RolesSpec.Names.Select(role => role.Name)];
    private static readonly string[] Actions = ["create", "read", "update", "search", "export", "erase", "consent", "link", "re-identify"];
    private static readonly string[] Jurisdictions = ["eu", "us"];
    private static readonly string[] Residencies = ["eu", "uk"];
    private static readonly string[] Brands = ["acme", "nova"];
    private static readonly string[] Relations = ["assigned-agent", "guardian"];
    private static readonly string[] Zones = ["Europe/Brussels", "America/Los_Angeles", "Asia/Kolkata", "UTC"];
    private static readonly string[] Hours = ["00:00", "02:30", "08:00", "12:00", "17:45", "22:00"];

    /// <summary>Made once: the laws are about rules, and reading roles takes longer than reading rules.</summary>
    private static readonly RolesSpec[] RoleSets = [.. Enumerable.Range(0, 24).Select(number => new RandomPolicy(-1 - number).RandomRoles(number == 0))];

    private readonly Random random = new(seed);

    public int Below(int limit) => random.Next(limit);

    public RolesSpec RoleSet() => RoleSets[random.Next(RoleSets.Length)];

    public List<RuleSpec> Rules(int most = 9) => [.. Enumerable.Range(0, random.Next(1, most + 1)).Select(number => Rule($"rule-{number}"))];

    public RuleSpec Rule(string id)
    {
        var items = Some(Items);
        var form = (Form)random.Next(1, 5);
        if (items.Contains("event:purchase") && form is Form.Masked or Form.Token) form = Form.Generalised;
        var actions = random.Next(2) == 0 ? ["read"] : Some(Actions);
        if (actions.Contains("export")) form = Form.Plain;
        var forbids = random.Next(5) == 0;
        var rule = new RuleSpec(id, forbids)
        {
            Roles = Some(Roles), Purposes = Some(Purposes), Items = items, Actions = actions, Form = form,
            Obligations = !forbids && random.Next(4) == 0 ? Some(["review", "justification", "notify-subject"]) : [],
        };
        return random.Next(3) == 0 ? rule : Conditional(rule);
    }

    private RuleSpec Conditional(RuleSpec rule) => rule with
    {
        OwnRecord = random.Next(10) == 0,
        MultiFactor = random.Next(6) == 0,
        Consents = random.Next(6) == 0 ? Some(["marketing", "wellbeing"]) : [],
        Circle = random.Next(4) == 0 ? Circle() : new CircleSpec(),
        Child = random.Next(8) == 0 ? random.Next(2) == 0 : null,
        OlderThanMonths = random.Next(10) == 0 ? random.Next(1, 14) : null,
        YoungerThanMonths = random.Next(10) == 0 ? random.Next(1, 14) : null,
        Window = random.Next(6) == 0 ? Window() : null,
    };

    private CircleSpec Circle() => random.Next(4) switch
    {
        0 => new CircleSpec { Jurisdictions = Some(Jurisdictions), Relations = random.Next(3) == 0 ? Some(Relations) : [] },
        1 => new CircleSpec { Residencies = Some(Residencies), Brands = random.Next(3) == 0 ? Some(Brands) : [] },
        2 => new CircleSpec { Brands = Some(Brands) },
        _ => new CircleSpec { Relations = Some(Relations) },
    };

    private WindowSpec Window()
    {
        var from = random.Next(Hours.Length);
        var to = (from + random.Next(1, Hours.Length)) % Hours.Length;
        return new WindowSpec(Some(TimeWindow.DayNames), Hours[from], Hours[to], Zones[random.Next(Zones.Length)]);
    }

    private RolesSpec RandomRoles(bool everybody) => RolesSpec.Of(Roles.ToDictionary(role => role, _ => everybody ? null : random.Next(6) switch
    {
        0 => [Circle()],
        1 => [Circle(), Circle()],
        2 => [],
        _ => (CircleSpec[]?)null,
    }));

    public AccessRequest Request()
    {
        var recipient = new Recipient(
            (RecipientKind)random.Next(4), "someone", "someone", [.. Some([.. Roles, "ghost"]).Take(random.Next(1, 4))], Some(Purposes),
            random.Next(3) switch { 0 => PolicyTexts.Ada, 1 => PolicyTexts.Bob, _ => null }, random.Next(1, 3));
        var purpose = random.Next(20) == 0 ? "no-such-purpose" : random.Next(8) == 0 ? Purposes[random.Next(4)] : recipient.Purposes[random.Next(recipient.Purposes.Count)];
        var action = random.Next(2) == 0 || !ActionNames.TryParse(Actions[random.Next(Actions.Length)], out var parsed) ? AccessAction.Read : parsed;
        RequestedItem[] items = [.. Words.Items.Select(item => new RequestedItem(item, random.Next(3) == 0 ? (Form)random.Next(1, 5) : null))];
        return new AccessRequest(recipient, PolicyTexts.Ada, action, purpose, items);
    }

    /// <summary>An instant in the years around, often in the nights in which clocks change, to the minute of a boundary or next to it.</summary>
    public DateTimeOffset Moment()
    {
        var day = random.Next(4) switch
        {
            0 => new DateTimeOffset(2026, 3, 29, 0, 0, 0, TimeSpan.Zero),
            1 => new DateTimeOffset(2026, 10, 25, 0, 0, 0, TimeSpan.Zero),
            _ => PolicyTexts.Now.AddDays(random.Next(400)).Date,
        };
        return new DateTimeOffset(day.Date, TimeSpan.Zero).AddMinutes(15 * random.Next(0, 96)).AddTicks(random.Next(-1, 2));
    }

    public DecisionFacts Facts(DateTimeOffset now)
    {
        var consents = Enumerable.Range(1, 4).Where(_ => random.Next(5) > 0)
            .Select(purpose => new ConsentFact(purpose, random.Next(2) == 0 ? ConsentStatus.Given : Any<ConsentStatus>(), Expiry(now)) { Backing = Any<ConsentBacking>() }).ToList();
        return new DecisionFacts(consents, [.. Enumerable.Range(1, 4).Where(_ => random.Next(8) == 0)], random.Next(8) == 0, random.Next(4) == 0)
        {
            Holds = random.Next(2) == 0 ? [] : [.. Enumerable.Range(0, random.Next(3)).Select(_ => new HoldFact(Codes(1, 1001), Codes(1), Codes(1)))],
            Remainder = random.Next(10) == 0,
            Traits = new SubjectTraits(Perhaps(Jurisdictions), Perhaps(Residencies), Perhaps(Brands), random.Next(4) == 0 ? null : Recorded(now)),
            Child = random.Next(3) switch { 0 => null, 1 => true, _ => false },
            Relations = random.Next(2) == 0 ? [] : Some(Relations),
        };
    }

    private DateTimeOffset Recorded(DateTimeOffset now) => now.AddMonths(-random.Next(0, 14)).AddTicks(random.Next(-1, 2));

    private T Any<T>() where T : struct, Enum => Enum.GetValues<T>() is var all ? all[random.Next(all.Length)] : default;

    private static PolicySet Guarded()
    {
        var files = PolicyTexts.Small("");
        files["purposes.yaml"] = files["purposes.yaml"].Replace("specialBasis: A9-2-a,", "specialBasis: A9-2-a, child: { age: 16 },", StringComparison.Ordinal);
        return PolicySet.Load(files);
    }

    private string? Perhaps(string[] from) => random.Next(4) == 0 ? null : from[random.Next(from.Length)];

    private int[] Codes(params int[] from) => [.. from.SelectMany(first => Enumerable.Range(first, 4)).Where(_ => random.Next(4) == 0)];

    private DateTimeOffset? Expiry(DateTimeOffset now) => random.Next(4) switch { 0 => now, 1 => now.AddTicks(1), _ => null };

    private string[] Some(string[] from)
    {
        var shuffled = from.ToArray();
        random.Shuffle(shuffled);
        return shuffled[..random.Next(1, from.Length + 1)];
    }

    /// <summary>Reads and compiles the rules alone: what a policy with these rules and roles decides.</summary>
    public static PolicyDecisionPoint Compile(IEnumerable<RuleSpec> rules, RolesSpec roles)
    {
        var problems = new ProblemList();
        var text = string.Concat(rules.Select(rule => rule.Yaml()));
        var map = YamlTree.Read("access/rules.yaml", text.Length == 0 ? "rules: []" : "rules:\n" + text, problems)!;
        var reader = new RuleReader(Words.Catalogue, Words.Events, Words.Purposes, roles.Roles, new ConditionReader(Words.People, Words.Jurisdictions));
        var read = reader.Rules([new Section(map, "access/rules.yaml", problems)]);
        problems.ThrowIfAny();
        return new PolicyDecisionPoint(Words.Items, read, roles.Roles, Words.Purposes, FrozenSet<string>.Empty);
    }
}
