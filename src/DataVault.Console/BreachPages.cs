using System.Globalization;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>The register of breaches: cases with the hours that are left, what is said to whom; and the pack of evidence.</summary>
internal static class BreachPages
{
    private const int PageSize = 25;
    private const string Root = "/console/officer/breaches";

    public static void Map(PageMap map)
    {
        map.Get(Root, ListAsync);
        map.Post(Root, OpenAsync);
        map.Post(Root + "/evidence", EvidenceAsync, _ => Root);
        map.Get(Root + "/{id:guid}", visit => ShowAsync(visit, StatusCodes.Status200OK));
        map.Post(Root + "/{id:guid}/findings", visit => ActAsync(visit, FindAsync), Case);
        map.Post(Root + "/{id:guid}/impact", visit => ActAsync(visit, AttachAsync), Case);
        map.Post(Root + "/{id:guid}/compare", CompareAsync, Case);
        map.Post(Root + "/{id:guid}/draft", DraftAsync, Case);
        map.Post(Root + "/{id:guid}/report", visit => ActAsync(visit, ReportAsync), Case);
        map.Post(Root + "/{id:guid}/decision", visit => ActAsync(visit, DecideAsync), Case);
        map.Post(Root + "/{id:guid}/controller", visit => ActAsync(visit, TellAsync), Case);
        map.Post(Root + "/{id:guid}/close", visit => ActAsync(visit, CloseAsync), Case);
    }

    private static string Case(Visit visit) => $"{Root}/{visit.Id("id")}";

    private static async Task<IResult> ListAsync(Visit visit) => await ListAsync(visit, StatusCodes.Status200OK, null);

    private static async Task<IResult> ListAsync(Visit visit, int status, string? problem)
    {
        var breaches = visit.Vault.BreachesAsync(visit.Query("state") == "open", PageSize, visit.Query("cursor"), visit.Cancellation);
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        return visit.Page<BreachesPage>(status, ("Breaches", await breaches), ("Policy", await policy), ("Problem", problem));
    }

