using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>What decides about people by itself, as data of the policy, and what the law wants of it before it may (GDPR 22).</summary>
public sealed class AutomatedTests
{
    private const string Ground = "    ground: { basis: contract, reference: \"General terms, section 7: buying on account\" }\n";
    private const string Review = "    review: { roles: [compliance-officer], operators: [customer-support], days: 14 }\n";

    [Fact]
    [Requirement("R65")]
    public void The_shipped_register_says_of_each_model_what_the_law_wants()
    {
        var policy = PolicyTexts.Shipped();
        Assert.Equal(["interest-profile", "invoice-limit"], policy.Models.All.Select(model => model.Name));
        var limit = policy.Models.Find("invoice-limit")!;
        Assert.True(limit is { NeedsGround: true, Ground: { Basis: "contract", Dpv: "eu-gdpr:A22-2-a" }, Review.Days: 14, Assessment: "DPIA-2026-06", Dpv: "dpv:AutomatedDecisionMaking" });
        Assert.Equal("de", limit.Logic.In("de-AT").Language);
        Assert.Equal(["approved", "declined"], limit.Outcomes.Select(one => one.Code));
        Assert.Equal("interest-profile", Assert.Single(policy.Models.Of(policy.Catalogue.Find("churnRisk")!)).Name);
        foreach (var law in policy.Jurisdictions.All) Assert.Contains("human-review", policy.Models.LawOf(law.Name)!.Rights);
        Assert.Empty(policy.Lint());
    }

    [Theory]
    [InlineData(Ground, "", "invoice-limit decides alone and significantly, and names no ground of GDPR Article 22(2)")]
    [InlineData(Review, "", "invoice-limit decides alone and significantly, and names nobody who reviews it (GDPR Article 22(3))")]
    [InlineData("    assessment: DPIA-2026-06\n", "", "invoice-limit decides alone and significantly, and names no impact assessment (GDPR Article 35(3)(a))")]
    [InlineData(Ground, "    ground: { basis: explicit-consent, consent: marketing }\n", "invoice-limit rests on explicit consent, and marketing does not ask for it")]
    [InlineData("    purpose: personalisation\n", "    purpose: personalisation\n    ground: { basis: contract, reference: Terms }\n", "interest-profile rests on a contract, and its purpose personalisation does not")]
    [InlineData("inputs: [paymentPreference,", "inputs: [paymentPreference, email,", "invoice-limit decides by email, which customer-support may not read for billing")]
    [InlineData("inputs: [interests,", "inputs: [interests, dietaryRequirements,", "interest-profile uses the special category dietaryRequirements and names neither explicit consent nor a law of public interest (GDPR Article 22(4))")]
    [InlineData("inputs: [interests,", "special: explicit-consent\n    inputs: [interests, dietaryRequirements,", "interest-profile uses special categories by explicit consent, and neither its ground nor its purpose asks for one (GDPR Article 9(2)(a))")]
    [InlineData("inputs: [interests,", "special: public-interest\n    inputs: [interests, dietaryRequirements,", "interest-profile uses special categories by a law of public interest, and names no law as its ground (GDPR Article 9(2)(g))")]
    [InlineData("roles: [compliance-officer], operators", "roles: [customer-support], operators", "invoice-limit is reviewed by customer-support, who may decide no requests")]
    [InlineData("operators: [customer-support]", "operators: [compliance-officer]", "invoice-limit is reviewed by compliance-officer, who operates it")]
    [InlineData("derives: [segment, lifetimeValue, churnRisk]", "derives: [segment, lifetimeValue]", "no model derives churnRisk: the person concerned could not be told how it was concluded")]
    [InlineData("derives: [creditLimit]", "derives: [creditLimit, email]", "invoice-limit derives email, which the catalogue has as neither derived nor inferred")]
    [Requirement("R65")]
    public void A_model_that_the_law_does_not_let_decide_does_not_come_into_force(string from, string to, string finding)
    {
        var files = PolicyTexts.ShippedFiles();
        Assert.Contains(from, files["automated.yaml"], StringComparison.Ordinal);
        files["automated.yaml"] = files["automated.yaml"].Replace(from, to, StringComparison.Ordinal);
        Assert.Contains($"automated.yaml: {finding}", PolicySet.Load(files).Lint().Select(found => found.ToString()));
    }

    [Theory]
    [InlineData("purpose: billing", "purpose: moon", "unknown purpose moon")]
    [InlineData("roles: [marketing]", "roles: [oracle]", "unknown role oracle")]
    [InlineData("inputs: [paymentPreference,", "inputs: [shoeSize,", "unknown field or event type shoeSize")]
    [InlineData("kind: segment", "kind: guess", "kind is guess")]
    [InlineData("retention: interest", "retention: ever", "unknown retention rule ever")]
    [InlineData("basis: contract,", "basis: hope,", "basis is hope")]
    [InlineData("  cn: { law", "  mars: { law", "unknown jurisdiction mars")]
    [InlineData("versions: [\"2026-1\", \"2026-2\"]", "versions: [\"20 26\"]", "none of them a blank")]
    [InlineData("basis: contract, reference", "basis: contract, consent: wellbeing, reference", "asks for no consent")]
    public void A_model_that_is_not_well_formed_is_refused(string from, string to, string problem)
    {
        var files = PolicyTexts.ShippedFiles();
        Assert.Contains(from, files["automated.yaml"], StringComparison.Ordinal);
        files["automated.yaml"] = files["automated.yaml"].Replace(from, to, StringComparison.Ordinal);
        Assert.Contains(Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems, found => found.File == "automated.yaml" && found.Message.Contains(problem, StringComparison.Ordinal));
    }
}
