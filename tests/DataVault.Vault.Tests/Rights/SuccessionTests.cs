using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>A key that an erasure in part replaces and one that a rotation renews are the same person's: whichever comes first, nothing held is lost and all else is gone.</summary>
public sealed class SuccessionTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;
    private HoldView hold = null!;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.PersonAsync("bob");
        await world.EventsAsync(ada);
        hold = await world.Vault.Get<LegalHolds>().PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], ["email", "event:purchase"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30)), Guid.NewGuid(), default);
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Theory]
    [InlineData((int)PartialStep.SuccessorMade)]
    [InlineData((int)PartialStep.PartDeleted)]
    [InlineData((int)PartialStep.KeyReplaced)]
    public async Task A_rotation_while_a_successor_waits_leaves_that_person_to_the_erasure(int step)
    {
        world.Vault.Get<PartialErasure>().StepDone = done =>
        {
            if (done == (PartialStep)step) throw new InvalidOperationException("cut off");
        };
        var request = await EraseAsync();
        await world.RestartAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        await FinishAsync(request);
    }

    [Fact]
    public async Task An_erasure_in_part_does_not_wait_for_a_renewal_that_was_prepared()
    {
        var registry = world.Vault.Get<KeyRegistry>();
        for (var page = await registry.NextPageAsync(-1, default); page is { } at; page = await registry.NextPageAsync(at.Page, default))
            await registry.PrepareAsync(at.Page, default);
        var request = await EraseAsync();
        Assert.Single(await EntriesAsync(EntryType.EraseExecuted));
        Assert.Equal(["3"], await world.KeysListAsync($"select key_version::text from keys.subject_key where subject_id = '{ada}' and other is null and successor is null"));
        await world.Vault.AssertSoundAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        await FinishAsync(request);
    }

    [Theory]
    [InlineData(RotationStates.Paused)]
    [InlineData(RotationStates.Failed)]
    public async Task A_rotation_that_stands_still_in_the_middle_keeps_nobody_from_being_erased_in_part(string state)
    {
        var (store, steps) = (world.Vault.Get<RotationStore>(), world.Vault.Get<RotationSteps>());
        var job = await store.InsertAsync(RotationLevels.Subjects, await steps.Level(RotationLevels.Subjects).PlanAsync(null, default), default);
        await steps.StepAsync(job.Id, default);
        Assert.True(await store.MoveAsync(job.Id, [RotationStates.Running], state, null, default));
        Assert.Equal(["2"], await world.KeysListAsync("select count(*)::text from keys.subject_key where other is not null"));
        var request = await EraseAsync();
        Assert.Single(await EntriesAsync(EntryType.EraseExecuted));
        Assert.Equal(["3"], await world.KeysListAsync($"select key_version::text from keys.subject_key where subject_id = '{ada}' and other is null and successor is null"));
        await world.Vault.AssertSoundAsync();
        await store.MoveAsync(job.Id, [state], RotationStates.Running, null, default);
        while ((await store.FindAsync(job.Id, default))!.View.FinishedAt is null)
        {
            await steps.StepAsync(job.Id, default);
            world.Clock.Advance(TimeSpan.FromMinutes(11));
        }

        await FinishAsync(request);
    }

    [Fact]
    public async Task A_successor_that_a_late_process_made_does_not_take_the_place_of_the_key_that_opens_what_is_held()
    {
        world.Vault.Get<PartialErasure>().StepDone = done =>
        {
            if (done == PartialStep.KeyReplaced) throw new InvalidOperationException("cut off");
        };
        var request = await EraseAsync();
        // The late process knows the key in force, and has not seen that the part is deleted already.
        using (var late = await world.Vault.Get<KeyRegistry>().GetFreshAsync(ada)) (await world.Vault.Get<KeyRegistry>().SuccessorAsync(late, default)).Dispose();
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(["2"], await world.KeysListAsync($"select key_version::text from keys.subject_key where subject_id = '{ada}'"));
        await world.Vault.AssertSoundAsync();
        await FinishAsync(request);
    }

    private async Task FinishAsync(Guid request)
    {
        var fulfilment = world.Vault.Get<RequestFulfilment>();
        await fulfilment.ResumeAsync(default);
        Assert.Equal("partial", (await world.GetAsync(request)).Erasure!.State);
        Assert.Equal(["email"], (await ReadAsync()).Fields.Select(field => field.Name));
        await world.RotateAsync(RotationLevels.Subjects);
        Assert.Equal(["email"], (await ReadAsync()).Fields.Select(field => field.Name));
        await world.Vault.AssertSoundAsync();
        await world.Vault.Get<LegalHolds>().ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        await fulfilment.ResumeAsync(default);
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request)).State);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        var text = await world.Requests.CertificateAsync(RightsWorld.Officer, request, Guid.NewGuid(), default);
        Assert.True(ErasureCertificate.TryParse(text, out var certificate));
        var records = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 500 })).Entries;
        Assert.All(records, record => Assert.Null(certificate!.Contradiction(record.Index, record.Entry)));
        await world.Vault.AssertSoundAsync();
    }

    private async Task<Guid> EraseAsync()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        return (await world.ApproveAsync(request.Id)).Id;
    }

    private Task<Disclosure> ReadAsync() =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, ada, "customer-support", null, false, Guid.NewGuid()), default);

    private async Task<IReadOnlyList<LogEntry>> EntriesAsync(EntryType type) =>
        [.. (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 500 })).Entries.Select(record => record.Entry).Where(entry => entry.Type == type)];
}
