using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Each condition of the closed list: when it holds, when not, and that a missing fact never does.</summary>
public sealed class ConditionTests
{
    private static readonly DecisionFacts Known = DecisionFacts.None with
    {
        Traits = new SubjectTraits("eu", "uk", "acme", PolicyTexts.Now.AddMonths(-6)),
        Child = false,
        Relations = ["assigned-agent"],
    };

    private static string Read(string condition, DecisionFacts facts, DateTimeOffset? now = null)
    {
        var policy = PolicyTexts.Load($"  - {{ id: one, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain, when: {{ {condition} }} }}");
        var request = new AccessRequest(PolicyTexts.Application("desk", "service"), PolicyTexts.Ada, AccessAction.Read, "service", policy.Parse("email"));
        return policy.Decisions.Decide(request, facts, now ?? PolicyTexts.Now).Outcomes().Single();
    }

    [Theory]
    [InlineData("jurisdiction: [eu]", "plain")]
    [InlineData("jurisdiction: [us, eu]", "plain")]
    [InlineData("jurisdiction: [us]", "not-permitted")]
    [InlineData("residency: [uk]", "plain")]
    [InlineData("residency: [eu]", "not-permitted")]
    [InlineData("brand: [acme, nova]", "plain")]
    [InlineData("brand: [nova]", "not-permitted")]
    [InlineData("relation: [assigned-agent]", "plain")]
    [InlineData("relation: [guardian]", "not-permitted")]
    [InlineData("relation: [guardian, assigned-agent]", "plain")]
    [InlineData("jurisdiction: [eu], brand: [nova]", "not-permitted")]
    [InlineData("child: false", "plain")]
    [InlineData("child: true", "not-permitted")]
    [InlineData("recordAge: { olderThanMonths: 6 }", "plain")]
    [InlineData("recordAge: { olderThanMonths: 7 }", "not-permitted")]
    [InlineData("recordAge: { youngerThanMonths: 7 }", "plain")]
    [InlineData("recordAge: { youngerThanMonths: 6 }", "not-permitted")]
    [InlineData("recordAge: { olderThanMonths: 5, youngerThanMonths: 7 }", "plain")]
    public void A_condition_on_the_person_holds_or_the_rule_is_none(string condition, string outcome)
    {
        Assert.Equal(outcome, Read(condition, Known));
        Assert.Equal("not-permitted", Read(condition, DecisionFacts.None));
    }

    [Fact]
    public void A_record_of_tomorrow_has_no_age()
    {
        var facts = DecisionFacts.None with { Traits = SubjectTraits.None with { RecordedAt = PolicyTexts.Now.AddTicks(1) } };
        Assert.Equal("not-permitted", Read("recordAge: { youngerThanMonths: 1 }", facts));
        Assert.Equal("plain", Read("recordAge: { youngerThanMonths: 1 }", facts, PolicyTexts.Now.AddTicks(1)));
    }

