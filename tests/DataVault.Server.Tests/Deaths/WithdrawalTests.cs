using System.Collections.Concurrent;
using System.Text.Json;
using DataVault.Testing;

namespace DataVault.Server.Tests.Deaths;

/// <summary>
/// Withdrawals and reads at the same time, through two processes. What a reader was told is held against the log: the receipt of a withdrawal is its place
/// there, and a read that began after the answer stands behind it.
/// </summary>
public sealed class WithdrawalTests(TwoServers servers) : IClassFixture<TwoServers>
{
    private const int Rounds = 12;
    private const int Readers = 6;
    private const string Address = "withdraws.often@example.com";

    /// <param name="After">The newest withdrawal that had been answered when the read began; -1 before the first.</param>
    /// <param name="Given">A consent had been asked for since, so that the read may find it given.</param>
    /// <param name="Index">Entry of the read.</param>
    /// <param name="Released">Whether it showed the address.</param>
    private sealed record Seen(string Way, long After, bool Given, long Index, bool Released);

    [Fact]
    [Requirement("R11")]
    public async Task No_read_that_began_after_a_withdrawal_was_answered_succeeds_in_either_process()
    {
        var id = await servers.One.CreateCustomerAsync(Address);
        await AppendEventAsync(servers.One, id);
        var (seen, state) = (new ConcurrentBag<Seen>(), new Answered());
        using var stop = new CancellationTokenSource();
        var reading = Task.WhenAll(Enumerable.Range(0, Readers).Select(reader => Task.Run(() => ReadAsync(reader, id, state, seen, stop.Token))));
        for (var round = 0; round < Rounds; round++)
        {
            var here = round % 2 == 0 ? servers.One : servers.Other;
            state.Begin();
            await ConsentAsync(here, id, "marketing", "given");
            await ConsentAsync(here, id, "personalisation", "given");
            var before = seen.Count;
            await Waiting.UntilAsync("somebody reads with consent", () => seen.Count >= before + Readers);
            await ConsentAsync(here, id, "marketing", "withdrawn");
            state.Withdrawn(await ConsentAsync(here, id, "personalisation", "withdrawn"));
            before = seen.Count;
            await Waiting.UntilAsync("everybody reads without", () => seen.Count >= before + (2 * Readers));
        }

        await stop.CancelAsync();
        await reading;
        Assert.DoesNotContain(seen, read => read is { After: >= 0, Given: false, Released: true });
        Assert.Contains(seen, read => read.Released);
        Assert.Contains(seen, read => read is { After: >= 0, Given: false, Released: false });
        await AgainstTheLogAsync(seen);
    }

    /// <summary>
    /// The other ways out: the feed of analytics, whose workers run in both processes, the pages of the console, the list of those to be asked again and what a person takes
    /// along. No rule lets anybody export for a purpose that rests on consent, and a package is for the person's own right: there is none to stop.
    /// </summary>
    [Fact]
    [Requirement("R11", "R96")]
    public async Task After_the_answer_no_batch_of_the_feed_shows_the_person_and_no_page_or_list_of_either_process_counts_them()
    {
        var id = (await servers.One.JsonAsync("customer", HttpMethod.Get, "/v1/me")).GetProperty("customer").GetGuid();
        var account = servers.One.Secrets.People.First(person => person.Role == "customer");
        using var visitor = new ConsoleVisitor(servers.One.Process.Address);
        await visitor.SignInAsync("customer", account.Email, account.Password);
        await SayAsync(servers.One, "withdrawn");
        await FedAsync();
        var others = await ShownAsync();
        for (var round = 0; round < 4; round++)
        {
            var (here, there) = round % 2 == 0 ? (servers.One, servers.Other) : (servers.Other, servers.One);
            await SayAsync(here, "given");
            await Waiting.UntilAsync("the feed shows the person", async () => await ShownAsync() > others);
            Assert.Contains("<span class=\"chip good\">given</span>", await ConsentsPageAsync(visitor, there), StringComparison.Ordinal);
            Assert.Contains(id, await EndingAsync(there));

            // Work for the feed of both, while the consent goes.
            using var stop = new CancellationTokenSource();
            var writing = Task.WhenAll(new[] { here, there }.Select(server => Task.Run(() => VisitAsync(server, id, stop.Token))));
            await SayAsync(here, "withdrawn");
            Assert.Equal(others, await ShownAsync());
            Assert.DoesNotContain(id, await EndingAsync(there));
            Assert.DoesNotContain("<span class=\"chip good\">given</span>", await ConsentsPageAsync(visitor, there), StringComparison.Ordinal);
            for (var look = 0; look < 20; look++) Assert.Equal(others, await ShownAsync());
            await stop.CancelAsync();
            await writing;
            await FedAsync();
            Assert.Equal(others, await ShownAsync());
        }
    }

    // It ends soon, so that it stands in the list of those to be asked again.
    private static Task<JsonElement> SayAsync(RunningServer server, string state) => server.JsonAsync(
        "customer", HttpMethod.Put, "/v1/me/consents/analytics", state == "given" ? new { state, expires = DateTimeOffset.UtcNow.AddDays(3) } : new { state });

    private Task<long> ShownAsync() => servers.CountAsync("select " + string.Join(" + ", Repository.Policy.Analytics.Select(domain => $"(select count(*) from \"{domain.Schema}\".customer)")));

