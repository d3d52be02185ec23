using DataVault.Testing;
using DataVault.Transparency;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

public sealed class GroupCommitTests
{
    [Fact]
    public async Task Many_at_once_get_every_index_exactly_once_in_few_batches()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var indexes = await Task.WhenAll(Enumerable.Range(0, 3000).Select(i => Task.Run(() => Log.AppendAsync(vault, i))));
        Assert.Equal(Enumerable.Range(0, 3000).Select(i => (long)i), indexes.Order());
        var entries = await Log.ReadAllAsync(vault);
        Assert.Equal(3000, entries.Count);
        Assert.All(indexes.Select((index, i) => (Index: index, Number: i)), pair => Assert.Equal([pair.Number], entries[(int)pair.Index].Items));
        Assert.InRange(await Keys.People.CountAsync(vault, "audit.batch"), 1, 1500);
        Assert.True((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task Two_processes_and_writers_in_transactions_share_one_order_without_a_gap()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        var appends = Enumerable.Range(0, 900).Select(i => Task.Run(() => i % 9 == 0 ? WriteAsync(one, i, commit: true) : Log.AppendAsync(i % 2 == 0 ? one : two, i)));
        var indexes = await Task.WhenAll(appends);
        Assert.Equal(900, indexes.Distinct().Count());
        var entries = await Log.ReadAllAsync(two);
        Assert.Equal(900 + 100, entries.Count);
        Assert.True((await Log.VerifyAsync(one)).Ok);
    }

    [Fact]
    public async Task A_write_that_is_rolled_back_leaves_no_entry()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await Log.AppendAsync(vault);
        await WriteAsync(vault, 7, commit: false);
        Assert.Equal(1, await Log.AppendAsync(vault));
        Assert.Equal(2, (await Log.ReadAllAsync(vault)).Count);
    }

