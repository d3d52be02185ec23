using System.Diagnostics;
using System.Globalization;
using DataVault.Policy;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>
/// The officer's desk over many people with three consents each, open requests, and a quarter of a year of log: what an officer waits for (counted anew, and kept from a
/// moment before), a list, and the count in the background. The rows are written as they stand in the database: what is measured is counting them. The peer is what most systems do
/// for such a screen: as many counts, one after the other, over the tables without the indexes that the desk has.
/// </summary>
internal static class DeskBenchmark
{
    private static readonly Recipient s_officer = new(RecipientKind.Staff, "officer-1", "officer", ["compliance-officer"], ["data-subject-rights"]);

    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (subjects, requests, entries, rounds) = (options.Number("subjects", 1_000_000), options.Number("requests", 10_000), options.Number("entries", 1_000_000), options.Number("rounds", 7));
        await using var vault = await BenchmarkVault.StartAsync();
        await new MadeUpLog(entries, subjects, 90).FillAsync(vault);
        await vault.Vault.Get<LogIndexer>().CatchUpAsync();
        await FillAsync(vault, subjects, requests);
        await vault.Vault.Get<CheckpointSigner>().SignAsync();
        Say("the count in the background (consents, log, keys)", [await SecondsAsync(() => vault.Vault.Get<DeskDigest>().RoundAsync(default))]);

        var (desk, reader) = (vault.Vault.Get<OfficerDesk>(), vault.Vault.Get<DeskReader>());
        await desk.LookAsync(s_officer, Guid.NewGuid(), default);
        Say("the screen, counted anew", await RoundsAsync(rounds, () => reader.CountAsync(default)));
        Say("the screen, as an officer waits for it", await RoundsAsync(rounds, () => desk.LookAsync(s_officer, Guid.NewGuid(), default)));
        Say("the list of open requests, 50 of them", await RoundsAsync(rounds, () => desk.ListAsync(s_officer, ("deadlines", "open"), null, (50, null), Guid.NewGuid(), default)));
        Say("the list of those that nobody touched", await RoundsAsync(rounds, () => desk.ListAsync(s_officer, ("funnel", "stuck"), null, (50, null), Guid.NewGuid(), default)));

        await vault.AsOwnerAsync("drop index vault.request_open, vault.request_closed, vault.closed_request_open, vault.closed_request_closed");
        Say("peer: the same without its indexes", await RoundsAsync(rounds, () => reader.CountAsync(default)));
    }

    // As many requests are closed as there are people in a hundred; some were closed in the last month, and every tenth is of somebody who was erased.
    private static async Task FillAsync(BenchmarkVault vault, int subjects, int requests)
    {
        var purposes = string.Join(',', Testing.Repository.Policy.Purposes.All.Where(purpose => purpose.NeedsConsent).Take(3).Select(purpose => purpose.Id));
        await using var source = NpgsqlDataSource.Create(vault.VaultAdmin + ";Command Timeout=0");
        foreach (var sql in new[]
        {
            $"""
            insert into vault.consent_event (subject_id, sequence, purpose_id, state, at, expires, log_index, notice_hash)
            select md5(s::text)::uuid, p, p, case when s % 20 = 0 then 2 else 1 end, now() - (s % 700) * interval '1 day', now() + (s % 730 - 30) * interval '1 day', 0, sha256('notice')
            from generate_series(1, {subjects}) s, unnest(array[{purposes}]) p
            """,
            $"""
            insert into vault.request (subject_id, request_id, kind, state, jurisdiction, opened_at, due_at, completed_at, opened_by, log_index)
            select md5(n::text)::uuid, gen_random_uuid(), (array['access','erasure','rectification','restriction'])[n % 4 + 1], case when n > {requests} then 'completed' else (array['received','verified','approved'])[n % 3 + 1] end, 'eu',
                now() - (n % 25) * interval '1 day', now() + (n % 30 - 2) * interval '1 day', case when n > {requests} then now() - (n % 900) * interval '1 day' end, 'customer', n
            from generate_series(1, {requests + (subjects / 100)}) n
            """,
            $"""
            insert into vault.closed_request (request_id, kind, state, jurisdiction, opened_at, due_at, completed_at, opened_by, log_index, certificate, final_due, final_at)
            select gen_random_uuid(), 'erasure', 'completed', 'eu', now() - (n % 900) * interval '1 day', now(), now() - (n % 900) * interval '1 day', 'customer', 0, 'certificate', now(), now()
            from generate_series(1, {subjects / 1000}) n
            """,
            $"insert into vault.retention_look (subject_id, look_at, active_at, rules, seal) select md5(s::text)::uuid, now() + (s % 300 + 1) * interval '1 day', now(), '', '' from generate_series(1, {subjects}) s",
            "analyze",
        })
        {
            await using var command = source.CreateCommand(sql);
            await command.ExecuteNonQueryAsync();
        }
    }

    private static async Task<List<double>> RoundsAsync(int rounds, Func<Task> work)
    {
        var taken = new List<double>();
        for (var round = 0; round < rounds; round++) taken.Add(await SecondsAsync(work));
        return taken;
    }

    private static async Task<double> SecondsAsync(Func<Task> work)
    {
        var start = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static void Say(string what, List<double> seconds) => Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture, $"  {what,-56} {seconds.Order().ElementAt(seconds.Count / 2) * 1000,9:F1} ms (most {seconds.Max() * 1000:F0})"));
}
