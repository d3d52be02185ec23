using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>To whom data go: officers see who has still to be told of a change, and tell whom the vault does not reach.</summary>
internal static class RecipientPages
{
    private const int PageSize = 25;

    public static void Map(PageMap map)
    {
        map.Get("/console/officer/recipients", ListAsync);
        map.Post("/console/officer/recipients/{id:guid}/done", DoneAsync);
        map.Post("/console/officer/recipients/{id:guid}/waive", WaiveAsync);
    }

    private static async Task<IResult> ListAsync(Visit visit)
    {
        var notices = visit.Vault.NoticesAsync(open: visit.Query("state") != "all", limit: PageSize, cursor: visit.Query("cursor"), cancellation: visit.Cancellation);
        var recipients = visit.Vault.RecipientsAsync(visit.Cancellation);
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        return visit.Page<RecipientsPage>(("Notices", await notices), ("Recipients", await recipients), ("Policy", await policy));
    }

    private static async Task<IResult> DoneAsync(Visit visit)
    {
        await visit.Vault.NoticeDoneAsync(visit.Id("id"), visit.Cancellation);
        return Results.LocalRedirect("/console/officer/recipients?said=notice-settled");
    }

    private static async Task<IResult> WaiveAsync(Visit visit)
    {
        await visit.Vault.WaiveNoticeAsync(visit.Id("id"), visit.Form("reason") ?? "", visit.Cancellation);
        return Results.LocalRedirect("/console/officer/recipients?said=notice-settled");
    }
}
