using Microsoft.AspNetCore.Http;
using DataVault.Console.Pages;

namespace DataVault.Console;

/// <summary>Letters: to read for whom they are to, to post for officers.</summary>
internal static class LetterPages
{
    private const int PageSize = 50;

    public static void Map(PageMap map)
    {
        map.Get("/console/me/letters/{id:guid}", async visit => visit.Page<LetterPage>(("Letter", await visit.Vault.LetterAsync(visit.Id("id"), visit.Cancellation))));
        map.Get("/console/officer/letters", async visit => visit.Page<LettersPage>(("Letters", await visit.Vault.LettersToPostAsync(PageSize, visit.Query("cursor"), visit.Cancellation))));
        map.Get("/console/officer/letters/{id:guid}", ShowAsync);
        map.Post("/console/officer/letters/{id:guid}", PostedAsync);
    }

    private static async Task<IResult> ShowAsync(Visit visit) =>
        visit.Page<LetterPage>(("Letter", await visit.Vault.LetterAsync(visit.Id("id"), visit.Cancellation)), ("Officer", true));

    private static async Task<IResult> PostedAsync(Visit visit)
    {
        await visit.Vault.LetterPostedAsync(visit.Id("id"), visit.Cancellation);
        return Results.LocalRedirect("/console/officer/letters?said=decided");
    }
}
