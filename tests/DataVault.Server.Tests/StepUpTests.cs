using System.Net;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>Acts that want a sign-in that is not old (RFC 9470).</summary>
public sealed class StepUpTests : IAsyncLifetime
{
    private readonly RunningServer _server = new();

    public async ValueTask InitializeAsync() =>
        _server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__StepUpAge"] = "00:00:20", ["Vault__SampleCustomers"] = "0" }));

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Keys_policy_and_approvals_want_a_fresh_sign_in_and_say_so_while_reading_goes_on()
    {
        (string Who, string Path)[] acts =
        [
            ("administrator", "/v1/keys/rotations"), ("compliance-officer", "/v1/policy/activations"),
            ("compliance-officer", $"/v1/approvals/{Guid.NewGuid()}/approve"), ("compliance-officer", $"/v1/approvals/{Guid.NewGuid()}/refuse"),
        ];
        foreach (var (who, path) in acts)
        {
            // What is asked for is looked at only once the caller may act.
            using var fresh = await ActAsync(who, path);
            Assert.True(fresh.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.NotFound, $"{path}: {fresh.StatusCode}");
        }

        foreach (var (who, path) in acts)
        {
            await Waiting.UntilAsync(path, async () => (await ActAsync(who, path)).StatusCode == HttpStatusCode.Unauthorized);
            using var stale = await ActAsync(who, path);
            Assert.Equal("sign-in-again", await RunningServer.SlugAsync(stale));
            var challenge = Assert.Single(stale.Headers.WwwAuthenticate).ToString();
            Assert.StartsWith("Bearer error=\"insufficient_user_authentication\"", challenge, StringComparison.Ordinal);
            Assert.EndsWith("acr_values=\"2\", max_age=\"20\"", challenge, StringComparison.Ordinal);
        }

        using var read = await _server.SendAsync("administrator", HttpMethod.Get, "/v1/keys");
        Assert.Equal(HttpStatusCode.OK, read.StatusCode);
    }

    private Task<HttpResponseMessage> ActAsync(string who, string path) => _server.SendAsync(who, HttpMethod.Post, path, "{ \"level\": ");
}
