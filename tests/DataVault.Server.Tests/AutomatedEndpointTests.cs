using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>Automated decisions over HTTP: an application records one, the person sees it, an officer finds it, and nobody else does.</summary>
public sealed class AutomatedEndpointTests(RunningServer server)
{
    [Fact]
    [Requirement("R65")]
    public async Task An_application_records_a_decision_once_the_person_reads_how_it_came_about_and_an_officer_lists_it()
    {
        var me = (await server.JsonAsync("customer", HttpMethod.Get, "/v1/me")).GetProperty("customer").GetGuid();
        var decision = Decision(Guid.NewGuid().ToString());
        var made = (await server.JsonAsync("credit-check", HttpMethod.Post, $"/v1/customers/{me}/decisions", decision, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        var again = await server.JsonAsync("credit-check", HttpMethod.Post, $"/v1/customers/{me}/decisions", decision);
        Assert.True(again.GetProperty("duplicate").GetBoolean());
        Assert.Equal(made, again.GetProperty("id").GetGuid());

        var mine = (await server.JsonAsync("customer", HttpMethod.Get, "/v1/me/decisions")).GetProperty("items").EnumerateArray().Single(one => one.GetProperty("id").GetGuid() == made);
        Assert.Equal("declined", mine.GetProperty("outcome").GetString());
        Assert.Contains("Rechnung", mine.GetProperty("declared").GetProperty("logic").GetProperty("de").GetString(), StringComparison.Ordinal);
        Assert.False(mine.TryGetProperty("reference", out var reference) && reference.ValueKind == JsonValueKind.String);

        var listed = await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/decisions?customer={me}&model=invoice-limit&outcome=declined&state=recorded");
        Assert.Contains(listed.GetProperty("items").EnumerateArray(), one => one.GetProperty("id").GetGuid() == made);
        using (var table = await server.SendAsync("compliance-officer", HttpMethod.Get, $"/v1/decisions?customer={me}&format=csv"))
            Assert.Contains(made.ToString("D"), await table.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Contains(
            (await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/policy/automated")).GetProperty("items").EnumerateArray(),
            model => model.GetProperty("name").GetString() == "invoice-limit" && model.GetProperty("ground").GetProperty("dpv").GetString() == "eu-gdpr:A22-2-a");
        foreach (var (caller, path, status) in new[]
        {
            ("support-desk", "/v1/decisions", HttpStatusCode.Forbidden), ("support-desk", $"/v1/decisions/{made}", HttpStatusCode.NotFound), ("credit-check", $"/v1/decisions/{made}", HttpStatusCode.OK),
            ("customer", $"/v1/decisions/{made}", HttpStatusCode.OK), ("analyst", $"/v1/decisions/{made}", HttpStatusCode.Forbidden), ("compliance-officer", "/v1/decisions/changes", HttpStatusCode.Forbidden),
        })
        {
            using var answer = await server.SendAsync(caller, HttpMethod.Get, path);
            Assert.True(answer.StatusCode == status, $"{caller} {path}: {answer.StatusCode}");
        }
    }

    [Fact]
    public async Task A_decision_that_cannot_be_is_refused_with_what_is_wrong()
    {
        var customer = await server.CreateCustomerAsync($"{Guid.NewGuid():N}@example.com");
        await server.JsonAsync("credit-check", HttpMethod.Post, $"/v1/customers/{customer}/decisions", Decision("o-1", model: "oracle"), HttpStatusCode.UnprocessableEntity);
        await server.JsonAsync("credit-check", HttpMethod.Post, $"/v1/customers/{Guid.NewGuid()}/decisions", Decision("o-1"), HttpStatusCode.NotFound);
        await server.JsonAsync("support-desk", HttpMethod.Post, $"/v1/customers/{customer}/decisions", Decision("o-1"), HttpStatusCode.Forbidden);
        await server.JsonAsync("credit-check", HttpMethod.Post, $"/v1/customers/{customer}/decisions", Decision("o-1"), HttpStatusCode.Created);
        await server.JsonAsync("credit-check", HttpMethod.Post, $"/v1/customers/{customer}/decisions", Decision("o-1", outcome: "approved"), HttpStatusCode.UnprocessableEntity);
    }

    private static object Decision(string reference, string model = "invoice-limit", string outcome = "declined") => new
    {
        reference, model, version = "2026-2", purpose = "billing", outcome, score = 12.5, inputs = new[] { "paymentPreference", "event:payment" }, factors = new[] { "late-payments" },
    };
}
