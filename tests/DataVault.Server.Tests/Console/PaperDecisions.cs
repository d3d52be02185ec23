using DataVault.Client.Wire;

namespace DataVault.Server.Tests.Console;

/// <summary>What a vault answers of automated decisions, made up.</summary>
internal static class PaperDecisions
{
    private static readonly Guid s_customer = Guid.Parse("01980c5e-5c1b-7a64-9d2a-0f4b1f3c9e01");
    private static readonly DateTimeOffset s_then = new(2026, 3, 3, 9, 30, 0, TimeSpan.Zero);

    public static object? Answer(string path, bool empty) => path switch
    {
        "/v1/policy/automated" => new ModelRegister("7d3dba45", [Model()], [new("eu", "GDPR Article 22", ["human-review", "contest"])]),
        "/v1/decisions" => Page(empty, Decided(1, "contested") with { Overdue = true, ReviewBy = s_then, Request = s_customer }, Decided(2, "recorded") with { Damage = "changed", Outcome = null }),
        "/v1/me/decisions" => Page(empty, Decided(1, "recorded"), Decided(2, "contested") with { ReviewBy = s_then }, Reviewed()),
        _ => null,
    };

    private static Page<AutomatedDecision> Page(bool empty, params AutomatedDecision[] all) => new(empty ? [] : all, empty ? null : "more");

    private static ModelView Model() => new("invoice-limit", "decision", "billing", "dpv:AutomatedDecisionMaking")
    {
        Title = Said("Limit for buying on account"), Logic = Said("A rule adds up what you <b>bought</b>."), Consequences = Said("Without a limit you pay when you order."), Versions = ["2026-1"],
        Roles = ["customer-support"], Inputs = ["paymentPreference", "event:payment"], Categories = ["pd:Preference"], Derives = ["creditLimit"],
        Outcomes = [new("approved", Said("You may buy on account")), new("declined", Said("You cannot buy on account"))], Factors = [new("late-payments", Said("Late payments"))],
        Solely = true, Significant = true, Ground = new("contract", "General terms, section 7", null, "eu-gdpr:A22-2-a"), Reviewers = ["compliance-officer"], Operators = ["customer-support"],
        ReviewDays = 14, Assessment = "DPIA-2026-06", Owner = "Accounts receivable", Contact = "receivables@example.com", KeptMonths = 36,
    };

    private static Dictionary<string, string> Said(string english) => new[] { "en", "de", "fr", "zh" }.ToDictionary(language => language, language => language == "en" ? english : $"{language}-{english.Length}");

    private static AutomatedDecision Decided(int number, string state) =>
        new(new Guid(number, 7, 7, new byte[8]), s_customer, "invoice-limit", "2026-1", "credit-check", state, s_then, s_then)
        {
            Declared = Model(), Outcome = "declined", Standing = "declined", Score = 431.5m, Inputs = ["paymentPreference", "event:payment"], Factors = ["late-payments"], ChangedAt = s_then, Index = 48213,
        };

    private static AutomatedDecision Reviewed() => Decided(3, "changed") with { Standing = "approved", Review = new("decision-changed", "approved", "<b>1</b>, 2, 3", s_then) };
}
