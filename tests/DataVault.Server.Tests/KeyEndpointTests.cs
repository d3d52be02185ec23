using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>The keys seen and rotated from outside, on a server that is serving meanwhile.</summary>
public sealed class KeyEndpointTests(RunningServer server)
{
    [Fact]
    public async Task An_administrator_sees_the_keys_and_rotates_the_vault_key_while_customers_are_read()
    {
        var customer = await server.CreateCustomerAsync("rotated@example.com");
        var before = await JsonAsync(HttpMethod.Get, "/v1/keys");
        Assert.Equal(["root", "vault", "epoch", "subjects", "index"], before.GetProperty("levels").EnumerateArray().Select(level => level.GetProperty("level").GetString()!));
        Assert.All(before.GetProperty("levels").EnumerateArray(), level => Assert.False(level.GetProperty("due").GetBoolean()));
        var started = await JsonAsync(HttpMethod.Post, "/v1/keys/rotations", """{ "level": "vault" }""");
        var path = "/v1/keys/rotations/" + started.GetProperty("id").GetString();
        var rotation = await JsonAsync(HttpMethod.Get, path);
        for (var deadline = TimeProvider.System.GetTimestamp(); rotation.GetProperty("state").GetString() == "running"; rotation = await JsonAsync(HttpMethod.Get, path))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(deadline) < TimeSpan.FromMinutes(2), rotation.ToString());
            using var read = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{customer}?purpose=customer-support");
            Assert.Equal(HttpStatusCode.OK, read.StatusCode);
        }

        Assert.Equal(("done", rotation.GetProperty("total").GetInt64()), (rotation.GetProperty("state").GetString(), rotation.GetProperty("done").GetInt64()));
        var after = await JsonAsync(HttpMethod.Get, "/v1/keys");
        Assert.Equal(Version(before) + 1, Version(after));
    }

    [Theory]
    [InlineData("", "unauthenticated")]
    [InlineData("support-desk", "forbidden")]
    [InlineData("compliance-officer", "forbidden")]
    public async Task Nobody_else_rotates_keys(string who, string slug)
    {
        using var answer = await server.SendAsync(who, HttpMethod.Post, "/v1/keys/rotations", """{ "level": "vault" }""");
        Assert.Equal(slug, await RunningServer.SlugAsync(answer));
    }

    [Theory]
    [InlineData("""{ "level": "everything" }""")]
    [InlineData("""{ "level": "index" }""")]
    [InlineData("""{ "level": "vault", "index": "email" }""")]
    public async Task What_cannot_be_rotated_is_refused(string body)
    {
        using var answer = await server.SendAsync("administrator", HttpMethod.Post, "/v1/keys/rotations", body);
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(answer));
    }

    private static int Version(JsonElement keys) => int.Parse(
        keys.GetProperty("levels").EnumerateArray().Single(level => level.GetProperty("level").GetString() == "vault").GetProperty("version").GetString()!, System.Globalization.CultureInfo.InvariantCulture);

    private async Task<JsonElement> JsonAsync(HttpMethod method, string path, string? body = null)
    {
        using var answer = await server.SendAsync("administrator", method, path, body);
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonSerializer.Deserialize<JsonElement>(text);
    }
}
