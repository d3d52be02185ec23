using System.Collections.Frozen;

namespace DataVault.Policy;

/// <summary>What the law keeps apart among the personal data categories of W3C DPV.</summary>
internal static class SensitiveCategories
{
    private static readonly FrozenSet<string> Special = FrozenSet.ToFrozenSet(
    [
        "pd:Health", "pd:MedicalHealth", "pd:MentalHealth", "pd:PhysicalHealth", "pd:HealthRecord", "pd:Disability", "pd:Genetic", "pd:DNACode", "pd:Biometric",
        "pd:Ethnicity", "pd:EthnicOrigin", "pd:Race", "pd:Religion", "pd:ReligiousBelief", "pd:PhilosophicalBelief", "pd:PoliticalAffiliation", "pd:PoliticalOpinion",
        "pd:TradeUnionMembership", "pd:Sexual", "pd:SexualPreference", "pd:SexualHistory",
    ], StringComparer.Ordinal);

    /// <summary>GDPR Article 9.</summary>
    public static bool IsSpecial(string category) => Special.Contains(category);

    /// <summary>GDPR Article 10. DPV counts offences among no special categories.</summary>
    public static bool IsOfOffences(string category) => category.StartsWith("pd:Criminal", StringComparison.Ordinal);
}
