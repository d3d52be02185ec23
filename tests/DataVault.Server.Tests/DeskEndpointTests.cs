using System.Net;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>The officer's desk over the API: whom it answers, that each of its figures names a checkpoint, and that lists and files agree with it.</summary>
public sealed class DeskEndpointTests(RunningServer server)
{
    private static readonly string[] Paths = ["/v1/desk", "/v1/desk/export", "/v1/desk/deadlines/open", "/v1/desk/deadlines/open/export"];

    [Fact]
    public async Task An_officer_sees_every_tile_with_figures_that_name_a_signed_state_of_the_log()
    {
        var customer = await server.CreateCustomerAsync("desk@example.com");
        var request = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "rectification", customer }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        // A count that was made for somebody else a moment ago is shown for a moment.
        await Waiting.UntilAsync("the request is counted", async () => Of(await DeskAsync(), "deadlines", "open", "later") > 0);
        var desk = await DeskAsync();
        Assert.Equal(
            ["deadlines", "funnel", "erasure", "consents", "drift", "retention", "access", "integrity", "breaches", "keys"],
            desk.GetProperty("tiles").EnumerateArray().Select(tile => tile.GetProperty("name").GetString()));
        foreach (var figure in desk.GetProperty("tiles").EnumerateArray().SelectMany(tile => tile.GetProperty("figures").EnumerateArray()))
        {
            Assert.True(figure.GetProperty("asOf").GetProperty("size").GetInt64() > 0, figure.ToString());
            Assert.Equal(44, figure.GetProperty("asOf").GetProperty("rootHash").GetString()!.Length);
        }

        Assert.DoesNotContain(customer.ToString(), desk.ToString(), StringComparison.Ordinal);
        var cursor = "";
        var found = false;
        do
        {
            var list = await server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/desk/deadlines/open?of=later&limit=200" + cursor);
            found |= list.GetProperty("rows").EnumerateArray().Any(row => row.GetProperty("key").GetString() == request.ToString());
            cursor = list.TryGetProperty("next", out var next) && next.ValueKind == JsonValueKind.String ? "&cursor=" + next.GetString() : "";
        }
        while (cursor.Length > 0);
        Assert.True(found);
    }

    [Fact]
    public async Task Files_have_the_columns_of_the_screen_and_the_checkpoint()
    {
        var desk = await TextAsync("/v1/desk/export");
        Assert.StartsWith("tile,figure,of,count,at,red,asOfSize,asOfRoot,asOfAt\r\n", desk, StringComparison.Ordinal);
        Assert.Contains("\r\nintegrity,signed,,", desk, StringComparison.Ordinal);
        var list = await TextAsync("/v1/desk/deadlines/open/export");
        Assert.StartsWith("request,right,state,law,opened,due,asOfSize,asOfRoot,asOfAt\r\n", list, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("support-desk")]
    [InlineData("campaigns")]
    [InlineData("analyst")]
    [InlineData("administrator")]
    [InlineData("customer")]
    public async Task Who_is_not_an_officer_is_refused(string who)
    {
        foreach (var path in Paths)
        {
            using var answer = await server.SendAsync(who, HttpMethod.Get, path);
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        }
    }

    [Fact]
    public async Task An_application_with_the_officers_role_is_refused_too()
    {
        await server.RegisterAsync("desk-bot", "compliance-officer", "data-subject-rights");
        foreach (var path in Paths)
        {
            using var answer = await server.SendAsync("desk-bot", HttpMethod.Get, path);
            Assert.Equal("forbidden", await RunningServer.SlugAsync(answer));
        }
    }

    [Theory]
    [InlineData("/v1/desk/deadlines/nothing", "not-found")]
    [InlineData("/v1/desk/deadlines/open?limit=501", "invalid-request")]
    [InlineData("/v1/desk/deadlines/open?cursor=x", "invalid-request")]
    [InlineData("/v1/desk/deadlines/open?state=late", "invalid-request")]
    public async Task What_is_not_understood_is_refused_by_name(string path, string slug)
    {
        using var answer = await server.SendAsync("compliance-officer", HttpMethod.Get, path);
        Assert.Equal(slug, await RunningServer.SlugAsync(answer));
    }

    private Task<JsonElement> DeskAsync() => server.JsonAsync("compliance-officer", HttpMethod.Get, "/v1/desk");

    private async Task<string> TextAsync(string path)
    {
        using var answer = await server.SendAsync("compliance-officer", HttpMethod.Get, path);
        Assert.Equal("text/csv", answer.Content.Headers.ContentType!.MediaType);
        return (await answer.Content.ReadAsStringAsync()).TrimStart('\uFEFF');
    }

    private static long Of(JsonElement desk, string tile, string figure, string of) => desk.GetProperty("tiles").EnumerateArray().Single(one => one.GetProperty("name").GetString() == tile)
        .GetProperty("figures").EnumerateArray().Single(one => one.GetProperty("name").GetString() == figure && one.GetProperty("of").GetString() == of).GetProperty("count").GetInt64();
}
