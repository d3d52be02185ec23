using System.Net;
using System.Net.Sockets;
using System.Text;

namespace DataVault.Server.Tests.Identity;

/// <summary>What every answer tells a browser, and what a browser that was led astray cannot do.</summary>
public sealed class BrowserSafetyTests(RunningServer server)
{
    [Theory]
    [InlineData("/console")]
    [InlineData("/account/login")]
    [InlineData("/connect/authorize")]
    [InlineData("/v1/me")]
    [InlineData("/nowhere")]
    public async Task Every_answer_forbids_frames_sniffing_referrers_devices_and_strangers_windows(string path)
    {
        using var answer = await server.Http.GetAsync(path);
        string Header(string name) => string.Join(' ', answer.Headers.TryGetValues(name, out var values) ? values : []);

        Assert.Contains("frame-ancestors 'none'", Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.Equal("nosniff", Header("X-Content-Type-Options"));
        Assert.Equal("no-referrer", Header("Referrer-Policy"));
        Assert.Equal("same-origin", Header("Cross-Origin-Opener-Policy"));
        Assert.Equal("same-origin", Header("Cross-Origin-Resource-Policy"));
        Assert.Contains("camera=()", Header("Permissions-Policy"), StringComparison.Ordinal);
        Assert.DoesNotContain("*", Header("Access-Control-Allow-Origin"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forged_host_stands_in_no_address_that_anybody_is_sent_to()
    {
        foreach (var path in new[] { "/", "/console", "/console/sign-in", "/console/me", "/account", "/connect/authorize", "/.well-known/openid-configuration", "/v1/me", "/docs" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.Host = "evil.example";
            request.Headers.Add("X-Forwarded-Host", "evil.example");
            request.Headers.Add("X-Forwarded-For", "203.0.113.9");
            using var answer = await server.Http.SendAsync(request);
            Assert.DoesNotContain("evil.example", answer.Headers + await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Headers_without_end_are_refused()
    {
        foreach (var head in new[] { $"X-Long: {new string('x', 40_000)}\r\n", string.Concat(Enumerable.Range(0, 200).Select(i => $"X-{i}: 1\r\n")) })
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(server.Process.Address.Host, server.Process.Address.Port);
            await using var stream = socket.GetStream();
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET /console HTTP/1.1\r\nHost: a\r\n{head}\r\n"));
            using var reader = new StreamReader(stream);
            Assert.Contains("431", await reader.ReadLineAsync() ?? "", StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_session_that_ended_at_the_issuer_is_over_in_the_console_within_seconds()
    {
        var person = server.Secrets.People.First(p => p.Role == "customer");
        using var visitor = new ConsoleVisitor(server.Process.Address);
        await visitor.SignInAsync("customer", person.Email, person.Password);
        await visitor.OpenAsync("/console/me");
        Assert.Equal("/console/me", visitor.Place);
        await visitor.OpenAsync("/account/logout");
        await visitor.SubmitAsync("/account/logout");

        await Waiting.UntilAsync("the console's session is over", async () =>
        {
            await visitor.OpenAsync("/console/me");
            return visitor.Place == "/account/login";
        });
    }
}
