using DataVault.Policy;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>Rows of requests that somebody with every right over the vault database wrote or changed, and the vault did not.</summary>
public sealed class ForgedRequestsTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        bob = await world.PersonAsync("bob");
        await world.Vault.Get<RequestSeals>().SealOldAsync(default);
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Theory]
    [InlineData(RequestKinds.Erasure)]
    [InlineData(RequestKinds.Access)]
    [InlineData(RequestKinds.Portability)]
    [InlineData(RequestKinds.Restriction)]
    [InlineData(RequestKinds.Objection)]
    public async Task An_approved_request_that_somebody_wrote_into_the_table_is_not_carried_out(string kind)
    {
        var before = await RecordsAsync();
        var request = await ForgeAsync(ada, kind, RequestStates.Approved);
        Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
        await AssertRefusedAsync(request);
        Assert.Equal(before, await RecordsAsync());
        Assert.Equal([RequestStates.Approved], await world.ListAsync($"select state from vault.request where request_id = '{request}'"));
        await Assert.ThrowsAsync<VaultException>(() => world.Requests.CompleteAsync(RightsWorld.Officer, request, "go on", Guid.NewGuid(), default));
    }

    [Fact]
    public async Task A_request_that_was_approved_in_the_table_alone_is_not_carried_out()
    {
        var request = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id;
        await world.VaultSqlAsync($"update vault.request set state = 'approved' where request_id = '{request}'");
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await AssertRefusedAsync(request);
    }

    [Fact]
    public async Task An_erasure_that_was_moved_to_somebody_else_is_not_carried_out()
    {
        var hold = new NewHold([ada], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30));
        await world.Vault.Get<LegalHolds>().PlaceAsync(RightsWorld.Officer, hold, Guid.NewGuid(), default);
        var request = await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id);
        Assert.Equal("partial", request.Erasure!.State);
        await world.VaultSqlAsync($"update vault.request set subject_id = '{bob}' where request_id = '{request.Id}'");
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await AssertRefusedAsync(request.Id);
        Assert.Equal(["1"], await world.KeysListAsync($"select count(*)::text from keys.subject_key where subject_id = '{bob}'"));
    }

    [Fact]
    public async Task Requests_from_before_there_were_seals_are_taken_as_they_are_once()
    {
        var request = (await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Erasure, bob)).Id;
        await world.VaultSqlAsync("update vault.request set seal = null");
        File.Delete(Path.Combine(world.Home, "requests-sealed"));
        await world.Vault.Get<RequestSeals>().SealOldAsync(default);
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request)).State);

        var forged = await ForgeAsync(ada, RequestKinds.Erasure, RequestStates.Approved);
        await world.Vault.Get<RequestSeals>().SealOldAsync(default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await AssertRefusedAsync(forged);
    }

    [Fact]
    public async Task Work_that_does_not_open_hides_nothing_from_the_check()
    {
        await world.VaultSqlAsync($"update vault.subject set key_version = 0 where subject_id = '{ada}'");
        var forged = await ForgeAsync(ada, RequestKinds.Access, RequestStates.Completed, work: "'\\x00'");
        var findings = await FindingsAsync();
        Assert.Contains(findings, finding => finding.Contains($"the record of {ada}", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Contains($"the request {forged} is not as the vault wrote it", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Damaged_work_of_a_true_request_is_named_and_excuses_nothing()
    {
        var request = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id;
        await world.VaultSqlAsync($"update vault.subject set key_version = 0 where subject_id = '{ada}'; update vault.request set work = '\\x0102' where request_id = '{request}'");
        var findings = await FindingsAsync();
        Assert.Contains(findings, finding => finding.Contains($"the record of {ada}", StringComparison.Ordinal));
        Assert.Contains(findings, finding => finding.Contains($"the request {request} does not open", StringComparison.Ordinal));
    }

    private async Task<Guid> ForgeAsync(SubjectId subject, string kind, string state, string work = "null")
    {
        var id = Guid.NewGuid();
        await world.VaultSqlAsync(
            $"""
            insert into vault.request (request_id, subject_id, kind, state, jurisdiction, opened_at, due_at, opened_by, log_index, work)
            values ('{id}', '{subject}', '{kind}', '{state}', 'EU', now(), now() + interval '30 days', 'officer', 0, {work})
            """);
        return id;
    }

    private async Task AssertRefusedAsync(Guid request)
    {
        Assert.Equal(["1"], await world.KeysListAsync($"select count(*)::text from keys.subject_key where subject_id = '{ada}'"));
        Assert.Contains(await FindingsAsync(), finding => finding.Contains($"the request {request} is not as the vault wrote it", StringComparison.Ordinal));
        Assert.Equal(1, (await world.Vault.Get<RightsWatch>().LookAsync(default)).ForgedRequests);
        Assert.Empty(Directory.EnumerateFiles(world.Home, $"*{request:N}*", SearchOption.AllDirectories));
    }

    private async Task<IReadOnlyList<string>> FindingsAsync() =>
        [.. (await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings.Select(finding => finding.Message)];

    private Task<IReadOnlyList<string>> RecordsAsync() => world.ListAsync("select encode(facts, 'hex') || row_version::text from vault.subject order by subject_id");
}
