using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

public sealed class DecisionTests
{
    private const string ServiceReads = """
          - { id: reads, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: masked }

        """;

    private static DecisionFacts Consented(ConsentStatus status, DateTimeOffset? expires = null) =>
        new([new ConsentFact(2, status, expires)], [], false, false);

    [Fact]
    [Requirement("R70")]
    public void Without_a_rule_nothing_is_released()
    {
        var decision = PolicyTexts.Load("").Decide(PolicyTexts.Application("desk", "service"), AccessAction.Read, "service", DecisionFacts.None);
        Assert.False(decision.Released);
        Assert.Equal(4, decision.Items.Count);
        Assert.All(decision.Items, item => Assert.Equal(Reasons.NotPermitted, item.Reason));
        Assert.Equal(Reasons.NotPermitted, decision.OverallReason);
    }

    [Fact]
    [Requirement("R02", "R03")]
    public void A_permit_speaks_of_its_role_purpose_action_and_field_only()
    {
        var policy = PolicyTexts.Load(ServiceReads);
        var desk = PolicyTexts.Application("desk", "service", "rights");
        Assert.Equal(["masked", "not-permitted"], policy.Decide(desk, AccessAction.Read, "service", DecisionFacts.None, "email", "phone").Outcomes());
        Assert.False(policy.Decide(desk, AccessAction.Update, "service", DecisionFacts.None, "email").Released);
        Assert.False(policy.Decide(desk, AccessAction.Read, "rights", DecisionFacts.None, "email").Released);
        Assert.False(policy.Decide(PolicyTexts.Application("campaign", "service"), AccessAction.Read, "service", DecisionFacts.None, "email").Released);
    }

    [Fact]
    [Requirement("R01")]
    public void An_unknown_role_or_purpose_is_a_denial()
    {
        var policy = PolicyTexts.Load(ServiceReads);
        Assert.Equal(["not-permitted"], policy.Decide(PolicyTexts.Application("ghost", "service"), AccessAction.Read, "service", DecisionFacts.None, "email").Outcomes());
        Assert.Equal(["not-permitted"], policy.Decide(PolicyTexts.Application("desk", "spying"), AccessAction.Read, "spying", DecisionFacts.None, "email").Outcomes());
    }

    [Fact]
    public void A_purpose_that_the_credential_lacks_is_a_denial()
    {
        var decision = PolicyTexts.Load(ServiceReads).Decide(PolicyTexts.Application("desk", "rights"), AccessAction.Read, "service", DecisionFacts.None, "email", "phone");
        Assert.Equal(["purpose-not-bound", "purpose-not-bound"], decision.Outcomes());
        Assert.Equal(Reasons.PurposeNotBound, decision.OverallReason);
    }

    [Fact]
    public void A_forbid_beats_every_permit_also_one_of_a_parent_role()
    {
        var policy = PolicyTexts.Load(ServiceReads + """
              - { id: never, why: Test, effect: forbid, roles: [desk], purposes: [service], fields: [email], actions: [read] }
              - { id: lead-reads, why: Test, roles: [lead], purposes: [service], fields: [email], actions: [read], form: plain }
            """);
        var decision = policy.Decide(PolicyTexts.Application("lead", "service"), AccessAction.Read, "service", DecisionFacts.None, "email");
        Assert.Equal(["not-permitted"], decision.Outcomes());
        Assert.Equal(["never"], decision.RuleIds);
    }

    [Fact]
    public void The_exception_of_a_forbid_must_be_known_to_hold()
    {
        var policy = PolicyTexts.Load("""
              - { id: reads, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: plain }
              - { id: only-with-consent, why: Test, effect: forbid, roles: [desk], purposes: [service], fields: [email], actions: [read], unless: { consent: [marketing] } }
            """);
        var desk = PolicyTexts.Application("desk", "service");
        Assert.Equal(["consent-missing"], policy.Decide(desk, AccessAction.Read, "service", DecisionFacts.None, "email").Outcomes());
        Assert.Equal(["plain"], policy.Decide(desk, AccessAction.Read, "service", Consented(ConsentStatus.Given), "email").Outcomes());
    }

    [Fact]
    public void A_role_has_the_rules_and_capabilities_of_its_parents()
    {
        var policy = PolicyTexts.Load(ServiceReads);
        Assert.True(policy.Decide(PolicyTexts.Application("chief", "service"), AccessAction.Read, "service", DecisionFacts.None, "email").Released);
        Assert.True(policy.Decisions.HasCapability(["chief"], Capabilities.StatusRead));
        Assert.False(policy.Decisions.HasCapability(["desk", "ghost"], Capabilities.StatusRead));
        Assert.False(policy.Decisions.HasCapability(["chief"], Capabilities.AuditRead));
    }

