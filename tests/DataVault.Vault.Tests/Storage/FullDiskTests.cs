using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Audit;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Storage;

/// <summary>The disk of the databases fills up in the middle of what must not be left half done. Of the log's own commits: <see cref="LogFaultTests"/>.</summary>
public sealed class FullDiskTests
{
    // At once, and in the middle of a transaction.
    private static readonly int[] Rooms = [0, 3];

    [Fact]
    public async Task An_erasure_stops_after_whatever_step_and_goes_on_when_there_is_room()
    {
        await using var world = await RightsWorld.CreateAsync();
        var bob = await world.PersonAsync("bob");
        var disk = await FullDisk.UnderAsync(world.Databases);
        foreach (var (step, room) in Enum.GetValues<ErasureStep>().Select(step => (step, Rooms[(int)step % 2])))
        {
            var ada = await world.PersonAsync($"ada{(int)step}");
            await world.EventsAsync(ada);
            await world.FeedAsync();
            world.Vault.Get<SubjectErasure>().StepDone = done =>
            {
                if (done == step) disk.FillAsync(room).GetAwaiter().GetResult();
            };
            var request = await StopAsync(world, disk, ada);
            if (step > ErasureStep.Requested) await Assert.ThrowsAsync<VaultException>(() => ReadAsync(world, ada));
            await GoOnAsync(world, disk);
            Assert.Equal((RequestStates.Completed, true), ((await world.GetAsync(request)).State, (await world.GetAsync(request)).HasCertificate));
            Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        }

        await AssertWholeAsync(world, bob);
    }

    [Fact]
    public async Task The_erasure_of_a_part_stops_after_whatever_step_and_loses_nothing_that_is_held()
    {
        await using var world = await RightsWorld.CreateAsync();
        var bob = await world.PersonAsync("bob");
        var disk = await FullDisk.UnderAsync(world.Databases);
        foreach (var (step, room) in Enum.GetValues<PartialStep>().Select(step => (step, Rooms[(int)step % 2])))
        {
            var ada = await world.PersonAsync($"ada{(int)step}");
            var hold = await world.Vault.Get<LegalHolds>().PlaceAsync(
                RightsWorld.Officer, new NewHold([ada], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30)), Guid.NewGuid(), default);
            world.Vault.Get<PartialErasure>().StepDone = done =>
            {
                if (done == step) disk.FillAsync(room).GetAwaiter().GetResult();
            };
            var request = await StopAsync(world, disk, ada);
            await GoOnAsync(world, disk);
            Assert.Equal("partial", (await world.GetAsync(request)).Erasure!.State);
            Assert.Equal(["email"], (await ReadAsync(world, ada)).Fields.Select(field => field.Name));
            await world.Vault.Get<LegalHolds>().ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
            await GoOnAsync(world, disk);
            await GoOnAsync(world, disk);
            Assert.Equal(RequestStates.Completed, (await world.GetAsync(request)).State);
        }

