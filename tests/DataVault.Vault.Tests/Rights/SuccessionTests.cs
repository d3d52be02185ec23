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
    public async Task An_erasure_in_part_waits_for_a_renewal_that_has_begun()
    {
        var registry = world.Vault.Get<KeyRegistry>();
        for (var page = await registry.NextPageAsync(-1, default); page is { } at; page = await registry.NextPageAsync(at.Page, default))
            await registry.PrepareAsync(at.Page, default);
        var request = await EraseAsync();
        Assert.Empty(await EntriesAsync(EntryType.EraseExecuted));
        Assert.Equal("0", Assert.Single(await world.KeysListAsync("select count(successor)::text from keys.subject_key")));
        await world.RotateAsync(RotationLevels.Subjects);
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
