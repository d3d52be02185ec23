using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>suppression.yaml: what is kept of the erased has a purpose, a ground, an end and identifiers that mean one person.</summary>
public sealed class SuppressionRulesTests
{
    private const string Good = "purpose: rights\nground: It stays done\nidentifiers: [email]\nmonths: 36";

    [Fact]
    [Requirement("R59")]
    public void Without_the_file_nothing_is_kept_and_with_it_purpose_ground_and_end_are_stated()
    {
        Assert.Null(PolicySet.Load(PolicyTexts.Small("")).Suppression);
        var rules = With(Good).Suppression!;
        Assert.Equal(("legal-obligation", "It stays done", 36, "email"), (rules.Purpose.LegalBasis, rules.Ground, rules.Months, Assert.Single(rules.Identifiers).Name));
        Assert.Equal("legal-obligation", PolicyTexts.Shipped().Suppression!.Purpose.Name);
    }

    [Theory]
    [InlineData("purpose: rights", "purpose: nothing", "unknown purpose nothing")]
    [InlineData("purpose: rights", "purpose: marketing", "marketing rests on consent")]
    [InlineData("[email]", "[nickname]", "unknown field nickname")]
    [InlineData("[email]", "[allergies]", "allergies is no identifier")]
    [InlineData("[email]", "[passport]", "passport has no index")]
    [InlineData("[email]", "[]", "no identifier is named")]
    [InlineData("months: 36", "months: 0", "months")]
    [InlineData("ground: It stays done", "", "ground")]
    public void What_is_missing_or_means_nobody_is_a_problem(string text, string with, string message)
    {
        var problems = Assert.Throws<PolicyException>(() => With(Good.Replace(text, with, StringComparison.Ordinal))).Problems;
        Assert.Contains(problems, problem => problem.File == "suppression.yaml" && problem.Message.Contains(message, StringComparison.Ordinal));
    }

    private static PolicySet With(string text)
    {
        var files = PolicyTexts.Small("");
        files["suppression.yaml"] = text;
        return PolicySet.Load(files);
    }
}
