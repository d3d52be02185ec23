using DataVault.Testing;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>When backups and drills are due.</summary>
public sealed class BackupHistoryTests
{
    [Fact]
    [Requirement("R73")]
    public async Task Backups_and_drills_are_due_until_they_are_made_and_again_when_they_are_old()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        var clock = new ManualClock(new(2026, 10, 15, 9, 0, 0, TimeSpan.Zero));
        var given = databases.Options();
        var options = new VaultOptions
        {
            DataConnection = given.DataConnection, KeysConnection = given.KeysConnection, Home = given.Home, Development = true,
            BackupsDueAfter = TimeSpan.FromDays(2), DrillsDueAfter = TimeSpan.FromDays(100),
        };
        await using var vault = await databases.StartVaultAsync(clock: clock, options: options);
        Assert.Equal((true, true, true), await DueAsync(vault));
        await BackUpAsync(BackupPart.Data, made: true);
        await BackUpAsync(BackupPart.Keys, made: false);
        Assert.Equal((false, true, true), await DueAsync(vault));
        await BackUpAsync(BackupPart.Keys, made: true);
        await using (var ledger = databases.BackupLedger(clock)) await ledger.DrilledAsync();
        Assert.Equal((false, false, false), await DueAsync(vault));
        clock.Advance(TimeSpan.FromDays(3));
        Assert.Equal((true, true, false), await DueAsync(vault));
        clock.Advance(TimeSpan.FromDays(98));
        Assert.Equal((true, true, true), await DueAsync(vault));
        Assert.Equal(new(2026, 10, 15, 9, 0, 0, TimeSpan.Zero), (await vault.Get<BackupHistory>().LookAsync(default)).Drill.At);

        async Task BackUpAsync(BackupPart part, bool made)
        {
            await using var ledger = databases.BackupLedger(clock);
            var begun = await ledger.BeginAsync(part);
            await ledger.EndAsync(part, begun, made);
        }
    }

    [Fact]
    public async Task Where_nobody_is_to_be_reminded_nothing_is_due_by_its_age()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await databases.StartVaultAsync();
        Assert.Equal((false, false, false), await DueAsync(vault));
    }

    private static async Task<(bool Data, bool Keys, bool Drill)> DueAsync(RunningVault vault)
    {
        var state = await vault.Get<BackupHistory>().LookAsync(default);
        return (state.Backups.Single(backup => backup.Part == BackupPart.Data).IsDue, state.Backups.Single(backup => backup.Part == BackupPart.Keys).IsDue, state.Drill.IsDue);
    }
}
