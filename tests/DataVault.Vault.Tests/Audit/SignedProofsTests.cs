using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

/// <summary>Documents that are handed out wait for the log to be signed.</summary>
public sealed class SignedProofsTests
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly ManualClock clock = new(new DateTimeOffset(2026, 6, 15, 12, 0, 0, TimeSpan.Zero));

    [Fact]
    public async Task Of_a_log_without_a_checkpoint_the_first_is_made()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases);
        Assert.Null(await vault.Get<AuditReader>().CheckpointAsync());
        Assert.True(SignedNote.TryParse(await vault.Get<SignedProofs>().CheckpointAsync(default), out var note));
        Assert.True(NoteVerifier.Parse(vault.Get<AuditReader>().VerifierKey).Verify(note!));
    }

    [Fact]
    public async Task The_first_checkpoint_is_waited_for_while_another_process_is_about_to_sign_it()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases);
        Task<string> asked;
        await using (AnotherSigner(databases))
        {
            asked = vault.Get<SignedProofs>().CheckpointAsync(default);
            await clock.WaitForTimerAsync(Pause);
            Assert.False(asked.IsCompleted);
        }

        clock.Advance(Pause);
        Assert.True(SignedNote.TryParse(await asked, out _));
    }

    [Fact]
    public async Task A_log_that_nobody_signs_is_not_waited_for_for_ever()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases);
        await using var other = AnotherSigner(databases);
        var asked = vault.Get<SignedProofs>().CheckpointAsync(default);
        for (var tried = 1; tried < 20; tried++)
        {
            await clock.WaitForTimerAsync(Pause);
            clock.Advance(Pause);
        }

        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => asked)).Slug);
    }

    private async Task<RunningVault> StartAsync(DatabasePerClass databases)
    {
        var vault = await databases.StartVaultAsync(clock: clock);
        await Log.AppendAsync(vault);
        return vault;
    }

    private static FileStream AnotherSigner(DatabasePerClass databases) =>
        new(Path.Combine(databases.Home, "log-signer.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
}
