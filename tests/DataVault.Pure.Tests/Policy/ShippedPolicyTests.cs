using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

public sealed class ShippedPolicyTests
{
    private static readonly PolicySet Shipped = PolicyTexts.Shipped();

    [Fact]
    public void The_lint_finds_nothing() => Assert.Empty(Shipped.Lint());

    [Fact]
    public void Every_case_passes() => Assert.Empty(Shipped.RunCases().Where(result => !result.Passed).Select(result => $"{result.Case.Name}: {string.Join("; ", result.Differences)}"));

    [Fact]
    public void Every_rule_determines_a_case() => Assert.Empty(Shipped.UncoveredRules());
}
