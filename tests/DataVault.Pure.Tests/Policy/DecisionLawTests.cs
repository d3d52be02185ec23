using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Laws over many random policies, requests and facts, from fixed seeds.</summary>
public sealed class DecisionLawTests
{
    private const int Policies = 100;
    private const int RequestsPerPolicy = 40;

    private static readonly string[] Items = ["email", "phone", "passport", "allergies", "event:purchase"];
    private static readonly string[] Purposes = ["service", "marketing", "wellbeing", "rights"];
    private static readonly string[] Roles = ["desk", "lead", "campaign", "customer", "chief"];
    private static readonly string[] Actions = ["create", "read", "update", "search", "export", "erase", "consent"];

    private static readonly PolicySet Words = PolicyTexts.Load("");

    [Fact]
    public void Compiled_decisions_equal_the_plain_reading_of_the_rules()
    {
        var outcomes = new HashSet<string>();
        ForEachPolicy((random, rules) =>
        {
            var (policy, reference) = (Load(rules), new ReferencePolicy(Words, rules));
            for (var round = 0; round < RequestsPerPolicy; round++)
            {
                var (request, facts) = (Request(random, policy), Facts(random));
                var decision = policy.Decisions.Decide(request, facts, PolicyTexts.Now);
                var expected = request.Items!.Select(item => reference.Decide(request, item, facts, PolicyTexts.Now)).ToList();
                Assert.Equal(expected.Select(one => one.Outcome), decision.Outcomes());
                Assert.Equal(expected.Select(one => string.Join(',', one.RuleIds)), decision.Items.Select(item => string.Join(',', item.RuleIds)));
                Assert.Equal(expected.SelectMany(one => one.RuleIds).Distinct().Order(StringComparer.Ordinal), decision.RuleIds);
                outcomes.UnionWith(decision.Outcomes());
            }
        });
        Assert.Equal(13, outcomes.Count);
    }

    [Fact]
    public void Adding_a_forbid_never_releases_more() => ForEachPolicy((random, rules) =>
    {
        var forbid = Rule(random, "zz-added") with { Forbids = true };
        NeverWider(random, Load(rules), Load([.. rules, forbid]));
    });

    [Fact]
    public void Removing_a_permit_never_releases_more() => ForEachPolicy((random, rules) =>
    {
        var permits = rules.Where(rule => !rule.Forbids).ToList();
        if (permits.Count > 0) NeverWider(random, Load(rules), Load([.. rules.Except([permits[random.Next(permits.Count)]])]));
    });

    [Fact]
    public void The_order_of_rules_and_files_is_without_effect() => ForEachPolicy((random, rules) =>
    {
        var (one, other) = (Load(rules), Scattered(random, rules));
        for (var round = 0; round < RequestsPerPolicy; round++)
        {
            var (request, facts) = (Request(random, one), Facts(random));
            var (left, right) = (one.Decisions.Decide(request, facts, PolicyTexts.Now), other.Decisions.Decide(request with { Items = Same(request.Items!, other) }, facts, PolicyTexts.Now));
            Assert.Equal(left.Outcomes(), right.Outcomes());
            Assert.Equal(left.RuleIds, right.RuleIds);
            Assert.Equal(left.Obligations, right.Obligations);
        }
    });

    [Fact]
    public void What_could_not_be_permitted_is_refused_whatever_the_facts() => ForEachPolicy((random, rules) =>
    {
        var policy = Load(rules);
        for (var round = 0; round < RequestsPerPolicy; round++)
        {
            var request = Request(random, policy);
            var decision = policy.Decisions.Decide(request, Facts(random), PolicyTexts.Now);
            foreach (var released in decision.Permits)
            {
                Assert.True(policy.Decisions.CouldPermit(request.Recipient, request.Action, request.Purpose, released.Item));
            }
        }
    });

    [Fact]
    public void Each_released_item_has_one_permit_for_just_what_was_asked() => ForEachPolicy((random, rules) =>
    {
        var policy = Load(rules);
        for (var round = 0; round < RequestsPerPolicy; round++)
        {
            var request = Request(random, policy);
            var decision = policy.Decisions.Decide(request, Facts(random), PolicyTexts.Now);
            Assert.Equal(decision.Items.Select(item => item.Permit).OfType<FieldPermit>(), decision.Permits);
            Assert.All(decision.Permits, permit => Assert.True(permit.Action == request.Action && permit.Subject == request.Subject && permit.Form != Form.Withheld));
            Assert.All(decision.Items, item => Assert.True((item.Permit is null) == (item.Reason is not null) && (item.Permit?.Form ?? Form.Withheld) == item.Form));
        }
    });

