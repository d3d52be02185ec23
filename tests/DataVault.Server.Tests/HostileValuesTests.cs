using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace DataVault.Server.Tests;

/// <summary>Values that are valid and mean harm to whoever passes them on, other people's ids, and requests that no client library would send.</summary>
public sealed class HostileValuesTests(RunningServer server)
{
    private const string Canary = "Qwop-canary-31";

    [Theory]
    [InlineData("'; DROP TABLE vault.subject; --")]
    [InlineData("$1; SELECT pg_sleep(100)")]
    [InlineData("=cmd|' /C calc'!A0")]
    [InlineData("@SUM(1+1)*cmd|' /C calc'!A0")]
    [InlineData("<script>alert(1)</script>")]
    [InlineData("{{7*7}} ${7*7} %n%s%x")]
    [InlineData("../../../../etc/passwd")]
    [InlineData("\uD83D\uDC69\u200D\uD83D\uDCBB and \u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645")]
    public async Task A_value_that_is_code_elsewhere_is_a_value_here(string value)
    {
        var body = new { fields = new { givenName = "Bobby", familyName = value, notes = value }, source = "tests" };
        var written = await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body, HttpStatusCode.Created);
        var read = await server.JsonAsync("support-desk", HttpMethod.Get, $"/v1/customers/{written.GetProperty("id").GetGuid()}?purpose=customer-support&fields=familyName,notes");
        Assert.Equal(value, read.GetProperty("fields").GetProperty("familyName").GetString());
        Assert.Equal(value, read.GetProperty("fields").GetProperty("notes").GetString());
    }

    [Theory]
    [InlineData("\u202Eetaler\u202C")]
    [InlineData("a\u0000b")]
    [InlineData("a\u001B[31mb")]
    public async Task Characters_that_steer_a_terminal_or_turn_text_around_are_refused(string value)
    {
        using var answer = await server.SendAsync("crm-ingest", HttpMethod.Post, "/v1/customers", new { fields = new { givenName = value }, source = "tests" });
        Assert.True((int)answer.StatusCode is 400 or 422, answer.StatusCode.ToString());
        Assert.True(await RunningServer.SlugAsync(answer) is "invalid-request" or "invalid-fields");
    }

    [Fact]
    public async Task A_formula_is_disarmed_in_the_package_that_a_person_opens_and_markup_is_text()
    {
        var body = new { fields = new { givenName = "=1+1", familyName = "<img src=x onerror=alert(1)>", email = "formula@example.com" }, source = "tests" };
        var id = (await server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/customers", body, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        var account = await server.JsonAsync("administrator", HttpMethod.Post, "/v1/accounts", new { email = "formula@example.com", role = "customer", customer = id }, HttpStatusCode.Created);
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("customer", "formula@example.com", account.GetProperty("oneTimePassword").GetString()!);
        await visitor.OpenAsync("/console/me");
        Assert.DoesNotContain("<img", visitor.Page, StringComparison.Ordinal);
        await visitor.OpenAsync("/console/me/requests");
        await visitor.SubmitAsync("/console/me/requests", ("kind", "access"));
        var address = "";
        await Waiting.UntilAsync("the package is there", async () =>
        {
            await visitor.OpenAsync("/console/me/requests");
            address = System.Text.RegularExpressions.Regex.Match(visitor.Page, "/console/me/requests/[0-9a-f-]{36}/package").Value;
            return address.Length > 0;
        });
        using var package = new ZipArchive(new MemoryStream(await visitor.DownloadAsync(address)));
        foreach (var file in package.Entries)
        {
            using var reader = new StreamReader(await file.OpenAsync());
            var text = await reader.ReadToEndAsync();
            if (file.Name.EndsWith(".csv", StringComparison.Ordinal))
                Assert.DoesNotMatch("(^|[,;\n])\"?=1", text);
            if (file.Name.EndsWith(".html", StringComparison.Ordinal))
                Assert.DoesNotContain("<img src=x", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Other_peoples_ids_look_like_ids_that_do_not_exist()
    {
        var other = await server.CreateCustomerAsync("not.yours@example.com");
        var request = (await server.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "objection", customer = other }, HttpStatusCode.Created)).GetProperty("id").GetGuid();
        var paths = new[]
        {
            "/v1/customers/{0}?purpose=data-subject-rights", "/v1/customers/{0}/events?purpose=data-subject-rights", "/v1/customers/{0}/consents", "/v1/customers/{0}/accesses",
        };
        foreach (var path in paths.Select(p => (Path: p, Id: other)).Append((Path: "/v1/requests/{0}", Id: request)))
        {
            var (theirs, nobodys) = (await AskAsync(path.Path, path.Id), await AskAsync(path.Path, Guid.CreateVersion7()));
            Assert.Equal(nobodys, theirs);
            Assert.Equal(404, theirs.Status);
        }
        using var change = await server.SendAsync("customer", HttpMethod.Patch, $"/v1/customers/{other}", new { fields = new { preferredName = "Mine" }, source = "tests" }, r => r.Headers.IfMatch.ParseAdd("\"1\""));
        Assert.Equal("not-found", await RunningServer.SlugAsync(change));
        using var consent = await server.SendAsync("customer", HttpMethod.Put, $"/v1/customers/{other}/consents/marketing", new { state = "withdrawn" });
        Assert.Equal("not-found", await RunningServer.SlugAsync(consent));
        using var opened = await server.SendAsync("customer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer = other });
        Assert.Equal(HttpStatusCode.NotFound, opened.StatusCode);
    }

    [Theory]
    [InlineData("/v1/audit/entries?limit=1000000000000")]
    [InlineData("/v1/audit/entries?limit=-1")]
    [InlineData("/v1/audit/entries?limit=" + Canary)]
    [InlineData("/v1/audit/entries?cursor=" + Canary)]
    [InlineData("/v1/audit/entries?from=" + Canary)]
    [InlineData("/v1/audit/entries?customer=" + Canary)]
    [InlineData("/v1/audit/entries?type=" + Canary)]
    [InlineData("/v1/audit/entries?field=" + Canary)]
    [InlineData("/v1/audit/entries?from=9999-12-31T23:59:59Z&to=0001-01-01T00:00:00Z&limit=" + Canary)]
    [InlineData("/v1/requests?cursor=" + Canary)]
    [InlineData("/v1/requests?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&state=" + Canary)]
    [InlineData("/v1/requests?customer=" + Canary)]
    public async Task Huge_limits_and_made_up_cursors_are_named_and_not_echoed(string path)
    {
        using var answer = await server.SendAsync("compliance-officer", HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        await RunningServer.SlugAsync(answer);
        Assert.DoesNotContain(Canary, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Bytes => new()
    {
        { "a null byte in the address", "GET /v1/policy%00 HTTP/1.1\r\nHost: vault\r\n\r\n" },
        { "bytes that are no UTF-8 in the address", "GET /v1/customers/%ff%fe?purpose=%c0%af HTTP/1.1\r\nHost: vault\r\n\r\n" },
        { "a folded header", "GET /v1/policy HTTP/1.1\r\nHost: vault\r\nX-One: a\r\n b\r\n\r\n" },
        { "two lengths", "POST /v1/customers HTTP/1.1\r\nHost: vault\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" },
        { "a length and chunks", "POST /v1/customers HTTP/1.1\r\nHost: vault\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { "a negative length", "POST /v1/customers HTTP/1.1\r\nHost: vault\r\nContent-Length: -1\r\n\r\n" },
        { "no host", "GET /v1/policy HTTP/1.1\r\n\r\n" },
        { "a large header", "GET /v1/policy HTTP/1.1\r\nHost: vault\r\nX-Large: " + new string('x', 40_000) + "\r\n\r\n" },
        { "many headers", "GET /v1/policy HTTP/1.1\r\nHost: vault\r\n" + string.Concat(Enumerable.Range(0, 200).Select(n => $"X-{n}: 1\r\n")) + "\r\n" },
        { "a method that is none", "BREW /v1/policy HTTP/1.1\r\nHost: vault\r\n\r\n" },
        { "no HTTP", Canary + "\r\n\r\n" },
        { "a broken authorisation", "GET /v1/policy HTTP/1.1\r\nHost: vault\r\nAuthorization: Bearer \u0001\u0002" + Canary + "\r\n\r\n" },
    };

    [Theory]
    [MemberData(nameof(Bytes))]
    public async Task Bytes_that_no_client_would_send_end_in_a_refusal(string what, string sent)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(server.Process.Address.Host, server.Process.Address.Port);
        await using var stream = socket.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(sent));
        socket.Client.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var answer = await reader.ReadToEndAsync(limit.Token);
        Assert.True(answer.Length == 0 || answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), $"{what}: {answer}");
        Assert.DoesNotContain(Canary, answer, StringComparison.Ordinal);
    }

    private async Task<(int Status, string Problem)> AskAsync(string path, Guid id)
    {
        using var answer = await server.SendAsync("customer", HttpMethod.Get, string.Format(System.Globalization.CultureInfo.InvariantCulture, path, id));
        using var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
        return ((int)answer.StatusCode, $"{problem.RootElement.GetProperty("type")} {problem.RootElement.GetProperty("detail")}");
    }
}
