using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What officers look at afterwards: reviews of releases, disclosures that need a second person, alerts.</summary>
internal static class OversightPages
{
    private const int PageSize = 50;

    public static void Map(PageMap map)
    {
        map.Get("/console/officer/reviews", ReviewsAsync);
        map.Get("/console/officer/reviews/{id:guid}", async visit => visit.Page<ReviewPage>(("Review", await visit.Vault.ReviewAsync(visit.Id("id"), visit.Cancellation)), ("Policy", await visit.Vault.PolicyAsync(visit.Cancellation))));
        map.Post("/console/officer/reviews/{id:guid}", DecideAsync);
        map.Post("/console/officer/approvals/{id:guid}", AgreeAsync, _ => "/console/officer/reviews");
        map.Get("/console/officer/alerts", AlertsAsync);
        map.Post("/console/officer/alerts/{id:guid}", AnswerAsync);
        map.Get("/console/me/messages", MessagesAsync);
    }

    private static async Task<IResult> ReviewsAsync(Visit visit)
    {
        var state = visit.Query("state") ?? "open";
        var reviews = visit.Vault.ReviewsAsync(state is "open" or "decided" ? state : null, state == "overdue", PageSize, visit.Query("cursor"), visit.Cancellation);
        var approvals = visit.Vault.ApprovalsAsync("requested", PageSize, null, visit.Cancellation);
        return visit.Page<ReviewsPage>(("Reviews", await reviews), ("Approvals", await approvals), ("State", state), ("Policy", await visit.Vault.PolicyAsync(visit.Cancellation)));
    }

    private static async Task<IResult> DecideAsync(Visit visit)
    {
        if (visit.Form("outcome") is not ("justified" or "unjustified") || visit.Form("words") is not { } words) return visit.Fail(400, "That could not be done", "Say whether it was justified, and why.");
        await visit.Vault.DecideReviewAsync(visit.Id("id"), new ReviewOutcome(visit.Form("outcome") == "justified", words), visit.Cancellation);
        return Results.LocalRedirect($"/console/officer/reviews/{visit.Id("id")}?said=decided");
    }

    private static async Task<IResult> AgreeAsync(Visit visit)
    {
        if (visit.Form("step") is not ("approve" or "refuse")) return visit.Fail(400, "That could not be done", "The step is unknown.");
        await visit.Vault.DecideApprovalAsync(visit.Id("id"), visit.Form("step") == "approve", visit.Cancellation);
        return Results.LocalRedirect("/console/officer/reviews?said=decided");
    }

    private static async Task<IResult> AlertsAsync(Visit visit)
    {
        var state = visit.Query("state") ?? "open";
        var page = await visit.Vault.AlertsAsync(state is "open" or "acknowledged" ? state : null, PageSize, visit.Query("cursor"), visit.Cancellation);
        return visit.Page<AlertsPage>(("Alerts", page), ("State", state));
    }

    private static async Task<IResult> AnswerAsync(Visit visit)
    {
        var id = visit.Id("id");
        if (visit.Form("step") == "release") await visit.Vault.ReleaseBrakeAsync(id, visit.Cancellation);
        else if (visit.Form("step") == "acknowledge") await visit.Vault.AcknowledgeAlertAsync(id, visit.Cancellation);
        else return visit.Fail(400, "That could not be done", "The step is unknown.");
        return Results.LocalRedirect("/console/officer/alerts?said=decided");
    }

    private static async Task<IResult> MessagesAsync(Visit visit)
    {
        var messages = visit.Vault.MyMessagesAsync(PageSize, visit.Query("cursor"), visit.Cancellation);
        return visit.Page<MessagesPage>(("Messages", await messages), ("Policy", await visit.PolicyAsync()));
    }
}
