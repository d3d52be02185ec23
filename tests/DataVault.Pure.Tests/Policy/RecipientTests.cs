using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>Recipients as data of the policy, and what the law wants of them before they receive anything.</summary>
public sealed class RecipientTests
{
    private const string Rules = "  - { id: one, why: Test, roles: [desk], purposes: [service], fields: [email], actions: [read, search, update], form: plain }\n";

    private static PolicySet With(string recipient)
    {
        var files = PolicyTexts.Small(Rules);
        files["recipients.yaml"] = "recipients:\n  house: { title: House Ltd, contact: dpo@house.example, clients: [shop], " + recipient + " }\n";
        return PolicySet.Load(files);
    }

    private static Recipient Shop(string id = "shop") => new(RecipientKind.Application, id, "Shop", ["desk"], ["service"]);

    [Theory]
    [InlineData("role: processor, country: FR, agreement: DPA-1", null)]
    [InlineData("role: controller, country: FR", null)]
    [InlineData("role: processor, country: IS, agreement: DPA-1", null)]
    [InlineData("role: processor, country: GB, agreement: DPA-1, transfer: { mechanism: adequacy, reference: 2021/1772 }", null)]
    [InlineData("role: controller, country: US, transfer: { mechanism: derogation, reference: 49(1)(b) }", null)]
    [InlineData("role: processor, country: FR", "no agreement is named")]
    [InlineData("role: joint-controller, country: FR", "no agreement is named")]
    [InlineData("role: processor, country: GB, agreement: DPA-1", "GB is a third country and no transfer mechanism is named")]
    [InlineData("role: controller, country: US", "US is a third country and no transfer mechanism is named")]
    [InlineData("role: processor, country: FR, agreement: DPA-1, subProcessors: [{ name: Cloud, country: IN }]", "the sub-processor Cloud is in the third country IN and no transfer mechanism is named")]
    [Requirement("R72", "R80")]
    public void A_recipient_whose_terms_are_not_settled_receives_nothing(string terms, string? obstacle)
    {
        var policy = With(terms);
        var recipient = Assert.Single(policy.Recipients.All);
        Assert.Equal(obstacle is null ? [] : [obstacle], recipient.Obstacles);
        Assert.Same(recipient, policy.Recipients.OfClient("shop"));

        string[] outcome = obstacle is null ? ["plain"] : ["not-permitted"];
        Assert.Equal(outcome, policy.Decide(Shop(), AccessAction.Read, "service", DecisionFacts.None, "email").Outcomes());
        Assert.Equal(obstacle is null, policy.Decisions.CouldPermit(Shop(), AccessAction.Search, "service", policy.Catalogue.Find("email")!));
        Assert.Equal(obstacle is null, policy.Decisions.CouldPermit(Shop(), AccessAction.Read, "service", policy.Catalogue.Find("email")!));

        // What it brings is taken, the controller's own applications go on, and so do people of the staff who bear the same name.
        Assert.Equal(["plain"], policy.Decide(Shop(), AccessAction.Update, "service", DecisionFacts.None, "email").Outcomes());
        Assert.Equal(["plain"], policy.Decide(Shop("other"), AccessAction.Read, "service", DecisionFacts.None, "email").Outcomes());
        Assert.Equal(["plain"], policy.Decide(new Recipient(RecipientKind.Staff, "shop", "Shop", ["desk"], ["service"]), AccessAction.Read, "service", DecisionFacts.None, "email").Outcomes());
    }

    [Theory]
    [InlineData("role: owner, country: FR", "role is owner")]
    [InlineData("role: processor, country: France", "no country of ISO 3166-1")]
    [InlineData("role: processor, country: FR, transfer: { mechanism: hope, reference: x }", "mechanism is hope")]
    [InlineData("role: processor, country: FR, transfer: { mechanism: scc }", "reference is missing")]
    [InlineData("role: processor, country: FR, analytics: [moon]", "unknown analytics domain moon")]
    [InlineData("role: processor, country: FR, agrement: DPA-1", "unknown key agrement")]
    public void A_recipient_that_is_not_well_formed_is_refused(string terms, string problem) =>
        Assert.Contains(Assert.Throws<PolicyException>(() => With(terms)).Problems, found => found.File == "recipients.yaml" && found.Message.Contains(problem, StringComparison.Ordinal));

    [Fact]
    public void An_application_has_one_recipient()
    {
        var files = PolicyTexts.Small(Rules);
        files["recipients.yaml"] = "recipients:\n  one: { title: One, role: controller, country: FR, contact: a@b.example, clients: [shop] }\n  two: { title: Two, role: controller, country: FR, contact: a@b.example, clients: [shop] }\n";
        Assert.Contains(Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems, found => found.Line == 3 && found.Message == "the application shop has a recipient already");
    }

    [Fact]
    public void Analytics_are_fed_to_nobody_whose_terms_are_not_settled()
    {
        var files = PolicyTexts.ShippedFiles();
        files["recipients.yaml"] = files["recipients.yaml"].Replace("    agreement: DPA-2026-007\n", "", StringComparison.Ordinal);
        Assert.Equal(["recipients.yaml: market-research cannot receive the analytics domain insight: no agreement is named"], PolicySet.Load(files).Lint().Select(finding => finding.ToString()));
    }

    [Theory]
    [InlineData(", reference: DPIA-2026-05, review: 2028-01-31", "", "wellbeing needs an impact assessment: name its reference and the date of its review")]
    [InlineData(", review: 2028-01-31 }\n    notice: You explicitly", " }\n    notice: You explicitly", "wellbeing needs an impact assessment: name its reference and the date of its review")]
    [InlineData("criteria: [special-categories], reference", "criteria: [large-scale], reference", "wellbeing uses special categories, and its assessment does not name the criterion special-categories")]
    [InlineData("    assessment: { criteria: [special-categories], reference: DPIA-2026-05, review: 2028-01-31 }\n", "", "wellbeing uses special categories, and its assessment does not name the criterion special-categories")]
    [Requirement("R79")]
    public void A_purpose_of_high_risk_needs_an_assessment_before_it_is_in_force(string text, string with, string finding)
    {
        var files = PolicyTexts.ShippedFiles();
        Assert.Contains(text, files["purposes.yaml"], StringComparison.Ordinal);
        files["purposes.yaml"] = files["purposes.yaml"].Replace(text, with, StringComparison.Ordinal);
        Assert.Equal(["purposes.yaml: " + finding], PolicySet.Load(files).Lint().Select(found => found.ToString()));
    }

    [Fact]
    public void A_comparison_tells_what_changed_of_recipients()
    {
        var (before, after) = (With("role: processor, country: FR, agreement: DPA-1"), With("role: processor, country: GB, agreement: DPA-1, subProcessors: [{ name: Cloud, country: FR }]"));
        Assert.Empty(new PolicyDiff(before, before).Recipients);
        Assert.Equal(
            [
                new RecipientChange("house", "terms", "House Ltd, processor, FR, DPA-1, dpo@house.example", "House Ltd, processor, GB, DPA-1, dpo@house.example; receives nothing: GB is a third country and no transfer mechanism is named"),
                new RecipientChange("house", "sub-processors", "", "Cloud, FR"),
            ],
            new PolicyDiff(before, after).Recipients);
        Assert.Equal(["gone"], new PolicyDiff(before, PolicyTexts.Load(Rules)).Recipients.Select(change => change.What));
    }
}
