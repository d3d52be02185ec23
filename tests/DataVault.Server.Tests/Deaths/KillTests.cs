using System.Net;
using Npgsql;

namespace DataVault.Server.Tests.Deaths;

/// <summary>A server for tests that kill it.</summary>
public sealed class MortalServer : RunningServer;

/// <summary>SIGKILL of the server and of its database under load: what was acknowledged is there once and whole, what was released is in the log.</summary>
public sealed class KillTests(MortalServer server) : IClassFixture<MortalServer>
{
    private const int Writers = 6;
    private const int Calls = 24;

    [Fact]
    public async Task A_killed_server_has_every_acknowledged_item_once_and_nothing_half_written() =>
        await WriteThroughAsync("server-death", async () =>
        {
            await server.Process.KillAsync();
            await server.Process.RestartAsync();
        });

    [Fact]
    public async Task A_killed_database_comes_back_by_itself_with_every_acknowledged_item_once()
    {
        var process = server.Process.ProcessId;
        var load = await WriteThroughAsync("database-death", () =>
        {
            server.Process.KillDatabase();
            return Task.CompletedTask;
        });
        Assert.Equal(process, server.Process.ProcessId);
        Assert.NotEqual(0, load.Refused);
    }

    [Fact]
    public async Task Every_answer_that_arrived_before_during_and_after_deaths_is_in_the_log()
    {
        var load = new StubbornLoad(server, "readers");
        await load.WriteAsync(2, 6);
        using var stop = new CancellationTokenSource();
        var reading = load.ReadAsync(12, [.. load.Customers.Values], stop.Token);
        await ArriveAsync(load, 150);
        await server.Process.KillAsync();
        await server.Process.RestartAsync();
        await ArriveAsync(load, 150);
        server.Process.KillDatabase();
        await ArriveAsync(load, 150);
        await stop.CancelAsync();
        await reading;

        Assert.Empty(load.Surprises);
        var released = load.Released.ToList();
        var newest = released.Max(r => r.Index);
        var entries = await new ServerLog(server).EntriesAsync(released.Min(r => r.Index), newest, "field.read");
        foreach (var answer in released)
        {
            Assert.True(entries.TryGetValue(answer.Index, out var entry), $"entry {answer.Index} is missing");
            Assert.Equal(("Support desk", "customer-support", "ok"), (entry!.Actor, entry.Purpose, entry.Result));
            Assert.All(answer.Fields, field => Assert.Contains(field, entry.Fields));
        }
        Assert.Equal(released.Count, released.Select(r => r.Index).Distinct().Count());
        await new ServerLog(server).VerifyAsync(newest);
    }

    [Fact]
    public async Task An_import_goes_on_after_the_death_of_the_server_and_its_own_and_stores_every_line_once()
    {
        const int Lines = 6_000;
        const int People = 300;
        using var import = new ImportProcess(server, Lines, People);
        var before = await CountAsync();
        import.Start();
        await import.ReachAsync(500);
        await server.Process.KillAsync();
        await server.Process.RestartAsync();
        await import.ReachAsync(1_500);
        await import.KillAsync();
        import.Start();
        await import.ReachAsync(2_500);
        server.Process.KillDatabase();
        var account = await import.FinishAsync();
        Assert.Equal((Lines, 0), (account.Read, account.Rejected));
        Assert.Equal(Lines, account.Accepted + account.Duplicates);
        Assert.Equal((before.Customers + People, before.Events + Lines), await CountAsync());
    }

    [Fact]
    public async Task Connections_to_the_keys_and_the_accounts_that_are_cut_in_the_middle_lose_nothing_and_release_nothing_unlogged()
    {
        var known = new StubbornLoad(server, "cut-before");
        await known.WriteAsync(2, 6);
        var issued = await TokensLoggedAsync();
        using var stop = new CancellationTokenSource();
        var (reading, tokens) = (known.ReadAsync(6, [.. known.Customers.Values], stop.Token), 0);
        await WriteThroughAsync("cut", async () =>
        {
            for (var cut = 0; cut < 8; cut++)
            {
                await server.Process.DatabaseAsync("postgres", "select pg_terminate_backend(pid) from pg_stat_activity where usename in ('dv_keys_app', 'dv_issuer_app')");
                if (await IsIssuedAsync()) tokens++;
                await ArriveAsync(known, 10);
            }
        });
        await stop.CancelAsync();
        await reading;

        Assert.Empty(known.Surprises);
        var entries = await new ServerLog(server).EntriesAsync(known.Released.Min(r => r.Index), known.Released.Max(r => r.Index), "field.read");
        Assert.All(known.Released, answer => Assert.True(entries.ContainsKey(answer.Index), $"entry {answer.Index} is missing"));
        await Waiting.UntilAsync("a token is issued", IsIssuedAsync);
        Assert.True(await TokensLoggedAsync() - issued > tokens, "a token was issued that the log does not tell of");
    }

