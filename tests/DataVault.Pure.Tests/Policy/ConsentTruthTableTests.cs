using DataVault.Policy;
using Xunit;

namespace DataVault.Pure.Tests.Policy;

/// <summary>
/// All that may be known of a person that lets a purpose be pursued or stops it, in every combination, against a table of its own making: state of the
/// consent x expiry x on whose word x legal basis x objection x restriction x child.
/// </summary>
public sealed class ConsentTruthTableTests
{
    private static readonly string[] Bases =
        ["consent", "explicit-consent", "contract", "legal-obligation", "vital-interests", "public-task", "legitimate-interests"];

    private static readonly PolicySet Policy = PolicySet.Load(Files());

    private static readonly ConsentStatus?[] States = [null, .. Enum.GetValues<ConsentStatus>().Cast<ConsentStatus?>()];

    private static readonly DateTimeOffset?[] Ends = [null, PolicyTexts.Now.AddTicks(1), PolicyTexts.Now, PolicyTexts.Now.AddDays(-1)];

    private static readonly bool?[] Ages = [null, true, false];

    [Fact]
    [Requirement("R13")]
    public void Every_combination_comes_out_as_the_table_says()
    {
        var seen = 0;
        foreach (var (basis, rule) in Bases.SelectMany(basis => new[] { (basis, rule: false), (basis, rule: true) }))
        {
            foreach (var facts in AllFacts(Policy.Purposes.Find(Name(basis, rule))!.Id))
            {
                var outcome = Policy.Decide(PolicyTexts.Application("desk", Name(basis, rule)), AccessAction.Read, Name(basis, rule), facts, "email").Outcomes()[0];
                Assert.True(Expected(basis, rule, facts) == outcome, $"{basis}, child rule {rule}: {Describe(facts)}: {outcome}");
                seen++;
            }
        }

        Assert.Equal(14 * States.Length * Ends.Length * 4 * Ages.Length * 4, seen);
    }

    [Fact]
    [Requirement("R13")]
    public void A_consent_that_a_rule_asks_for_beside_its_purpose_obeys_the_same_table()
    {
        foreach (var facts in AllFacts(Policy.Purposes.Find(Name("consent", true))!.Id))
        {
            var outcome = Policy.Decide(PolicyTexts.Application("lead", Name("vital-interests", false)), AccessAction.Read, Name("vital-interests", false), facts, "phone").Outcomes()[0];
            Assert.True(Consent(true, facts) == outcome, $"{Describe(facts)}: {outcome}");
        }
    }

    // Written from the law, not from the code: GDPR 18(2), 21(1), 7, 8.
    private static string Expected(string basis, bool rule, DecisionFacts facts)
    {
        var duty = basis is "legal-obligation" or "vital-interests";
        if (facts.Restricted && !duty) return "restricted";
        if (facts.ObjectedPurposes.Count > 0 && !duty) return "objected";
        return basis is "consent" or "explicit-consent" ? Consent(rule, facts) : "plain";
    }

    private static string Consent(bool rule, DecisionFacts facts)
    {
        if (facts.Consents.Count == 0) return "consent-missing";
        var fact = facts.Consents[0];
        if (fact.Status == ConsentStatus.Withdrawn) return "consent-withdrawn";
        if (fact.Status is not (ConsentStatus.Given or ConsentStatus.Renewed)) return "consent-missing";
        // Whom a rule asks the age of, and nobody knows it, is not taken for grown up unless the rule does so; who is known to be a child is not by any rule.
        if (rule && fact.Backing == ConsentBacking.Own && facts.Child != false) return "consent-missing";
        if (rule && fact.Backing == ConsentBacking.TakenForGrown && facts.Child == true) return "consent-missing";
        return fact.Expires is { } end && end <= PolicyTexts.Now ? "consent-expired" : "plain";
    }

    private static IEnumerable<DecisionFacts> AllFacts(int purpose) =>
        from state in States
        from end in Ends
        from backing in Enum.GetValues<ConsentBacking>()
        from child in Ages
        from objected in new[] { false, true }
        from restricted in new[] { false, true }
        select new DecisionFacts(state is { } known ? [new ConsentFact(purpose, known, end) { Backing = backing }] : [], objected ? [purpose] : [], restricted, OnHold: false) { Child = child };

    private static string Name(string basis, bool rule) => rule ? basis + "-guarded" : basis;

    private static string Describe(DecisionFacts facts) =>
        $"{string.Join(' ', facts.Consents)}, objected {facts.ObjectedPurposes.Count > 0}, restricted {facts.Restricted}, child {facts.Child}";

    private static Dictionary<string, string> Files()
    {
        var names = Bases.SelectMany(basis => new[] { Name(basis, false), Name(basis, true) }).ToList();
        var lines = names.Select((name, at) =>
            $"  {name}: {{ id: {at + 1}, title: T, basis: {name.Replace("-guarded", "", StringComparison.Ordinal)}, dpv: \"dpv:CustomerCare\", specialBasis: A9-2-a, notice: N, noticeVersion: v1{(at % 2 == 1 ? ", child: { age: 16 }" : "")} }}");
        var files = PolicyTexts.Small(
            $$"""
              - { id: reads, why: T, roles: [desk], purposes: [{{string.Join(", ", names)}}], fields: [email], actions: [read], form: plain }
              - { id: asks, why: T, roles: [lead], purposes: [vital-interests], fields: [phone], actions: [read], form: plain, when: { consent: [consent-guarded] } }
            """);
        files["purposes.yaml"] = "purposes:\n" + string.Join('\n', lines) + "\n";
        return files;
    }
}
