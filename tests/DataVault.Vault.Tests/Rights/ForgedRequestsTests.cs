using DataVault.Policy;
using DataVault.Testing;
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
        Assert.Contains(findings, finding => finding.Contains($"the request {request} is not as the vault wrote it", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_work_row_that_somebody_wrote_excludes_nobody_from_the_erasures_that_the_journal_tells_of()
    {
        await world.BackUpDataAsync();
        await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id);
        await world.PutDataBackAsync();
        await world.VaultSqlAsync($"update vault.subject set key_version = 0 where subject_id = '{ada}'");
        await ForgeAsync(ada, RequestKinds.Erasure, RequestStates.Approved, work: "'\\x0102'");
        await world.RestartAsync();
        Assert.Equal(["0"], await world.ListAsync($"select count(*)::text from vault.subject where subject_id = '{ada}'"));
    }

    [Theory]
    [InlineData(RequestKinds.Access)]
    [InlineData(RequestKinds.Restriction)]
    public async Task A_finished_order_whose_old_row_is_put_back_is_not_carried_out_again(string kind)
    {
        var request = await OrderAsync(ada, kind);
        await KeepRowAsync("vault.request", request);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal([RequestStates.Completed], await world.ListAsync($"select state from vault.request where request_id = '{request}'"));
        var (entries, packages) = (await EntriesAsync(request), Packages());
        await PutRowBackAsync("vault.request", request);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal((entries, packages), (await EntriesAsync(request), Packages()));
        await AssertOldAsync(request);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => world.Requests.CompleteAsync(RightsWorld.Officer, request, "go on", Guid.NewGuid(), default))).Slug);
    }

    [Fact]
    public async Task An_erasure_that_was_executed_is_neither_executed_nor_certified_again()
    {
        var request = await OrderAsync(ada, RequestKinds.Erasure);
        world.Vault.Get<SubjectErasure>().StepDone = step => { if (step is ErasureStep.Requested or ErasureStep.RowsDeleted) throw new InvalidOperationException("cut off"); };
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await KeepRowAsync("vault.request", request);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await KeepRowAsync("vault.closed_request", request);
        world.Vault.Get<SubjectErasure>().StepDone = static _ => { };
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var (entries, certificate) = (await EntriesAsync(request), await world.Requests.PublishedCertificateAsync(request, default));

        await PutRowBackAsync("vault.closed_request", request);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(entries, await EntriesAsync(request));
        Assert.Equal(["true"], await world.ListAsync($"select (certificate is null)::text from vault.closed_request where request_id = '{request}'"));
        await world.VaultSqlAsync($"delete from vault.closed_request where request_id = '{request}'");
        await PutRowBackAsync("vault.request", request);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(entries, await EntriesAsync(request));
        Assert.NotEmpty(certificate);
        await AssertOldAsync(request);
    }

    [Fact]
    public async Task Work_of_an_earlier_step_of_the_same_erasure_is_not_taken_up()
    {
        var hold = new NewHold([ada], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30));
        var held = await world.Vault.Get<LegalHolds>().PlaceAsync(RightsWorld.Officer, hold, Guid.NewGuid(), default);
        var request = await OrderAsync(ada, RequestKinds.Erasure);
        world.Vault.Get<SubjectErasure>().StepDone = step => { if (step == ErasureStep.Requested) throw new InvalidOperationException("cut off"); };
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await KeepRowAsync("vault.request", request);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await world.VaultSqlAsync($"update vault.request r set work = k.work from kept_request k where r.request_id = '{request}'");
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await AssertRefusedAsync(request);
        Assert.NotEqual(Guid.Empty, held.Id);
    }

    [Fact]
    public async Task A_change_that_was_never_committed_leaves_the_row_the_newest()
    {
        var request = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Restriction, ada)).Id;
        var store = world.Vault.Get<RequestStore>();
        for (var attempt = 0; attempt < 2; attempt++)
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => store.TransactAsync<bool>(
                async (connection, transaction) =>
                {
                    var row = await store.LockAsync(connection, request, default);
                    await store.SaveAsync(connection, transaction, row, store.Entry(Transparency.EntryType.RequestChange, RightsWorld.Officer, row, default, Guid.NewGuid()), default);
                    throw new InvalidOperationException("the power is gone");
                }, default));
        }

        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request)).State);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task After_a_restore_requests_go_on_from_where_they_stand_as_far_as_it_explains_them()
    {
        var (early, waiting) = ((await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Restriction, bob)).Id, (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Objection, ada)).Id);
        await KeepRowAsync("vault.request", early);
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, early, row => row with { Reason = "complex" }, Guid.NewGuid(), default);
        await world.BackUpDataAsync();
        foreach (var request in new[] { early, waiting }) Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request)).State);
        await world.ShortenDataAsync();
        await PutRowBackAsync("vault.request", early);
        await world.RestartAsync();
        foreach (var request in new[] { early, waiting }) await Assert.ThrowsAsync<VaultException>(() => world.ApproveAsync(request));

        var acceptance = world.Vault.Get<RestoreAcceptance>();
        await acceptance.AcceptAsync(Assert.Single(await acceptance.ListAsync()).Index);
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(waiting)).State);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => world.ApproveAsync(early))).Slug);
    }

    private async Task<Guid> OrderAsync(SubjectId subject, string kind)
    {
        var request = (await world.OpenAsync(RightsWorld.Officer, kind, subject)).Id;
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request, row => row with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        return request;
    }

    private Task KeepRowAsync(string table, Guid request) =>
        world.VaultSqlAsync($"drop table if exists {Kept(table)}; create table {Kept(table)} as select * from {table} where request_id = '{request}'");

    private Task PutRowBackAsync(string table, Guid request) =>
        world.VaultSqlAsync($"delete from {table} where request_id = '{request}'; insert into {table} select * from {Kept(table)}");

    private static string Kept(string table) => "kept_" + table["vault.".Length..];

    private async Task<string> EntriesAsync(Guid request)
    {
        var log = world.Vault.Get<LogStore>();
        var count = 0;
        await foreach (var (_, entry) in log.EntriesAsync(0, (await log.HeadAsync(default)).Size, default))
            if (Transparency.LogEntry.Decode(entry).Rules.Contains($"request:{request:D}")) count++;
        return count.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private int Packages() => Directory.EnumerateFiles(world.Home, "*", SearchOption.AllDirectories).Count(file => file.Contains("packages", StringComparison.Ordinal));

    private async Task AssertOldAsync(Guid request)
    {
        Assert.Contains(await FindingsAsync(), finding => finding.Contains($"the request {request} is older than it was", StringComparison.Ordinal));
        Assert.Equal(1, (await world.Vault.Get<RightsWatch>().LookAsync(default)).ForgedRequests);
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
