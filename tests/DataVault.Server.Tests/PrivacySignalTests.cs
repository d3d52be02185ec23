using System.Net;
using System.Text.Json;
using DataVault.Server.Http;

namespace DataVault.Server.Tests;

/// <summary>Global Privacy Control over HTTP.</summary>
public sealed class PrivacySignalTests(RunningServer server)
{
    [Theory]
    [Requirement("R64")]
    [InlineData(true, "1")]
    [InlineData(true, "0", "1")]
    [InlineData(true, "1", "1")]
    [InlineData(true, "1, 1")]
    [InlineData(true, " 1")]
    [InlineData(false, "0")]
    [InlineData(false, "0", "2")]
    [InlineData(false, "01")]
    [InlineData(false, "1.0")]
    [InlineData(false, "true")]
    [InlineData(false, "\"1\"")]
    [InlineData(false, "?1")]
    [InlineData(false, "")]
    [InlineData(false)]
    public void Only_the_value_1_is_the_signal(bool expected, params string[] lines) => Assert.Equal(expected, GlobalPrivacyControl.IsSet(lines));

    [Fact]
    [Requirement("R64")]
    public async Task The_signal_is_honoured_in_the_request_that_bears_it()
    {
        Assert.False(await IsObjectedAsync(null));
        Assert.False(await IsObjectedAsync("0"));
        Assert.False(await IsObjectedAsync("true"));
        Assert.True(await IsObjectedAsync("1"));
        // Its absence takes nothing back.
        Assert.True(await IsObjectedAsync(null));
        Assert.True(await IsObjectedAsync("0"));

        using var told = await server.SendAsync("customer", HttpMethod.Put, "/v1/me/consents/marketing", new { state = "given" });
        Assert.Equal(HttpStatusCode.UnprocessableEntity, told.StatusCode);
        Assert.Contains("\"objected\"", await told.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await server.JsonAsync("customer", HttpMethod.Put, "/v1/me/consents/marketing", new { state = "given", liftsObjection = true });
        Assert.False(await IsObjectedAsync("1"));
    }

    [Fact]
    public async Task An_applications_own_header_says_nothing_of_the_people_it_asks_about()
    {
        var id = await server.CreateCustomerAsync("signal.stranger@example.com");
        using var read = await server.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}/consents", null, request => request.Headers.Add("Sec-GPC", "1"));
        using var answer = JsonDocument.Parse(await read.Content.ReadAsStringAsync());
        Assert.All(answer.RootElement.GetProperty("items").EnumerateArray(), item => Assert.False(item.GetProperty("objected").GetBoolean()));
    }

    [Fact]
    [Requirement("R64")]
    public async Task The_support_resource_says_that_and_since_when_the_signal_is_heard()
    {
        using var answer = await server.Http.GetAsync("/.well-known/gpc.json");
        Assert.Equal((HttpStatusCode.OK, "application/json"), (answer.StatusCode, answer.Content.Headers.ContentType!.MediaType));
        using var resource = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        Assert.True(resource.RootElement.GetProperty("gpc").GetBoolean());
        Assert.True(DateOnly.TryParseExact(resource.RootElement.GetProperty("lastUpdate").GetString(), "yyyy-MM-dd", out _));
        Assert.Equal(2, resource.RootElement.EnumerateObject().Count());
    }

    // Asked with the header and answered after it was honoured.
    private async Task<bool> IsObjectedAsync(string? header)
    {
        using var answer = await server.SendAsync("customer", HttpMethod.Get, "/v1/me/consents", null, request =>
        {
            if (header is not null) request.Headers.TryAddWithoutValidation("Sec-GPC", header);
        });
        using var consents = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return consents.RootElement.GetProperty("items").EnumerateArray().Single(item => item.GetProperty("purpose").GetString() == "marketing").GetProperty("objected").GetBoolean();
    }
}
