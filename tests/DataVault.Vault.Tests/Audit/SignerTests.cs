using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

public sealed class SignerTests
{
    [Fact]
    public async Task The_log_is_signed_and_its_proofs_and_tiles_convince_an_outsider()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        for (var i = 0; i < 3; i++) await Task.WhenAll(Enumerable.Range(0, 211).Select(n => Log.AppendAsync(vault, n)));
        var reader = vault.Get<AuditReader>();
        await reader.CatchUpAsync();
        Assert.True((await Log.VerifyAsync(vault)).Ok);
        Assert.Equal(633, reader.LatestSigned!.Size);

        var verifier = NoteVerifier.Parse(reader.VerifierKey);
        foreach (var index in new long[] { 0, 1, 255, 256, 511, 632 })
        {
            var proof = await reader.ProofAsync(index);
            Assert.True(TlogProof.TryParse(proof.Text, out var parsed));
            Assert.True(verifier.Verify(parsed!.Checkpoint));
            Assert.True(Checkpoint.TryParse(parsed.Checkpoint.Text, out var checkpoint));
            Assert.True(InclusionProof.Verify(index, checkpoint!.Size, MerkleHash.Leaf(proof.Entry.Span), proof.Hashes, checkpoint.Root.Span));
        }

        await Assert.ThrowsAsync<VaultException>(() => reader.ProofAsync(633));
        await Assert.ThrowsAsync<VaultException>(() => reader.ProofAsync(-1));
        Assert.Null(await reader.TileAsync(0, 2, 256));
        Assert.Null(await reader.TileAsync(1, 0, 3));
        Assert.Null(await reader.EntryBundleAsync(long.MaxValue, 256));
        Assert.NotNull(await reader.TileAsync(1, 0, 2));
    }

    [Fact]
    public async Task An_entry_of_this_moment_can_be_proved_at_once_and_growth_is_consistent()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var reader = vault.Get<AuditReader>();
        await Log.AppendAsync(vault);
        await reader.SignAsync();
        Assert.True(SignedNote.TryParse((await reader.CheckpointAsync())!, out var before));
        Assert.True(Checkpoint.TryParse(before!.Text, out var old));
        for (var i = 0; i < 40; i++) await Log.AppendAsync(vault, i);
        Assert.Equal(40, (await reader.ProofAsync(40)).Index);
        var (hashes, note) = await reader.ConsistencyAsync(1);
        Assert.True(SignedNote.TryParse(note, out var after));
        Assert.True(Checkpoint.TryParse(after!.Text, out var now));
        Assert.True(ConsistencyProof.Verify(old!.Size, now!.Size, old.Root.Span, now.Root.Span, hashes));
    }

    [Fact]
    public async Task A_log_shortened_under_a_running_signer_is_not_signed()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await AppendAndSignAsync(databases, 3);
        await databases.BackUpAsync(databases.VaultName);
        await using var vault = await databases.StartVaultAsync();
        await Log.AppendAsync(vault);
        await vault.Get<AuditReader>().SignAsync();
        await databases.RestoreAsync(databases.VaultName);
        await vault.Get<AuditReader>().SignAsync();
        Assert.Contains("fewer", vault.Get<AuditReader>().SignerRefusal, StringComparison.Ordinal);
        // What this process wrote is gone: it makes no entry more, so it releases nothing.
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => Log.AppendAsync(vault))).Slug);
        Assert.Equal(3, (await vault.Get<LogStore>().HeadAsync(default)).Size);
        Assert.Contains(
            (await vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings, finding => finding.Message == "the log has 3 entries, fewer than the 4 that were signed: the database is an older copy, or was shortened");
        Assert.Equal(3, (await vault.Get<LogStore>().CheckpointAsync(default))!.Value.Size);
    }

    [Fact]
    public async Task A_log_regrown_over_a_restored_copy_is_not_signed()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await AppendAndSignAsync(databases, 3);
        await databases.BackUpAsync(databases.VaultName);
        await using var vault = await databases.StartVaultAsync();
        await using var other = await databases.StartVaultAsync();
        await Log.AppendAsync(vault);
        await vault.Get<AuditReader>().SignAsync();
        await databases.RestoreAsync(databases.VaultName);
        // A process that never heard of what was lost goes on upon the copy, until the log is as long as before and longer.
        for (var i = 100; i < 112; i++) await Log.AppendAsync(other, i);
        await vault.Get<LogWorker>().RoundAsync(default);
        Assert.Contains("does not continue", vault.Get<AuditReader>().SignerRefusal, StringComparison.Ordinal);
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => Log.AppendAsync(vault))).Slug);
        Assert.Contains((await vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings, finding => finding.Message == "the first 4 entries are not those that were signed");
        await Assert.ThrowsAsync<VaultException>(() => vault.Get<AuditReader>().ProofAsync(11));
    }

    [Fact]
    public async Task An_entry_changed_before_it_was_signed_is_not_signed()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await Log.AppendAsync(vault);
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update audit.batch set entries = set_byte(entries, 20, 255 - get_byte(entries, 20))");
        await vault.Get<AuditReader>().SignAsync();
        Assert.NotNull(vault.Get<AuditReader>().SignerRefusal);
        Assert.Null(await vault.Get<AuditReader>().CheckpointAsync());
    }

    [Fact]
    public async Task An_entry_changed_after_it_was_signed_is_named_by_the_verifier()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        for (var i = 0; i < 20; i++) await Log.AppendAsync(vault, i);
        await vault.Get<AuditReader>().SignAsync();
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update audit.batch set entries = set_byte(entries, 20, 255 - get_byte(entries, 20)) where first_index = 7");
        var report = await Log.VerifyAsync(vault);
        Assert.False(report.Ok);
        Assert.Equal(7, report.FirstBadIndex);
    }

    [Fact]
    public async Task One_process_signs_and_the_others_see_it()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await databases.StartVaultAsync();
        await using var two = await databases.StartVaultAsync();
        await Log.AppendAsync(two);
        await one.Get<AuditReader>().SignAsync();
        await two.Get<AuditReader>().SignAsync();
        Assert.Equal(one.Get<AuditReader>().LatestSigned, two.Get<AuditReader>().LatestSigned);
        Assert.Equal(1, two.Get<AuditReader>().LatestSigned!.Size);
        Assert.Equal(one.Get<AuditReader>().VerifierKey, two.Get<AuditReader>().VerifierKey);
        Assert.Equal(1, await Keys.People.CountAsync(one, "audit.checkpoint"));
    }

    [Fact]
    public async Task The_worker_signs_and_indexes_by_itself_and_begins_with_a_genesis()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync(workers: true);
        await Log.AppendAsync(vault);
        var reader = vault.Get<AuditReader>();
        var start = TimeProvider.System.GetTimestamp();
        while (reader.LatestSigned is not { Size: >= 2 } && TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromMinutes(2)) await Task.Delay(10);
        Assert.Equal(2, reader.LatestSigned?.Size);
        Assert.Contains(EntryType.Genesis, (await Log.ReadAllAsync(vault)).Select(entry => entry.Type));
    }

    private static async Task AppendAndSignAsync(DatabasePerClass databases, int count)
    {
        await using var vault = await databases.StartVaultAsync();
        for (var i = 0; i < count; i++) await Log.AppendAsync(vault, i);
        await vault.Get<AuditReader>().SignAsync();
    }
}
