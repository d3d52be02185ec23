using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>The officer's one screen, and what its figures count.</summary>
internal static class DeskPages
{
    private const int PageSize = 50;
    private const string Csv = "text/csv; charset=utf-8";

    public static void Map(PageMap map)
    {
        map.Get("/console/officer/desk", async visit => visit.Page<DeskPage>(("Desk", await visit.Vault.DeskAsync(visit.Cancellation))));
        map.Get("/console/officer/desk/export", async visit => Results.Stream(await visit.Vault.ExportDeskAsync(visit.Cancellation), Csv, "desk.csv"));
        map.Get("/console/officer/desk/{tile}/{figure}", ListAsync);
        map.Get("/console/officer/desk/{tile}/{figure}/export", ExportAsync);
    }

    private static async Task<IResult> ListAsync(Visit visit)
    {
        var list = await visit.Vault.DeskListAsync(visit.RouteText("tile"), visit.RouteText("figure"), visit.Query("of"), PageSize, visit.Query("cursor"), visit.Cancellation);
        return visit.Page<DeskListPage>(("List", list));
    }

    private static async Task<IResult> ExportAsync(Visit visit)
    {
        var (tile, figure) = (visit.RouteText("tile"), visit.RouteText("figure"));
        return Results.Stream(await visit.Vault.ExportDeskListAsync(tile, figure, visit.Query("of"), visit.Cancellation), Csv, $"{tile}-{figure}.csv");
    }
}
