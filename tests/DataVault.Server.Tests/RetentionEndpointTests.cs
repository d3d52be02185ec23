using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>What is kept how long, seen and counted from outside.</summary>
public sealed class RetentionEndpointTests(RunningServer server)
{
    [Fact]
    public async Task An_officer_sees_the_rules_and_counts_what_is_due()
    {
        var state = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/retention");
        var behaviour = state.GetProperty("rules").EnumerateArray().Single(rule => rule.GetProperty("rule").GetString() == "behaviour");
        Assert.Equal((14, "occurred"), (behaviour.GetProperty("months").GetInt32(), behaviour.GetProperty("trigger").GetString()));
        Assert.Contains("event:page_view", behaviour.GetProperty("items").EnumerateArray().Select(item => item.GetString()));

        JsonElement run = default;
        await Waiting.UntilAsync("no other sweep is under way", async () =>
        {
            using var answer = await server.SendAsync("compliance-officer", HttpMethod.Post, "/v1/retention/runs", new { dry = true });
            if (answer.StatusCode == HttpStatusCode.Conflict) return false;
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            run = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
            return true;
        });
        await Waiting.UntilAsync("the sweep is through", async () =>
            (run = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/retention/runs/" + run.GetProperty("id").GetString())).TryGetProperty("finishedAt", out _));
        Assert.True(run.GetProperty("dry").GetBoolean());
        Assert.Equal(0, run.GetProperty("failed").GetInt64());
        var runs = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/retention/runs?limit=100");
        // A sweep that was through just before has left nobody to look at.
        Assert.Contains(runs.GetProperty("items").EnumerateArray(), one => one.GetProperty("looked").GetInt64() > 0);
        Assert.Contains(run.GetProperty("id").GetString(), runs.GetProperty("items").EnumerateArray().Select(one => one.GetProperty("id").GetString()));
    }

    [Theory]
    [InlineData("", "unauthenticated")]
    [InlineData("support-desk", "forbidden")]
    [InlineData("administrator", "forbidden")]
    public async Task Nobody_else_sweeps(string who, string slug)
    {
        using var answer = await server.SendAsync(who, HttpMethod.Post, "/v1/retention/runs", """{ "dry": false }""");
        Assert.Equal(slug, await RunningServer.SlugAsync(answer));
    }

    [Fact]
    public async Task An_unknown_sweep_is_not_found()
    {
        using var answer = await server.SendAsync("compliance-officer", HttpMethod.Get, $"/v1/retention/runs/{Guid.Empty}");
        Assert.Equal("not-found", await RunningServer.SlugAsync(answer));
    }
}