    // By itself, past the tokens that the other calls keep.
    private async Task<bool> IsIssuedAsync()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/connect/token");
        var secret = server.Secrets.Clients.First(client => client.Id == "support-desk").Secret;
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"support-desk:{secret}")));
        request.Content = new FormUrlEncodedContent([new("grant_type", "client_credentials")]);
        using var answer = await server.Http.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.ServiceUnavailable, $"{(int)answer.StatusCode}");
        return answer.IsSuccessStatusCode;
    }

    private async Task<long> TokensLoggedAsync() =>
        (await server.JsonAsync("officer-tools", HttpMethod.Post, "/v1/audit/counts", """{ "type": "token.issued" }""")).GetProperty("entries").GetInt64();

    private static Task ArriveAsync(StubbornLoad load, int more)
    {
        var before = load.Released.Count;
        return Waiting.UntilAsync($"{more} more answers arrive", () => load.Released.Count >= before + more);
    }

    private async Task<StubbornLoad> WriteThroughAsync(string run, Func<Task> death)
    {
        var before = await CountAsync();
        var load = new StubbornLoad(server, run);
        var writing = load.WriteAsync(Writers, Calls);
        await Waiting.UntilAsync("a part is acknowledged", () => load.Customers.Count >= 40 || writing.IsFaulted);
        Assert.False(writing.IsCompletedSuccessfully, "All was written before the death.");
        await death();
        await writing;

        Assert.Empty(load.Surprises);
        Assert.Equal(Writers * Calls * 3, load.Customers.Count);
        Assert.Equal((before.Customers + load.Customers.Count, before.Events + load.Events.Count), await CountAsync());
        await ReadAllAsync(load);
        var log = new ServerLog(server);
        var entries = await log.EntriesAsync(load.Receipts.Keys.Min(), load.Receipts.Keys.Max());
        Assert.All(load.Receipts, receipt => Assert.Equal(receipt.Value, entries[receipt.Key].Type));
        await log.VerifyAsync(load.Receipts.Keys.Max());
        return load;
    }

    // What opens under its keys and says what was sent is whole.
    private static async Task ReadAllAsync(StubbornLoad load)
    {
        var customers = load.Customers.ToList();
        var body = new { read = customers.Select(c => c.Value), purpose = "customer-support", fields = new[] { "familyName", "customerNumber" } };
        var answer = await load.InsistAsync("support-desk", HttpMethod.Post, "/v1/customers/batch", body);
        foreach (var (customer, item) in customers.Zip(answer.GetProperty("items").EnumerateArray()))
        {
            Assert.Equal((int)HttpStatusCode.OK, item.GetProperty("status").GetInt32());
            var fields = item.GetProperty("disclosed").GetProperty("fields");
            Assert.Equal(("Ninelives", customer.Key), (fields.GetProperty("familyName").GetString(), fields.GetProperty("customerNumber").GetString()));
        }
        var happened = await load.InsistAsync("campaigns", HttpMethod.Get, $"/v1/customers/{customers[0].Value}/events?purpose=personalisation");
        Assert.Equal(StubbornLoad.EventsEach, happened.GetProperty("items").GetArrayLength());
    }

    private async Task<(long Customers, long Events)> CountAsync()
    {
        await using var connection = new NpgsqlConnection(server.Process.DatabaseConnection("vault"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT (SELECT count(*) FROM vault.subject), (SELECT count(*) FROM vault.event)", connection);
        await using var row = await command.ExecuteReaderAsync();
        await row.ReadAsync();
        return (row.GetInt64(0), row.GetInt64(1));
    }
}
