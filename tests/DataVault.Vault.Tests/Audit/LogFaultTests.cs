using System.Collections.Concurrent;
using DataVault.Testing;
using DataVault.Transparency;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

/// <summary>The group commit while its database fails: what was acknowledged is there, once, and the log has no gap.</summary>
public sealed class LogFaultTests
{
    private const int Callers = 24;

    [Fact]
    public async Task A_database_that_crashes_and_returns_under_load_loses_nothing_that_was_acknowledged()
    {
        await using var cluster = await PostgresCluster.StartNewAsync();
        await using var databases = await DatabasePerClass.CreateOnAsync(cluster);
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        await using var load = new AppendLoad(Callers, one, two);
        await load.UntilAcknowledgedAsync(200);
        for (var crash = 0; crash < 2; crash++)
        {
            await cluster.CrashAsync();
            await load.UntilRefusedAsync(1);
            await cluster.StartAsync();
            await load.UntilAcknowledgedAsync(load.Acknowledged.Count + 200);
        }

        await load.StopAsync();
        await AssertWholeAsync(one, load);
    }

    [Fact]
    public async Task Connections_that_died_while_nobody_used_them_refuse_nobody()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        Assert.Equal(0, await Log.AppendAsync(vault, 1));
        await KillConnectionsAsync(databases);
        Assert.Equal(1, await Log.AppendAsync(vault, 2));

