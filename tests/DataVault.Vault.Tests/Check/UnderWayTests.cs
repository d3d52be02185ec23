using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>A check beside erasures and rotations finds nothing wrong in what is under way, wherever it stands.</summary>
public sealed class UnderWayTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.PersonAsync("bob");
        await world.EventsAsync(ada);
        await world.ChangeAsync(ada, "Adele");
        await world.FeedAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Theory]
    [InlineData((int)ErasureStep.Requested)]
    [InlineData((int)ErasureStep.KeyDestroyed)]
    [InlineData((int)ErasureStep.RowsDeleted)]
    public async Task An_erasure_that_stands_after_any_step_is_no_finding(int step)
    {
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == (ErasureStep)step) throw new InvalidOperationException("cut off");
        };
        await EraseAsync();
        await AssertUnderWayAsync();
    }

    [Theory]
    [InlineData((int)PartialStep.SuccessorMade)]
    [InlineData((int)PartialStep.PartDeleted)]
    [InlineData((int)PartialStep.KeyReplaced)]
    public async Task An_erasure_in_part_that_stands_after_any_step_is_no_finding(int step)
    {
        await world.Vault.Get<LegalHolds>().PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], ["email", "event:purchase"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30)), Guid.NewGuid(), default);
        world.Vault.Get<PartialErasure>().StepDone = done =>
        {
            if (done == (PartialStep)step) throw new InvalidOperationException("cut off");
        };
        await EraseAsync();
        await AssertUnderWayAsync(noted: step != (int)PartialStep.SuccessorMade);
    }

    [Fact]
    public async Task A_row_that_was_closed_without_an_erasure_is_a_finding()
    {
        await world.VaultSqlAsync($"update vault.subject set key_version = 0 where subject_id = '{ada}'");
        Assert.Contains((await CheckAsync()).Findings, finding => finding.Check == "records");
    }

    [Fact]
    public async Task Checks_beside_erasures_and_a_renewal_of_keys_find_nothing()
    {
        var people = new List<SubjectId>();
        for (var i = 0; i < 8; i++) people.Add(await world.PersonAsync("p" + i));
        await world.FeedAsync();
        var working = Task.Run(async () =>
        {
            await world.RotateAsync(RotationLevels.Subjects);
            foreach (var person in people)
            {
                var request = await world.OpenAsync(RightsWorld.Customer(person), RequestKinds.Erasure, person);
                await world.ApproveAsync(request.Id);
            }
        });
        while (!working.IsCompleted) Assert.Empty((await CheckAsync()).Findings);
        await working;
        await world.Vault.AssertSoundAsync();
    }

    private async Task AssertUnderWayAsync(bool noted = true)
    {
        var report = await CheckAsync();
        Assert.Empty(report.Findings);
        Assert.Equal(noted, report.Notes.Any(note => note.Contains("under way", StringComparison.Ordinal) || note.Contains("no certificate yet", StringComparison.Ordinal)));
        await world.RestartAsync();
        Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
        await world.Vault.AssertSoundAsync();
    }

    private async Task EraseAsync()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.ApproveAsync(request.Id);
    }

    private Task<CheckReport> CheckAsync() => world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true));
}