    [Fact]
    public void The_widest_permit_counts_and_a_narrower_form_may_be_asked_for()
    {
        var policy = PolicyTexts.Load(ServiceReads + """
              - { id: wider, why: Test, roles: [lead], purposes: [service], fields: [email], actions: [read], form: plain }
            """);
        var lead = PolicyTexts.Application("lead", "service");
        var decision = policy.Decide(lead, AccessAction.Read, "service", DecisionFacts.None, "email", "email.masked", "email.token", "email.generalised");
        Assert.Equal(["plain", "masked", "token", "generalised"], decision.Outcomes());
        Assert.Equal(["wider"], decision.RuleIds);
        Assert.Equal(["masked"], policy.Decide(PolicyTexts.Application("desk", "service"), AccessAction.Read, "service", DecisionFacts.None, "email.plain").Outcomes());
    }

    [Fact]
    public void A_class_limits_the_form_for_all_but_the_person_concerned()
    {
        var policy = PolicyTexts.Load("""
              - { id: desk, why: Test, roles: [desk], purposes: [service], fields: [passport], actions: [read], form: plain }
              - { id: own, why: Test, roles: [customer], purposes: [rights], fields: [passport], actions: [read], form: plain, when: { ownRecord: true } }
            """);
        var ada = new Recipient(RecipientKind.Customer, "ada", "customer", ["customer"], ["rights"], PolicyTexts.Ada);
        Assert.Equal(["masked"], policy.Decide(PolicyTexts.Application("desk", "service"), AccessAction.Read, "service", DecisionFacts.None, "passport").Outcomes());
        Assert.Equal(["plain"], policy.Decide(ada, AccessAction.Read, "rights", DecisionFacts.None, "passport").Outcomes());
    }

    [Theory]
    [InlineData(ConsentStatus.Given, null, "plain")]
    [InlineData(ConsentStatus.Given, 1, "plain")]
    [InlineData(ConsentStatus.Given, 0, "consent-expired")]
    [InlineData(ConsentStatus.Given, -1, "consent-expired")]
    [InlineData(ConsentStatus.Withdrawn, null, "consent-withdrawn")]
    [InlineData(ConsentStatus.Withdrawn, 1, "consent-withdrawn")]
    [InlineData(ConsentStatus.Refused, null, "consent-missing")]
    [InlineData(ConsentStatus.Unknown, null, "consent-missing")]
    public void Only_a_given_and_unexpired_consent_counts(ConsentStatus status, int? ticksLeft, string outcome)
    {
        var policy = PolicyTexts.Load("  - { id: campaign, why: Test, roles: [campaign], purposes: [marketing], fields: [email], actions: [read], form: plain }");
        var expires = ticksLeft is { } ticks ? PolicyTexts.Now.AddTicks(ticks) : (DateTimeOffset?)null;
        var campaign = PolicyTexts.Application("campaign", "marketing");
        Assert.Equal([outcome, "not-permitted"], policy.Decide(campaign, AccessAction.Read, "marketing", Consented(status, expires), "email", "phone").Outcomes());
        Assert.Equal(["consent-missing"], policy.Decide(campaign, AccessAction.Read, "marketing", DecisionFacts.None, "email").Outcomes());
    }

    [Fact]
    public void Contradicting_consents_count_as_the_worse()
    {
        var policy = PolicyTexts.Load("  - { id: campaign, why: Test, roles: [campaign], purposes: [marketing], fields: [email], actions: [read], form: plain }");
        var facts = new DecisionFacts([new ConsentFact(2, ConsentStatus.Withdrawn, null), new ConsentFact(2, ConsentStatus.Given, null)], [], false, false);
        Assert.Equal(["consent-withdrawn"], policy.Decide(PolicyTexts.Application("campaign", "marketing"), AccessAction.Read, "marketing", facts, "email").Outcomes());
    }

    [Fact]
    [Requirement("R61", "R63")]
    public void Objection_restriction_and_hold_beat_permits_except_where_the_law_obliges()
    {
        var policy = PolicyTexts.Load("""
              - { id: service, why: Test, roles: [desk], purposes: [service, rights], fields: [email], actions: [read, erase], form: plain }
            """);
        var desk = PolicyTexts.Application("desk", "service", "rights");
        string One(string purpose, AccessAction action, DecisionFacts facts) => policy.Decide(desk, action, purpose, facts, "email").Outcomes().Single();
        var objected = new DecisionFacts([], [1, 4], false, false);
        var restricted = new DecisionFacts([], [], true, false);
        var held = new DecisionFacts([], [], false, true);
        Assert.Equal("objected", One("service", AccessAction.Read, objected));
        Assert.Equal("plain", One("rights", AccessAction.Read, objected));
        Assert.Equal("restricted", One("service", AccessAction.Read, restricted));
        Assert.Equal("plain", One("rights", AccessAction.Read, restricted));
        Assert.Equal("plain", One("service", AccessAction.Read, held));
        Assert.Equal("on-hold", One("rights", AccessAction.Erase, held));
    }

