using System.Diagnostics;
using System.Globalization;
using DataVault.Transparency;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Benchmarks;

/// <summary>
/// Times callers who each append an entry and wait until it is durable: the log's group commit (with leaf hashes and the tree) against one INSERT and commit
/// for each entry, with a connection for each caller and no tree.
/// </summary>
internal static class AppendBenchmark
{
    public static async Task RunAsync(BenchmarkOptions options)
    {
        var (rounds, scale) = (options.Number("rounds", 7), options.Number("entries", 400));
        await using var vault = await BenchmarkVault.StartAsync();
        var log = vault.Vault.Get<AuditLog>();
        Console.WriteLine($"append: the disk flushes {FlushRate(rounds):N0} times a second, one 8 KiB write after the other");
        await vault.OnPeerAsync("create table entry (index bigserial primary key, entry bytea not null)");
        foreach (var waiters in new[] { 1, 16, 64, 256 })
        {
            var (ours, theirs) = (new Waiters(waiters, scale), new Waiters(waiters, scale));
            Console.WriteLine($"append: {waiters} waiting, {scale:N0} entries each, fsync on");
            await new Paired("group commit, hashed into the tree", "INSERT and commit for each entry", rounds).RunAsync(
                waiters * scale, "entries", () => ours.RunAsync(_ => Task.FromResult(new Appender(log))), () => theirs.RunAsync(_ => InsertAppender.OpenAsync(vault)));
            Console.WriteLine($"  p50, p99: ours {ours.Latency()}, theirs {theirs.Latency()}");
        }
    }

    // What pg_test_fsync measures: no log can acknowledge one caller's entries faster, and a batch needs one.
    private static double FlushRate(int rounds)
    {
        var path = Path.Combine(Path.GetTempPath(), "datavault-flush-" + Guid.NewGuid().ToString("N"));
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        var page = new byte[8192];
        var rates = new List<double>();
        for (var round = 0; round < rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < 50; i++)
            {
                file.Position = 0;
                file.Write(page);
                file.Flush(flushToDisk: true);
            }
            rates.Add(50 / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        rates.Sort();
        return rates[rates.Count / 2];
    }

    /// <summary>A read of six fields, as the log holds it.</summary>
    public static LogEntry Entry(int number) => new()
    {
        Type = EntryType.FieldRead,
        Time = 1_750_000_000_000 + number,
        Actor = new byte[16],
        Subject = new byte[16],
        Purpose = "customer-support",
        Items = [1, 2, 5, 7, 9, 14],
        RecordVersion = 3,
        RequestId = new byte[16],
        Policy = new byte[16],
        Rules = ["support-reads-contact", "support-reads-identity"],
    };
}

/// <summary>Someone who appends and waits.</summary>
internal interface IAppender : IAsyncDisposable
{
    Task AppendAsync(LogEntry entry);
}

internal sealed class Appender(AuditLog log) : IAppender
{
    public Task AppendAsync(LogEntry entry) => log.AppendAsync(entry);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

internal sealed class InsertAppender(NpgsqlConnection connection, NpgsqlCommand command) : IAppender
{
    public static async Task<InsertAppender> OpenAsync(BenchmarkVault vault)
    {
        var connection = await vault.Peer.OpenConnectionAsync();
        return new InsertAppender(connection, new NpgsqlCommand("insert into entry (entry) values ($1)", connection) { Parameters = { new NpgsqlParameter<byte[]>() } });
    }

    public Task AppendAsync(LogEntry entry)
    {
        ((NpgsqlParameter<byte[]>)command.Parameters[0]).TypedValue = entry.Encode();
        return command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await command.DisposeAsync();
        await connection.DisposeAsync();
    }
}

/// <summary>So many callers, each appending one entry after the other; remembers how long each waited.</summary>
internal sealed class Waiters(int count, int entries)
{
    private readonly List<double> waited = [];

    public async Task RunAsync<T>(Func<int, Task<T>> open)
        where T : IAppender =>
        await Task.WhenAll(Enumerable.Range(0, count).Select(number => Task.Run(async () => await AppendAsync(await open(number)))));

    public string Latency()
    {
        waited.Sort();
        return string.Create(CultureInfo.InvariantCulture, $"{waited[waited.Count / 2]:F2} ms, {waited[waited.Count * 99 / 100]:F2} ms");
    }

    private async Task AppendAsync(IAppender appender)
    {
        var times = new List<double>(entries);
        await using (appender)
        {
            for (var i = 0; i < entries; i++)
            {
                var start = Stopwatch.GetTimestamp();
                await appender.AppendAsync(AppendBenchmark.Entry(i));
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
        }
        lock (waited) waited.AddRange(times);
    }
}
