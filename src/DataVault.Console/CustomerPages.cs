using System.Globalization;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What customers see and decide about themselves.</summary>
internal static class CustomerPages
{
    private const int PageSize = 25;

    public static void Map(PageMap map)
    {
        map.Get("/console/me", ProfileAsync);
        map.Get("/console/me/events", EventsAsync);
        map.Get("/console/me/accesses", AccessesAsync);
        map.Get("/console/me/recipients", RecipientsAsync);
        map.Get("/console/me/consents", ConsentsAsync);
        map.Post("/console/me/consents/{purpose}", SetConsentAsync);
        map.Get("/console/me/consents/{purpose}/receipt", ReceiptAsync);
        map.Get("/console/me/applications", ApplicationsAsync);
        map.Post("/console/me/applications/{id}/withdraw", WithdrawApplicationAsync);
        map.Get("/console/me/requests", RequestsAsync);
        map.Post("/console/me/requests", OpenAsync);
        map.Post("/console/me/limits/restriction", visit => LiftAsync(visit, () => visit.Vault.LiftMyRestrictionAsync(visit.Cancellation)), _ => "/console/me/requests");
        map.Post("/console/me/limits/objections/{purpose}", visit => LiftAsync(visit, () => visit.Vault.LiftMyObjectionAsync(visit.RouteText("purpose"), visit.Cancellation)), _ => "/console/me/requests");
        map.Get("/console/me/erase", visit => Task.FromResult(visit.Page<ErasePage>()));
        map.Post("/console/me/erase", EraseAsync);
        map.Post("/console/me/requests/{id:guid}/answer", AnswerAsync);
        map.Post("/console/me/requests/{id:guid}/withdraw", WithdrawAsync);
        map.Get("/console/me/requests/{id:guid}/package", PackageAsync);
        map.Get("/console/me/requests/{id:guid}/certificate", CertificateAsync);
    }

    private static async Task<IResult> ProfileAsync(Visit visit)
    {
        var profile = visit.Vault.MyProfileAsync(provenance: true, visit.Cancellation);
        var policy = visit.PolicyAsync();
        return visit.Page<ProfilePage>(("Profile", await profile), ("Policy", await policy));
    }

    private static async Task<IResult> EventsAsync(Visit visit)
    {
        var events = visit.Vault.MyEventsAsync(PageSize, visit.Query("cursor"), visit.Cancellation);
        var policy = visit.PolicyAsync();
        return visit.Page<EventsPage>(("Events", await events), ("Policy", await policy));
    }

    private static async Task<IResult> AccessesAsync(Visit visit)
    {
        var accesses = visit.Vault.MyAccessesAsync(PageSize, visit.Query("cursor"), visit.Cancellation);
        var policy = visit.PolicyAsync();
        return visit.Page<AccessesPage>(("Accesses", await accesses), ("Policy", await policy));
    }

    private static async Task<IResult> RecipientsAsync(Visit visit)
    {
        var disclosures = visit.Vault.MyDisclosuresAsync(visit.Cancellation);
        var notices = visit.Vault.MyNoticesAsync(PageSize, visit.Query("cursor"), visit.Cancellation);
        var policy = visit.PolicyAsync();
        return visit.Page<MyRecipientsPage>(("Disclosures", (await disclosures).Items), ("Notices", await notices), ("Policy", await policy));
    }

    private static async Task<IResult> ApplicationsAsync(Visit visit) =>
        visit.Page<MyApplicationsPage>(("Applications", await visit.Vault.MyApplicationsAsync(visit.Cancellation)));

    private static async Task<IResult> WithdrawApplicationAsync(Visit visit)
    {
        await visit.Vault.WithdrawMyApplicationAsync(visit.RouteText("id"), visit.Cancellation);
        return Results.LocalRedirect("/console/me/applications?said=application");
    }

    private static async Task<IResult> ConsentsAsync(Visit visit)
    {
        var consents = visit.Vault.MyConsentsAsync(visit.Cancellation);
        var policy = visit.PolicyAsync();
        return visit.Page<ConsentsPage>(("Consents", await consents), ("Policy", await policy), ("Languages", visit.Languages), ("Chosen", visit.Query("language")));
    }

