using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Whom a recipient reaches at all: by roles, their parents, and what is known of the person.</summary>
public sealed class ReachTests
{
    private const string Rules = """
          - { id: reads, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: masked }
          - { id: campaign, why: Test, roles: [campaign], purposes: [service], fields: [email], actions: [read], form: plain }

        """;

    private static readonly DecisionFacts Acme = DecisionFacts.None with { Traits = SubjectTraits.None with { Brand = "acme" } };

    private static readonly DecisionFacts Nova = DecisionFacts.None with { Traits = SubjectTraits.None with { Brand = "nova" } };

    private static PolicySet With(string deskReach, string rules = Rules, string leadReach = "")
    {
        var files = PolicyTexts.Small(rules);
        files["roles.yaml"] = files["roles.yaml"].Replace("{ title: Desk }", $"{{ title: Desk, reach: {deskReach} }}", StringComparison.Ordinal)
            .Replace("{ title: Head of the desk,", $"{{ title: Head of the desk,{leadReach}", StringComparison.Ordinal);
        return PolicySet.Load(files);
    }

    private static Decision Read(PolicySet policy, DecisionFacts facts, params string[] roles) =>
        policy.Decide(new Recipient(RecipientKind.Staff, "s", "s", roles, ["service"]), AccessAction.Read, "service", facts, "email");

    [Theory]
    [InlineData("[{ brand: [acme] }]", true, false, false)]
    [InlineData("[{ brand: [acme] }, { brand: [nova] }]", true, true, false)]
    [InlineData("[{ brand: [acme, nova] }]", true, true, false)]
    [InlineData("[{ brand: [acme], jurisdiction: [eu] }]", false, false, false)]
    [InlineData("all", true, true, true)]
    public void A_role_reaches_who_is_in_one_of_its_circles(string reach, bool acme, bool nova, bool unknown)
    {
        var policy = With(reach);
        Assert.Equal([acme, nova, unknown], [Read(policy, Acme, "desk").Reachable, Read(policy, Nova, "desk").Reachable, Read(policy, DecisionFacts.None, "desk").Reachable]);
        Assert.Equal(acme ? "masked" : "not-permitted", Read(policy, Acme, "desk").Outcomes().Single());
    }

    [Fact]
    public void A_relation_brings_near()
    {
        var policy = With("[{ relation: [assigned-agent] }, { brand: [acme] }]");
        Assert.True(Read(policy, DecisionFacts.None with { Relations = ["guardian", "assigned-agent"] }, "desk").Reachable);
        Assert.True(Read(policy, Acme, "desk").Reachable);
        Assert.False(Read(policy, DecisionFacts.None with { Relations = ["guardian"] }, "desk").Reachable);
    }

    [Fact]
    public void Of_two_roles_each_gives_what_it_permits_to_those_it_reaches()
    {
        var policy = With("[{ brand: [acme] }]");
        Assert.Equal(["plain"], Read(policy, Nova, "desk", "campaign").Outcomes());
        Assert.Equal(["campaign"], Read(policy, Nova, "desk", "campaign").RuleIds);
        var narrow = With("[{ brand: [acme] }]", Rules.Replace("form: plain", "form: token", StringComparison.Ordinal));
        Assert.Equal(["masked"], Read(narrow, Acme, "desk", "campaign").Outcomes());
        Assert.Equal(["token"], Read(narrow, Nova, "desk", "campaign").Outcomes());
    }

    [Fact]
    public void A_forbid_counts_also_where_its_role_does_not_reach()
    {
        var policy = With("[{ brand: [acme] }]", Rules + "  - { id: never, why: Test, effect: forbid, roles: [desk], purposes: [service], fields: [email], actions: [read] }");
        Assert.Equal(["not-permitted"], Read(policy, Nova, "desk", "campaign").Outcomes());
    }

    [Fact]
    public void A_role_that_says_nothing_reaches_whom_each_parent_reaches_and_its_own_word_stands()
    {
        var inherited = With("[{ brand: [acme] }]");
        Assert.Equal([true, false], [Read(inherited, Acme, "lead").Reachable, Read(inherited, Nova, "lead").Reachable]);
        Assert.Equal([true, false], [Read(inherited, Acme, "chief").Reachable, Read(inherited, Nova, "chief").Reachable]);
        var widened = With("[{ brand: [acme] }]", leadReach: " reach: all,");
        Assert.True(Read(widened, Nova, "lead").Reachable);
        Assert.True(Read(widened, Nova, "chief").Reachable);
        Assert.False(Read(widened, Nova, "desk").Reachable);
    }

    [Fact]
    public void Who_has_no_known_role_reaches_nobody_and_a_customer_the_own_record_only()
    {
        var policy = PolicyTexts.Load(Rules);
        Assert.False(Read(policy, Acme, "ghost").Reachable);
        Assert.False(Read(policy, Acme).Reachable);
        Recipient Customer(SubjectId? of) => new(RecipientKind.Customer, "c", "c", ["customer"], ["rights"], of);
        Assert.True(policy.Decisions.CanReach(Customer(PolicyTexts.Ada), PolicyTexts.Ada, DecisionFacts.None));
        Assert.False(policy.Decisions.CanReach(Customer(PolicyTexts.Bob), PolicyTexts.Ada, DecisionFacts.None));
        Assert.False(policy.Decisions.CanReach(Customer(null), PolicyTexts.Ada, DecisionFacts.None));
        Assert.False(policy.Decisions.ReachesEverybody(Customer(PolicyTexts.Ada)));
    }

    [Fact]
    public void Reach_is_told_whatever_the_purpose_and_nothing_else_is_told_of_who_is_out_of_it()
    {
        var policy = With("[{ brand: [acme] }]");
        var desk = new Recipient(RecipientKind.Staff, "s", "s", ["desk"], ["marketing"]);
        foreach (var purpose in new[] { "service", "marketing", "no-such-purpose" })
        {
            var decision = policy.Decide(desk, AccessAction.Read, purpose, Nova with { Restricted = true }, "email", "phone");
            Assert.False(decision.Reachable);
            Assert.Equal(["not-permitted", "not-permitted"], decision.Outcomes());
            Assert.Empty(decision.RuleIds);
        }

        Assert.Equal(["purpose-not-bound"], policy.Decide(desk, AccessAction.Read, "service", Acme, "email").Outcomes());
        Assert.True(policy.Decisions.ReachesEverybody(PolicyTexts.Application("campaign", "service")));
        Assert.False(policy.Decisions.ReachesEverybody(desk));
    }
}
