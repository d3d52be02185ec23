using System.Net;
using DataVault.Testing;

namespace DataVault.Server.Tests;

/// <summary>Acts that want a sign-in that is not old (RFC 9470), and applications that must have a key.</summary>
public sealed class StepUpTests : IAsyncLifetime
{
    private readonly RunningServer _server = new();

    public async ValueTask InitializeAsync() =>
        _server.Attach(await ServerProcess.StartAsync(new Dictionary<string, string> { ["Vault__StepUpAge"] = "00:00:20", ["Vault__SampleCustomers"] = "0", ["Vault__BoundClasses"] = "contact, health" }));

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Keys_policy_approvals_accounts_and_applications_want_a_fresh_sign_in_and_say_so_while_reading_goes_on()
    {
        (string Who, string Path)[] acts =
        [
            ("administrator", "/v1/keys/rotations"), ("administrator", "/v1/accounts"), ("administrator", $"/v1/accounts/{Guid.NewGuid()}/enable"), ("administrator", "/v1/clients"),
            ("administrator", "/v1/clients/nobody/secret"), ("compliance-officer", "/v1/policy/activations"),
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

    [Fact]
    public async Task A_persons_package_wants_a_fresh_sign_in()
    {
        var path = $"/v1/requests/{Guid.NewGuid()}/package";
        using var fresh = await _server.SendAsync("compliance-officer", HttpMethod.Get, path);
        Assert.Equal(HttpStatusCode.NotFound, fresh.StatusCode);
        await Waiting.UntilAsync(path, async () => (await _server.SendAsync("compliance-officer", HttpMethod.Get, path)).StatusCode == HttpStatusCode.Unauthorized);
        using var stale = await _server.SendAsync("compliance-officer", HttpMethod.Get, path);
        Assert.Equal("sign-in-again", await RunningServer.SlugAsync(stale));
    }

    [Fact]
    public async Task An_application_tries_a_version_of_the_policy_and_puts_none_in_force()
    {
        var files = Repository.ChangedFiles(("roles.yaml", "en: Analyst,", "en: Analysts,"));
        var tried = await _server.JsonAsync("officer-tools", HttpMethod.Post, "/v1/policy/activations", new { files, dryRun = true });
        Assert.Equal(0, tried.GetProperty("problems").GetArrayLength());
        using var refused = await _server.SendAsync("officer-tools", HttpMethod.Post, "/v1/policy/activations", new { files });
        Assert.Equal((HttpStatusCode.Forbidden, "forbidden"), (refused.StatusCode, await RunningServer.SlugAsync(refused)));
        Assert.Equal(Repository.Policy.Version, (await _server.JsonAsync("officer-tools", HttpMethod.Get, "/v1/policy")).GetProperty("version").GetString());
    }

    [Fact]
    public async Task An_application_that_reads_classes_for_which_a_key_is_demanded_is_registered_with_one_alone()
    {
        object Body(string id, bool bound, string role, string purpose) => new { id, name = id, roles = new[] { role }, purposes = new[] { purpose }, dpopBound = bound };

        using var without = await _server.SendAsync("administrator", HttpMethod.Post, "/v1/clients", Body("desk-one", false, "customer-support", "customer-support"));
        Assert.Equal("invalid-request", await RunningServer.SlugAsync(without));
        await _server.JsonAsync("administrator", HttpMethod.Post, "/v1/clients", Body("desk-two", true, "customer-support", "customer-support"), HttpStatusCode.Created);
        await _server.JsonAsync("administrator", HttpMethod.Post, "/v1/clients", Body("loader", false, "ingest", "service-delivery"), HttpStatusCode.Created);
    }

    private Task<HttpResponseMessage> ActAsync(string who, string path) => _server.SendAsync(who, HttpMethod.Post, path, "{ \"level\": ");
}
