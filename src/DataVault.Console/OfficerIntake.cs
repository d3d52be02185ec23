using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>Officers open a request for somebody who wrote, called or came: named by id, or looked up where the policy lets officers look people up for it.</summary>
internal static class OfficerIntake
{
    /// <summary>What a look-up for a request is for.</summary>
    public const string Purpose = "data-subject-rights";

    private const string Form = "/console/officer/requests/open";

    public static void Map(PageMap map)
    {
        map.Get(Form, visit => ShowAsync(visit, StatusCodes.Status200OK, null));
        map.Post(Form, OpenAsync);
    }

    // What was typed is shown again with what is wrong about it.
    private static async Task<IResult> OpenAsync(Visit visit)
    {
        try
        {
            var kind = visit.Form("kind") ?? throw new FormatException("Choose what is asked for.");
            var customer = await WhomAsync(visit);
            var opened = await visit.Vault.OpenRequestAsync(new OpenRequest(kind, customer, visit.Form("note"), visit.Form("jurisdiction")) { Purposes = kind == "objection" && visit.FormValues("purposes") is { Length: > 0 } named ? named : null }, null, visit.Cancellation);
            return Results.LocalRedirect($"/console/officer/requests/{opened.Id}{(kind == "rectification" ? "/rectification" : "")}?said=request-opened");
        }
        catch (FormatException e)
        {
            return await ShowAsync(visit, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (VaultProblemException e) when (e.Problem.Slug == "not-found")
        {
            return await ShowAsync(visit, StatusCodes.Status404NotFound, "There is no such customer, or they are erased already. Nothing was opened.");
        }
        catch (VaultProblemException e) when (e.Problem.Slug is "invalid-fields" or "invalid-request" or "invalid-state" or "forbidden" or "reason-required" or "unknown-field" or "unknown-purpose")
        {
            return await ShowAsync(visit, (int)e.StatusCode, Words.Explain(e.Problem));
        }
    }

    private static async Task<Guid> WhomAsync(Visit visit)
    {
        var id = visit.Form("customer");
        if (visit.Form("term") is not { } term)
            return Guid.TryParse(id, out var customer) ? customer : throw new FormatException(id is null ? "Say whom the request is about." : "The customer is named by their id.");
        if (id is not null) throw new FormatException("Name the customer by id, or look them up: not both.");
        var by = visit.Form("by") ?? throw new FormatException("Say what the customer is looked up by.");
        // Nothing is read of whoever is found but what is known already.
        var found = await visit.Vault.SearchAsync(new SearchCustomers(Purpose, new Dictionary<string, SearchTerm> { [by] = term }, [by]), visit.Cancellation);
        return found.Results switch
        {
            [var one] => one.Id,
            [] => throw new FormatException($"Nobody is found. Log entry {found.Receipt.Index}."),
            _ => throw new FormatException($"Several people have this: name the one by id. Log entry {found.Receipt.Index}."),
        };
    }

    private static async Task<IResult> ShowAsync(Visit visit, int status, string? problem)
    {
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        var grants = await Task.WhenAll((visit.Ticket?.Roles ?? []).Select(role => visit.Vault.WhatCanAsync(new WhatCanRequest(role, Action: "search"), visit.Cancellation)));
        string[] terms = [.. grants.SelectMany(one => one.Items).Where(grant => grant.Purpose == Purpose && grant.Action == "search").Select(grant => grant.Field).Distinct()];
        var known = (await policy).Fields.Where(field => terms.Contains(field.Name)).ToList();
        return visit.Page<IntakePage>(status, ("Terms", known), ("Policy", await policy), ("Problem", problem));
    }
}
