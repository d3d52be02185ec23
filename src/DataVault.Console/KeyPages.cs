using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>How old the keys are and what is due, for administrators and officers; their rotation, for administrators.</summary>
internal static class KeyPages
{
    private const int Rotations = 25;

    public static void Map(PageMap map)
    {
        map.Get("/console/keys", StatusAsync);
        map.Get("/console/keys/rotate/{level}", AskAsync);
        map.Post("/console/keys/rotate/{level}", StartAsync);
        map.Get("/console/keys/rotations/{id:guid}/{act}", AskMoveAsync);
        map.Post("/console/keys/rotations/{id:guid}/{act}", MoveAsync);
    }

    private static async Task<IResult> StatusAsync(Visit visit)
    {
        var keys = visit.Vault.KeysAsync(visit.Cancellation);
        var rotations = visit.Vault.RotationsAsync(Rotations, visit.Cancellation);
        return visit.Page<KeysPage>(("Keys", await keys), ("Rotations", (await rotations).Items));
    }

    private static async Task<IResult> AskAsync(Visit visit)
    {
        var level = Text(visit, "level");
        IReadOnlyList<IndexView> indexes = level == "index" ? (await visit.Vault.IndexesAsync(visit.Cancellation)).Indexes : [];
        return visit.Page<RotatePage>(("Level", level), ("Indexes", indexes));
    }

    private static async Task<IResult> StartAsync(Visit visit)
    {
        await visit.Vault.StartRotationAsync(new StartRotation(Text(visit, "level"), visit.Form("index")), visit.Cancellation);
        return Results.LocalRedirect("/console/keys?said=rotation");
    }

    private static async Task<IResult> AskMoveAsync(Visit visit) =>
        Text(visit, "act") is "pause" or "resume"
            ? visit.Page<RotationPage>(("Rotation", await visit.Vault.RotationAsync(visit.Id("id"), visit.Cancellation)), ("Act", Text(visit, "act")))
            : visit.Fail(404, "There is no such page", null);

    private static async Task<IResult> MoveAsync(Visit visit)
    {
        var id = visit.Id("id");
        switch (Text(visit, "act"))
        {
            case "pause":
                await visit.Vault.PauseRotationAsync(id, visit.Cancellation);
                return Results.LocalRedirect("/console/keys?said=paused");
            case "resume":
                await visit.Vault.ResumeRotationAsync(id, visit.Cancellation);
                return Results.LocalRedirect("/console/keys?said=resumed");
            default:
                return visit.Fail(404, "There is no such page", null);
        }
    }

    private static string Text(Visit visit, string name) => (string)visit.Http.Request.RouteValues[name]!;
}
