using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Indexes;

public sealed class IndexKeysTests
{
    private const int Index = 7;

    [Fact]
    public async Task Each_epoch_has_a_random_key_that_every_process_opens_until_it_is_destroyed()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        var epoch = await one.Get<IndexKeys>().CreateAsync(Index, default);
        var term = await TermAsync(one, epoch);
        Assert.Equal(term, await TermAsync(two, epoch));
        Assert.NotEqual(term, await TermAsync(one, IndexKeys.DerivedEpoch));
        Assert.NotEqual(term, await TermAsync(one, await two.Get<IndexKeys>().CreateAsync(Index, default)));
        await one.Get<IndexKeys>().DestroyAsync(Index, epoch, default);
        Assert.Null(await TermAsync(two, epoch));
    }

    [Fact]
    public async Task A_key_outlives_the_epoch_root_that_it_was_made_under()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var clock = new ManualClock(DateTimeOffset.UnixEpoch.AddYears(56));
        await using var vault = await databases.StartVaultAsync(clock: clock);
        var epoch = await vault.Get<IndexKeys>().CreateAsync(Index, default);
        var term = await TermAsync(vault, epoch);
        await TurnAsync(vault, clock);
        Assert.Equal(term, await TermAsync(vault, epoch));
    }

    [Fact]
    public async Task A_copy_of_the_keys_database_does_not_bring_a_destroyed_key_back_once_its_epoch_root_is_gone()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var clock = new ManualClock(DateTimeOffset.UnixEpoch.AddYears(56));
        int epoch;
        await using (var vault = await databases.StartVaultAsync(clock: clock)) epoch = await vault.Get<IndexKeys>().CreateAsync(Index, default);
        await databases.BackUpAsync(databases.KeysName);
        await using (var vault = await databases.StartVaultAsync(clock: clock))
        {
            await vault.Get<IndexKeys>().DestroyAsync(Index, epoch, default);
            await TurnAsync(vault, clock);
        }

        await databases.Cluster.ExecuteAsync(databases.KeysName, "truncate keys.index_epoch");
        await using (var old = Npgsql.NpgsqlDataSource.Create(databases.Cluster.ConnectionString(databases.KeysName + "_backup")))
        {
            await using var command = old.CreateCommand($"select encode(wrapped, 'hex') from keys.index_epoch where index_id = {Index} and epoch = {epoch}");
            var wrapped = (string)(await command.ExecuteScalarAsync())!;
            await databases.Cluster.ExecuteAsync(
                databases.KeysName, $"insert into keys.index_epoch (index_id, epoch, state, wrapped, created_at, key_epoch) values ({Index}, {epoch}, 'living', '\\x{wrapped}', now(), 1)");
        }

        Npgsql.NpgsqlConnection.ClearAllPools();
        await using var later = await databases.StartVaultAsync(clock: clock);
        // What does not open counts as damaged, and indexes are built anew under a key of their own.
        var keys = later.Get<IndexKeys>();
        Assert.Null(await TermAsync(later, epoch));
        Assert.Contains((Index, epoch), await keys.DamagedAsync(default));
        Assert.NotEqual(epoch, await keys.CreateAsync(Index, default));
        await later.Get<EpochTurn>().RunAsync(now: true, default);
        Assert.Null(await TermAsync(later, epoch));
    }

    private static async Task TurnAsync(RunningVault vault, ManualClock clock)
    {
        for (var turn = 0; turn < 2; turn++)
        {
            await vault.Get<EpochTurn>().RunAsync(now: true, default);
            clock.Advance(TimeSpan.FromDays(30));
        }

        await vault.Get<EpochTurn>().RunAsync(now: true, default);
        Assert.True(await vault.Get<KeyRegistry>().IsEpochDestroyedAsync(1));
    }

    private static async Task<string?> TermAsync(RunningVault vault, int epoch)
    {
        using var opened = await vault.Get<IndexKeys>().OpenAsync(Index, new IndexShape(epoch, 128, 1), default);
        return opened is null ? null : Convert.ToHexString(opened.Term("ada"u8, 0));
    }
}
