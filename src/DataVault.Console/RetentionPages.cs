using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What officers answer for as a whole: how long what is kept, and the record of processing activities.</summary>
internal static class RetentionPages
{
    private const int Runs = 25;
    private const int UsualDays = 90;

    public static void Map(PageMap map)
    {
        map.Get("/console/officer/retention", ShowAsync);
        map.Post("/console/officer/retention/count", visit => StartAsync(visit, dry: true));
        map.Post("/console/officer/retention/sweep", visit => StartAsync(visit, dry: false));
        map.Get("/console/officer/processing", ProcessingAsync);
    }

    private static async Task<IResult> ShowAsync(Visit visit)
    {
        var state = visit.Vault.RetentionAsync(visit.Cancellation);
        var runs = visit.Vault.RetentionRunsAsync(Runs, visit.Cancellation);
        return visit.Page<RetentionPage>(("State", await state), ("Runs", (await runs).Items));
    }

    private static async Task<IResult> StartAsync(Visit visit, bool dry)
    {
        await visit.Vault.StartRetentionAsync(new StartRetention(dry), visit.Cancellation);
        return Results.LocalRedirect($"/console/officer/retention?said={(dry ? "retention-count" : "retention-sweep")}");
    }

    private static async Task<IResult> ProcessingAsync(Visit visit) =>
        visit.Page<ProcessingPage>(("Record", await visit.Vault.ProcessingRecordAsync(UsualDays, visit.Cancellation)));
}