    private Task FedAsync() => Waiting.UntilAsync("the feed has nothing to do", async () => await servers.CountAsync("select count(*) from vault.feed_queue where attempt = 0") == 0);

    private static async Task<string> ConsentsPageAsync(ConsoleVisitor visitor, RunningServer server)
    {
        await visitor.OpenAsync(new Uri(server.Process.Address, "/console/me/consents").AbsoluteUri);
        var from = visitor.Page.IndexOf("Learning from purchases", StringComparison.Ordinal);
        Assert.True(from > 0, visitor.Page);
        return visitor.Page[from..visitor.Page.IndexOf("</section>", from, StringComparison.Ordinal)];
    }

    private static async Task<List<Guid>> EndingAsync(RunningServer server) =>
        [.. (await server.JsonAsync("crm-ingest", HttpMethod.Get, "/v1/consents/renewals?purpose=analytics&limit=500")).GetProperty("items").EnumerateArray().Select(one => one.GetProperty("customer").GetGuid())];

    // Each event has the feed look at the person again.
    private static async Task VisitAsync(RunningServer server, Guid id, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested) await AppendEventAsync(server, id);
    }

    // The log has one order for both processes: what began after the answer stands behind the withdrawal, as a refusal.
    private async Task AgainstTheLogAsync(IReadOnlyCollection<Seen> seen)
    {
        var entries = await new ServerLog(servers.One).EntriesAsync(0, seen.Max(read => read.Index));
        foreach (var read in seen.Where(read => read is { After: >= 0, Given: false }))
        {
            Assert.True(read.Index > read.After, $"{read} stands before the withdrawal that was answered first");
            Assert.Equal(("consent.change", "consent-withdrawn"), (entries[read.After].Type, entries[read.After].Rules.Single()));
            if (read.Way != "search") Assert.Equal("denied", entries[read.Index].Type);
        }
    }

    private async Task ReadAsync(int reader, Guid id, Answered state, ConcurrentBag<Seen> seen, CancellationToken stop)
    {
        string[] ways = ["get", "batch", "search", "events"];
        for (var n = reader; !stop.IsCancellationRequested; n++)
        {
            var server = n % 2 == 0 ? servers.One : servers.Other;
            var way = ways[n % ways.Length];
            var (after, given) = state.Now;
            var (index, released) = way switch
            {
                "get" => Outcome(await server.JsonAsync("campaigns", HttpMethod.Get, $"/v1/customers/{id}?purpose=marketing&fields=email")),
                "batch" => Outcome((await server.JsonAsync("campaigns", HttpMethod.Post, "/v1/customers/batch", new { read = new[] { id }, purpose = "marketing", fields = new[] { "email" } }))
                    .GetProperty("items")[0].GetProperty("disclosed")),
                "search" => Found(await server.JsonAsync(
                    "campaigns", HttpMethod.Post, "/v1/customers/search", new { purpose = "marketing", where = new { email = Address }, fields = new[] { "email" } })),
                _ => Events(await server.JsonAsync("campaigns", HttpMethod.Get, $"/v1/customers/{id}/events?purpose=personalisation&types=page_view")),
            };
            // Whether a consent came meanwhile is asked again: then the read may have found it.
            seen.Add(new Seen(way, after, given || state.Now.Given || state.Now.After != after, index, released));
        }
    }

    private static (long, bool) Outcome(JsonElement disclosed) =>
        (disclosed.GetProperty("receipt").GetProperty("index").GetInt64(), disclosed.GetProperty("fields").TryGetProperty("email", out _));

    private static (long, bool) Found(JsonElement found) =>
        (found.GetProperty("receipt").GetProperty("index").GetInt64(), found.GetProperty("results").EnumerateArray().Any(one => one.GetProperty("fields").TryGetProperty("email", out _)));

    private static (long, bool) Events(JsonElement page) =>
        (page.GetProperty("receipt").GetProperty("index").GetInt64(), page.GetProperty("items").GetArrayLength() > 0);

    private static async Task<long> ConsentAsync(RunningServer server, Guid id, string purpose, string state) =>
        (await PutAsync(server, id, purpose, state)).GetProperty("receipt").GetProperty("index").GetInt64();

    private static Task<JsonElement> PutAsync(RunningServer server, Guid id, string purpose, string state) =>
        server.JsonAsync("crm-ingest", HttpMethod.Put, $"/v1/customers/{id}/consents/{purpose}", new { state, channel = "phone" });

    private static Task<JsonElement> AppendEventAsync(RunningServer server, Guid id) => server.JsonAsync("crm-ingest", HttpMethod.Post, "/v1/events/batch", new
    {
        events = new[] { new { id = Guid.CreateVersion7(), customer = new { id }, type = "page_view", occurredAt = "2026-03-01T10:15:00Z", source = "tests", properties = new { path = "/lamps" } } },
    });

    /// <summary>What readers may rely on when they begin: the newest withdrawal that was answered, and whether a consent has been asked for since.</summary>
    private sealed class Answered
    {
        private readonly Lock turn = new();
        private (long After, bool Given) now = (-1, false);

        public (long After, bool Given) Now
        {
            get
            {
                lock (turn) return now;
            }
        }

        public void Begin()
        {
            lock (turn) now = now with { Given = true };
        }

        public void Withdrawn(long index)
        {
            lock (turn) now = (index, false);
        }
    }
}
