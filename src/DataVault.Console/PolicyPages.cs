using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>Questions to the policy, its versions, and the return to an earlier one.</summary>
internal static class PolicyPages
{
    private const int PageSize = 50;
    private const int DiffSize = 100;

    public static void Map(PageMap map)
    {
        map.Get("/console/policy", WhoCanAsync);
        map.Get("/console/policy/what-can", WhatCanAsync);
        map.Get("/console/policy/explain", ExplainAsync);
        map.Get("/console/policy/versions", VersionsAsync);
        map.Get("/console/policy/diff", DiffAsync);
        map.Get("/console/policy/return", AskReturnAsync);
        map.Post("/console/policy/return", ReturnAsync, visit => "/console/policy/return?version=" + Uri.EscapeDataString(visit.Form("version") ?? ""));
    }

    private static async Task<IResult> WhoCanAsync(Visit visit)
    {
        var policy = await visit.Vault.PolicyAsync(visit.Cancellation);
        var field = visit.Query("field");
        var grants = field is null ? null : await visit.Vault.WhoCanAsync(new WhoCanRequest(field, visit.Query("purpose")), visit.Cancellation);
        return visit.Page<PolicyPage>(("Policy", policy), ("Field", field), ("Purpose", visit.Query("purpose")), ("Grants", grants));
    }

    private static async Task<IResult> WhatCanAsync(Visit visit)
    {
        var policy = await visit.Vault.PolicyAsync(visit.Cancellation);
        var (role, client) = (visit.Query("role"), visit.Query("client"));
        if (role is not null && client is not null) return visit.Fail(400, "No such question", "Ask about a role or about an application, not about both.");
        var grants = role is null && client is null ? null : await visit.Vault.WhatCanAsync(new WhatCanRequest(role, client), visit.Cancellation);
        return visit.Page<WhatCanPage>(("Policy", policy), ("Role", role), ("Client", client), ("Grants", grants));
    }

    private static async Task<IResult> ExplainAsync(Visit visit)
    {
        var policy = await visit.Vault.PolicyAsync(visit.Cancellation);
        var (role, purpose, field) = (visit.Query("role"), visit.Query("purpose"), visit.Query("field"));
        if (role is null || purpose is null) return visit.Page<ExplainPage>(("Policy", policy));
        var asked = new ExplainRequest([role], purpose, visit.Query("action") ?? "read", field is null ? null : [field], visit.Query("consent") is { } state ? new Dictionary<string, string> { [purpose] = state } : null)
        {
            Assurance = visit.Query("assurance"), OwnRecord = visit.Query("own") is not null, Restricted = visit.Query("restricted") is not null,
        };
        return visit.Page<ExplainPage>(("Policy", policy), ("Asked", asked), ("Answer", await visit.Vault.ExplainAsync(asked, visit.Cancellation)));
    }

    private static async Task<IResult> VersionsAsync(Visit visit) =>
        visit.Page<PolicyVersionsPage>(("Versions", await visit.Vault.PolicyVersionsAsync(PageSize, visit.Query("cursor"), visit.Cancellation)));

    private static async Task<IResult> DiffAsync(Visit visit)
    {
        var question = new DiffRequest(visit.Query("before"), visit.Query("after"), null, DiffSize, visit.Query("cursor"));
        return visit.Page<PolicyDiffPage>(("Diff", await visit.Vault.DiffPoliciesAsync(question, visit.Cancellation)));
    }

    // Before anything happens: what it would bring.
    private static async Task<IResult> AskReturnAsync(Visit visit)
    {
        if (visit.Query("version") is not { } version) return visit.Fail(400, "No such version", "Choose one from the list of versions.");
        return visit.Page<PolicyReturnPage>(("Outcome", await visit.Vault.ActivatePolicyAsync(new ActivatePolicy(null, version, DryRun: true), visit.Cancellation)));
    }

    private static async Task<IResult> ReturnAsync(Visit visit)
    {
        await visit.Vault.ActivatePolicyAsync(new ActivatePolicy(null, visit.Form("version")) { Acknowledge = visit.FormValues("acknowledge") }, visit.Cancellation);
        return Results.LocalRedirect("/console/policy/versions?said=policy");
    }
}