        await AssertWholeAsync(world, bob);
    }

    [Theory]
    [InlineData(RotationLevels.Root)]
    [InlineData(RotationLevels.Vault)]
    [InlineData(RotationLevels.Epoch)]
    [InlineData(RotationLevels.Subjects)]
    public async Task A_rotation_stops_in_whatever_step_and_goes_on_when_there_is_room(string level)
    {
        await using var world = await RightsWorld.CreateAsync();
        var (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        await world.EventsAsync(ada);
        var disk = await FullDisk.UnderAsync(world.Databases);
        var (store, steps) = (world.Vault.Get<RotationStore>(), world.Vault.Get<RotationSteps>());
        var job = await store.InsertAsync(level, await steps.Level(level).PlanAsync(null, default), default);
        var stopped = 0;
        while ((await store.FindAsync(job.Id, default))!.View is { FinishedAt: null })
        {
            foreach (var room in Rooms)
            {
                await disk.FillAsync(room);
                if (await Record.ExceptionAsync(() => steps.StepAsync(job.Id, default)) is not null) stopped++;
                await disk.MakeRoomAsync();
            }

            var step = await steps.StepAsync(job.Id, default);
            if (step?.NotBefore is { } due && due > world.Clock.GetUtcNow()) world.Clock.Advance(due - world.Clock.GetUtcNow());
        }

        Assert.NotEqual(0, stopped);
        await AssertWholeAsync(world, bob);
        await AssertWholeAsync(world, ada);
    }

    [Fact]
    public async Task A_start_after_a_restore_stops_wherever_the_disk_fills_up_and_serves_nobody_who_was_erased()
    {
        await using var world = await RightsWorld.CreateAsync();
        var (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        await world.EventsAsync(ada);
        await world.FeedAsync();
        var disk = await FullDisk.UnderAsync(world.Databases);
        await world.BackUpDataAsync();
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request.Id)).State);
        await world.PutDataBackAsync();
        var stopped = 0;
        for (Exception? failed = new TimeoutException(); failed is not null; stopped++)
        {
            await disk.FillAsync(stopped);
            failed = await Record.ExceptionAsync(() => world.RestartAsync());
            await disk.MakeRoomAsync();
        }

        Assert.InRange(stopped, 3, 200);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => ReadAsync(world, ada))).Slug);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await AssertWholeAsync(world, bob);
    }

    [Fact]
    public async Task No_backup_is_begun_or_counted_while_the_log_has_no_room_to_tell_of_it()
    {
        await using var world = await RightsWorld.CreateAsync();
        var disk = await FullDisk.UnderAsync(world.Databases);
        await using var ledger = world.Databases.BackupLedger(world.Clock);
        var begun = await ledger.BeginAsync(BackupPart.Data);
        await disk.FillAsync();
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(() => ledger.EndAsync(BackupPart.Data, begun, made: true))).Slug);
        await using (var next = world.Databases.BackupLedger(world.Clock)) await Assert.ThrowsAnyAsync<Exception>(() => next.BeginAsync(BackupPart.Data));
        await disk.MakeRoomAsync();
        Assert.All((await world.Vault.Get<BackupHistory>().LookAsync(default)).Backups, backup => Assert.Null(backup.At));
        await ledger.EndAsync(BackupPart.Data, begun, made: true);
        Assert.NotNull((await world.Vault.Get<BackupHistory>().LookAsync(default)).Backups.Single(backup => backup.Part == BackupPart.Data).At);
    }

    [Fact]
    public async Task A_server_that_the_full_disk_stops_between_two_steps_has_lost_nothing_when_it_is_back()
    {
        Assert.SkipUnless(PostgresCluster.CanLimitFiles, "prlimit (util-linux) is not installed");
        await using var cluster = await PostgresCluster.StartNewAsync();
        await using var world = await RightsWorld.CreateAsync(cluster);
        var bob = await world.PersonAsync("bob");
        foreach (var step in new[] { ErasureStep.Requested, ErasureStep.KeyDestroyed, ErasureStep.AccountsRemoved })
        {
            var ada = await world.PersonAsync($"ada{(int)step}");
            world.Vault.Get<SubjectErasure>().StepDone = done =>
            {
                // Not one byte more, the log of changes included: PostgreSQL gives up at the next commit.
                if (done == step) cluster.LimitFilesAsync(0).GetAwaiter().GetResult();
            };
            var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
            // The server may be gone before the caller is told how far it came, or after.
            if (await Record.ExceptionAsync(() => world.ApproveAsync(request.Id)) is { } failed) Assert.Equal("unavailable", Assert.IsType<VaultException>(failed).Slug);
            world.Vault.Get<SubjectErasure>().StepDone = static _ => { };
            await cluster.CrashAsync();
            await cluster.StartAsync();
            await world.RestartAsync();
            Assert.Equal(RequestStates.Approved, (await world.GetAsync(request.Id)).State);
            Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
            Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);
        }

        await AssertWholeAsync(world, bob);
    }

    // Approved, and stopped by the disk, which stays full for another round.
    private static async Task<Guid> StopAsync(RightsWorld world, FullDisk disk, SubjectId subject)
    {
        var request = await world.OpenAsync(RightsWorld.Customer(subject), RequestKinds.Erasure, subject);
        await world.ApproveAsync(request.Id);
        (world.Vault.Get<SubjectErasure>().StepDone, world.Vault.Get<PartialErasure>().StepDone) = (static _ => { }, static _ => { });
        await disk.FillAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        return request.Id;
    }

    private static async Task GoOnAsync(RightsWorld world, FullDisk disk)
    {
        await disk.MakeRoomAsync();
        Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
    }

    private static async Task AssertWholeAsync(RightsWorld world, SubjectId other)
    {
        Assert.NotEmpty((await ReadAsync(world, other)).Fields);
        await world.Vault.AssertSoundAsync();
        var report = await Log.VerifyAsync(world.Vault);
        Assert.True(report.Ok, string.Join("; ", report.Findings.Select(finding => finding.Message)));
    }

    private static Task<Disclosure> ReadAsync(RightsWorld world, SubjectId subject) =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid()), default);
}
