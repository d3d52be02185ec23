using DataVault.Testing;
using DataVault.Transparency;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

/// <summary>The signer when its memory or its key must change.</summary>
public sealed class SignerCareTests
{
    [Fact]
    public async Task A_signer_without_its_memory_refuses_until_an_operator_states_what_it_last_signed()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var auditors = await AppendAndSignAsync(databases, 5);
        await AppendAndSignAsync(databases, 4);
        File.Delete(Memory(databases));
        await using var vault = await databases.StartVaultAsync();
        var reader = vault.Get<AuditReader>();
        await reader.SignAsync();
        Assert.Contains("memory is gone", reader.SignerRefusal, StringComparison.Ordinal);

        var wrong = auditors with { Root = MerkleHash.Leaf([1]) };
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => vault.Get<SignerCare>().AdoptAsync(wrong))).Slug);
        await Assert.ThrowsAsync<VaultException>(() => vault.Get<SignerCare>().AdoptAsync(auditors with { Size = 500 }));
        await Assert.ThrowsAsync<VaultException>(() => vault.Get<SignerCare>().AdoptAsync(auditors with { Origin = "other.example/log" }));
        Assert.False(File.Exists(Memory(databases)));

        // The auditor's checkpoint is older than the database's own, which is believed no less because the signer's key made it.
        Assert.Equal(9, (await vault.Get<SignerCare>().AdoptAsync(auditors)).Size);
        await reader.SignAsync();
        Assert.Null(reader.SignerRefusal);
        Assert.Equal(10, reader.LatestSigned!.Size);
        var entry = (await Log.ReadAllAsync(vault))[9];
        Assert.Equal((EntryType.SignerAdopt, 5L), (entry.Type, entry.RecordVersion));
        Assert.True(entry.KeyCommitment.Span.SequenceEqual(auditors.Root.Span));
        Assert.True((await Log.VerifyAsync(vault)).Ok);
    }

    [Fact]
    public async Task A_memory_from_a_backup_of_the_folder_is_not_signed_upon()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await AppendAndSignAsync(databases, 3);
        var older = await File.ReadAllBytesAsync(Memory(databases));
        var auditors = await AppendAndSignAsync(databases, 3);
        await File.WriteAllBytesAsync(Memory(databases), older);
        await using var vault = await databases.StartVaultAsync();
        await vault.Get<AuditReader>().SignAsync();
        Assert.Contains("ends at 3", vault.Get<AuditReader>().SignerRefusal, StringComparison.Ordinal);
        await vault.Get<SignerCare>().AdoptAsync(auditors);
        await vault.Get<AuditReader>().SignAsync();
        Assert.Null(vault.Get<AuditReader>().SignerRefusal);
    }

    [Fact]
    public async Task Nothing_is_adopted_over_a_forked_or_a_shortened_log()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await AppendAndSignAsync(databases, 3);
        await databases.BackUpAsync(databases.VaultName);
        var auditors = await AppendAndSignAsync(databases, 3);
        await databases.RestoreAsync(databases.VaultName);
        File.Delete(Memory(databases));
        Directory.Delete(Path.Combine(databases.Home, "log-mirror"), recursive: true);
        await using var vault = await databases.StartVaultAsync();
        var shortened = await Assert.ThrowsAsync<VaultException>(() => vault.Get<SignerCare>().AdoptAsync(auditors));
        Assert.Contains("ends at 3", shortened.Message, StringComparison.Ordinal);
        for (var i = 0; i < 9; i++) await Log.AppendAsync(vault, 100 + i);
        var forked = await Assert.ThrowsAsync<VaultException>(() => vault.Get<SignerCare>().AdoptAsync(auditors));
        Assert.Contains("not those that were signed", forked.Message, StringComparison.Ordinal);
        await vault.Get<AuditReader>().SignAsync();
        Assert.NotNull(vault.Get<AuditReader>().SignerRefusal);
    }

    [Fact]
    public async Task A_memory_that_holds_more_than_is_stated_stays()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var earlier = await AppendAndSignAsync(databases, 3);
        await AppendAndSignAsync(databases, 3);
        await using var vault = await databases.StartVaultAsync();
        var refusal = await Assert.ThrowsAsync<VaultException>(() => vault.Get<SignerCare>().AdoptAsync(earlier));
        Assert.Contains("remembers 6", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_whose_signer_refuses_goes_on_indexing_and_signs_again_once_the_memory_is_back()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await AppendAndSignAsync(databases, 3);
        var memory = await File.ReadAllBytesAsync(Memory(databases));
        File.Delete(Memory(databases));
        await using var vault = await databases.StartVaultAsync(workers: true);
        var reader = vault.Get<AuditReader>();
        await Until(() => reader.SignerRefusal is not null);
        await Log.AppendAsync(vault, 7);
        await Until(() => reader.Size >= 4);
        Assert.All(vault.Get<IEnumerable<IHostedService>>().OfType<BackgroundService>(), worker => Assert.False(worker.ExecuteTask?.IsFaulted));
        await File.WriteAllBytesAsync(Memory(databases), memory);
        await Until(() => reader.LatestSigned?.Size >= 4);
        Assert.Null(reader.SignerRefusal);
    }

    [Fact]
    public async Task A_damaged_key_or_memory_is_a_refusal_and_not_a_crash()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await AppendAndSignAsync(databases, 3);
        await File.WriteAllTextAsync(Memory(databases), "datavault signer 1\ndatavault.example/log\nx\n");
        await using (var vault = await databases.StartVaultAsync())
        {
            await vault.Get<AuditReader>().SignAsync();
            Assert.Contains("damaged", vault.Get<AuditReader>().SignerRefusal, StringComparison.Ordinal);
        }

        var key = Path.Combine(databases.Home, "log-signer.key");
        var bytes = await File.ReadAllBytesAsync(key);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(key, bytes);
        await using var again = await databases.StartVaultAsync();
        await again.Get<AuditReader>().SignAsync();
        Assert.Contains("signing key", again.Get<AuditReader>().SignerRefusal, StringComparison.Ordinal);
        Assert.Throws<VaultStartException>(() => again.Get<AuditReader>().VerifierKey);
    }

    [Fact]
    public async Task A_key_that_is_gone_is_not_silently_replaced_by_another()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await AppendAndSignAsync(databases, 3);
        File.Delete(Path.Combine(databases.Home, "log-signer.key"));
        await using var vault = await databases.StartVaultAsync();
        await vault.Get<AuditReader>().SignAsync();
        Assert.Contains("gone", vault.Get<AuditReader>().SignerRefusal, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(databases.Home, "log-signer.key")));
        Assert.Null(vault.Get<SignerCare>().KeysOrNull());
    }

    [Fact]
    public async Task A_new_key_is_announced_signs_beside_the_old_one_and_stays_when_that_is_destroyed()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        var (reader, care) = (vault.Get<AuditReader>(), vault.Get<SignerCare>());
        for (var i = 0; i < 3; i++) await Log.AppendAsync(vault, i);
        await reader.SignAsync();
        var first = NoteVerifier.Parse(reader.VerifierKey);
        var before = await NewestAsync(reader);
        var oldProof = await reader.ProofAsync(1);

        var next = await care.RotateAsync();
        Assert.Equal(4, next.From);
        await Assert.ThrowsAsync<VaultException>(() => care.RotateAsync());
        await reader.SignAsync();
        var both = await NewestAsync(reader);
        Assert.Equal(2, both.Signatures.Count);
        Assert.True(first.Verify(both) && next.Verifier.Verify(both));

        var ended = await care.RetireAsync();
        Assert.Equal(first.KeyId, ended.Verifier.KeyId);
        Assert.False(File.Exists(Path.Combine(databases.Home, "log-signer.key")));
        await Log.AppendAsync(vault, 9);
        await reader.SignAsync();
        var after = await NewestAsync(reader);
        Assert.False(first.Verify(after));
        Assert.True(next.Verifier.Verify(after));

        // Whoever holds the list verifies everything; what was signed before verifies with the old key alone.
        Assert.All(new[] { before, both, after }, note => Assert.True(care.Keys.Verify(note)));
        Assert.True(TlogProof.TryParse(oldProof.Text, out var proof) && proof!.Verify(oldProof.Entry.Span, first));
        Assert.True((await new LogVerifier(care.Keys).VerifyAsync(Log.SourceOf(reader), [before, both])).Ok);
        Assert.True(TlogProof.TryParse((await care.AnnouncementAsync($"{next.Verifier.KeyId:x8}"))!, out var announcement));
        Assert.Null(LogKeys.CheckAnnouncement(care.Keys.Keys[0], next, announcement!));
        Assert.Null(await care.AnnouncementAsync($"{first.KeyId:x8}"));
    }

    [Fact]
    public async Task Other_processes_take_up_the_new_key_and_a_restart_keeps_it()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var one = await databases.StartVaultAsync())
        {
            await using var two = await databases.StartVaultAsync();
            await Log.AppendAsync(one);
            await one.Get<AuditReader>().SignAsync();
            var next = await two.Get<SignerCare>().RotateAsync();
            Assert.Equal(next.VerifierKey, one.Get<AuditReader>().VerifierKey);
            await one.Get<AuditReader>().SignAsync();
            Assert.Equal(2, (await NewestAsync(one.Get<AuditReader>())).Signatures.Count);
            await one.Get<SignerCare>().RetireAsync();
            Assert.Single(two.Get<SignerCare>().Keys.Keys, key => key.Until is null);
        }

        await using var again = await databases.StartVaultAsync();
        await Log.AppendAsync(again);
        await again.Get<AuditReader>().SignAsync();
        Assert.Single((await NewestAsync(again.Get<AuditReader>())).Signatures);
        Assert.True((await new LogVerifier(again.Get<SignerCare>().Keys).VerifyAsync(Log.SourceOf(again.Get<AuditReader>()))).Ok);
    }

    [Fact]
    public async Task A_rotation_that_was_interrupted_takes_the_same_key_up_again()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        await Log.AppendAsync(vault);
        await vault.Get<AuditReader>().SignAsync();
        var prepared = vault.Get<SignerKeys>().Prepare();
        await Log.AppendAsync(vault);
        Assert.Equal(prepared, (await vault.Get<SignerCare>().RotateAsync()).VerifierKey);
        Assert.Equal(2, Directory.GetFiles(databases.Home, "log-signer*.key").Length);
    }

    private static string Memory(DatabasePerClass databases) => Path.Combine(databases.Home, "log-signer.memory");

    private static async Task<SignedNote> NewestAsync(AuditReader reader) =>
        SignedNote.TryParse((await reader.CheckpointAsync())!, out var note) ? note! : throw new InvalidDataException("not a note");

    private static async Task<Checkpoint> AppendAndSignAsync(DatabasePerClass databases, int count)
    {
        await using var vault = await databases.StartVaultAsync();
        for (var i = 0; i < count; i++) await Log.AppendAsync(vault, i);
        await vault.Get<AuditReader>().SignAsync();
        return Checkpoint.TryParse((await NewestAsync(vault.Get<AuditReader>())).Text, out var checkpoint) ? checkpoint! : throw new InvalidDataException("not a checkpoint");
    }

    private static async Task Until(Func<bool> condition)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!condition() && TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromMinutes(2)) await Task.Delay(10);
        Assert.True(condition());
    }
}
