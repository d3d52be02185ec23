using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using DataVault.Testing;

namespace DataVault.Server.Tests.Plaintext;

/// <summary>What others do with a person's record that leaves words or traces: where the person stands, reasons, approvals, an emergency and its review, holds, schedules.</summary>
internal sealed class OversightDrive(RunningServer server, Canaries canaries, Guid customer)
{
    public async Task RunAsync()
    {
        await StandAsync();
        await DecideAsync();
        await WaverAsync();
        await AgreeAsync();
        await RescueAsync();
        await PlantAsync();
        await HoldAsync();
        await SweepAsync();
    }

    /// <summary>Everything that an officer can look at of anybody, once the person is gone.</summary>
    public async Task<string> OfficersSightAsync()
    {
        var seen = new StringBuilder();
        async Task<JsonElement[]> ItemsAsync(string path)
        {
            var page = await server.JsonAsync("compliance-officer", HttpMethod.Get, path);
            seen.AppendLine(page.ToString());
            return page.TryGetProperty("items", out var items) ? [.. items.EnumerateArray()] : [];
        }

        foreach (var review in await ItemsAsync("/v1/reviews?limit=100")) await ItemsAsync($"/v1/reviews/{review.GetProperty("id").GetString()}");
        foreach (var request in await ItemsAsync("/v1/requests?limit=100")) await ItemsAsync($"/v1/requests/{request.GetProperty("id").GetString()}/notes");
        foreach (var path in new[] { "/v1/approvals?limit=100", "/v1/alerts?limit=100", "/v1/holds?limit=100", "/v1/audit/entries?limit=500", "/v1/retention/runs?limit=20" })
            await ItemsAsync(path);
        return seen.Append(await server.Http.GetStringAsync("/metrics")).ToString();
    }

    private async Task StandAsync()
    {
        var held = await server.JsonAsync("crm-ingest", HttpMethod.Get, $"/v1/customers/{customer}/standing");
        var standing = new { jurisdiction = "eu", residency = "eu", brand = "house", relations = new[] { new { name = "assigned-agent", recipient = "support-desk" } } };
        await server.JsonAsync(
            "crm-ingest", HttpMethod.Put, $"/v1/customers/{customer}/standing", new { standing },
            shape: request => request.Headers.TryAddWithoutValidation("If-Match", $"\"{held.GetProperty("version").GetInt64()}\""));
    }

    private async Task DecideAsync()
    {
        var decision = new
        {
            reference = canaries.Words("decision number"), model = "invoice-limit", version = "2026-2", purpose = "billing", outcome = "declined", score = 431.5, inputs = new[] { "paymentPreference", "event:payment" },
            values = new { paymentPreference = canaries.Words("decision value") }, factors = new[] { "late-payments" }, explanation = canaries.Words("decision reasons"),
        };
        var made = (await server.JsonAsync("credit-check", HttpMethod.Post, $"/v1/customers/{customer}/decisions", decision, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        var contest = new { kind = "contest", customer, decision = made, note = canaries.Words("contest") };
        var request = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", contest, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/verify", new { method = "called-back" });
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/requests/{request}/complete", new { reason = "decision-changed", outcome = "approved", note = canaries.Words("contest answer") });
        var changed = (await server.JsonAsync("credit-check", HttpMethod.Get, "/v1/decisions/changes")).GetProperty("items").EnumerateArray().Single(one => one.GetProperty("id").GetGuid() == made);
        Assert.Equal(("changed", "approved"), (changed.GetProperty("state").GetString(), changed.GetProperty("standing").GetString()));
    }

    // Every state that a consent can be put into, ending with one that leaves the purposes of the others alone.
    private async Task WaverAsync()
    {
        foreach (var state in new[] { "requested", "deferred", "refused", "given", "withdrawn", "given", "invalidated", "given", "revoked" })
            await server.JsonAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{customer}/consents/personalisation", new { state, channel = "phone" });
    }

    private async Task AgreeAsync()
    {
        var asked = await server.JsonAsync(
            "refund-desk", HttpMethod.Post, "/v1/approvals", new { customer, purpose = "refunds", fields = new[] { "iban" }, reason = canaries.Words("approval") }, HttpStatusCode.Created);
        var id = asked.GetProperty("id").GetString()!;
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/approvals/{id}/approve");
        await server.JsonAsync("refund-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=refunds&fields=iban", shape: request =>
        {
            request.Headers.Add("Access-Reason", Uri.EscapeDataString(canaries.Words("refund")));
            request.Headers.Add("Access-Approval", id);
        });
    }

    private async Task RescueAsync()
    {
        var rescuer = await server.SignInAsync(await server.StaffAsync("customer-support"));
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/customers/{customer}?purpose=emergency&fields=givenName");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", rescuer);
        request.Headers.Add("Access-Reason", Uri.EscapeDataString(canaries.Words("emergency")));
        using var read = await server.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        var reviews = (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/reviews?state=open")).GetProperty("items").EnumerateArray().Select(one => one.GetProperty("id").GetString());
        foreach (var review in reviews)
            await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/reviews/{review}/outcome", new { justified = true, words = canaries.Words("review") });
    }

    // Somebody made up beside the person, who is touched: whom analytics leave out is not the person.
    private async Task PlantAsync()
    {
        var planted = await server.CreateCustomerAsync($"honey.{Guid.NewGuid():N}@example.com");
        await server.JsonAsync("administrator", HttpMethod.Post, "/v1/honey", new { customer = planted, brake = false }, HttpStatusCode.Created);
        await server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{planted}?purpose=customer-support");
    }

    private async Task HoldAsync()
    {
        var placed = await server.JsonAsync(
            "compliance-officer", HttpMethod.Post, "/v1/holds",
            new { customers = new[] { customer }, items = new[] { "event:purchase" }, authority = "legal-claim", caseReference = canaries.Words("case"), reviewAt = DateTimeOffset.UtcNow.AddDays(30) }, HttpStatusCode.Created);
        await server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/holds/{placed.GetProperty("id").GetGuid()}/release", new { reason = canaries.Words("release") });
    }

    private async Task SweepAsync()
    {
        var run = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/retention/runs", new { dry = false }, HttpStatusCode.Accepted)).GetProperty("id").GetString();
        await Waiting.UntilAsync("the sweep has ended", async () =>
            (await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/retention/runs/{run}")).TryGetProperty("finishedAt", out var at) && at.ValueKind == JsonValueKind.String);
    }
}
