using System.Globalization;
using DataVault.Client;
using DataVault.Client.Wire;
using DataVault.Console.Pages;
using Microsoft.AspNetCore.Http;

namespace DataVault.Console;

/// <summary>What compliance officers do: answer requests in time, read the log.</summary>
internal static class OfficerPages
{
    private const int PageSize = 50;

    public static void Map(PageMap map)
    {
        map.Get("/console/officer", QueueAsync);
        map.Get("/console/officer/requests/{id:guid}", RequestAsync);
        map.Post("/console/officer/requests/{id:guid}", DecideAsync);
        map.Get("/console/officer/requests/{id:guid}/certificate", CertificateAsync);
        map.Get("/console/officer/requests/{id:guid}/evidence", EvidenceAsync);
        map.Post("/console/officer/requests/{id:guid}/package", PackageAsync, visit => $"/console/officer/requests/{visit.Id("id")}");
        map.Post("/console/officer/requests/{id:guid}/lift", LiftAsync, visit => $"/console/officer/requests/{visit.Id("id")}");
        map.Get("/console/officer/log", LogAsync);
        map.Get("/console/officer/impact", visit => ImpactAsync(visit, asked: false));
        map.Post("/console/officer/impact", visit => ImpactAsync(visit, asked: true));
        map.Post("/console/officer/impact/people", ImpactPeopleAsync);
    }

    private static async Task<IResult> QueueAsync(Visit visit)
    {
        var state = visit.Query("state");
        var page = await visit.Vault.RequestsAsync(state, visit.Query("kind"), null, PageSize, visit.Query("cursor"), visit.Cancellation);
        return visit.Page<QueuePage>(("Requests", page), ("State", state), ("Kind", visit.Query("kind")));
    }

    private static async Task<IResult> RequestAsync(Visit visit)
    {
        var id = visit.Id("id");
        var notes = visit.Vault.RequestNotesAsync(id, visit.Cancellation);
        var request = visit.Vault.RequestAsync(id, visit.Cancellation);
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        var letters = visit.Vault.RequestLettersAsync(id, visit.Cancellation);
        return visit.Page<RequestPage>(("Request", await request), ("Notes", await notes), ("Letters", await letters), ("Policy", await policy));
    }

    // A page of its own: reading it is an entry of the log, and is not done by the way.
    private static async Task<IResult> EvidenceAsync(Visit visit)
    {
        var id = visit.Id("id");
        var evidence = visit.Vault.RequestEvidenceAsync(id, visit.Cancellation);
        var request = visit.Vault.RequestAsync(id, visit.Cancellation);
        return visit.Page<EvidencePage>(("Request", await request), ("Evidence", await evidence));
    }

    private static async Task<IResult> LiftAsync(Visit visit)
    {
        if (!Guid.TryParse(visit.Form("customer"), out var customer) || visit.Form("reason") is not { } reason) return visit.Fail(400, "That could not be done", "Say why it ends.");
        if (visit.Form("purpose") is { } purpose) await visit.Vault.LiftObjectionAsync(customer, purpose, reason, visit.Cancellation);
        else await visit.Vault.LiftRestrictionAsync(customer, reason, visit.Cancellation);
        return Results.LocalRedirect($"/console/officer/requests/{visit.Id("id")}?said=limit-lifted");
    }

