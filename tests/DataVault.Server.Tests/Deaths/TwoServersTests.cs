using System.Text.Json;
using DataVault.Testing;

namespace DataVault.Server.Tests.Deaths;

/// <summary>Two server processes on the same outside databases and the same home folder: one vault.</summary>
public sealed class TwoServers : IAsyncLifetime
{
    private readonly string _suffix = Guid.NewGuid().ToString("N")[..8];

    public RunningServer One { get; } = new();

    public RunningServer Other { get; } = new();

    public async ValueTask InitializeAsync()
    {
        var settings = await SettingsAsync();
        var (exitCode, output) = await ServerProcess.MigrateAsync(settings);
        Assert.True(exitCode == 0, output);
        One.Attach(await ServerProcess.StartAsync(settings));
        settings["Vault__Home"] = One.Process.Home;
        // Callers know one vault: what one process issues, the other takes.
        settings["Vault__PublicAddress"] = One.Secrets.Address;
        Other.Attach(await ServerProcess.StartAsync(settings), One);
    }

    public async ValueTask DisposeAsync()
    {
        await Other.DisposeAsync();
        await One.DisposeAsync();
    }

    private async Task<Dictionary<string, string>> SettingsAsync()
    {
        var cluster = await PostgresCluster.SharedAsync();
        var (vault, keys) = ($"two_vault_{_suffix}", $"two_keys_{_suffix}");
        return new Dictionary<string, string>
        {
            ["ConnectionStrings__VaultMigrator"] = cluster.ConnectionString(vault),
            ["ConnectionStrings__KeysMigrator"] = cluster.ConnectionString(keys),
            ["ConnectionStrings__Vault"] = cluster.ConnectionString(vault, "two_vault_app"),
            ["ConnectionStrings__Keys"] = cluster.ConnectionString(keys, "two_keys_app"),
            ["ConnectionStrings__Issuer"] = cluster.ConnectionString(vault, "two_issuer_app"),
            ["ConnectionStrings__Analytics"] = cluster.ConnectionString(vault, "two_analytics_app"),
        };
    }
}

public sealed class TwoServersTests(TwoServers servers) : IClassFixture<TwoServers>
{
    private const int Rounds = 20;

    [Fact]
    public async Task A_withdrawal_through_one_stops_the_next_disclosure_of_the_other()
    {
        var id = await servers.One.CreateCustomerAsync("two.servers@example.com");
        for (var round = 0; round < Rounds; round++)
        {
            var (here, there) = round % 2 == 0 ? (servers.One, servers.Other) : (servers.Other, servers.One);
            await ConsentAsync(here, id, "given");
            Assert.True((await ReadAsync(there, id)).GetProperty("fields").TryGetProperty("email", out _));
            await ConsentAsync(here, id, "withdrawn");
            var after = await ReadAsync(there, id);
            Assert.False(after.GetProperty("fields").TryGetProperty("email", out _));
            Assert.Equal("consent-withdrawn", after.GetProperty("withheld").GetProperty("email").GetString());
        }
    }

    [Fact]
    public async Task A_person_erased_through_one_is_unknown_to_the_other()
    {
        var id = await servers.One.CreateCustomerAsync("two.erased@example.com");
        await ReadAsync(servers.Other, id);
        var opened = await servers.One.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/requests", new { kind = "erasure", customer = id }, System.Net.HttpStatusCode.Created);
        var request = $"/v1/requests/{opened.GetProperty("id").GetGuid()}";
        await servers.One.JsonAsync("compliance-officer", HttpMethod.Post, request + "/verify", new { });
        await servers.One.JsonAsync("compliance-officer", HttpMethod.Post, request + "/approve", new { });
        await Waiting.UntilAsync("the erasure is complete", async () =>
            (await servers.One.JsonAsync("compliance-officer", HttpMethod.Get, request)).GetProperty("state").GetString() == "completed");
        using var answer = await servers.Other.SendAsync("support-desk", HttpMethod.Get, $"/v1/customers/{id}?purpose=customer-support");
        Assert.Equal("not-found", await RunningServer.SlugAsync(answer));
    }

    [Fact]
    public async Task Both_write_one_log_without_a_gap()
    {
        var (one, other) = (new StubbornLoad(servers.One, "one"), new StubbornLoad(servers.Other, "other"));
        await Task.WhenAll(one.WriteAsync(4, 8), other.WriteAsync(4, 8));
        using var stop = new CancellationTokenSource();
        var reading = Task.WhenAll(one.ReadAsync(4, [.. other.Customers.Values], stop.Token), other.ReadAsync(4, [.. one.Customers.Values], stop.Token));
        await Waiting.UntilAsync("both have read", () => one.Released.Count >= 150 && other.Released.Count >= 150);
        await stop.CancelAsync();
        await reading;
        Assert.Empty(one.Surprises.Concat(other.Surprises));

        var released = one.Released.Concat(other.Released).Select(r => r.Index).ToList();
        Assert.Equal(released.Count, released.Distinct().Count());
        Assert.Empty(one.Receipts.Keys.Intersect(other.Receipts.Keys));
        var last = released.Max();
        foreach (var server in new[] { servers.One, servers.Other })
        {
            var entries = await new ServerLog(server).EntriesAsync(0, last);
            Assert.Equal(Enumerable.Range(0, (int)last + 1).Select(i => (long)i), entries.Keys.Where(i => i <= last).Order());
            await new ServerLog(server).VerifyAsync(last);
        }
    }

    private static Task<JsonElement> ReadAsync(RunningServer server, Guid id) => server.JsonAsync("campaigns", HttpMethod.Get, $"/v1/customers/{id}?purpose=marketing&fields=email");

    private static Task<JsonElement> ConsentAsync(RunningServer server, Guid id, string state) =>
        server.JsonAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{id}/consents/marketing", new { state, channel = "phone" });
}
