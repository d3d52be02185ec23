using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What models and rules decided: people see it about themselves and contest it, officers oversee it.</summary>
internal static class DecisionPages
{
    private const int PageSize = 25;

    public static void Map(PageMap map)
    {
        map.Get("/console/me/decisions", OwnAsync);
        map.Post("/console/me/decisions/{id:guid}/contest", ContestAsync);
        map.Get("/console/officer/decisions", ListAsync);
        map.Get("/console/officer/decisions/export", ExportAsync);
    }

    private static async Task<IResult> OwnAsync(Visit visit)
    {
        var decisions = visit.Vault.MyDecisionsAsync(PageSize, visit.Query("cursor"), visit.Cancellation);
        var policy = visit.PolicyAsync();
        return visit.Page<MyDecisionsPage>(("Decisions", await decisions), ("Policy", await policy));
    }

    private static async Task<IResult> ContestAsync(Visit visit)
    {
        await visit.Vault.OpenRequestAsync(new OpenRequest("contest", Note: visit.Form("note")) { Decision = visit.Id("id") }, null, visit.Cancellation);
        return Results.LocalRedirect("/console/me/requests?said=request");
    }

    private static async Task<IResult> ListAsync(Visit visit)
    {
        var decisions = visit.Vault.DecisionsAsync(Asked(visit) with { Limit = PageSize, Cursor = visit.Query("cursor") }, visit.Cancellation);
        var models = visit.Vault.ModelsAsync(visit.Cancellation);
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        return visit.Page<DecisionsPage>(("Decisions", await decisions), ("Models", await models), ("Policy", await policy));
    }

    private static async Task<IResult> ExportAsync(Visit visit) => Results.Stream(await visit.Vault.ExportDecisionsAsync(Asked(visit), visit.Cancellation), "text/csv; charset=utf-8", "decisions.csv");

    private static DecisionFilter Asked(Visit visit) => new()
    {
        Model = Said(visit, "model"), State = Said(visit, "state"), Outcome = Said(visit, "outcome"), Overdue = visit.Query("review") == "overdue",
    };

    // A form sends what is left empty too.
    private static string? Said(Visit visit, string name) => visit.Query(name) is { Length: > 0 } said ? said : null;
}
