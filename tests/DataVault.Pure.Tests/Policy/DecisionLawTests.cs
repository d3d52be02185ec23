using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Laws over many random policies, requests and facts, from fixed seeds.</summary>
public sealed class DecisionLawTests
{
    /// <summary>Times <see cref="Requests"/> there are 100,000 decisions, each of five items.</summary>
    private const int Compared = 5_000;
    private const int Requests = 20;
    private const int Policies = 300;

    [Fact]
    public void Compiled_decisions_equal_the_plain_reading_of_the_rules_a_hundred_thousand_times()
    {
        var (outcomes, decided, unreached) = (new HashSet<string>(), 0, 0);
        for (var seed = 0; seed < Compared; seed++)
        {
            var random = new RandomPolicy(seed);
            var (rules, roles) = (random.Rules(), random.RoleSet());
            var (compiled, reference) = (RandomPolicy.Compile(rules, roles), new ReferencePolicy(rules, roles));
            for (var round = 0; round < Requests; round++, decided++)
            {
                var (request, now) = (random.Request(), random.Moment());
                var facts = random.Facts(now);
                var decision = compiled.Decide(request, facts, now);
                var expected = request.Items!.Select(item => reference.Decide(request, item, facts, now)).ToList();
                Same($"seed {seed}, round {round}", expected, decision);
                Assert.Equal(decision.Reachable, compiled.CanReach(request.Recipient, request.Subject, facts));
                outcomes.UnionWith(expected.Select(one => one.Outcome));
                unreached += decision.Reachable ? 0 : 1;
            }
        }

        Assert.Equal(100_000, decided);
        Assert.Equal(14, outcomes.Count);
        Assert.InRange(unreached, 10_000, 60_000);
    }

    private static void Same(string where, List<ReferenceAnswer> expected, Decision decision)
    {
        for (var index = 0; index < expected.Count; index++)
        {
            var (wanted, got) = (expected[index], decision.Items[index]);
            var outcome = got.Reason ?? FormNames.Of(got.Form);
            Assert.True(wanted.Outcome == outcome && wanted.RuleIds.AsSpan().SequenceEqual([.. got.RuleIds]), $"{where}, {got.Item}: expected {wanted.Outcome} by {string.Join(',', wanted.RuleIds)}, got {outcome} by {string.Join(',', got.RuleIds)}");
        }

        Assert.Equal(expected[0].Reachable, decision.Reachable);
        Assert.Equal(expected.SelectMany(one => one.RuleIds).Distinct().Order(StringComparer.Ordinal), decision.RuleIds);
        Assert.Equal(expected.SelectMany(one => one.Obligations).Distinct().Order(StringComparer.Ordinal), decision.Obligations);
    }

    [Fact]
    public void Adding_a_forbid_never_releases_more() => ForEachPolicy((random, rules, roles) =>
        NeverWider(random, RandomPolicy.Compile(rules, roles), RandomPolicy.Compile([.. rules, random.Rule("zz-added") with { Forbids = true, Obligations = [] }], roles)));

    [Fact]
    public void Removing_a_permit_never_releases_more() => ForEachPolicy((random, rules, roles) =>
    {
        var permits = rules.Where(rule => !rule.Forbids).ToList();
        if (permits.Count > 0) NeverWider(random, RandomPolicy.Compile(rules, roles), RandomPolicy.Compile([.. rules.Except([permits[random.Below(permits.Count)]])], roles));
    });

    [Fact]
    public void Knowing_less_of_the_person_never_releases_more() => ForEachPolicy((random, rules, roles) =>
    {
        var policy = RandomPolicy.Compile(rules, roles);
        for (var round = 0; round < Requests; round++)
        {
            var (request, now) = (random.Request(), random.Moment());
            var facts = random.Facts(now);
            var less = random.Below(5) switch
            {
                // That somebody is a child may withhold: how the age of who is not known counts is said by the child rule, before the decision.
                0 => facts with { Child = facts.Child == true ? true : null },
                1 => facts with { Relations = [] },
                2 => facts with { Traits = facts.Traits with { RecordedAt = null } },
                3 => facts with { Traits = facts.Traits with { Brand = null, Jurisdiction = null } },
                _ => facts with { Consents = [], Traits = facts.Traits with { Residency = null } },
            };
            NeverWider(policy.Decide(request, facts, now), policy.Decide(request, less, now));
        }
    });

    [Fact]
    public void A_narrower_form_is_never_widened_by_any_combination() => ForEachPolicy((random, rules, roles) =>
    {
        var (one, more) = (RandomPolicy.Compile(rules, roles), RandomPolicy.Compile([.. rules, .. random.Rules().Select(rule => rule with { Id = "more-" + rule.Id })], roles));
        for (var round = 0; round < Requests; round++)
        {
            var (request, now) = (random.Request() with { Action = AccessAction.Read }, random.Moment());
            var facts = random.Facts(now);
            foreach (var policy in new[] { one, more })
            {
                var (asked, all) = (policy.Decide(request, facts, now), policy.Decide(request with { Items = [.. request.Items!.Select(item => item with { Narrower = null })] }, facts, now));
                for (var index = 0; index < asked.Items.Count; index++)
                {
                    Assert.True(asked.Items[index].Form <= (request.Items![index].Narrower ?? Form.Plain));
                    Assert.Equal(all.Items[index].Form < (request.Items[index].Narrower ?? Form.Plain) ? all.Items[index].Form : request.Items[index].Narrower ?? Form.Plain, asked.Items[index].Form);
                }
            }
        }
    });

