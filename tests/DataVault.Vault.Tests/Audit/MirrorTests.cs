using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

/// <summary>The log outlives the database: what was signed is in the mirror, and a database restored to an earlier moment gets it back.</summary>
public sealed class MirrorTests
{
    [Fact]
    public async Task The_mirror_can_be_replayed_as_it_is_at_every_signed_size()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        foreach (var count in new[] { 1, 254, 1, 1, 300, 1, 700 })
        {
            await GrowAsync(vault, count);
            var report = await ReplayAsync(vault, databases);
            Assert.True(report.Ok, string.Join("; ", report.Findings.Select(f => f.Message)));
            Assert.Equal(vault.Get<AuditReader>().LatestSigned!.Size, report.Size);
        }

        Assert.Equal(1258, vault.Get<LogMirror>().Read().Size);
        Assert.Empty(Directory.EnumerateDirectories(Path.Combine(databases.Home, "log-mirror", "tile", "0"), "003.p"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(256)]
    public async Task A_restored_database_gets_the_entries_back_that_it_lost_and_the_log_goes_on_without_a_fork(int before)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        string? early = null;
        await using (var vault = await databases.StartVaultAsync())
        {
            await GrowAsync(vault, before);
            early = await vault.Get<AuditReader>().CheckpointAsync();
        }

        await databases.BackUpAsync(databases.VaultName);
        string late;
        List<LogEntry> lost;
        await using (var vault = await databases.StartVaultAsync())
        {
            await GrowAsync(vault, 300);
            (late, lost) = ((await vault.Get<AuditReader>().CheckpointAsync())!, await Log.ReadAllAsync(vault));
        }

        await databases.RestoreAsync(databases.VaultName);
        await using var restored = await databases.StartVaultAsync();
        var entries = await Log.ReadAllAsync(restored);
        Assert.Equal(lost, entries.Take(lost.Count));
        Assert.Equal((EntryType.RestoreDeclared, (long?)before), (entries[^1].Type, entries[^1].Reference));
        Assert.Equal(lost.Count + 1, entries.Count);
        await GrowAsync(restored, 5);
        Assert.Null(restored.Get<AuditReader>().SignerRefusal);
        var earlier = new[] { early, late }.OfType<string>().Select(Note).ToList();
        var report = await ReplayAsync(restored, databases, earlier);
        Assert.True(report.Ok);
        Assert.Equal(earlier.Count, report.EarlierCheckpoints);
        Assert.True((await Log.VerifyAsync(restored)).Ok);
        // A second start finds nothing to do.
        await using var again = await databases.StartVaultAsync();
        Assert.Equal(entries.Count + 5, (await again.Get<LogStore>().HeadAsync(default)).Size);
    }

    [Theory]
    [InlineData("update audit.tile set hashes = decode(repeat('5a', 8192), 'hex') where level = 0 and n = 1")]
    [InlineData("insert into audit.tile (level, n, hashes) values (0, 2, decode(repeat('5a', 8192), 'hex'))")]
    public async Task Tiles_of_entries_that_were_never_the_logs_go_with_the_entries_and_when_the_index_is_made_anew(string attack)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await GrowAsync(databases, 300);
        await databases.BackUpAsync(databases.VaultName);
        await GrowAsync(databases, 300);
        await databases.RestoreAsync(databases.VaultName);
        await databases.Cluster.ExecuteAsync(databases.VaultName, "insert into audit.tile (level, n, hashes) values (0, 1, decode(repeat('00', 8192), 'hex')) on conflict do nothing; " + attack);
        await using var vault = await databases.StartVaultAsync();
        await GrowAsync(vault, 200);
        await vault.Get<LogIndexer>().CatchUpAsync();
        Assert.True((await Log.VerifyAsync(vault)).Ok);

        await databases.Cluster.ExecuteAsync(databases.VaultName, attack.Replace("values (0, 2,", "values (0, 9,", StringComparison.Ordinal));
        await LogReindex.ClearAsync(databases.VaultAdmin);
        await vault.Get<LogIndexer>().CatchUpAsync();
        Assert.True((await Log.VerifyAsync(vault)).Ok);
        Assert.Empty((await vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings);
    }

