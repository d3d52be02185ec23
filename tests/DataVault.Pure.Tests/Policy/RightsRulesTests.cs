using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

public sealed class RightsRulesTests
{
    private const string Good = """
        methods:
          signed-in: { title: Signed in, level: substantial }
          paper: { title: Paper, level: high, attempts: 2 }
        needs: { access: high, portability: high, rectification: low, erasure: substantial, restriction: none, objection: low, contest: low }
        questions: { identity: { days: 10, expires: true } }
        secondOfficer:
          far: { title: Far, kinds: [erasure], brands: [acme], eventsOver: 5, below: high }
        """;

    [Fact]
    [Requirement("R34")]
    public void Levels_and_needs_are_what_the_file_says()
    {
        var rules = Load(Good).Rights;
        Assert.Equal((Assurance.High, 2, 3), (rules.Method("paper")!.Level, rules.Method("paper")!.Attempts, rules.Method("signed-in")!.Attempts));
        Assert.Equal((Assurance.High, Assurance.None, Assurance.Substantial), (rules.Needed("access"), rules.Needed("restriction"), rules.Needed("erasure")));
        Assert.Equal((10, true), (rules.Question("identity").Days, rules.Question("identity").Expires));
        Assert.False(rules.Question("fee").Expires);
        Assert.Empty(PolicyTexts.Load("").Rights.Methods);
    }

    [Theory]
    [InlineData("level: high", "level: absolute", 3, "level is absolute")]
    [InlineData("access: high, ", "", 4, "access is missing")]
    [InlineData("level: high", "level: low", 4, "no method gives the level that access needs")]
    [InlineData("{ identity: {", "{ mood: {", 5, "unknown key mood")]
    [InlineData("kinds: [erasure]", "kinds: [oblivion]", 7, "kinds names oblivion")]
    [InlineData("brands: [acme]", "brands: [acne]", 7, "brands names acne")]
    [InlineData("brands: [acme]", "methods: [passport]", 7, "methods names passport")]
    [InlineData("attempts: 2", "attempts: 0", 3, "attempts must be a whole number")]
    public void What_is_wrong_is_refused_with_its_line(string good, string bad, int line, string message)
    {
        Assert.Contains(good, Good, StringComparison.Ordinal);
        var problems = Assert.Throws<PolicyException>(() => Load(Good.Replace(good, bad, StringComparison.Ordinal))).Problems;
        Assert.Contains(problems, problem => problem.File == "rights.yaml" && problem.Line == line && problem.Message.Contains(message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("brands: [acme], eventsOver: 5, below: high", "title: Far, kinds: [erasure]", "names no condition but the kind")]
    [InlineData("below: high", "below: substantial", "can never hold")]
    public void What_is_surely_not_meant_is_found(string good, string changed, string finding)
    {
        var text = changed.StartsWith("title", StringComparison.Ordinal) ? Good.Replace("title: Far, kinds: [erasure], " + good, changed, StringComparison.Ordinal) : Good.Replace(good, changed, StringComparison.Ordinal);
        Assert.Contains(Load(text).Lint(), problem => problem.File == "rights.yaml" && problem.Message.Contains(finding, StringComparison.Ordinal));
    }

    /// <summary>Each condition alone decides whether a rule that names it applies, and a rule applies only when all do.</summary>
    [Fact]
    public void A_rule_applies_when_every_condition_of_it_holds()
    {
        var request = new RequestTraits("erasure", "officer", Assurance.Substantial, new SubjectTraits("eu", "eu", "acme", null))
        {
            Methods = ["paper"], VerifiedAgo = TimeSpan.FromDays(10), Special = true, Events = 100, Relations = ["assigned-agent"],
        };
        var all = new SecondOfficerRule("all", "All")
        {
            Kinds = ["erasure"], OpenedBy = ["officer"], Brands = ["acme"], Jurisdictions = ["eu"], Relations = ["assigned-agent"], Methods = ["paper"], Special = true, Below = Assurance.High,
            EventsOver = 99, VerifiedDaysAgo = 9,
        };
        Assert.True(all.Applies(request));
        Assert.True(all.Applies(request with { VerifiedAgo = null }));
        Assert.All(
            new[]
            {
                request with { Kind = "access" }, request with { OpenedBy = "customer" }, request with { Traits = SubjectTraits.None }, request with { Relations = [] }, request with { Methods = [] },
                request with { Special = false }, request with { Assurance = Assurance.High }, request with { Events = 99 }, request with { VerifiedAgo = TimeSpan.FromDays(9) },
            },
            other => Assert.False(all.Applies(other)));
    }

    [Theory]
    [InlineData("holidays: [2026-12-25]", "stops: [mood]", "mood stops no clock")]
    [InlineData("holidays: [2026-12-25]", "pausesBind: true", "pausesBind without stops")]
    [InlineData("holidays: [2026-12-25]", "escalations: [90, 50]", "50 is not a percentage")]
    [InlineData("holidays: [2026-12-25]", "earlier: 11", "earlier must be a whole number")]
    public void A_clock_that_cannot_be_is_refused(string good, string bad, string message)
    {
        var files = PolicyTexts.Small("");
        files["jurisdictions.yaml"] = files["jurisdictions.yaml"].Replace(good, bad, StringComparison.Ordinal);
        Assert.Contains(Assert.Throws<PolicyException>(() => PolicySet.Load(files)).Problems, problem => problem.Message.Contains(message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_receipt_that_is_acknowledged_after_the_answer_is_found()
    {
        var files = PolicyTexts.Small("");
        files["jurisdictions.yaml"] = files["jurisdictions.yaml"].Replace("holidays: [2026-12-25]", "acknowledge: 90", StringComparison.Ordinal);
        Assert.Contains(PolicySet.Load(files).Lint(), problem => problem.Message == "eu acknowledges receipt after the answer is due");
    }

    private static PolicySet Load(string rights)
    {
        var files = PolicyTexts.Small("");
        files["rights.yaml"] = rights;
        return PolicySet.Load(files);
    }
}
