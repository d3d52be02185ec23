using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>
/// Requests that are cut off before the commit of a step, one step after the other: nothing of the step is there, the next process takes it anew, and what is carried out is carried out
/// once. Those of erasures, whose steps are several transactions, are in SubjectErasureTests, RequestDecisionTests and LegalHoldsTests.
/// </summary>
public sealed class RequestKillTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Theory]
    [InlineData(RequestKinds.Access)]
    [InlineData(RequestKinds.Portability)]
    [InlineData(RequestKinds.Rectification)]
    [InlineData(RequestKinds.Restriction)]
    [InlineData(RequestKinds.Objection)]
    [InlineData(RequestKinds.Contest)]
    public async Task Whatever_step_is_cut_off_leaves_nothing_of_it_and_is_taken_anew(string kind)
    {
        var id = Guid.Empty;
        await CutAndTakeAsync(async () => id = (await world.OpenAsync(RightsWorld.Officer, kind, ada)).Id);
        await CutAndTakeAsync(() => TakeAsync(id, RequestAct.Ask, new StepTerms("clarification", "What do you mean?")));
        await CutAndTakeAsync(() => TakeAsync(id, RequestAct.Answer, new StepTerms("clarification", "All of it.")));
        await CutAndTakeAsync(() => world.Requests.VerifyAsync(RightsWorld.Officer, id, null, Guid.NewGuid(), default, "document-seen"));
        if (kind == RequestKinds.Rectification) await CutAndTakeAsync(() => Desk.AskAsync(RightsWorld.Officer, id, StoreVault.Object("""{ "familyName": "Right" }"""), Guid.NewGuid(), default));
        if (kind == RequestKinds.Objection) await CutAndTakeAsync(() => TakeAsync(id, RequestAct.Choose, new StepTerms("compelling-grounds", "There was a fraud.") { Purposes = ["fraud-prevention"] }));
        await FinishAsync(kind, id);
        var done = await world.GetAsync(id);
        Assert.Equal((RequestStates.Completed, RequestKinds.EndInPackage(kind)), (done.State, done.HasPackage));
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task An_erasure_while_the_person_is_imported_leaves_nothing_behind_whoever_comes_first()
    {
        using var end = new CancellationTokenSource();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var import = Task.Run(() => ImportAsync(begun, end.Token));
        await begun.Task;
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "document-seen");
        await world.ApproveAsync(request.Id);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);
        await end.CancelAsync();
        await import;
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await world.Vault.AssertSoundAsync();
    }

    private Rectification Desk => world.Vault.Get<Rectification>();

    // What the vault carries out by itself is cut off there too: the approval stands, and the next process goes on.
    private async Task FinishAsync(string kind, Guid id)
    {
        if (kind == RequestKinds.Contest)
        {
            await CutAndTakeAsync(() => world.Requests.CompleteAsync(RightsWorld.Officer, id, null, Guid.NewGuid(), default, "decision-upheld"));
            return;
        }

        if (kind == RequestKinds.Rectification)
        {
            await CutAndTakeAsync(() => world.ApproveAsync(id));
            await CutAndTakeAsync(() => Desk.DecideAsync(
                RightsWorld.Officer, id, new RectificationDecision(new Dictionary<string, JsonElement?> { ["familyName"] = null }, new Dictionary<string, string>(), null), Guid.NewGuid(), default));
            return;
        }

        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, id, row => row with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        var before = await TracesAsync();
        await CutAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await MendAsync();
        Assert.Equal(before, await TracesAsync());
        await world.RestartAsync();
        Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
    }

    private async Task CutAndTakeAsync(Func<Task> act)
    {
        var before = await TracesAsync();
        await CutAsync();
        await Assert.ThrowsAnyAsync<Exception>(act);
        await MendAsync();
        Assert.Equal(before, await TracesAsync());
        await act();
        Assert.NotEqual(before, await TracesAsync());
    }

    private Task<RequestView> TakeAsync(Guid id, RequestAct act, StepTerms terms) => world.Requests.TakeAsync(RightsWorld.Officer, id, act, terms, Guid.NewGuid(), default);

    // The last write of every step: the seal of the row with the index of its entry. Nothing of the transaction is there when it fails.
    private Task CutAsync() => world.VaultSqlAsync(
        """
        create function vault.cut_off() returns trigger language plpgsql as $$ begin raise exception 'cut off'; end $$;
        create trigger cut_off before update of seal on vault.request for each row execute function vault.cut_off();
        """);

    private Task MendAsync() => world.VaultSqlAsync("drop trigger cut_off on vault.request; drop function vault.cut_off();");

    private async Task<string> TracesAsync() => string.Join(' ', await world.ListAsync(
        """
        select name || ':' || md5(coalesce(string_agg(said, '|' order by said), '')) from (
            select 'request' as name, request_id::text || state || log_index || coalesce(encode(course, 'hex'), '') || coalesce(encode(notes, 'hex'), '') as said from vault.request
            union all select 'subject', subject_id::text || encode(facts, 'hex') || row_version from vault.subject
            union all select 'message', message_id::text from vault.message
            union all select 'notice', t::text from vault.recipient_notice t) as traces
        group by name order by name
        """));

    // What a file brings about one person, again and again: what comes after the erasure finds nobody.
    private async Task ImportAsync(TaskCompletionSource begun, CancellationToken end)
    {
        for (var round = 0; !end.IsCancellationRequested; round++)
        {
            try
            {
                await world.ChangeAsync(ada, $"Ada {round}");
                await world.EventsAsync(ada);
                begun.TrySetResult();
            }
            catch (Exception e) when (e is VaultException or Xunit.Sdk.XunitException)
            {
                await Task.Yield();
            }
        }
    }
}