    [Fact]
    public void A_rule_that_the_lint_calls_useless_can_be_left_out()
    {
        var found = new HashSet<string>();
        for (var seed = 0; seed < 250; seed++)
        {
            var random = new RandomPolicy(seed);
            var (rules, roles) = (random.Rules(), random.RoleSet());
            var files = PolicyTexts.Small(string.Concat(rules.Select(rule => rule.Yaml())));
            files["roles.yaml"] = roles.Text;
            foreach (var (useless, message) in new ShadowLint(PolicySet.Load(files)).Findings())
            {
                found.Add(message);
                var (with, without) = (RandomPolicy.Compile(rules, roles), RandomPolicy.Compile(rules.Where(rule => rule.Id != useless.Id), roles));
                for (var round = 0; round < 4 * Requests; round++)
                {
                    var (request, now) = (random.Request(), random.Moment());
                    var facts = random.Facts(now);
                    var (left, right) = (with.Decide(request, facts, now), without.Decide(request, facts, now));
                    Assert.Equal(left.Items.Select(item => item.Form), right.Items.Select(item => item.Form));
                }
            }
        }

        Assert.Equal(3, found.Count);
    }

    [Fact]
    public void The_order_of_rules_and_files_is_without_effect()
    {
        for (var seed = 0; seed < 60; seed++)
        {
            var random = new RandomPolicy(seed);
            var rules = random.Rules();
            var (one, other) = (PolicyTexts.Load(string.Concat(rules.Select(rule => rule.Yaml()))), Scattered(random, rules));
            for (var round = 0; round < Requests; round++)
            {
                var (request, now) = (random.Request(), random.Moment());
                var facts = random.Facts(now);
                var (left, right) = (one.Decisions.Decide(request, facts, now), other.Decisions.Decide(request, facts, now));
                Assert.Equal(left.Outcomes(), right.Outcomes());
                Assert.Equal(left.RuleIds, right.RuleIds);
                Assert.Equal(left.Obligations, right.Obligations);
            }
        }
    }

    [Fact]
    [Requirement("R70")]
    public void What_could_not_be_permitted_is_refused_whatever_the_facts() => ForEachPolicy((random, rules, roles) =>
    {
        var policy = RandomPolicy.Compile(rules, roles);
        for (var round = 0; round < Requests; round++)
        {
            var (request, now) = (random.Request(), random.Moment());
            foreach (var released in policy.Decide(request, random.Facts(now), now).Permits)
            {
                Assert.True(policy.CouldPermit(request.Recipient, request.Action, request.Purpose, released.Item));
            }

            if (policy.ReachesEverybody(request.Recipient)) Assert.True(policy.CanReach(request.Recipient, request.Subject, random.Facts(now)));
        }
    });

    [Fact]
    public void Each_released_item_has_one_permit_for_just_what_was_asked() => ForEachPolicy((random, rules, roles) =>
    {
        var policy = RandomPolicy.Compile(rules, roles);
        for (var round = 0; round < Requests; round++)
        {
            var (request, now) = (random.Request(), random.Moment());
            var decision = policy.Decide(request, random.Facts(now), now);
            Assert.Equal(decision.Items.Select(item => item.Permit).OfType<FieldPermit>(), decision.Permits);
            Assert.All(decision.Permits, permit => Assert.True(permit.Action == request.Action && permit.Subject == request.Subject && permit.Form != Form.Withheld));
            Assert.All(decision.Items, item => Assert.True((item.Permit is null) == (item.Reason is not null) && (item.Permit?.Form ?? Form.Withheld) == item.Form));
            Assert.True(decision.Reachable || !decision.Released);
        }
    });

    private static void ForEachPolicy(Action<RandomPolicy, IReadOnlyList<RuleSpec>, RolesSpec> check)
    {
        for (var seed = 0; seed < Policies; seed++)
        {
            var random = new RandomPolicy(seed);
            check(random, random.Rules(), random.RoleSet());
        }
    }

    private static PolicySet Scattered(RandomPolicy random, IReadOnlyList<RuleSpec> rules)
    {
        var files = PolicyTexts.Small("");
        foreach (var rule in rules.OrderBy(_ => random.Below(1000)))
        {
            var path = $"access/{random.Below(3)}.yaml";
            files[path] = files.GetValueOrDefault(path, "rules:\n") + rule.Yaml();
        }

        return PolicySet.Load(files.OrderBy(_ => random.Below(1000)).ToDictionary());
    }

    private static void NeverWider(RandomPolicy random, PolicyDecisionPoint before, PolicyDecisionPoint after)
    {
        for (var round = 0; round < Requests; round++)
        {
            var (request, now) = (random.Request(), random.Moment());
            var facts = random.Facts(now);
            NeverWider(before.Decide(request, facts, now), after.Decide(request, facts, now));
        }
    }

    private static void NeverWider(Decision before, Decision after) =>
        Assert.All(after.Items.Zip(before.Items), pair => Assert.True(pair.First.Form <= pair.Second.Form));
}
