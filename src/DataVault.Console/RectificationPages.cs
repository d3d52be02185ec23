using System.Globalization;
using System.Text.Json;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>Rectification (GDPR 16): an officer says for somebody which values are right, and decides value by value.</summary>
internal static class RectificationPages
{
    private const string Path = "/console/officer/requests/{id:guid}/rectification";

    public static void Map(PageMap map)
    {
        map.Get(Path, visit => ShowAsync(visit, StatusCodes.Status200OK, null));
        map.Post(Path, visit => ActAsync(visit, DecideAsync));
        map.Post(Path + "/wanted", visit => ActAsync(visit, WantAsync), Address);
    }

    private static string Address(Visit visit) => $"/console/officer/requests/{visit.Id("id")}/rectification";

    // What was typed is shown again with what is wrong about it: nobody decides ten values twice.
    private static async Task<IResult> ActAsync(Visit visit, Func<Visit, Task> act)
    {
        try
        {
            await act(visit);
            return Results.LocalRedirect(Address(visit) + "?said=decided");
        }
        catch (FormatException e)
        {
            return await ShowAsync(visit, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (VaultProblemException e) when (e.Problem.Slug is "invalid-fields" or "invalid-state" or "invalid-request" or "conflict")
        {
            return await ShowAsync(visit, (int)e.StatusCode, Words.Explain(e.Problem));
        }
    }

    private static async Task<IResult> ShowAsync(Visit visit, int status, string? problem)
    {
        var id = visit.Id("id");
        // The request is read first: what is wanted then is at least as new as the entry that the form is bound to.
        var request = await visit.Vault.RequestAsync(id, visit.Cancellation);
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        var state = visit.Vault.RectificationAsync(id, visit.Cancellation);
        return visit.Page<RectificationPage>(status, ("Request", request), ("State", await state), ("Policy", await policy), ("Problem", problem));
    }

    // What is said replaces what was said before: the value is added to the others.
    private static async Task WantAsync(Visit visit)
    {
        var field = visit.Form("field") ?? throw new FormatException("Choose the field.");
        var (value, removed) = (visit.Form("value"), visit.Form("remove") == "yes");
        if (value is null != removed) throw new FormatException("Say the right value, or that it is to be removed.");
        var wanted = (await visit.Vault.RectificationAsync(visit.Id("id"), visit.Cancellation)).Wanted;
        var said = new Dictionary<string, JsonElement>(wanted) { [field] = await TypedAsync(visit, field, value) };
        await visit.Vault.WantValuesAsync(visit.Id("id"), new WantValues(said), visit.Cancellation);
    }

    // INVARIANT: nobody accepts a value that they did not see: a request that changed since the form was made is shown anew.
    private static async Task DecideAsync(Visit visit)
    {
        var request = await visit.Vault.RequestAsync(visit.Id("id"), visit.Cancellation);
        if (visit.Form("seen") != request.Index.ToString(CultureInfo.InvariantCulture)) throw new FormatException("The request changed meanwhile. Look at the values again.");
        Dictionary<string, JsonElement?> accept = [];
        Dictionary<string, string> refuse = [];
        foreach (var field in visit.FormValues("fields"))
        {
            var (value, reason) = (visit.Form("value-" + field), visit.Form("reason-" + field));
            switch (visit.Form("decision-" + field))
            {
                case "accept" when value is null && reason is null: accept[field] = null; break;
                case "change" when reason is null: accept[field] = await TypedAsync(visit, field, value ?? throw new FormatException($"Say the other value: {Words.Of(field)}.")); break;
                case "refuse" when value is null: refuse[field] = reason ?? throw new FormatException($"Say why it stays as it is: {Words.Of(field)}."); break;
                case null: throw new FormatException($"Decide about every value: {Words.Of(field)}.");
                default: throw new FormatException($"Another value goes with a change alone, and a reason with a refusal alone: {Words.Of(field)}.");
            }
        }

        await visit.Vault.DecideRectificationAsync(request.Id, new DecideRectification(accept, refuse, visit.Form("note")) { Seen = request.Index }, visit.Cancellation);
    }

    // Values of one line are typed as they are; the others as the interface writes them. The vault says what is no value of the field.
    private static async Task<JsonElement> TypedAsync(Visit visit, string field, string? text)
    {
        var type = (await visit.Vault.PolicyAsync(visit.Cancellation)).Fields.FirstOrDefault(one => one.Name == field)?.Type;
        if (text is null || !TakesJson(type)) return JsonSerializer.SerializeToElement(text);
        try
        {
            return JsonElement.Parse(text);
        }
        catch (JsonException)
        {
            throw new FormatException($"Write it as JSON: {Words.Of(field)}.");
        }
    }

    /// <summary>Whether values of a type are typed as JSON and not as they are.</summary>
    public static bool TakesJson(string? type) => type is not ("text" or "email" or "phone" or "date" or "country" or "language" or "iban" or "enumeration");
}
