using System.Diagnostics;
using System.Globalization;
using DataVault.Vault;
using Npgsql;
using NpgsqlTypes;

namespace DataVault.Benchmarks;

/// <summary>
/// What officers ask of a long log. The log is filled with real encoded entries (some people are looked at a thousand times more often than others, so are
/// applications busier than others), indexed as the server does it, and asked; the peer is the audit table that most systems have, the same rows in clear
/// columns with a b-tree on each that is searched.
/// </summary>
internal static class SearchBenchmark
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (count, rounds) = (options.Number("entries", 1_000_000), options.Number("rounds", 5));
        await using var vault = await BenchmarkVault.StartAsync();
        var log = new MadeUpLog(count, options.Number("people", 1_000_000), options.Number("days", 365));
        await TimeAsync("fill the log", count, () => log.FillAsync(vault));
        await TimeAsync("index it", count, () => vault.Vault.Get<LogIndexer>().CatchUpAsync());
        await TimeAsync("fill the peer and index it", count, () => log.FillPeerAsync(vault));
        await vault.AsOwnerAsync("analyze");
        var (ours, peers) = (await SizeAsync(vault) / 1e9, await vault.SizeAsync(ofPeer: true, "audit_plain") / 1e9);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {ours:F2} GB of look-up beside the log; the peer's table with its indexes {peers:F2} GB"));
        var questions = new Questions(vault, log);
        foreach (var question in questions.All)
            await CompareAsync(question, rounds);
    }

    private static async Task TimeAsync(string what, int count, Func<Task> work)
    {
        var start = Stopwatch.GetTimestamp();
        await work();
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what,-48} {count / seconds,10:N0} entries/s   {seconds:F1} s"));
    }

    private static async Task CompareAsync(Question question, int rounds)
    {
        if (!question.Widest)
        {
            await question.Ours(0);
            await question.Peers(0);
        }

        var (ours, peers) = (new List<double>(), new List<double>());
        for (var round = 0; round < (question.Widest ? 1 : rounds); round++)
        {
            ours.Add(await SecondsAsync(() => question.Ours(round)));
            peers.Add(await SecondsAsync(() => question.Peers(round)));
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {question.Name,-62} {Median(ours) * 1000,9:F1} ms (most {ours.Max() * 1000:F0})   peer {Median(peers) * 1000,9:F1} ms (most {peers.Max() * 1000:F0})   ratio {Median(peers) / Median(ours):F2}"));
    }

    private static async Task<double> SecondsAsync(Func<Task> work)
    {
        var start = Stopwatch.GetTimestamp();
        await work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static async Task<long> SizeAsync(BenchmarkVault vault)
    {
        await using var command = vault.Vault.Get<VaultDatabase>().Source.CreateCommand(
            """
            select sum(pg_total_relation_size(c.oid))::bigint from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'audit' and c.relkind = 'r' and c.relname ~ '^(entry_index|bulk_member|shape|segment|tally)'
            """);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}

/// <summary>One question, asked of both; what is asked differs from round to round.</summary>
internal sealed record Question(string Name, Func<int, Task> Ours, Func<int, Task> Peers, bool Widest = false);

/// <summary>The questions.</summary>
internal sealed class Questions(BenchmarkVault vault, MadeUpLog log)
{
    private const string Newest = "select id from audit_plain where {0} order by id desc limit 50";

    public IReadOnlyList<Question> All =>
    [
        new("a person's history, newest 50", round => FindAsync(new() { Subject = MadeUpLog.Person(round * 7) }), round => PeerAsync(Newest, "subject = $1", MadeUpLog.Person(round * 7))),
        new("an application, newest 50", round => FindAsync(new() { Actors = [MadeUpLog.Actor(round)] }), round => PeerAsync(Newest, "actor = $1", MadeUpLog.Actor(round))),
        new(
            "application, purpose and field within a month, newest 50",
            round => FindAsync(new() { Actors = [MadeUpLog.Actor(round)], Purpose = MadeUpLog.PurposeOf(round), Item = 3 }, log.Month(round)),
            round => PeerAsync(Newest, "actor = $1 and purpose = $2 and items @> array[3] and at >= $3 and at < $4", MadeUpLog.Actor(round), MadeUpLog.PurposeOf(round), log.Month(round).From, log.Month(round).Until)),
        new(
            "a field named by one entry in 100,000, newest 50",
            _ => FindAsync(new() { Item = MadeUpLog.RareItem }), _ => PeerAsync(Newest, "items @> array[39]")),
        new(
            "a field that a quiet application never named",
            _ => FindAsync(new() { Actors = [MadeUpLog.Actor(MadeUpLog.Actors - 1)], Item = MadeUpLog.RareItem }),
            _ => PeerAsync(Newest, "actor = $1 and items @> array[39]", MadeUpLog.Actor(MadeUpLog.Actors - 1))),
        new(
            "refusals of a day, oldest 50",
            round => FindAsync(new() { Result = 1 }, log.Day(round), oldestFirst: true),
            round => PeerAsync("select id from audit_plain where {0} order by id limit 50", "result = 1 and at >= $1 and at < $2", log.Day(round).From, log.Day(round).Until)),
        new(
            "counts of an application's month by all facets",
            round => CountAsync(new() { Actors = [MadeUpLog.Actor(round)] }, log.Month(round)),
            round => PeerAsync(Facets, "actor = $1 and at >= $2 and at < $3", MadeUpLog.Actor(round), log.Month(round).From, log.Month(round).Until)),
        new("counts of the whole log by all facets", _ => CountAsync(new()), _ => PeerAsync(Facets, "true"), Widest: true),
        new(
            "breach impact of a credential within a day",
            round => ImpactAsync(MadeUpLog.Actor(round), log.Day(round)),
            round => PeerAsync(Impact, "actor = $1 and at >= $2 and at < $3", MadeUpLog.Actor(round), log.Day(round).From, log.Day(round).Until)),
        new(
            "breach impact of a credential within a month",
            round => ImpactAsync(MadeUpLog.Actor(round), log.Month(round)),
            round => PeerAsync(Impact, "actor = $1 and at >= $2 and at < $3", MadeUpLog.Actor(round), log.Month(round).From, log.Month(round).Until)),
        new("breach impact of everything that ever happened", _ => ImpactAsync(null, (log.Begin, log.End)), _ => PeerAsync(Impact, "true"), Widest: true),
        new(
            "first 100 people of that", _ => PeopleAsync(), _ => PeerAsync(
                "select subject, count(*), min(at), max(at) from audit_plain where {0} group by subject order by subject limit 100", "type = 17 and result = 0 and subject is not null"), Widest: true),
    ];

    private const string Facets =
        """
        with f as materialized (select * from audit_plain where {0})
        select type::text, count(*) from f group by 1 union all select purpose, count(*) from f group by 1 union all select actor::text, count(*) from f group by 1
        union all select i::text, count(*) from f, unnest(items) i group by 1 union all select date_trunc('day', at)::text, count(*) from f group by 1
        """;

    private const string Impact =
        """
        with f as materialized (select subject, items, at from audit_plain where {0} and type = 17 and result = 0 and subject is not null)
        select '', count(*), count(distinct subject), min(at), max(at) from f
        union all select i::text, count(*), count(distinct subject), min(at), max(at) from f, unnest(items) i group by i
        """;

    private Task<List<long>> FindAsync(EntryFilter filter, (DateTimeOffset From, DateTimeOffset Until)? time = null, bool oldestFirst = false)
    {
        return Search.ReadAsync(async connection =>
        {
            var range = await LogSearch.RangeAsync(connection, time?.From, time?.Until, default);
            return await LogSearch.FindAsync(connection, filter, range, oldestFirst, 50, default);
        }, default);
    }

    private Task<EntryCounts> CountAsync(EntryFilter filter, (DateTimeOffset From, DateTimeOffset Until)? time = null) => Search.ReadAsync(
        async connection => await LogSearch.CountAsync(connection, filter, await LogSearch.RangeAsync(connection, time?.From, time?.Until, default), default), default);

    private LogSearch Search => new(vault.Vault.Get<VaultDatabase>());

    private Task<ImpactReport> ImpactAsync(Guid? actor, (DateTimeOffset From, DateTimeOffset Until) time) => vault.Vault.Get<BreachImpact>().ReportAsync(
        new ImpactQuery { Actor = actor is { } tag ? EntryShape.Hex(tag) : null, From = time.From, Until = time.Until });

    private Task<ImpactPage> PeopleAsync() => vault.Vault.Get<BreachImpact>().PeopleAsync(new ImpactQuery { From = log.Begin, Until = log.End }, resolve: false, 100, null);

    private async Task PeerAsync(string sql, string where, params object[] values)
    {
        await using var command = vault.Peer.CreateCommand(string.Format(CultureInfo.InvariantCulture, sql, where));
        command.CommandTimeout = 1200;
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync()) { }
    }
}
