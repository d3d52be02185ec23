using System.Security.Cryptography;
using System.Text;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

/// <summary>Back up, erase, restore, start: the erased stay erased, everybody else reads.</summary>
public sealed class RestoreTests
{
    [Fact]
    [Requirement("R57")]
    public async Task A_restored_keys_database_is_cleared_of_the_erased_before_anything_is_served()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var (gone, kept) = await MakeTwoAsync(databases);
        await databases.BackUpAsync(databases.KeysName);
        await EraseKeyAsync(databases, gone);
        await databases.RestoreAsync(databases.KeysName);

        await using var vault = await databases.StartVaultAsync();

        await Assert.ThrowsAsync<VaultException>(() => vault.Get<KeyRegistry>().GetAsync(gone.Subject));
        Assert.Equal("kept@example.com", await People.ReadEmailAsync(vault, kept));
        Assert.Equal(1, await People.CountAsync(vault, "keys.tombstone"));
    }

    [Fact]
    [Requirement("R57", "R96")]
    public async Task A_restored_vault_database_loses_the_rows_of_the_erased_and_its_analytics_are_made_anew()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var (gone, kept) = await MakeTwoAsync(databases);
        var domain = Repository.Policy.Analytics[0];
        await databases.Cluster.ExecuteAsync(databases.VaultName, $"insert into {domain.Schema}.customer (pseudonym, updated_on) values ('p1', '2026-01-01'), ('p2', '2026-01-01')");
        await databases.Cluster.ExecuteAsync(databases.VaultName, $"insert into vault.search_term values ('{gone.Subject}', 4, 'x')");
        await databases.BackUpAsync(databases.VaultName);
        await EraseKeyAsync(databases, gone);
        await databases.RestoreAsync(databases.VaultName);

        await using var vault = await databases.StartVaultAsync();

        Assert.Equal(0, await People.CountAsync(vault, $"vault.subject where subject_id = '{gone.Subject}'"));
        Assert.Equal(0, await People.CountAsync(vault, "vault.search_term"));
        Assert.Equal(0, await People.CountAsync(vault, $"{domain.Schema}.customer"));
        Assert.Equal(1, await People.CountAsync(vault, $"vault.feed_queue where subject_id = '{kept.Subject}'"));
        Assert.Equal("kept@example.com", await People.ReadEmailAsync(vault, kept));
    }

    [Fact]
    [Requirement("R57")]
    public async Task Both_databases_restored_together_lose_the_erased_again_and_keep_everybody_else()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var (gone, kept) = await MakeTwoAsync(databases);
        await databases.BackUpAsync(databases.VaultName);
        await databases.BackUpAsync(databases.KeysName);
        await EraseKeyAsync(databases, gone);
        await databases.RestoreAsync(databases.KeysName);
        await databases.RestoreAsync(databases.VaultName);

        await using var vault = await databases.StartVaultAsync();

        await Assert.ThrowsAsync<VaultException>(() => vault.Get<KeyRegistry>().GetAsync(gone.Subject));
        Assert.Equal(1, await People.CountAsync(vault, "vault.subject"));
        Assert.Equal((1, 1), (await People.CountAsync(vault, "vault.tombstone"), await People.CountAsync(vault, "keys.tombstone")));
        Assert.Equal("kept@example.com", await People.ReadEmailAsync(vault, kept));
    }

    [Fact]
    public async Task Slots_put_back_together_with_an_old_keys_database_are_refused_because_the_log_remembers_their_destruction()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await MakeTwoAsync(databases);
        await databases.BackUpAsync(databases.KeysName);
        var slot = Path.Combine(databases.Home, "epochs", "1.slot");
        var kept = await File.ReadAllBytesAsync(slot);
        var clock = new ManualClock(TimeProvider.System.GetUtcNow());
        await using (var vault = await databases.StartVaultAsync(clock: clock))
        {
            await vault.Get<KeyWorker>().TurnEpochsAsync(now: true, default);
            clock.Advance(TimeSpan.FromDays(8));
            await vault.Get<KeyWorker>().TurnEpochsAsync(now: false, default);
        }

        // What searches are made on may have been pruned, or emptied to be made again.
        await databases.Cluster.ExecuteAsync(databases.VaultName, "delete from audit.entry_index; update audit.index_state set next_index = (select size from audit.head)");
        await databases.RestoreAsync(databases.KeysName);
        await File.WriteAllBytesAsync(slot, kept);
        var refusal = await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        Assert.Contains("the log says that the epochs up to 1 were destroyed", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gate_that_fails_half_way_through_many_erasures_finishes_them_at_the_next_start()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var people = new List<SealedRecord>();
        await using (var vault = await databases.StartVaultAsync())
        {
            for (var i = 0; i < 3; i++) people.Add(await People.CreateAsync(vault, $"p{i}@example.com"));
            var keyring = vault.Get<VaultKeyring>();
            var hashes = Enumerable.Range(0, 2100).Select(n => SHA256.HashData(BitConverter.GetBytes(n))).ToList();
            hashes.Insert(700, keyring.TombstoneHash(people[0].Subject));
            hashes.Insert(1900, keyring.TombstoneHash(people[2].Subject));
            await File.WriteAllBytesAsync(Path.Combine(databases.Home, "tombstones.journal"), Journal(keyring.VaultId, hashes));
        }

        var domain = Repository.Policy.Analytics[0];
        await databases.Cluster.ExecuteAsync(databases.VaultName, $"insert into {domain.Schema}.customer (pseudonym, updated_on) values ('p1', '2026-01-01')");
        await databases.Cluster.ExecuteAsync(
            databases.VaultName,
            """
            create function vault.fail() returns trigger language plpgsql as $$ begin if (select count(*) from vault.tombstone) > 1500 then raise 'the power is gone'; end if; return new; end $$;
            create trigger fail before insert on vault.tombstone for each row execute function vault.fail();
            """);
        await Assert.ThrowsAsync<Npgsql.PostgresException>(() => databases.StartVaultAsync());
        await databases.Cluster.ExecuteAsync(databases.VaultName, "drop trigger fail on vault.tombstone; drop function vault.fail()");

        await using var next = await databases.StartVaultAsync();
        Assert.Equal((2102, 2102), (await People.CountAsync(next, "vault.tombstone"), await People.CountAsync(next, "keys.tombstone")));
        Assert.Equal((1, 1), (await People.CountAsync(next, "vault.subject"), await People.CountAsync(next, "keys.subject_key")));
        Assert.Equal(0, await People.CountAsync(next, $"{domain.Schema}.customer"));
        Assert.Equal("p1@example.com", await People.ReadEmailAsync(next, people[1]));
    }

    [Fact]
    public async Task Processes_that_share_a_journal_see_each_others_erasures_and_write_none_twice()
    {
        var home = Directory.CreateTempSubdirectory("dv-journal-").FullName;
        using (var one = new TombstoneJournal(home))
        using (var two = new TombstoneJournal(home))
        {
            var tombstones = Enumerable.Range(0, 40).Select(n => new Tombstone(SHA256.HashData(BitConverter.GetBytes(n)), new byte[32], DateTimeOffset.UnixEpoch)).ToList();
            await Task.WhenAll(tombstones.SelectMany(t => new[] { one.AppendAsync(Guid.Empty, t, default), two.AppendAsync(Guid.Empty, t, default) }));
            Assert.Equal(40, (await two.ReadAllAsync(Guid.Empty, default)).Count);
            await one.CatchUpAsync(Guid.Empty, default);
            Assert.All(tombstones, t => Assert.Equal(two.Find(t.SubjectHash), one.Find(t.SubjectHash)));
            using (var file = File.OpenWrite(Path.Combine(home, "tombstones.journal"))) file.SetLength(file.Length - 229);
            await Assert.ThrowsAsync<VaultStartException>(() => one.AppendAsync(Guid.Empty, tombstones[0], default));
        }

        Directory.Delete(home, recursive: true);
    }

    // By docs/formats/keys.md, not by the code that it is to be read by.
    private static byte[] Journal(Guid vaultId, IEnumerable<byte[]> hashes)
    {
        var text = new StringBuilder();
        var chain = SHA256.HashData([.. "datavault/v1/tombstones"u8, .. vaultId.ToByteArray(bigEndian: true)]);
        var sequence = 0;
        foreach (var hash in hashes)
        {
            var line = $"{sequence++:x16} {Convert.ToHexStringLower(hash)} {new string('0', 64)} {1_790_000_000_000:x16} ";
            chain = SHA256.HashData([.. chain, .. Encoding.ASCII.GetBytes(line)]);
            text.Append(line).Append(Convert.ToHexStringLower(chain)).Append('\n');
        }

        return Encoding.ASCII.GetBytes(text.ToString());
    }

    [Fact]
    public async Task A_slot_left_behind_by_a_crash_goes_at_the_next_turn()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var clock = new ManualClock(DateTimeOffset.UnixEpoch.AddYears(56));
        await using var vault = await databases.StartVaultAsync(clock: clock);
        await People.CreateAsync(vault, "ada@example.com");
        var (epochs, slot) = (vault.Get<EpochRotation>(), Path.Combine(databases.Home, "epochs", "1.slot"));
        await vault.Get<EpochTurn>().RunAsync(now: true, default);
        var kept = await File.ReadAllBytesAsync(slot);
        clock.Advance(databases.Options().EpochRetention + TimeSpan.FromMinutes(1));
        await epochs.DestroyOldAsync(default);
        Assert.False(File.Exists(slot));
        await File.WriteAllBytesAsync(slot, kept);
        await epochs.DestroyOldAsync(default);
        Assert.False(File.Exists(slot));
    }

    [Fact]
    public async Task An_erasure_cut_short_after_the_journal_is_finished_at_the_next_start()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var (gone, kept) = await MakeTwoAsync(databases);
        await using (var vault = await databases.StartVaultAsync())
        {
            var keyring = vault.Get<VaultKeyring>();
            await vault.Get<TombstoneJournal>().AppendAsync(keyring.VaultId, new Tombstone(keyring.TombstoneHash(gone.Subject), new byte[32], DateTimeOffset.UnixEpoch), default);
        }

        await using var next = await databases.StartVaultAsync();
        await Assert.ThrowsAsync<VaultException>(() => next.Get<KeyRegistry>().GetAsync(gone.Subject));
        Assert.Equal(1, await People.CountAsync(next, "vault.subject"));
        Assert.Equal("kept@example.com", await People.ReadEmailAsync(next, kept));
    }

    [Fact]
    public async Task A_journal_that_lacks_an_erasure_is_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var (gone, _) = await MakeTwoAsync(databases);
        await EraseKeyAsync(databases, gone);
        File.Delete(Path.Combine(databases.Home, "tombstones.journal"));
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
    }

    [Fact]
    public async Task A_changed_journal_is_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var (gone, kept) = await MakeTwoAsync(databases);
        await EraseKeyAsync(databases, gone);
        await EraseKeyAsync(databases, kept);
        var path = Path.Combine(databases.Home, "tombstones.journal");
        var lines = await File.ReadAllLinesAsync(path);
        await File.WriteAllLinesAsync(path, lines.Reverse());
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        await File.WriteAllTextAsync(path, lines[0].Replace(lines[0][20], lines[0][20] == 'a' ? 'b' : 'a') + "\n" + lines[1] + "\n");
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        await File.WriteAllTextAsync(path, lines[0] + "\n" + lines[1] + "\n" + lines[1][..40]);
        await using var vault = await databases.StartVaultAsync();
        Assert.Equal(2, (await vault.Get<TombstoneJournal>().ReadAllAsync(vault.Get<VaultKeyring>().VaultId, default)).Count);
    }

    [Fact]
    public async Task Another_root_key_is_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await MakeTwoAsync(databases);
        File.Delete(Path.Combine(databases.Home, "root.key"));
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
    }

    [Fact]
    public async Task A_development_key_is_refused_in_production()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await MakeTwoAsync(databases);
        var options = databases.Options();
        var production = new VaultOptions { DataConnection = options.DataConnection, KeysConnection = options.KeysConnection, Home = options.Home };
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync(options: production));
    }

    [Fact]
    public async Task The_keys_database_of_another_vault_is_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await MakeTwoAsync(databases);
        await databases.Cluster.ExecuteAsync(databases.KeysName, "truncate keys.vault_key, keys.epoch, keys.page, keys.subject_key");
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
    }

    [Fact]
    public async Task After_a_new_epoch_everything_opens_and_after_the_old_one_is_destroyed_older_copies_of_the_keys_are_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var (gone, kept) = await MakeTwoAsync(databases);
        await databases.BackUpAsync(databases.KeysName);
        var clock = new ManualClock(TimeProvider.System.GetUtcNow());
        await using (var vault = await databases.StartVaultAsync(clock: clock))
        {
            var destruction = await vault.Get<KeyRegistry>().DestroyAsync(gone.Subject);
            await vault.Get<KeyWorker>().TurnEpochsAsync(now: true, default);
            Assert.Equal("kept@example.com", await People.ReadEmailAsync(vault, kept));
            Assert.False(await vault.Get<KeyRegistry>().IsEpochDestroyedAsync(destruction.EpochId));
            clock.Advance(TimeSpan.FromDays(8));
            await vault.Get<KeyWorker>().TurnEpochsAsync(now: false, default);
            Assert.True(await vault.Get<KeyRegistry>().IsEpochDestroyedAsync(destruction.EpochId));
            var created = await People.CreateAsync(vault, "new@example.com");
            Assert.Equal("new@example.com", await People.ReadEmailAsync(vault, created));
        }

        await using (var next = await databases.StartVaultAsync()) Assert.Equal("kept@example.com", await People.ReadEmailAsync(next, kept));
        await databases.RestoreAsync(databases.KeysName);
        var refusal = await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        Assert.Contains("outdated", refusal.Message, StringComparison.Ordinal);
    }

    private static async Task<(SealedRecord Gone, SealedRecord Kept)> MakeTwoAsync(DatabasePerClass databases)
    {
        await using var vault = await databases.StartVaultAsync();
        return (await People.CreateAsync(vault, "gone@example.com"), await People.CreateAsync(vault, "kept@example.com"));
    }

    private static async Task EraseKeyAsync(DatabasePerClass databases, SealedRecord record)
    {
        await using var vault = await databases.StartVaultAsync();
        await vault.Get<KeyRegistry>().DestroyAsync(record.Subject);
    }
}