    [Fact]
    public async Task A_full_queue_refuses_at_once()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync(options: With(databases, limit: 8));
        await using var blocker = new NpgsqlConnection(databases.VaultAdmin + ";Pooling=false");
        await blocker.OpenAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("select 1 from audit.head for update", blocker)) await hold.ExecuteNonQueryAsync();
        var waiting = new List<Task<long>>();
        var refusal = await Assert.ThrowsAsync<VaultException>(async () =>
        {
            for (var i = 0; i < 600; i++)
            {
                waiting.Add(Log.AppendAsync(vault, i));
                await Task.Yield();
            }
        });
        Assert.Equal("unavailable", refusal.Slug);
        await transaction.RollbackAsync();
        Assert.Equal(waiting.Count, (await Task.WhenAll(waiting)).Distinct().Count());
    }

    [Fact]
    public async Task A_stopped_log_writes_what_is_queued_and_refuses_the_rest()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var queued = Enumerable.Range(0, 200).Select(i => Log.AppendAsync(vault, i)).ToList();
        await vault.Get<AuditLog>().StopAsync(default);
        Assert.Equal(200, (await Task.WhenAll(queued)).Distinct().Count());
        await Assert.ThrowsAsync<VaultException>(() => Log.AppendAsync(vault));
    }

    [Fact]
    public async Task Time_never_goes_back_whatever_the_clock_does()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var clock = new ManualClock(DateTimeOffset.FromUnixTimeSeconds(1_800_000_000));
        await using var vault = await databases.StartVaultAsync(clock: clock);
        await Log.AppendAsync(vault);
        clock.Advance(TimeSpan.FromHours(-3));
        await Log.AppendAsync(vault);
        await WriteAsync(vault, 1, commit: true);
        clock.Advance(TimeSpan.FromHours(4));
        await Log.AppendAsync(vault);
        var times = (await Log.ReadAllAsync(vault)).ConvertAll(entry => entry.Time);
        Assert.Equal(times.Order(), times);
        Assert.Equal(times[0], times[1]);
        Assert.True((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task A_purpose_that_is_no_name_is_left_out_of_the_entry()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var entry = vault.Get<AuditLog>().Entry(EntryType.Denied, Log.Desk, default, "Ada Lovelace, London", EntryResult.Denied, []);
        await vault.Get<AuditLog>().AppendAsync(entry);
        Assert.Equal("", (await Log.ReadAllAsync(vault)).Single().Purpose);
    }

    [Fact]
    public async Task A_database_that_is_away_refuses_everybody_and_one_that_returns_is_used_again()
    {
        await using var cluster = await PostgresCluster.StartNewAsync();
        await using var databases = await DatabasePerClass.CreateOnAsync(cluster);
        await using var vault = await databases.StartVaultAsync();
        for (var i = 0; i < 5; i++) await Log.AppendAsync(vault, i);
        await cluster.CrashAsync();
        var refused = Enumerable.Range(0, 100).Select(i => Log.AppendAsync(vault, i)).ToList();
        foreach (var task in refused) Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => task)).Slug);
        await cluster.StartAsync();
        Assert.Equal(5, await Log.AppendAsync(vault, 5));
        Assert.True((await Log.VerifyAsync(vault)).Ok);
        await cluster.StopAsync();
        await Assert.ThrowsAsync<VaultException>(() => Log.AppendAsync(vault, 6));
        await cluster.StartAsync();
        Assert.Equal(6, await Log.AppendAsync(vault, 6));
    }

    [Fact]
    public async Task A_commit_that_did_not_wait_for_the_standby_counts_as_a_failure()
    {
        await using var cluster = await PostgresCluster.StartNewAsync();
        await using var databases = await DatabasePerClass.CreateOnAsync(cluster);
        await using var vault = await databases.StartVaultAsync();
        await Log.AppendAsync(vault);
        await cluster.ExecuteAsync("postgres", "alter system set synchronous_standby_names = 'nobody'");
        await cluster.ExecuteAsync("postgres", "select pg_reload_conf()");
        await WaitForSyncSettingAsync(vault);

        var append = Log.AppendAsync(vault);
        await CancelSyncWaitAsync(databases);
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => append)).Slug);

        await using var connection = await vault.Get<VaultDatabase>().OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("insert into vault.tombstone values ('x', now())", connection)) await command.ExecuteNonQueryAsync();
        var commit = DurabilityGuard.CommitAsync(transaction);
        await CancelSyncWaitAsync(databases);
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => commit)).Slug);
        await cluster.ExecuteAsync("postgres", "alter system reset synchronous_standby_names");
        await cluster.ExecuteAsync("postgres", "select pg_reload_conf()");
    }

    private static VaultOptions With(DatabasePerClass databases, int limit)
    {
        var options = databases.Options();
        return new VaultOptions { DataConnection = options.DataConnection, KeysConnection = options.KeysConnection, Home = options.Home, Development = true, AuditQueueLimit = limit };
    }

    private static async Task<long> WriteAsync(RunningVault vault, int number, bool commit)
    {
        await using var connection = await vault.Get<VaultDatabase>().OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var first = await vault.Get<AuditLog>().AppendWithinAsync(connection, transaction, [Log.Entry(vault, number), Log.Entry(vault, number)]);
        if (commit) await DurabilityGuard.CommitAsync(transaction);
        return first;
    }

    private static async Task WaitForSyncSettingAsync(RunningVault vault)
    {
        while (true)
        {
            await using var command = vault.Get<VaultDatabase>().Source.CreateCommand("show synchronous_standby_names");
            if (await command.ExecuteScalarAsync() is "nobody") return;
        }
    }

    private static async Task CancelSyncWaitAsync(DatabasePerClass databases)
    {
        await using var source = NpgsqlDataSource.Create(databases.VaultAdmin);
        while (true)
        {
            await using var command = source.CreateCommand("select count(pg_cancel_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'");
            if (await command.ExecuteScalarAsync() is > 0L) return;
        }
    }
}
