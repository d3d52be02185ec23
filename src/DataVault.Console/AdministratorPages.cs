using System.Globalization;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What administrators do. None of it reads a customer.</summary>
internal static class AdministratorPages
{
    public static void Map(PageMap map)
    {
        map.Get("/console/admin", StatusAsync);
        map.Get("/console/admin/clients", ClientsAsync);
        map.Post("/console/admin/clients", RegisterAsync);
        map.Post("/console/admin/clients/{id}/secret", RotateAsync);
        map.Post("/console/admin/clients/{id}/remove", RemoveAsync);
        map.Get("/console/admin/accounts", AccountsAsync);
        map.Post("/console/admin/accounts", InviteAsync);
        map.Post("/console/admin/accounts/act", ActAsync);
        map.Post("/console/admin/accounts/customer", InviteCustomerAsync);
        map.Post("/console/admin/accounts/recover", RecoverAsync);
        map.Post("/console/admin/accounts/recoveries/{id:guid}/stop", StopAsync);
    }

    private static async Task<IResult> StatusAsync(Visit visit) => visit.Page<StatusPage>(("Status", await visit.Vault.StatusAsync(visit.Cancellation)));

    private static async Task<IResult> ClientsAsync(Visit visit)
    {
        var clients = visit.Vault.ClientsAsync(visit.Cancellation);
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        return visit.Page<ClientsPage>(("Clients", await clients), ("Policy", await policy));
    }

    // The secret is in this one answer and nowhere else, so the answer is a page and not a redirect.
    private static async Task<IResult> RegisterAsync(Visit visit)
    {
        var wanted = new RegisterClient(visit.Form("id") ?? "", visit.Form("name") ?? "", visit.FormValues("roles"), visit.FormValues("purposes"))
        {
            AllowedNetworks = visit.Form("networks")?.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries),
            ExpiresAt = Expiry(visit.Form("expires")),
            Contact = visit.Form("contact"),
        };
        var made = await visit.Vault.RegisterClientAsync(wanted, visit.Cancellation);
        return visit.Page<OncePage>(
            ("Title", "Application registered"), ("Name", made.Client.Id), ("Label", "Client secret"), ("Secret", made.Secret!), ("Back", "/console/admin/clients"));
    }

    private static async Task<IResult> RotateAsync(Visit visit)
    {
        var id = visit.RouteText("id");
        var made = await visit.Vault.RotateClientSecretAsync(id, visit.Cancellation);
        return visit.Page<OncePage>(
            ("Title", "Another secret; the former one works for another day"), ("Name", id), ("Label", "Client secret"), ("Secret", made.Secret), ("Back", "/console/admin/clients"));
    }

    private static async Task<IResult> RemoveAsync(Visit visit)
    {
        await visit.Vault.RemoveClientAsync(visit.RouteText("id"), visit.Cancellation);
        return Results.LocalRedirect("/console/admin/clients");
    }

    private static DateTimeOffset? Expiry(string? day) =>
        DateTimeOffset.TryParseExact(day, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    private static async Task<IResult> AccountsAsync(Visit visit) =>
        visit.Page<AccountsPage>(
            ("Policy", await visit.Vault.PolicyAsync(visit.Cancellation)), ("Accounts", await visit.Vault.AccountsAsync(visit.Cancellation)),
            ("Recoveries", await visit.Vault.RecoveriesAsync(visit.Cancellation)));

    private static async Task<IResult> InviteCustomerAsync(Visit visit)
    {
        if (!Guid.TryParse(visit.Form("customer"), out var customer)) return Results.BadRequest();
        await visit.Vault.InviteCustomerAsync(customer, visit.Cancellation);
        return Results.LocalRedirect("/console/admin/accounts?said=decided");
    }

    private static async Task<IResult> RecoverAsync(Visit visit)
    {
        if (!Guid.TryParse(visit.Form("customer"), out var customer)) return Results.BadRequest();
        await visit.Vault.BeginRecoveryAsync(new BeginRecovery(customer, visit.Form("method") ?? ""), visit.Cancellation);
        return Results.LocalRedirect("/console/admin/accounts?said=decided");
    }

    private static async Task<IResult> StopAsync(Visit visit)
    {
        await visit.Vault.StopRecoveryAsync(visit.Id("id"), visit.Cancellation);
        return Results.LocalRedirect("/console/admin/accounts?said=decided");
    }

    // By the button of a row, or by an address.
    private static async Task<IResult> ActAsync(Visit visit)
    {
        var id = Guid.TryParse(visit.Form("account"), out var given) ? given : (await visit.Vault.FindAccountAsync(visit.Form("email") ?? "", visit.Cancellation)).Id;
        if (visit.Form("act") is not ("password-reset" or "second-factor-reset" or "disable" or "enable" or "sign-out")) return Results.BadRequest();
        var done = await visit.Vault.ActOnAccountAsync(id, visit.Form("act")!, visit.Cancellation);
        return done.OneTimePassword is { } once
            ? visit.Page<OncePage>(("Title", "Another password"), ("Name", done.Id.ToString("D")), ("Label", "One-time password"), ("Secret", once), ("Back", "/console/admin/accounts"))
            : Results.LocalRedirect("/console/admin/accounts?said=decided");
    }

    private static async Task<IResult> InviteAsync(Visit visit)
    {
        var customer = Guid.TryParse(visit.Form("customer"), out var id) ? id : (Guid?)null;
        var made = await visit.Vault.CreateAccountAsync(new CreateAccount(visit.Form("email") ?? "", visit.Form("role") ?? "", customer), visit.Cancellation);
        return visit.Page<OncePage>(
            ("Title", "Account made"), ("Name", made.Role), ("Label", "One-time password"), ("Secret", made.OneTimePassword), ("Back", "/console/admin/accounts"));
    }
}
