using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>A breach from its first word to its last, from outside.</summary>
public sealed class BreachEndpointTests(RunningServer server)
{
    [Fact, Requirement("R74")]
    public async Task A_breach_is_noted_counted_drafted_reported_decided_and_closed()
    {
        var opened = await OpenAsync(DateTimeOffset.UtcNow.AddHours(-1));
        var id = opened.GetProperty("summary").GetProperty("id").GetString();
        Assert.InRange(opened.GetProperty("summary").GetProperty("hoursLeft").GetDouble(), 70.9, 71);

        var counted = await PostAsync(id, "impact", new { actor = "support-desk", purpose = "customer-support" });
        var impact = counted.GetProperty("impacts")[0];
        Assert.Equal(counted.GetProperty("facts").GetProperty("people").GetInt64(), impact.GetProperty("counts").GetProperty("people").GetInt64());
        Assert.Equal("readable", impact.GetProperty("keyState").GetString());
        var compared = await server.JsonAsync("compliance-officer", HttpMethod.Get, $"/v1/breaches/{id}/impact");
        Assert.True(compared.GetProperty("rootHolds").GetBoolean());
        Assert.Empty(compared.GetProperty("differences").EnumerateArray());

        var draft = await PostAsync(id, "drafts", new { audience = "authority", language = "fr" });
        Assert.Contains("Notification d'une violation", draft.GetProperty("text").GetString(), StringComparison.Ordinal);
        await PostAsync(id, "reports", new { phase = "initial", language = "fr", text = draft.GetProperty("text").GetString() });
        await PostAsync(id, "findings", new { people = 3, records = 5, categories = new[] { "pd:EmailAddress" }, consequences = "Spam", measures = "The key is gone", risk = "low", riskReasons = "Few people" });
        await PostAsync(id, "decisions", new { about = "people", outcome = "do-not-tell", code = "risk-not-high", reason = "Few people" });
        await PostAsync(id, "reports", new { phase = "final", language = "fr", text = "Rapport final" });
        var closed = await PostAsync(id, "close", new { lessons = "Keys are bound to networks" });
        Assert.Equal("closed", closed.GetProperty("summary").GetProperty("state").GetString());
        Assert.False(closed.GetProperty("summary").GetProperty("clockRuns").GetBoolean());

        var open = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/breaches?state=open&limit=200");
        Assert.DoesNotContain(id, open.GetProperty("items").EnumerateArray().Select(one => one.GetProperty("id").GetString()));
        var all = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/breaches?limit=200");
        Assert.Contains(id, all.GetProperty("items").EnumerateArray().Select(one => one.GetProperty("id").GetString()));
    }

    [Fact, Requirement("R74")]
    public async Task A_late_report_without_a_reason_is_422()
    {
        var id = (await OpenAsync(DateTimeOffset.UtcNow.AddHours(-73))).GetProperty("summary").GetProperty("id").GetString();
        using var refused = await server.SendAsync("compliance-officer", HttpMethod.Post, $"/v1/breaches/{id}/reports", """{ "phase": "initial", "language": "en", "text": "Late" }""");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        using var problem = JsonDocument.Parse(await refused.Content.ReadAsStringAsync());
        Assert.Equal("late-without-reason", problem.RootElement.GetProperty("errors")[0].GetProperty("code").GetString());
        var status = await server.JsonAsync("administrator", HttpMethod.Get, "/v1/status");
        Assert.Contains("overdue", status.GetProperty("health").GetProperty("breaches").GetString(), StringComparison.Ordinal);
        Assert.Single((await PostAsync(id, "reports", new { phase = "initial", language = "en", text = "Late", lateReason = "Found at the weekend" })).GetProperty("reports").EnumerateArray());
    }

    [Theory]
    [InlineData("", "unauthenticated")]
    [InlineData("support-desk", "forbidden")]
    [InlineData("administrator", "forbidden")]
    [InlineData("customer", "forbidden")]
    public async Task Nobody_else_reads_the_register(string who, string slug)
    {
        using var answer = await server.SendAsync(who, HttpMethod.Get, "/v1/breaches");
        Assert.Equal(slug, await RunningServer.SlugAsync(answer));
    }

    private Task<JsonElement> OpenAsync(DateTimeOffset aware) => server.JsonAsync(
        "compliance-officer", HttpMethod.Post, "/v1/breaches",
        new { title = "A stolen key", natures = new[] { "confidentiality" }, awareAt = aware, zone = "Europe/Brussels", jurisdiction = "eu", description = "Somebody found the key." }, HttpStatusCode.Created);

    private Task<JsonElement> PostAsync(string? id, string what, object body) => server.JsonAsync("compliance-officer", HttpMethod.Post, $"/v1/breaches/{id}/{what}", body);
}
