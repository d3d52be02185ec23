using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>
/// A sweep over people of whom some events have been kept long enough: every person's events are looked through, what is due goes with an entry of the log, in one transaction for each person. The peer holds the
/// same rows in clear and deletes in one transaction for each person as well, with a row in a table of audits; and once all of them by one statement, which nothing records.
/// </summary>
internal sealed class RetentionBenchmark(BenchmarkVault vault, int people, int events)
{
    private const int OldOfTen = 8;
    private static readonly Recipient s_officer = new(RecipientKind.Staff, "officer-1", "officer", ["compliance-officer"], ["data-subject-rights"]);
    private static readonly TimeSpan s_old = TimeSpan.FromDays(5 * 365);

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (people, events, rounds) = (options.Number("people", 2_000), options.Number("events", 50), options.Number("rounds", 3));
        await using var vault = await BenchmarkVault.StartAsync();
        await vault.OnPeerAsync("create table event (person uuid, id uuid, type int, occurred_at timestamptz, body text, primary key (person, id)); create table audit (id bigserial primary key, person uuid, at timestamptz, what text)");
        var benchmark = new RetentionBenchmark(vault, people, events);
        for (var round = 0; round < rounds; round++) await benchmark.RoundAsync();
    }

    private async Task RoundAsync()
    {
        await vault.EmptyAsync();
        await vault.AsOwnerAsync("truncate vault.retention_look, vault.retention_run");
        await FillAsync();
        await FillPeerAsync();
        var due = people * (events * OldOfTen / 10);
        Say("sweep, an entry for each person", due, await SecondsAsync(SweepAsync));
        await ExpectAsync("select count(*) from vault.event", vault.VaultAdmin, (people * events) - due);
        Say("peer: transaction and audit row for each person", due, await SecondsAsync(DeleteByPersonAsync));
        await FillPeerAsync();
        Say("peer: one statement, no record", due, await SecondsAsync(() => vault.OnPeerAsync($"delete from event where occurred_at < now() - interval '{s_old.TotalDays / 2} days'")));
        await AskAgainAsync();
        Say("sweep when nothing is due", people, await SecondsAsync(SweepAsync));
    }

    private async Task SweepAsync()
    {
        await vault.Vault.Get<Retention>().StartAsync(s_officer, dry: false, Guid.NewGuid(), default);
        if (!await vault.Vault.Get<RetentionSweep>().RoundAsync(default)) throw new InvalidOperationException("The sweep did not come to its end.");
    }

    private Task AskAgainAsync() => vault.AsOwnerAsync("truncate vault.retention_look, vault.retention_run");

    private async Task FillAsync()
    {
        JsonElement Json(string text) => JsonSerializer.Deserialize<JsonElement>(text);
        var (editor, recorder) = (vault.Vault.Get<ProfileEditor>(), vault.Vault.Get<EventRecorder>());
        var fields = new Dictionary<string, JsonElement> { ["givenName"] = Json("\"Ada\""), ["familyName"] = Json("\"Example\"") };
        var properties = new Dictionary<string, JsonElement> { ["path"] = Json("\"/lamps/7\"") };
        for (var made = 0; made < people; made += 500)
        {
            var written = await editor.CreateManyAsync(
                BenchmarkVault.Ingest, [.. Enumerable.Repeat(new NewCustomer(fields, "crm", null, null, "service-delivery", null), Math.Min(500, people - made))], null, Guid.NewGuid(), default);
            foreach (var some in written.Chunk(Math.Max(1, 1000 / events)))
            {
                var happened = some.SelectMany(one => Enumerable.Range(0, events).Select(number => new NewEvent(
                    new CustomerLookup(Id: one.Value!.Id), "page_view", WhenOf(number), "shop", properties, Guid.NewGuid(), "service-delivery"))).ToList();
                var outcome = await recorder.AppendAsync(BenchmarkVault.Ingest, happened, Guid.NewGuid(), default);
                if (outcome.Items.FirstOrDefault(item => item.Error is not null) is { } refused) throw refused.Error!;
            }
        }
    }

    private static DateTimeOffset WhenOf(int number) => TimeProvider.System.GetUtcNow().AddMinutes(-number) - (number % 10 < OldOfTen ? s_old : TimeSpan.Zero);

    private Task FillPeerAsync() => vault.OnPeerAsync(
        $"""
        truncate event;
        insert into event select md5(p::text)::uuid, gen_random_uuid(), 4, now() - n * interval '1 minute' - case when n % 10 < {OldOfTen} then interval '{s_old.TotalDays} days' else interval '0' end, repeat('x', 60)
        from generate_series(1, {people}) p, generate_series(0, {events - 1}) n;
        analyze event
        """);

    private async Task DeleteByPersonAsync()
    {
        var persons = new List<Guid>();
        await using (var ask = vault.Peer.CreateCommand("select distinct person from event where occurred_at < now() - interval '900 days'"))
        await using (var row = await ask.ExecuteReaderAsync())
        {
            while (await row.ReadAsync()) persons.Add(row.GetGuid(0));
        }

        foreach (var person in persons)
        {
            await using var batch = vault.Peer.CreateBatch();
            batch.BatchCommands.Add(new NpgsqlBatchCommand("delete from event where person = $1 and occurred_at < now() - interval '900 days'") { Parameters = { new() { Value = person } } });
            batch.BatchCommands.Add(new NpgsqlBatchCommand("insert into audit (person, at, what) values ($1, now(), 'retention')") { Parameters = { new() { Value = person } } });
            await batch.ExecuteNonQueryAsync();
        }
    }

    private static async Task ExpectAsync(string count, string where, long expected)
    {
        await using var source = NpgsqlDataSource.Create(where);
        await using var command = source.CreateCommand(count);
        var found = (long)(await command.ExecuteScalarAsync())!;
        if (found != expected) throw new InvalidOperationException($"{found} rows are left and {expected} should be.");
    }

    private static async Task<double> SecondsAsync(Func<Task> work)
    {
        var start = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Say(string what, int rows, double seconds) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what,-52} {rows / seconds,12:N0} rows/s   {seconds:F2} s for {rows:N0}"));
}