    private static async Task<IResult> OpenAsync(Visit visit)
    {
        try
        {
            var controllers = Lines(visit.Form("controllers"));
            var breach = new OpenBreach(visit.Form("title") ?? "", visit.FormValues("natures"), Local(visit, "aware"), visit.Form("zone") ?? "")
            {
                Description = visit.Form("description"), Jurisdiction = visit.Form("jurisdiction"), Controllers = controllers, Side = controllers.Length > 0 ? "processor" : "controller",
            };
            var opened = await visit.Vault.OpenBreachAsync(breach, visit.Cancellation);
            return Results.LocalRedirect($"{Root}/{opened.Summary.Id}?said=decided");
        }
        catch (FormatException e)
        {
            return await ListAsync(visit, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (VaultProblemException e) when (e.Problem.Slug == "invalid-fields")
        {
            return await ListAsync(visit, (int)e.StatusCode, Words.Explain(e.Problem));
        }
    }

    private static async Task<IResult> EvidenceAsync(Visit visit) =>
        Results.Stream(await visit.Vault.EvidencePackAsync(new AskEvidence { Purpose = visit.Form("purpose") }, visit.Cancellation), "application/zip", $"evidence-{visit.Now:yyyy-MM-dd}.zip");

    private static async Task<IResult> ShowAsync(Visit visit, int status, string? problem = null, ImpactComparisonView? comparison = null, BreachDraft? draft = null) =>
        visit.Page<BreachPage>(
            status, ("Breach", await visit.Vault.BreachAsync(visit.Id("id"), visit.Cancellation)), ("Problem", problem), ("Comparison", comparison), ("Draft", draft));

    // What was typed is shown again with what is wrong about it: nobody writes a report twice.
    private static async Task<IResult> ActAsync(Visit visit, Func<Visit, Task> act)
    {
        try
        {
            await act(visit);
            return Results.LocalRedirect(Case(visit) + "?said=decided");
        }
        catch (FormatException e)
        {
            return await ShowAsync(visit, StatusCodes.Status400BadRequest, e.Message);
        }
        catch (VaultProblemException e) when (e.Problem.Slug is "invalid-fields" or "invalid-state" or "invalid-request")
        {
            return await ShowAsync(visit, (int)e.StatusCode, Words.Explain(e.Problem));
        }
    }

    private static Task FindAsync(Visit visit) => visit.Vault.FindBreachAsync(
        visit.Id("id"),
        new BreachFacts
        {
            People = Count(visit, "people"), Records = Count(visit, "records"), Categories = visit.Form("categories") is { } named ? Lines(named) : null, Consequences = visit.Form("consequences"),
            Measures = visit.Form("measures"), Risk = visit.Form("risk"), RiskReasons = visit.Form("reasons"),
        },
        visit.Cancellation);

    private static Task AttachAsync(Visit visit)
    {
        var databases = visit.FormValues("databases");
        var impact = databases.Length > 0
            ? new AttachImpact { Copy = new CopiedStores { Databases = databases, RootKey = visit.Form("rootKey") is not null } }
            : new AttachImpact { Actor = visit.Form("actor"), From = Day(visit, "from"), To = Day(visit, "to")?.AddDays(1) };
        return visit.Vault.AttachImpactAsync(visit.Id("id"), impact, visit.Cancellation);
    }

    private static async Task<IResult> CompareAsync(Visit visit) =>
        await ShowAsync(visit, StatusCodes.Status200OK, comparison: await visit.Vault.CompareImpactAsync(visit.Id("id"), null, visit.Cancellation));

    private static async Task<IResult> DraftAsync(Visit visit)
    {
        var ask = new AskBreachDraft(visit.Form("audience") ?? "", visit.Form("language") ?? "") { Phase = visit.Form("phase"), Controller = visit.Form("controller"), LateReason = visit.Form("late") };
        try
        {
            return await ShowAsync(visit, StatusCodes.Status200OK, draft: await visit.Vault.DraftBreachAsync(visit.Id("id"), ask, visit.Cancellation));
        }
        catch (VaultProblemException e) when (e.Problem.Slug == "invalid-fields")
        {
            return await ShowAsync(visit, (int)e.StatusCode, Words.Explain(e.Problem));
        }
    }

    private static Task ReportAsync(Visit visit) => visit.Vault.ReportBreachAsync(
        visit.Id("id"), new SubmitBreachReport(visit.Form("phase") ?? "", visit.Form("language") ?? "", visit.Form("text") ?? "") { Reference = visit.Form("reference"), LateReason = visit.Form("late") },
        visit.Cancellation);

    private static Task DecideAsync(Visit visit) => visit.Vault.DecideBreachAsync(
        visit.Id("id"), new BreachDecisionView(visit.Form("about") ?? "", visit.Form("outcome") ?? "", visit.Form("reason") ?? "") { Code = visit.Form("code"), PublicNotice = visit.Form("publicNotice") },
        visit.Cancellation);

    private static Task TellAsync(Visit visit) => visit.Vault.TellControllerAsync(
        visit.Id("id"), new ControllerNoticeView(visit.Form("controller") ?? "", visit.Form("language") ?? "", visit.Form("text") ?? ""), visit.Cancellation);

    private static Task CloseAsync(Visit visit) => visit.Vault.CloseBreachAsync(visit.Id("id"), new CloseBreach(visit.Form("lessons") ?? ""), visit.Cancellation);

    private static string[] Lines(string? text) => (text ?? "").Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static long? Count(Visit visit, string name) => visit.Form(name) is not { } text ? null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : throw new FormatException("A number is written in digits.");

    private static DateTimeOffset? Day(Visit visit, string name) => visit.Form(name) is not { } text ? null
        : DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero)
        : throw new FormatException("A day is written as 2026-03-31.");

    // The time on the wall of the zone that is named beside it. An hour that comes twice is taken for the first: the clock then runs out earlier.
    private static DateTimeOffset Local(Visit visit, string name)
    {
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(visit.Form("zone") ?? "", out var zone)) throw new FormatException("The zone is an IANA time zone, such as Europe/Brussels.");
        if (!DateTime.TryParseExact(visit.Form(name), "yyyy-MM-dd'T'HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var wall) || zone.IsInvalidTime(wall))
            throw new FormatException("Say when it was certain, as 2026-03-31T14:30.");
        return new DateTimeOffset(wall, zone.IsAmbiguousTime(wall) ? zone.GetAmbiguousTimeOffsets(wall).Max() : zone.GetUtcOffset(wall));
    }
}
