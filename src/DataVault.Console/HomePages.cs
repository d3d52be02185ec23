using System.Globalization;
using System.Text;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>The way in, and what every signed-in person may see.</summary>
internal static class HomePages
{
    private static readonly (string Role, string Address)[] s_homes =
    [
        ("customer", "/console/me"), ("compliance-officer", "/console/officer/desk"), ("analyst", "/console/analyst"), ("administrator", "/console/admin"),
    ];

    public static Task<IResult> HomeAsync(Visit visit)
    {
        var home = s_homes.FirstOrDefault(h => visit.Is(h.Role)).Address;
        return Task.FromResult(home is null ? visit.Page<Home>() : Results.LocalRedirect(home));
    }

    public static Task<IResult> SignedOutAsync(Visit visit) => Task.FromResult(visit.Page<Home>(("SignedOut", visit.Name is null)));

    public static Task<IResult> NothingHereAsync(Visit visit) => Task.FromResult(visit.FailAs(404, "no-page"));

    public static async Task<IResult> ProofAsync(Visit visit)
    {
        var proof = await visit.Vault.ProofAsync(Index(visit), visit.Cancellation);
        return visit.Page<ProofPage>(("Proof", proof), ("Entry", await EntryAsync(visit, proof.Index)));
    }

    public static async Task<IResult> ProofFileAsync(Visit visit)
    {
        var proof = await visit.Vault.ProofAsync(Index(visit), visit.Cancellation);
        return Results.File(Encoding.UTF8.GetBytes(proof.Proof), "text/plain; charset=utf-8", $"entry-{proof.Index.ToString(CultureInfo.InvariantCulture)}.tlog-proof");
    }

    private static long Index(Visit visit) => long.Parse((string)visit.Http.Request.RouteValues["index"]!, CultureInfo.InvariantCulture);

    // The log is searched by time; the link that leads here carries the entry's.
    private static async Task<AuditEntryView?> EntryAsync(Visit visit, long index)
    {
        if (!visit.Is("compliance-officer") || !DateTimeOffset.TryParse(visit.Query("at"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)) return null;
        var around = new AuditFilter { From = at.AddSeconds(-1), To = at.AddSeconds(1), Limit = 1000 };
        return (await visit.Vault.AuditEntriesAsync(around, visit.Cancellation)).Items.FirstOrDefault(e => e.Index == index);
    }
}
