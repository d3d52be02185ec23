using System.Globalization;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>Legal holds: officers see them, place them field by field, and release them.</summary>
internal static class HoldPages
{
    private const int PageSize = 25;
    private static readonly char[] s_between = [' ', ',', ';', '\r', '\n', '\t'];

    public static void Map(PageMap map)
    {
        map.Get("/console/officer/holds", ListAsync);
        map.Get("/console/officer/holds/place", async visit => visit.Page<PlaceHoldPage>(("Policy", await visit.Vault.PolicyAsync(visit.Cancellation))));
        map.Post("/console/officer/holds/place", PlaceAsync);
        map.Post("/console/officer/holds/{id:guid}/release", ReleaseAsync);
    }

    private static async Task<IResult> ListAsync(Visit visit)
    {
        var named = visit.Query("customer");
        if (named is not null && !Guid.TryParse(named, out _)) return visit.Fail(400, "No such search", "The customer is named by their id.");
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        var state = visit.Query("state");
        var page = visit.Vault.HoldsAsync(
            state is "open" or "ended" ? state : null, state == "overdue", named is null ? null : Guid.Parse(named), PageSize, visit.Query("cursor"), visit.Cancellation);
        return visit.Page<HoldsPage>(("Holds", await page), ("Policy", await policy));
    }

    private static async Task<IResult> PlaceAsync(Visit visit)
    {
        try
        {
            await visit.Vault.PlaceHoldAsync(Asked(visit), visit.Cancellation);
            return Results.LocalRedirect("/console/officer/holds?said=hold-placed");
        }
        catch (FormatException e)
        {
            return await AgainAsync(visit, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (VaultProblemException e) when (e.Problem.Slug is "invalid-fields" or "invalid-state")
        {
            return await AgainAsync(visit, (int)e.StatusCode, Words.Explain(e.Problem));
        }
        catch (VaultProblemException e) when (e.Problem.Slug == "not-found")
        {
            return await AgainAsync(visit, (int)e.StatusCode, "One of these customers is not there, or is erased already. Nothing was placed.");
        }
    }

    private static async Task<IResult> ReleaseAsync(Visit visit)
    {
        await visit.Vault.ReleaseHoldAsync(visit.Id("id"), visit.Form("reason"), visit.Cancellation);
        return Results.LocalRedirect("/console/officer/holds?said=hold-released");
    }

    // What was typed is shown again: nobody types a list of customers twice.
    private static async Task<IResult> AgainAsync(Visit visit, int status, string problem) =>
        visit.Page<PlaceHoldPage>(status, ("Policy", await visit.Vault.PolicyAsync(visit.Cancellation)), ("Problem", problem));

    // Nothing ticked means everything to the vault. Here it must be meant, and not be what is left of a form that was half filled in.
    private static PlaceHold Asked(Visit visit)
    {
        var items = visit.FormValues("items");
        var everything = visit.Form("scope") == "everything";
        if (everything && items.Length > 0) throw new FormatException("Hold everything, or only what is ticked: not both.");
        if (!everything && items.Length == 0) throw new FormatException("Tick what is to be held, or choose everything.");
        return new PlaceHold(
            [.. (visit.Form("customers") ?? "").Split(s_between, StringSplitOptions.RemoveEmptyEntries).Select(Customer)], visit.Form("authority") ?? "", visit.Form("case") ?? "",
            Day(visit, "review") ?? throw new FormatException("Say when the hold is to be looked at again."), items, visit.FormValues("purposes"), Day(visit, "expires"));
    }

    private static Guid Customer(string text) => Guid.TryParse(text, out var id) ? id : throw new FormatException("A customer is named by their id, one a line.");

    private static DateTimeOffset? Day(Visit visit, string name) => visit.Form(name) is not { } text ? null
        : DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero)
        : throw new FormatException("A day is written as 2031-03-31.");
}
