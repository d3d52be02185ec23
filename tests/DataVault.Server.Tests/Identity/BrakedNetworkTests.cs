using System.Net;
using System.Net.Http.Headers;
using System.Text;
using DataVault.Testing;

namespace DataVault.Server.Tests.Identity;

/// <summary>What goes on for those who prove who they are while others in their network fail.</summary>
public sealed class BrakedNetworkTests : IAsyncLifetime
{
    private readonly RunningServer _server = new();

    public async ValueTask InitializeAsync() =>
        _server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Limits__FailedSignIns"] = "4", ["Vault__SampleCustomers"] = "0" }));

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Wrong_secrets_of_made_up_applications_wait_and_the_right_one_does_not()
    {
        for (var i = 0; i < 4; i++)
            Assert.Equal(HttpStatusCode.Unauthorized, (await TokenAsync($"nobody{i}", "wrong")).StatusCode);

        using var wrong = await TokenAsync("support-desk", "wrong");
        Assert.Equal(HttpStatusCode.TooManyRequests, wrong.StatusCode);
        Assert.NotNull(wrong.Headers.RetryAfter);
        using var right = await TokenAsync("support-desk", _server.Secrets.Clients.First(c => c.Id == "support-desk").Secret);
        Assert.Equal(HttpStatusCode.OK, right.StatusCode);
        using var person = new ConsoleVisitor(_server.Process.Address);
        await person.SignInAsync(_server.Secrets.People.First(p => p.Role == "analyst"));
        Assert.StartsWith("/console", person.Place, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_passwords_of_strangers_stop_neither_a_sign_out_nor_a_browser_in_which_somebody_signed_in_before()
    {
        var known = _server.Secrets.People.First(p => p.Role == "customer");
        using var person = new ConsoleVisitor(_server.Process.Address);
        await person.SignInAsync(known);
        for (var i = 0; i < 4; i++)
        {
            using var guess = new ConsoleVisitor(_server.Process.Address);
            await guess.SignInAsync("customer", $"nobody{i}@example.com", "not a password of anybody");
        }

        using var stranger = new ConsoleVisitor(_server.Process.Address);
        await stranger.SignInAsync(known);
        Assert.Contains("/problems/rate-limited", stranger.Page, StringComparison.Ordinal);
        await person.OpenAsync("/account/logout");
        await person.SubmitAsync("/account/logout");
        Assert.Equal("/account/signed-out", person.Place);
        await person.SignInAsync(known);
        Assert.StartsWith("/console", person.Place, StringComparison.Ordinal);
    }

    private async Task<HttpResponseMessage> TokenAsync(string client, string secret)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token");
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{client}:{secret}")));
        request.Content = new FormUrlEncodedContent([new("grant_type", "client_credentials")]);
        return await _server.Http.SendAsync(request);
    }
}
