using System.Text.Json;
using DataVault.Testing;
using Npgsql;

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

    /// <summary>A number out of the database that both write to.</summary>
    public async Task<long> CountAsync(string sql)
    {
        await using var connection = new NpgsqlConnection((await PostgresCluster.SharedAsync()).ConnectionString($"two_vault_{_suffix}") + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync())!;
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
        await servers.One.JsonAsync("compliance-officer", HttpMethod.Post, request + "/verify", new { method = "document-seen" });
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

    [Fact]
    public async Task A_policy_put_in_force_through_one_decides_alone_in_both_from_the_answer_on_and_a_bad_one_nowhere()
    {
        var id = await servers.One.CreateCustomerAsync("two.policies@example.com");
        var (former, next) = (Repository.ChangedFiles(), Repository.ChangedFiles(("access/marketing.yaml", "- id: marketing-", "- id: campaign-")));
        using var stop = new CancellationTokenSource();
        var receipts = new System.Collections.Concurrent.ConcurrentBag<long>();
        var reading = Task.WhenAll(new[] { servers.One, servers.Other }.Select(server => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) receipts.Add(Receipt(await ReadAsync(server, id)));
        })));
        for (var round = 0; round < 4; round++)
        {
            var (here, there) = round % 2 == 0 ? (servers.One, servers.Other) : (servers.Other, servers.One);
            var answer = await here.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/policy/activations", new { files = round % 2 == 0 ? next : former });
            Assert.Equal(2, answer.GetProperty("processes").GetInt32());
            var entry = await EntryAsync(there, Receipt(await ReadAsync(there, id)));
            Assert.Equal(answer.GetProperty("version").GetString(), entry.GetProperty("policyVersion").GetString());
            Assert.Contains(round % 2 == 0 ? "campaign-" : "marketing-", entry.GetProperty("rules").ToString(), StringComparison.Ordinal);
        }

        await stop.CancelAsync();
        await reading;
        var versions = new[] { DataVault.Policy.PolicySet.Load(former).Version, DataVault.Policy.PolicySet.Load(next).Version };
        foreach (var index in receipts.Distinct().Take(60))
        {
            var entry = await EntryAsync(servers.One, index);
            Assert.Contains(entry.GetProperty("policyVersion").GetString() == versions[1] ? "campaign-" : "marketing-", entry.GetProperty("rules").ToString(), StringComparison.Ordinal);
        }

        former["access/marketing.yaml"] = former["access/marketing.yaml"].Replace("roles: [marketing]", "roles: [marketeers]", StringComparison.Ordinal);
        using var refused = await servers.One.SendAsync("compliance-officer", HttpMethod.Post, "/v1/policy/activations", new { files = former });
        Assert.Equal("policy-refused", await RunningServer.SlugAsync(refused));
        Assert.Contains("/files/access~1marketing.yaml", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var stranger = await servers.One.SendAsync("administrator", HttpMethod.Post, "/v1/policy/activations", new { version = versions[0] });
        Assert.Equal("forbidden", await RunningServer.SlugAsync(stranger));

        var diff = await servers.Other.JsonAsync("compliance-officer", HttpMethod.Post, "/v1/policy/diff", new { files = Forbidding() });
        Assert.Equal((0, true), (diff.GetProperty("released").GetInt32(), diff.GetProperty("withdrawn").GetInt32() > 0));
        var replay = await servers.Other.JsonAsync(
            "compliance-officer", HttpMethod.Post, "/v1/policy/replay", new { since = DateTimeOffset.UnixEpoch, files = Forbidding() });
        var email = replay.GetProperty("fields").EnumerateArray().Single(field => field.GetProperty("field").GetString() == "email" && field.GetProperty("fate").GetString() == "refused");
        Assert.True(email.GetProperty("decisions").GetInt64() >= receipts.Distinct().Count());
        Assert.True(email.GetProperty("people").GetInt64() >= 1);
    }

    private static Dictionary<string, string> Forbidding()
    {
        var files = Repository.ChangedFiles();
        files["access/no-marketing.yaml"] = "rules:\n  - id: no-addresses\n    why: None\n    effect: forbid\n    roles: [marketing]\n    purposes: [marketing]\n    fields: [email]\n    actions: [read]\n";
        return files;
    }

    private static long Receipt(JsonElement read) => read.GetProperty("receipt").GetProperty("index").GetInt64();

    private static async Task<JsonElement> EntryAsync(RunningServer server, long index) => (await server.JsonAsync(
        "compliance-officer", HttpMethod.Get, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"/v1/audit/entries?limit=1&cursor={index + 1}"))).GetProperty("items")[0];

    private static Task<JsonElement> ReadAsync(RunningServer server, Guid id) => server.JsonAsync("campaigns", HttpMethod.Get, $"/v1/customers/{id}?purpose=marketing&fields=email");

    private static Task<JsonElement> ConsentAsync(RunningServer server, Guid id, string state) =>
        server.JsonAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{id}/consents/marketing", new { state, channel = "phone" });
}