    [Fact]
    public async Task Two_processes_that_start_on_a_restored_database_put_the_entries_back_once()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await GrowAsync(databases, 4);
        await databases.BackUpAsync(databases.VaultName);
        await GrowAsync(databases, 600);
        await databases.RestoreAsync(databases.VaultName);
        var started = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => databases.StartVaultAsync()));
        Assert.Equal(605, (await started[0].Get<LogStore>().HeadAsync(default)).Size);
        foreach (var vault in started) await vault.DisposeAsync();
    }

    [Fact]
    public async Task A_database_with_another_log_is_refused_and_its_first_other_entry_named()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await GrowAsync(databases, 5);
        await databases.BackUpAsync(databases.VaultName);
        await GrowAsync(databases, 3);
        var mirror = Path.Combine(databases.Home, "log-mirror");
        var memory = Path.Combine(databases.Home, "log-signer.memory");
        Directory.Move(mirror, mirror + ".kept");
        File.Move(memory, memory + ".kept");
        await databases.RestoreAsync(databases.VaultName);
        await using (var other = await databases.StartVaultAsync()) await Log.AppendAsync(other, 77);
        Directory.Delete(mirror, recursive: true);
        Directory.Move(mirror + ".kept", mirror);
        File.Move(memory + ".kept", memory);

        var shorter = await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        Assert.Contains("entry 5 ", shorter.Message, StringComparison.Ordinal);
        await databases.Cluster.ExecuteAsync(databases.VaultName, "delete from audit.batch where first_index >= 5; update audit.batch set leaf_hashes = set_byte(leaf_hashes, 0, 1 - get_byte(leaf_hashes, 0) % 2) where first_index = 0");
        var changed = await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        Assert.Contains("entry 0 ", changed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_mirror_is_made_again_from_a_database_that_continues_what_was_signed()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await GrowAsync(databases, 300);
        Directory.Delete(Path.Combine(databases.Home, "log-mirror"), recursive: true);
        await using (var vault = await databases.StartVaultAsync())
        {
            Assert.Equal(300, vault.Get<LogMirror>().Read().Size);
            await vault.Get<AuditReader>().SignAsync();
            Assert.True((await ReplayAsync(vault, databases)).Ok);
        }

        Directory.Delete(Path.Combine(databases.Home, "log-mirror"), recursive: true);
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update audit.batch set entries = set_byte(entries, 20, 255 - get_byte(entries, 20)) where first_index = 0");
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
    }

    [Fact]
    public async Task Without_the_mirror_a_database_that_lost_signed_entries_is_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await GrowAsync(databases, 3);
        await databases.BackUpAsync(databases.VaultName);
        await GrowAsync(databases, 3);
        await databases.RestoreAsync(databases.VaultName);
        Directory.Delete(Path.Combine(databases.Home, "log-mirror"), recursive: true);
        var refusal = await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        Assert.Contains("3 entries of the 6", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_mirror_that_cannot_be_written_stops_the_signing_until_it_can_and_the_log_goes_on()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await GrowAsync(vault, 3);
        var mirror = Path.Combine(databases.Home, "log-mirror");
        Directory.Move(mirror, mirror + ".away");
        await File.WriteAllTextAsync(mirror, "a file where the folder was");
        await Log.AppendAsync(vault);
        await Assert.ThrowsAsync<VaultException>(() => vault.Get<AuditReader>().SignAsync());
        Assert.Contains("cannot be written", vault.Get<AuditReader>().SignerRefusal, StringComparison.Ordinal);
        Assert.Equal(3, (await vault.Get<LogStore>().CheckpointAsync(default))!.Value.Size);

        File.Delete(mirror);
        Directory.Move(mirror + ".away", mirror);
        await GrowAsync(vault, 1);
        Assert.Null(vault.Get<AuditReader>().SignerRefusal);
        Assert.Equal(5, (await ReplayAsync(vault, databases)).Size);
    }

    [Fact]
    public async Task What_a_writer_left_behind_that_died_before_it_counted_is_written_again()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var state = Path.Combine(databases.Home, "log-mirror", "mirror.state");
        await GrowAsync(databases, 200);
        var counted = await File.ReadAllBytesAsync(state);
        await GrowAsync(databases, 100);
        await File.WriteAllBytesAsync(state, counted);
        await File.WriteAllTextAsync(Path.Combine(databases.Home, "log-mirror", "tile", "entries", "001.p", "44"), "half");
        await using var vault = await databases.StartVaultAsync();
        await GrowAsync(vault, 1);
        var report = await ReplayAsync(vault, databases);
        Assert.True(report.Ok);
        Assert.Equal(301, report.Size);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_restored_database_gets_back_who_was_concerned_by_entries_about_several(bool mirroredBeforeListsWere)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var vault = await databases.StartVaultAsync()) await GrowAsync(vault, 250);
        await databases.BackUpAsync(databases.VaultName);
        Guid[] tags = [Guid.NewGuid(), Guid.NewGuid(), Guid.NewGuid()];
        long[] about;
        await using (var vault = await databases.StartVaultAsync())
        {
            about = [await AboutAsync(vault, tags[..2]), await AboutAsync(vault, tags)];
            await GrowAsync(vault, 300);
            about = [.. about, await AboutAsync(vault, tags[1..])];
            await GrowAsync(vault, 1);
        }

        var lists = Path.Combine(databases.Home, "log-mirror", "tile", "members");
        Assert.Equal(2, Directory.GetFiles(lists).Length);
        if (mirroredBeforeListsWere)
        {
            Directory.Delete(lists, recursive: true);
            await GrowAsync(databases, 1);
        }

        await databases.RestoreAsync(databases.VaultName);
        await using var restored = await databases.StartVaultAsync();
        await restored.Get<AuditReader>().CatchUpAsync();
        Assert.Equal(about, await ConcernedAsync(restored, tags[1]));
        Assert.Equal(about[1..], await ConcernedAsync(restored, tags[2]));
        var entry = LogEntry.Decode((await restored.Get<LogStore>().EntriesAtAsync(about, default))[about[0]]);
        Assert.Equal(2, (await restored.Get<LogStore>().MembersAsync(about[0], entry, default))!.Count);
        await GrowAsync(restored, 1);
        Assert.True((await ReplayAsync(restored, databases)).Ok);
    }

    [Fact]
    public async Task A_list_that_is_not_the_entrys_is_not_put_back()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await GrowAsync(databases, 3);
        await databases.BackUpAsync(databases.VaultName);
        long about;
        await using (var vault = await databases.StartVaultAsync())
        {
            about = await AboutAsync(vault, [Guid.NewGuid(), Guid.NewGuid()]);
            await GrowAsync(vault, 1);
        }

        var list = Path.Combine(databases.Home, "log-mirror", TlogTiles.MembersPath(0));
        var bytes = await File.ReadAllBytesAsync(list);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(list, bytes);
        await databases.RestoreAsync(databases.VaultName);
        await using var restored = await databases.StartVaultAsync();
        var entry = LogEntry.Decode((await restored.Get<LogStore>().EntriesAtAsync([about], default))[about]);
        Assert.Null(await restored.Get<LogStore>().MembersAsync(about, entry, default));
    }

    private static Task<long> AboutAsync(RunningVault vault, Guid[] tags) =>
        vault.Get<AuditLog>().AppendAsync(AuditLog.Concerning(Log.Entry(vault), tags.Select(tag => (ReadOnlyMemory<byte>)tag.ToByteArray(bigEndian: true))));

    private static async Task<List<long>> ConcernedAsync(RunningVault vault, Guid tag)
    {
        await using var command = vault.Get<VaultDatabase>().Source.CreateCommand("select index from audit.bulk_member where subject = $1 order by index");
        command.Parameters.Add(new() { Value = tag });
        return await Rows.ReadAsync(command, row => row.GetInt64(0), default);
    }

    private static SignedNote Note(string text) => SignedNote.TryParse(text, out var note) ? note! : throw new FormatException("not a note");

    private static Task<VerificationReport> ReplayAsync(RunningVault vault, DatabasePerClass databases, IReadOnlyList<SignedNote>? earlier = null) =>
        new LogVerifier(NoteVerifier.Parse(vault.Get<AuditReader>().VerifierKey)).VerifyAsync(new TileDirectory(Path.Combine(databases.Home, "log-mirror")), earlier);

    private static async Task GrowAsync(DatabasePerClass databases, int count)
    {
        await using var vault = await databases.StartVaultAsync();
        await GrowAsync(vault, count);
    }

    private static async Task GrowAsync(RunningVault vault, int count)
    {
        await Task.WhenAll(Enumerable.Range(0, count).Select(n => Log.AppendAsync(vault, n)));
        await vault.Get<AuditReader>().SignAsync();
    }
}
