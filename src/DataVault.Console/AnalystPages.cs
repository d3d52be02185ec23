using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What analysts see: groups above the minimum cohort, never a person.</summary>
internal static class AnalystPages
{
    public static IReadOnlyList<(string Name, string Title)> Measures { get; } = [("purchases", "Purchases"), ("revenue", "Revenue"), ("interactions", "Interactions")];

    public static void Map(PageMap map) => map.Get("/console/analyst", ChartsAsync);

    private static async Task<IResult> ChartsAsync(Visit visit)
    {
        var domains = await visit.Vault.DomainsAsync(visit.Cancellation);
        if ((domains.FirstOrDefault(d => d.Name == visit.Query("domain")) ?? (domains.Count > 0 ? domains[0] : null)) is not { } domain)
            return visit.Fail(404, "There is nothing to analyse", "No analytics domain is defined for your role.");
        var by = new[] { visit.Query("by"), visit.Query("and") }.OfType<string>().Where(domain.Dimensions.Contains).Distinct().ToList();
        if (by.Count == 0 && domain.Dimensions.Count > 0) by.Add(domain.Dimensions[0]);
        var measure = Measures.FirstOrDefault(m => m.Name == visit.Query("measure")) is { Name: not null } chosen ? chosen.Name : Measures[0].Name;
        var segments = visit.Vault.SegmentsAsync(domain.Name, by, visit.Cancellation);
        var series = visit.Vault.SeriesAsync(domain.Name, measure, "month", visit.Cancellation);
        return visit.Page<AnalystPage>(("Domains", domains), ("Domain", domain), ("By", by), ("Segments", await segments), ("Series", await series));
    }
}