    [Fact]
    public void Who_could_never_have_an_item_learns_no_consent()
    {
        var policy = PolicyTexts.Load("  - { id: campaign, why: Test, roles: [campaign], purposes: [marketing], fields: [email], actions: [read], form: plain }");
        var facts = Consented(ConsentStatus.Withdrawn) with { Restricted = true };
        Assert.Equal(["not-permitted"], policy.Decide(PolicyTexts.Application("desk", "marketing"), AccessAction.Read, "marketing", facts, "email").Outcomes());
    }

    [Fact]
    public void A_customer_reaches_no_other_record_whatever_the_rules()
    {
        var policy = PolicyTexts.Load("  - { id: careless, why: Test, roles: [customer], purposes: [rights], fields: [all], actions: [read], form: plain }");
        var bob = new Recipient(RecipientKind.Customer, "bob", "customer", ["customer"], ["rights"], PolicyTexts.Bob);
        Assert.False(policy.Decide(bob, AccessAction.Read, "rights", DecisionFacts.None).Released);
        var nobody = new Recipient(RecipientKind.Customer, "nobody", "customer", ["customer"], ["rights"]);
        Assert.False(policy.Decide(nobody, AccessAction.Read, "rights", DecisionFacts.None).Released);
    }

    [Fact]
    public void Assurance_and_obligations_go_with_the_permit_that_needs_them()
    {
        var policy = PolicyTexts.Load("""
              - { id: masked, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read], form: masked }
              - { id: mfa, why: Test, roles: [desk], purposes: [service], fields: [email, phone], actions: [read], form: plain, when: { assurance: mfa }, obligations: [review, justification] }
            """);
        Recipient Desk(int assurance) => new(RecipientKind.Staff, "desk", "desk", ["desk"], ["service"], null, assurance);
        var weak = policy.Decide(Desk(1), AccessAction.Read, "service", DecisionFacts.None, "email", "phone");
        Assert.Equal(["masked", "assurance-too-low"], weak.Outcomes());
        Assert.Empty(weak.Obligations);
        var strong = policy.Decide(Desk(2), AccessAction.Read, "service", DecisionFacts.None, "email", "phone");
        Assert.Equal(["plain", "plain"], strong.Outcomes());
        Assert.Equal(["justification", "review"], strong.Obligations);
    }

    [Fact]
    public void Events_are_decided_like_fields_and_are_not_among_every_field()
    {
        var policy = PolicyTexts.Load("  - { id: all, why: Test, roles: [desk], purposes: [service], fields: [all], events: [all], except: [phone], actions: [read], form: plain }");
        var desk = PolicyTexts.Application("desk", "service");
        Assert.Equal(["plain"], policy.Decide(desk, AccessAction.Read, "service", DecisionFacts.None, "event:purchase").Outcomes());
        Assert.Equal(["phone", "email", "passport", "allergies"], policy.Decide(desk, AccessAction.Read, "service", DecisionFacts.None).Items.Select(item => item.Item.Name));
        Assert.Equal(["not-permitted", "plain"], policy.Decide(desk, AccessAction.Read, "service", DecisionFacts.None, "phone", "email").Outcomes());
    }

    [Theory]
    [InlineData("email", true)]
    [InlineData("email.masked", true)]
    [InlineData("event:purchase", true)]
    [InlineData("event:purchase.generalised", true)]
    [InlineData("event:purchase.masked", false)]
    [InlineData("event:email", false)]
    [InlineData("purchase", false)]
    [InlineData("email.withheld", false)]
    [InlineData("email.", false)]
    [InlineData("Email", false)]
    [InlineData("", false)]
    public void A_requested_item_is_a_known_name_and_perhaps_a_form(string text, bool known)
    {
        var policy = PolicyTexts.Load("");
        Assert.Equal(known, RequestedItem.TryParse(text, policy.Catalogue, policy.Events, out _));
    }

    [Fact]
    public void Ordinals_follow_ids_not_the_file()
    {
        var policy = PolicyTexts.Load("");
        Assert.Equal(["phone", "email", "passport", "allergies", "event:purchase"], policy.Items.Select(item => item.Name));
        Assert.Equal(Enumerable.Range(0, 5), policy.Items.Select(item => item.Ordinal));
    }
}