    private static void ForEachPolicy(Action<Random, IReadOnlyList<RuleSpec>> check)
    {
        for (var seed = 0; seed < Policies; seed++)
        {
            var random = new Random(seed);
            check(random, [.. Enumerable.Range(0, random.Next(1, 10)).Select(number => Rule(random, $"rule-{number}"))]);
        }
    }

    private static PolicySet Load(IReadOnlyList<RuleSpec> rules) => PolicyTexts.Load(string.Concat(rules.Select(rule => rule.Yaml())));

    private static PolicySet Scattered(Random random, IReadOnlyList<RuleSpec> rules)
    {
        var files = PolicyTexts.Small("");
        foreach (var rule in rules.OrderBy(_ => random.Next()))
        {
            var path = $"access/{random.Next(3)}.yaml";
            files[path] = files.GetValueOrDefault(path, "rules:\n") + rule.Yaml();
        }

        return PolicySet.Load(files.OrderBy(_ => random.Next()).ToDictionary());
    }

    private static void NeverWider(Random random, PolicySet before, PolicySet after)
    {
        for (var round = 0; round < RequestsPerPolicy; round++)
        {
            var (request, facts) = (Request(random, before), Facts(random));
            var old = before.Decisions.Decide(request, facts, PolicyTexts.Now);
            var now = after.Decisions.Decide(request with { Items = Same(request.Items!, after) }, facts, PolicyTexts.Now);
            Assert.All(now.Items.Zip(old.Items), pair => Assert.True(pair.First.Form <= pair.Second.Form));
        }
    }

    private static RequestedItem[] Same(IReadOnlyList<RequestedItem> items, PolicySet policy) =>
        [.. items.Select(item => item with { Item = policy.Items[item.Item.Ordinal] })];

    private static RuleSpec Rule(Random random, string id)
    {
        var items = Some(random, Items);
        var form = (Form)random.Next(1, 5);
        if (items.Contains("event:purchase") && form is Form.Masked or Form.Token) form = Form.Generalised;
        var actions = Some(random, Actions);
        if (actions.Contains("export")) form = Form.Plain;
        return new RuleSpec(id, random.Next(5) == 0)
        {
            Roles = Some(random, Roles),
            Purposes = Some(random, Purposes),
            Items = items,
            Actions = actions,
            Form = form,
            OwnRecord = random.Next(6) == 0,
            MultiFactor = random.Next(6) == 0,
            Consents = random.Next(4) == 0 ? Some(random, ["marketing", "wellbeing"]) : [],
        };
    }

    private static AccessRequest Request(Random random, PolicySet policy)
    {
        var recipient = new Recipient(
            (RecipientKind)random.Next(4), "someone", "someone", [.. Some(random, [.. Roles, "ghost"]).Take(2)], Some(random, Purposes),
            random.Next(3) switch { 0 => PolicyTexts.Ada, 1 => PolicyTexts.Bob, _ => null }, random.Next(1, 3));
        var purpose = random.Next(20) == 0 ? "no-such-purpose" : random.Next(8) == 0 ? Purposes[random.Next(4)] : recipient.Purposes[random.Next(recipient.Purposes.Count)];
        var action = ActionNames.TryParse(Actions[random.Next(Actions.Length)], out var parsed) ? parsed : AccessAction.Read;
        RequestedItem[] items = [.. policy.Items.Select(item => new RequestedItem(item, random.Next(3) == 0 ? (Form)random.Next(1, 5) : null))];
        return new AccessRequest(recipient, PolicyTexts.Ada, action, purpose, items);
    }

    private static DecisionFacts Facts(Random random)
    {
        var consents = Enumerable.Range(1, 4).Where(_ => random.Next(5) > 0)
            .Select(purpose => new ConsentFact(purpose, random.Next(2) == 0 ? ConsentStatus.Given : (ConsentStatus)random.Next(4), Expiry(random))).ToList();
        return new DecisionFacts(consents, [.. Enumerable.Range(1, 4).Where(_ => random.Next(8) == 0)], random.Next(8) == 0, random.Next(4) == 0)
        {
            Holds = [.. Enumerable.Range(0, random.Next(3)).Select(_ => new HoldFact(Codes(random, 1, 1001), Codes(random, 1), Codes(random, 1)))],
            Remainder = random.Next(6) == 0,
        };
    }

    private static int[] Codes(Random random, params int[] from) =>
        [.. from.SelectMany(first => Enumerable.Range(first, 4)).Where(_ => random.Next(4) == 0)];

    private static DateTimeOffset? Expiry(Random random) =>
        random.Next(4) switch { 0 => PolicyTexts.Now, 1 => PolicyTexts.Now.AddTicks(1), _ => null };

    private static string[] Some(Random random, string[] from) =>
        [.. from.OrderBy(_ => random.Next()).Take(random.Next(1, from.Length + 1))];
}
