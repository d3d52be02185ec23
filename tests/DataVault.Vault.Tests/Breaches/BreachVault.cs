using DataVault.Policy;
using DataVault.Testing;

namespace DataVault.Vault.Tests.Breaches;

/// <summary>A vault with a register of breaches, and what officers do with it.</summary>
public sealed class BreachVault : StoreVault
{
    internal static Recipient Second { get; } = new(RecipientKind.Staff, "o2", "Officer", ["compliance-officer"], ["data-subject-rights"]);

    internal BreachRegister Register => Vault.Get<BreachRegister>();

    internal BreachOpening Opening(string regime = "eu") => new("A key was stolen", [BreachWords.Confidentiality], Clock.GetUtcNow(), "Europe/Brussels")
    {
        Jurisdiction = regime,
        Description = "The key of the newsletter was found in a public repository.",
    };

    internal async Task<BreachCase> OpenAsync(string regime = "eu") => await Register.OpenAsync(Officer, Opening(regime), Guid.NewGuid(), default);

    internal Task<BreachCase> FindAsync(Guid id, BreachFindings found) => Register.FindAsync(Officer, id, found, Guid.NewGuid(), default);

    internal Task<BreachCase> AssessAsync(Guid id, string risk) => FindAsync(id, new BreachFindings { Risk = risk, RiskReasons = "What was seen, and by whom" });

    internal static BreachFindings Everything => new()
    {
        People = 137, Records = 177, Categories = ["pd:EmailAddress"], Consequences = "Unwanted messages", Measures = "The key was withdrawn", Risk = BreachWords.HighRisk, RiskReasons = "Addresses with diets",
    };

    internal Task<BreachCase> ReportAsync(Guid id, string phase, string? late = null, DateTimeOffset? at = null) =>
        Register.ReportAsync(Officer, id, new BreachReport(phase, at ?? Clock.GetUtcNow(), "en", $"The {phase} report") { LateReason = late, Reference = "APD-2026-17" }, Guid.NewGuid(), default);

    internal Task<BreachCase> DecideAsync(Guid id, string about, string outcome, string? code = null, string? published = null) =>
        Register.DecideAsync(Officer, id, new BreachDecision(about, outcome, "Weighed by two of us") { Code = code, PublicNotice = published }, Guid.NewGuid(), default);

    internal async Task<IReadOnlyList<string>> FindingsAsync() => [.. (await Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Where(finding => finding.Check == "breaches").Select(finding => finding.Message)];
}
