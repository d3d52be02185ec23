using System.Globalization;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What officers see of consents: how many, and of one person everything that shows it.</summary>
internal static class ConsentPages
{
    public static void Map(PageMap map)
    {
        map.Get("/console/officer/consents", ShowAsync);
        map.Get("/console/officer/consents/proof", DownloadAsync);
    }

    private static async Task<IResult> ShowAsync(Visit visit)
    {
        var figures = await visit.Vault.ConsentFiguresAsync(visit.Cancellation);
        if (visit.Query("customer") is null) return visit.Page<ConsentEvidencePage>(("Figures", figures));
        return await ProofAsync(visit) is { } proof
            ? visit.Page<ConsentEvidencePage>(("Figures", figures), ("Proof", proof), ("Customer", proof.Id))
            : visit.Fail(400, "No such question", "The customer is named by their id, the instant by day and time.");
    }

    private static async Task<IResult> DownloadAsync(Visit visit) => await ProofAsync(visit) is { } proof
        ? Results.File(JsonSerializer.SerializeToUtf8Bytes(proof, VaultJson.Answers), "application/json", "consent-proof.json")
        : visit.Fail(400, "No such question", "The customer is named by their id, the instant by day and time.");

    // What is not understood must not turn into another question.
    private static async Task<ConsentProof?> ProofAsync(Visit visit)
    {
        if (!Guid.TryParse(visit.Query("customer"), out var customer) || visit.Query("purpose") is not { } purpose) return null;
        DateTimeOffset? at = null;
        if (visit.Query("at") is { } text)
        {
            if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant)) return null;
            at = instant;
        }

        return await visit.Vault.ConsentProofAsync(customer, purpose, at, visit.Cancellation);
    }
}
