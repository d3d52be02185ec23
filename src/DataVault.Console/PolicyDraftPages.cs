using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>
/// A draft of the policy, questioned before anybody puts it in force: files of the version in force, some of them in the words that an officer pastes or uploads.
/// The draft lives in the form alone; nothing of it is kept.
/// </summary>
internal static class PolicyDraftPages
{
    private const int DiffSize = 100;
    private const int NewestSize = 20;
    private const int UsualDays = 30;
    private const int LongestDays = 3_650;
    private const int LongestFile = 1_000_000;

    public static void Map(PageMap map)
    {
        map.Get("/console/policy/draft", EditAsync);
        map.Post("/console/policy/draft", AskAsync);
        map.Get("/console/policy/replay", ReplayAsync);
    }

    private static async Task<IResult> EditAsync(Visit visit)
    {
        var now = await InForceAsync(visit);
        if (now is null) return visit.Page<PolicyVersionsPage>(("Versions", new Page<PolicyVersionView>([], null)));
        var file = visit.Query("file");
        return visit.Page<PolicyDraftPage>(("Files", now.Keys), ("File", file), ("Text", file is null ? null : now.GetValueOrDefault(file)));
    }

    private static async Task<IResult> AskAsync(Visit visit)
    {
        var now = await InForceAsync(visit);
        if (now is null) return visit.Page<PolicyVersionsPage>(("Versions", new Page<PolicyVersionView>([], null)));
        var changed = await ChangedAsync(visit);
        if (changed.Count == 0) return visit.Fail(400, "Nothing to compare", "Choose a file, and paste or upload what it would say.", "/console/policy/draft");
        var files = new Dictionary<string, string>(now);
        foreach (var (name, text) in changed) files[name] = text;
        if (visit.Form("step") == "replay") return await ReplayAsync(visit, new ReplayRequest(SinceOf(visit, visit.Form("days")), files));
        // Whoever may only read the policy compares; what stands in the way of an activation is for whoever may activate.
        var outcome = visit.Is("compliance-officer") ? await visit.Vault.ActivatePolicyAsync(new ActivatePolicy(files, DryRun: true), visit.Cancellation) : null;
        var diff = outcome is { Version: null } ? null : await visit.Vault.DiffPoliciesAsync(new DiffRequest(Files: files, Limit: DiffSize), visit.Cancellation);
        return visit.Page<PolicyDraftPage>(("Files", files.Keys), ("Changed", changed), ("Outcome", outcome), ("Diff", diff));
    }

    private static Task<IResult> ReplayAsync(Visit visit) => visit.Query("version") is { } version
        ? ReplayAsync(visit, new ReplayRequest(SinceOf(visit, visit.Query("days")), Version: version))
        : Task.FromResult(visit.Fail(400, "No such version", "Choose one from the list of versions, or question a draft.", "/console/policy/versions"));

    private static async Task<IResult> ReplayAsync(Visit visit, ReplayRequest question) =>
        visit.Page<PolicyReplayPage>(("Report", await visit.Vault.ReplayPolicyAsync(question, visit.Cancellation)));

    private static DateTimeOffset SinceOf(Visit visit, string? days) =>
        visit.Now.AddDays(-(int.TryParse(days, out var count) ? Math.Clamp(count, 1, LongestDays) : UsualDays));

    /// <summary>What the draft had when the form was shown, and the file that is pasted or uploaded with it now.</summary>
    private static async Task<Dictionary<string, string>> ChangedAsync(Visit visit)
    {
        var changed = visit.FormValues("changed").Zip(visit.FormValues("with")).ToDictionary(pair => pair.First, pair => pair.Second);
        var name = visit.Form("other") ?? visit.Form("file");
        if (name is not null && await TextAsync(visit) is { Length: > 0 } text) changed[name] = text;
        return changed;
    }

    private static async Task<string?> TextAsync(Visit visit)
    {
        if (visit.Http.Request.Form.Files.FirstOrDefault(file => file.Length is > 0 and <= LongestFile) is not { } upload) return visit.FormValues("text").FirstOrDefault();
        using var reader = new StreamReader(upload.OpenReadStream());
        return await reader.ReadToEndAsync(visit.Cancellation);
    }

    private static async Task<IReadOnlyDictionary<string, string>?> InForceAsync(Visit visit)
    {
        var newest = (await visit.Vault.PolicyVersionsAsync(NewestSize, null, visit.Cancellation)).Items;
        return newest.FirstOrDefault(one => one.InForce) is { } inForce ? (await visit.Vault.PolicyVersionAsync(inForce.Version, visit.Cancellation)).Files : null;
    }
}