    private static async Task<IResult> DecideAsync(Visit visit)
    {
        if (!Enum.TryParse<RequestStep>(visit.Form("step"), ignoreCase: true, out var step)) return visit.Fail(400, "That could not be done", "The step is unknown.");
        var id = visit.Id("id");
        if (IsNoDay(visit.Form("review"))) return visit.Fail(400, "That could not be done", "A day is written as 2026-03-31.");
        var decision = new DecideRequest(visit.Form("reason"), visit.Form("note"))
        {
            Outcome = visit.Form("outcome") is { Length: > 0 } outcome ? outcome : null, Method = visit.Form("method"), Evidence = visit.Form("evidence"), Failed = visit.Form("failed") == "true", ReviewAt = Day(visit.Form("review")),
            Items = visit.Form("items")?.Split((char[])[' ', ',', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries),
            Purposes = visit.FormValues("purposes") is { Length: > 0 } purposes ? purposes : null,
            Seen = long.TryParse(visit.Form("seen"), NumberStyles.None, CultureInfo.InvariantCulture, out var seen) ? seen : null,
        };
        await visit.Vault.DecideAsync(id, step, decision, visit.Cancellation);
        return Results.LocalRedirect($"/console/officer/requests/{id}?said=decided");
    }

    // A form that is posted: what comes once is not spent by a browser that looks ahead.
    private static async Task<IResult> PackageAsync(Visit visit)
    {
        var id = visit.Id("id");
        return Results.Stream(await visit.Vault.PackageAsync(id, visit.Cancellation), "application/zip", $"package-{id}.zip");
    }

    private static async Task<IResult> CertificateAsync(Visit visit)
    {
        var id = visit.Id("id");
        var certificate = await visit.Vault.CertificateAsync(id, visit.Cancellation);
        return Results.File(System.Text.Encoding.UTF8.GetBytes(certificate), "text/plain; charset=utf-8", $"erasure-{id}.txt");
    }

    private static async Task<IResult> LogAsync(Visit visit)
    {
        // A filter that is not understood must not turn into none: the page would tell of everybody what was asked about one.
        if (visit.Query("customer") is { } named && !Guid.TryParse(named, out _)) return visit.Fail(400, "No such search", "The customer is named by their id.");
        if (IsNoDay(visit.Query("from")) || IsNoDay(visit.Query("to"))) return visit.Fail(400, "No such search", "A day is written as 2026-03-31.");
        var filter = new AuditFilter
        {
            Type = visit.Query("type"), Actor = visit.Query("actor"), Purpose = visit.Query("purpose"), Field = visit.Query("field"), Result = visit.Query("result"),
            Customer = Guid.TryParse(visit.Query("customer"), out var customer) ? customer : null,
            From = Day(visit.Query("from")), To = Day(visit.Query("to"))?.AddDays(1), Limit = PageSize, Cursor = visit.Query("cursor"),
        };
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        var entries = visit.Vault.AuditEntriesAsync(filter, visit.Cancellation);
        return visit.Page<LogPage>(("Entries", await entries), ("Policy", await policy));
    }

    // A question is a form that is posted: neither credentials nor people belong into addresses, which browsers and proxies keep.
    private static async Task<IResult> ImpactAsync(Visit visit, bool asked)
    {
        var policy = visit.Vault.PolicyAsync(visit.Cancellation);
        if (!asked) return visit.Page<ImpactPage>(("Asked", new ImpactQuestion()), ("Policy", await policy));
        if (Refusal(visit) is { } refusal) return refusal;
        var question = Question(visit);
        var report = visit.Vault.ImpactAsync(question, visit.Cancellation);
        return visit.Page<ImpactPage>(("Asked", question), ("Report", await report), ("Policy", await policy));
    }

    private static async Task<IResult> ImpactPeopleAsync(Visit visit) =>
        Refusal(visit) ?? Results.Stream(await visit.Vault.ExportImpactPeopleAsync(Question(visit) with { Resolve = true }, visit.Cancellation), "text/csv; charset=utf-8", "people-concerned.csv");

    private static IResult? Refusal(Visit visit)
    {
        if (IsNoDay(visit.Form("from")) || IsNoDay(visit.Form("to"))) return visit.Fail(400, "No such report", "A day is written as 2026-03-31.");
        return Question(visit) is { Actor: null, Purpose: null, From: null, To: null } ? visit.Fail(400, "No such report", "Name a credential, a purpose or a stretch of time.") : null;
    }

    private static ImpactQuestion Question(Visit visit) => new()
    {
        Actor = visit.Form("actor"), Purpose = visit.Form("purpose"), From = Day(visit.Form("from")), To = Day(visit.Form("to"))?.AddDays(1),
    };

    private static bool IsNoDay(string? text) => text is not null && Day(text) is null;

    private static DateTimeOffset? Day(string? text) =>
        DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day)
            ? new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero)
            : null;
}