        // Of the connections that wait in the pool at most one request finds out; the others are given up with it.
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => HoldConnectionAsync(vault)));
        await KillConnectionsAsync(databases);
        Assert.Equal(2, await Log.AppendAsync(vault, 3));
        for (var i = 0; i < 8; i++) await HoldConnectionAsync(vault);
        Assert.True((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task A_connection_killed_over_and_over_under_load_writes_no_entry_twice()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        await using var load = new AppendLoad(Callers, one, two);
        for (var kill = 1; kill <= 12; kill++)
        {
            await load.UntilAcknowledgedAsync(load.Acknowledged.Count + 100);
            await KillConnectionsAsync(databases);
        }

        await load.StopAsync();
        await AssertWholeAsync(one, load);
    }

    [Fact]
    public async Task A_batch_whose_answer_was_lost_is_found_and_not_written_again()
    {
        await using var cluster = await PostgresCluster.StartNewAsync();
        await using var databases = await DatabasePerClass.CreateOnAsync(cluster);
        await using var vault = await databases.StartVaultAsync();
        Assert.Equal(0, await Log.AppendAsync(vault, 1));
        await cluster.ExecuteAsync("postgres", "alter system set synchronous_standby_names = 'nobody'");
        await cluster.ExecuteAsync("postgres", "select pg_reload_conf()");
        await using var admin = NpgsqlDataSource.Create(cluster.ConnectionString("postgres"));
        await UntilAsync(admin, "select current_setting('synchronous_standby_names') = 'nobody'");
        // The batch is committed, but its connection ends before anybody is told.
        var append = Log.AppendAsync(vault, 2);
        await UntilAsync(admin, "select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_stat_activity where wait_event = 'SyncRep'");
        // Nor is what is found there believed to be durable before a commit of the second connection was waited for.
        await UntilAsync(admin, "select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep' and query like 'commit%'");
        Assert.False(append.IsCompleted);
        await cluster.ExecuteAsync("postgres", "alter system reset synchronous_standby_names");
        await cluster.ExecuteAsync("postgres", "select pg_reload_conf()");
        Assert.Equal(1, await append);
        Assert.Equal(2, await Log.AppendAsync(vault, 3));
        Assert.Equal([1, 2, 3], (await Log.ReadAllAsync(vault)).Select(entry => entry.Items[0]));
        Assert.True((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task A_fail_over_to_a_standby_under_load_keeps_every_acknowledged_entry()
    {
        await using var primary = await PostgresCluster.StartNewAsync();
        await using var databases = await DatabasePerClass.CreateOnAsync(primary);
        await using var standby = await primary.StartStandbyAsync();
        await primary.ExecuteAsync("postgres", "alter system set synchronous_standby_names = '*'");
        await primary.ExecuteAsync("postgres", "select pg_reload_conf()");
        var options = databases.Options();
        var both = new VaultOptions
        {
            DataConnection = PostgresCluster.Either(options.DataConnection, primary, standby), KeysConnection = options.KeysConnection, Home = options.Home, Development = true,
        };
        await using var one = await databases.StartVaultAsync(options: both);
        await using var two = await databases.StartVaultAsync(options: both);
        await using var load = new AppendLoad(Callers, one, two);
        await load.UntilAcknowledgedAsync(300);
        await primary.CrashAsync();
        await load.UntilRefusedAsync(1);
        await standby.PromoteAsync();
        await load.UntilAcknowledgedAsync(load.Acknowledged.Count + 300);
        await load.StopAsync();
        await AssertWholeAsync(one, load);
        // For those who clean up: the old server, which would wait for a standby that is none any more.
        await primary.StartAsync();
        await primary.ExecuteAsync("postgres", "alter system reset synchronous_standby_names");
        await primary.ExecuteAsync("postgres", "select pg_reload_conf()");
    }

    [Fact]
    public async Task A_full_disk_refuses_appends_and_damages_nothing()
    {
        Assert.SkipUnless(PostgresCluster.CanLimitFiles, "prlimit (util-linux) is not installed");
        await using var cluster = await PostgresCluster.StartNewAsync();
        await using var databases = await DatabasePerClass.CreateOnAsync(cluster);
        await using var vault = await databases.StartVaultAsync();
        var acknowledged = new List<(long Index, int Number)>();
        for (var i = 1; i <= 20; i++) acknowledged.Add((await Log.AppendAsync(vault, i), i));
        var bytes = new byte[256 * 1024];
        new Random(1).NextBytes(bytes);
        // No file may grow beyond what the largest of the write-ahead log has.
        await cluster.LimitFilesAsync(16 * 1024 * 1024);
        var refused = 0;
        for (var i = 21; refused < 3 && i < 400; i++)
        {
            try
            {
                acknowledged.Add((await vault.Get<AuditLog>().AppendAsync(Log.Entry(vault, i), new SealedDetail(null, bytes)), i));
            }
            catch (VaultException e)
            {
                Assert.Equal("unavailable", e.Slug);
                refused++;
            }
        }

        Assert.Equal(3, refused);
        await cluster.LimitFilesAsync(null);
        acknowledged.Add((await Log.AppendAsync(vault, 1000), 1000));
        var entries = await Log.ReadAllAsync(vault);
        Assert.Equal(acknowledged.Count, entries.Count);
        Assert.All(acknowledged, a => Assert.Equal([a.Number], entries[(int)a.Index].Items));
        Assert.True((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task Writers_in_transactions_get_their_turn_beside_a_busy_committer()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        await using var load = new AppendLoad(Callers, one, two);
        await load.UntilAcknowledgedAsync(50);
        var (before, waited) = (load.Acknowledged.Count, 0);
        for (var i = 0; i < 40; i++)
        {
            await using var connection = await one.Get<VaultDatabase>().OpenAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            var asked = load.Acknowledged.Count;
            await one.Get<AuditLog>().AppendWithinAsync(connection, transaction, [Log.Entry(one, AppendLoad.Foreign)]);
            // Once it has its turn nobody else appends until it commits: what was acknowledged meanwhile came before it.
            waited += load.Acknowledged.Count - asked;
            await DurabilityGuard.CommitAsync(transaction);
        }

        var meanwhile = load.Acknowledged.Count - before;
        await load.StopAsync();
        // Forty turns of the writer are at most a few batches each of the two committers: neither keeps the other out.
        Assert.InRange(waited, 0, 40 * 20 * Callers);
        Assert.True(meanwhile > 0, "the committers had no turn");
        Assert.Equal(40, (await Log.ReadAllAsync(one)).Count(entry => entry.Items[0] == AppendLoad.Foreign));
        await AssertWholeAsync(one, load);
    }

    private static async Task AssertWholeAsync(RunningVault vault, AppendLoad load)
    {
        // Throws on a gap.
        var entries = await Log.ReadAllAsync(vault);
        Assert.All(load.Acknowledged, pair => Assert.Equal([pair.Value], entries[(int)pair.Key].Items));
        var own = entries.Select(entry => entry.Items[0]).Where(item => item != AppendLoad.Foreign).ToList();
        Assert.Equal(own.Count, own.Distinct().Count());
        Assert.Equal(0, load.Unanswered);
        var report = await Log.VerifyAsync(vault);
        Assert.True(report.Ok, string.Join("; ", report.Findings.Select(finding => finding.Message)));
        Assert.Equal(entries.Count, report.Size);
    }

    private static async Task UntilAsync(NpgsqlDataSource source, string question)
    {
        while (true)
        {
            await using var command = source.CreateCommand(question);
            if (await command.ExecuteScalarAsync() is true) return;
        }
    }

    private static async Task HoldConnectionAsync(RunningVault vault)
    {
        await using var connection = await vault.Get<VaultDatabase>().OpenAsync();
        await using var command = new NpgsqlCommand("select pg_sleep(0.05)", connection);
        await command.ExecuteNonQueryAsync();
    }

    private static Task KillConnectionsAsync(DatabasePerClass databases) => databases.Cluster.ExecuteAsync(
        "postgres", $"select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{databases.VaultName}' and usename = '{DatabasePerClass.VaultLogin}'");

    /// <summary>Callers who append one entry after another, each with a number of its own, and remember what was acknowledged.</summary>
    private sealed class AppendLoad : IAsyncDisposable
    {
        public const int Foreign = 900_000_000;
        private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
        private readonly CancellationTokenSource stop = new();
        private readonly Task[] callers;
        private int number;
        private int refused;
        private int asked;
        private int answered;

        public AppendLoad(int count, params RunningVault[] vaults) =>
            callers = [.. Enumerable.Range(0, count).Select(i => Task.Run(() => AppendAsync(vaults[i % vaults.Length])))];

        public ConcurrentDictionary<long, int> Acknowledged { get; } = new();

        public int Unanswered => asked - answered;

        public Task UntilAcknowledgedAsync(int count) => Until(() => Acknowledged.Count >= count);

        public Task UntilRefusedAsync(int more)
        {
            var before = Volatile.Read(ref refused);
            return Until(() => Volatile.Read(ref refused) >= before + more);
        }

        public async Task StopAsync()
        {
            await stop.CancelAsync();
            await Task.WhenAll(callers).WaitAsync(Patience);
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            stop.Dispose();
        }

        private async Task AppendAsync(RunningVault vault)
        {
            while (!stop.IsCancellationRequested)
            {
                var mine = Interlocked.Increment(ref number);
                Interlocked.Increment(ref asked);
                try
                {
                    if (!Acknowledged.TryAdd(await Log.AppendAsync(vault, mine), mine)) throw new InvalidOperationException("Two callers got one index.");
                }
                catch (VaultException e) when (e.Slug == "unavailable")
                {
                    Interlocked.Increment(ref refused);
                    await Task.Delay(5);
                }

                Interlocked.Increment(ref answered);
            }
        }

        private static async Task Until(Func<bool> condition)
        {
            var start = TimeProvider.System.GetTimestamp();
            while (!condition())
            {
                if (TimeProvider.System.GetElapsedTime(start) > Patience) throw new TimeoutException("The load did not get where it should.");
                await Task.Delay(5);
            }
        }
    }
}