    [Theory]
    [InlineData("days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"18:00\"", "2026-06-01T06:00:00Z", true)]
    [InlineData("days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"18:00\"", "2026-06-01T05:59:59Z", false)]
    [InlineData("days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"18:00\"", "2026-06-01T15:59:59Z", true)]
    [InlineData("days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"18:00\"", "2026-06-01T16:00:00Z", false)]
    [InlineData("days: [mon, tue, wed, thu, fri], from: \"08:00\", to: \"18:00\"", "2026-06-06T10:00:00Z", false)]
    // In winter the clock in Brussels is one hour nearer.
    [InlineData("from: \"08:00\", to: \"18:00\"", "2026-01-15T06:30:00Z", false)]
    [InlineData("from: \"08:00\", to: \"18:00\"", "2026-01-15T07:00:00Z", true)]
    // 2026-03-29: 02:00 to 03:00 is not on the clock; 2026-10-25: it is twice.
    [InlineData("from: \"02:00\", to: \"03:00\"", "2026-03-29T00:59:59Z", false)]
    [InlineData("from: \"02:00\", to: \"03:00\"", "2026-03-29T01:00:00Z", false)]
    [InlineData("from: \"02:00\", to: \"03:00\"", "2026-10-25T00:00:00Z", true)]
    [InlineData("from: \"02:00\", to: \"03:00\"", "2026-10-25T01:59:59Z", true)]
    [InlineData("from: \"02:00\", to: \"03:00\"", "2026-10-25T02:00:00Z", false)]
    // Over midnight: the days say when it begins. 2026-06-07 is a Sunday, and the week goes round.
    [InlineData("days: [sun], from: \"22:00\", to: \"06:00\"", "2026-06-07T20:00:00Z", true)]
    [InlineData("days: [sun], from: \"22:00\", to: \"06:00\"", "2026-06-08T03:59:59Z", true)]
    [InlineData("days: [sun], from: \"22:00\", to: \"06:00\"", "2026-06-08T04:00:00Z", false)]
    [InlineData("days: [sun], from: \"22:00\", to: \"06:00\"", "2026-06-07T03:00:00Z", false)]
    [InlineData("days: [sun]", "2026-06-07T21:59:59Z", true)]
    [InlineData("days: [sun]", "2026-06-07T22:00:00Z", false)]
    public void Hours_are_read_from_the_clock_on_the_wall(string window, string now, bool open) =>
        Assert.Equal(open ? "plain" : "outside-hours", Read($"time: {{ {window}, zone: Europe/Brussels }}", DecisionFacts.None, DateTimeOffset.Parse(now, System.Globalization.CultureInfo.InvariantCulture)));

    [Fact]
    public void What_the_caller_can_mend_is_said_before_what_the_person_said_and_after_what_the_person_is()
    {
        const string Condition = "brand: [acme], time: { days: [sun], zone: Europe/Brussels }, assurance: mfa, consent: [marketing]";
        var sunday = PolicyTexts.Now.AddDays(6);
        Assert.Equal("not-permitted", Read(Condition, DecisionFacts.None));
        Assert.Equal("outside-hours", Read(Condition, Known));
        Assert.Equal("assurance-too-low", Read(Condition, Known, sunday));
        Assert.Equal("consent-missing", Read(Condition.Replace("assurance: mfa, ", "", StringComparison.Ordinal), Known, sunday));
    }

    [Fact]
    public void An_exception_on_a_fact_that_is_not_known_does_not_lift_the_forbid()
    {
        var policy = PolicyTexts.Load("""
              - { id: reads, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain }
              - { id: grown-ups-only, why: Test, effect: forbid, roles: [all], purposes: [all], fields: [email], actions: [read], unless: { child: false } }
            """);
        string One(bool? child) => policy.Decide(PolicyTexts.Application("desk", "service"), AccessAction.Read, "service", DecisionFacts.None with { Child = child }, "email").Outcomes().Single();
        Assert.Equal(["plain", "not-permitted", "not-permitted"], [One(false), One(true), One(null)]);
    }

    [Fact]
    [Requirement("R93")]
    public void Linking_and_re_identifying_are_permitted_by_name_and_disclose_nothing()
    {
        var policy = PolicyTexts.Load("  - { id: one, why: Test, roles: [desk], purposes: [service], fields: [all], actions: [link, re-identify] }");
        var desk = PolicyTexts.Application("desk", "service");
        Assert.Equal(["plain"], policy.Decide(desk, AccessAction.Link, "service", DecisionFacts.None, "email").Outcomes());
        Assert.Equal(["plain"], policy.Decide(desk, AccessAction.ReIdentify, "service", DecisionFacts.None, "email").Outcomes());
        Assert.Equal(["not-permitted"], policy.Decide(desk, AccessAction.Read, "service", DecisionFacts.None, "email").Outcomes());
    }
}