    private static async Task<IResult> SetConsentAsync(Visit visit)
    {
        var act = new SetConsent(visit.Form("state") ?? "", visit.Form("notice"), "console")
        {
            Language = visit.Form("language"), LiftsObjection = visit.Form("lifts") == "yes" ? true : null,
        };
        await visit.Vault.SetMyConsentAsync((string)visit.Http.Request.RouteValues["purpose"]!, act, visit.Cancellation);
        var chosen = visit.Form("chosen") is { } language ? "&language=" + Uri.EscapeDataString(language) : "";
        return Results.LocalRedirect("/console/me/consents?said=consent" + chosen);
    }

    private static async Task<IResult> ReceiptAsync(Visit visit)
    {
        var purpose = (string)visit.Http.Request.RouteValues["purpose"]!;
        var entry = long.TryParse(visit.Query("entry"), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : (long?)null;
        var receipt = await visit.Vault.MyConsentReceiptAsync(purpose, entry, visit.Cancellation);
        return Results.File(System.Text.Encoding.UTF8.GetBytes(receipt), "application/ld+json", "consent-receipt.json");
    }

    private static async Task<IResult> RequestsAsync(Visit visit)
    {
        var requests = visit.Vault.MyRequestsAsync(PageSize, visit.Query("cursor"), visit.Cancellation);
        var limits = visit.Vault.MyConsentsAsync(visit.Cancellation);
        var policy = visit.PolicyAsync();
        var asked = new Dictionary<Guid, IReadOnlyList<RequestRemark>>();
        foreach (var request in (await requests).Items.Where(MyRequestsPage.IsAsked)) asked[request.Id] = await visit.Vault.RequestNotesAsync(request.Id, visit.Cancellation);
        return visit.Page<MyRequestsPage>(("Requests", await requests), ("Limits", await limits), ("Notes", asked), ("Policy", await policy));
    }

    private static async Task<IResult> AnswerAsync(Visit visit)
    {
        await visit.Vault.DecideAsync(visit.Id("id"), RequestStep.Answer, new DecideRequest(visit.Form("cause"), visit.Form("note")), visit.Cancellation);
        return Results.LocalRedirect("/console/me/requests?said=answered");
    }

    private static async Task<IResult> LiftAsync(Visit visit, Func<Task> lift)
    {
        await lift();
        return Results.LocalRedirect("/console/me/requests?said=lifted");
    }

    private static async Task<IResult> OpenAsync(Visit visit)
    {
        // Of an objection the person chooses what it is to: nothing is objected to by the way.
        var purposes = visit.Form("kind") == "objection" ? visit.FormValues("purposes") : null;
        await visit.Vault.OpenRequestAsync(new OpenRequest(visit.Form("kind") ?? "", Note: visit.Form("note")) { Language = visit.Tongue.Tag, Purposes = purposes }, null, visit.Cancellation);
        return Results.LocalRedirect("/console/me/requests?said=request");
    }

    private static async Task<IResult> EraseAsync(Visit visit)
    {
        if (visit.Form("understood") != "yes") return visit.Page<ErasePage>(("NotUnderstood", true));
        await visit.Vault.OpenRequestAsync(new OpenRequest("erasure", Note: visit.Form("note")) { Language = visit.Tongue.Tag }, null, visit.Cancellation);
        return Results.LocalRedirect("/console/me/requests?said=erasure");
    }

    private static async Task<IResult> WithdrawAsync(Visit visit)
    {
        await visit.Vault.DecideAsync(visit.Id("id"), RequestStep.Withdraw, new DecideRequest(), visit.Cancellation);
        return Results.LocalRedirect("/console/me/requests?said=withdrawn");
    }

    // The package comes once and only after a fresh sign-in: when the vault asks for one, the person is sent there and comes back.
    private static async Task<IResult> PackageAsync(Visit visit)
    {
        try
        {
            return Results.Stream(await visit.Vault.PackageAsync(visit.Id("id"), visit.Cancellation), "application/zip", "my-data.zip");
        }
        catch (VaultProblemException e) when (e.StatusCode == System.Net.HttpStatusCode.Forbidden && visit.Query("again") is null)
        {
            var back = Uri.EscapeDataString($"{visit.Path}?again=done");
            return Results.LocalRedirect($"/console/sign-in?again=true&returnTo={back}");
        }
    }

    private static async Task<IResult> CertificateAsync(Visit visit) =>
        Results.Text(await visit.Vault.CertificateAsync(visit.Id("id"), visit.Cancellation), "text/plain; charset=utf-8");
}
