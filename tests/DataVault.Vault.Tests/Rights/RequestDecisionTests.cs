using System.IO.Compression;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>Who decides a request, of what in it, and what happens when several act at once or a process dies.</summary>
public sealed class RequestDecisionTests : IAsyncLifetime
{
    private static readonly Recipient Second = new(RecipientKind.Staff, "officer-2", "officer", ["compliance-officer"], ["data-subject-rights"]);
    private static readonly Recipient Desk = new(RecipientKind.Application, "desk", "Desk", ["compliance-officer"], ["data-subject-rights"]);

    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task Special_categories_leave_for_a_stranger_only_when_a_second_officer_agrees()
    {
        var request = await VerifiedAsync(RequestKinds.Access, "called-back");
        var first = await world.ApproveAsync(request);
        Assert.Equal(RequestStates.Confirming, first.State);
        Assert.Contains("Special categories", Assert.Single(first.Facts.SecondFor), StringComparison.Ordinal);
        Assert.Equal(["request:access:confirming", $"request:{request:D}", "second:special-to-a-stranger"], (await LatestAsync()).Rules);
        await RefusedAsync(() => world.ApproveAsync(request));
        await RefusedAsync(() => ApproveAsync(Desk, request));
        var agreed = await ApproveAsync(Second, request);
        Assert.Equal((RequestStates.Completed, true), (agreed.State, agreed.HasPackage));
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(await VerifiedAsync(RequestKinds.Access, "document-seen"))).State);
    }

    [Theory]
    [InlineData("large-erasure", "eventsOver: 100000", "eventsOver: 1")]
    [InlineData("by-an-agent", "kinds: [access, portability, erasure], methods: [agent-mandate]", "brands: [house], methods: [called-back], title: one, kinds: [access]")]
    [InlineData("verified-long-ago", "verifiedDaysAgo: 60", "verifiedDaysAgo: 0")]
    public async Task Rules_for_a_second_officer_are_data(string rule, string usual, string changed)
    {
        await world.EventsAsync(ada);
        var request = await VerifiedAsync(RequestKinds.Erasure, "called-back");
        world.Clock.Advance(TimeSpan.FromMinutes(1));
        if (rule == "by-an-agent") changed = usual.Replace("agent-mandate", "called-back", StringComparison.Ordinal);
        world.Vault.Get<ActivePolicy>().Swap(Repository.ChangedPolicy(("rights.yaml", usual, changed)));
        Assert.Equal(RequestStates.Confirming, (await world.ApproveAsync(request)).State);
        Assert.Contains("second:" + rule, (await LatestAsync()).Rules);
        await RefusedAsync(() => ApproveAsync(Desk, request));
        Assert.Equal(RequestStates.Completed, (await ApproveAsync(Second, request)).State);
    }

    [Fact]
    public async Task An_application_does_not_stand_in_for_the_first_of_two_officers()
    {
        var request = await VerifiedAsync(RequestKinds.Access, "called-back");
        await RefusedAsync(() => ApproveAsync(Desk, request));
        Assert.Equal(RequestStates.Verified, (await world.GetAsync(request)).State);
    }

    [Fact]
    public async Task Of_two_officers_at_once_one_wins_and_the_other_is_told()
    {
        for (var round = 0; round < 4; round++)
        {
            var request = await VerifiedAsync(RequestKinds.Rectification, "called-back");
            Task<RequestView>[] both = [ApproveAsync(RightsWorld.Officer, request), TakeAsync(Second, RequestAct.Refuse, request, new StepTerms("not-applicable", "There is nothing."))];
            await Task.WhenAll(both.Select(one => Task.WhenAny(one)));
            var (winner, loser) = both[0].IsCompletedSuccessfully ? (both[0], both[1]) : (both[1], both[0]);
            Assert.Equal("invalid-state", Assert.IsType<VaultException>(loser.Exception!.InnerException).Slug);
            Assert.Equal((await winner).State, (await world.GetAsync(request)).State);
        }
    }

    [Fact]
    public async Task Whoever_decides_upon_a_page_that_is_out_of_date_is_told_so()
    {
        var request = await VerifiedAsync(RequestKinds.Rectification, "called-back");
        var seen = (await world.GetAsync(request)).LogIndex;
        await TakeAsync(Second, RequestAct.Ask, request, new StepTerms("clarification", "Which address?"));
        await RefusedAsync(() => TakeAsync(RightsWorld.Officer, RequestAct.Approve, request, new StepTerms { Seen = seen }));
        var now = (await world.GetAsync(request)).LogIndex;
        Assert.Equal(RequestStates.Approved, (await TakeAsync(RightsWorld.Officer, RequestAct.Approve, request, new StepTerms { Seen = now })).State);
    }

    [Fact]
    public async Task A_choice_after_the_first_approval_has_to_be_approved_anew_by_both()
    {
        var request = await VerifiedAsync(RequestKinds.Access, "called-back");
        await world.ApproveAsync(request);
        var chosen = await TakeAsync(Second, RequestAct.Choose, request, new StepTerms("third-party-rights") { Items = ["notes"] });
        Assert.Equal(RequestStates.Verified, chosen.State);
        Assert.Empty(chosen.Facts.SecondFor);
        Assert.Equal(RequestStates.Confirming, (await ApproveAsync(Second, request)).State);
        await RefusedAsync(() => ApproveAsync(Second, request));
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request)).State);
    }

    [Fact]
    [Requirement("R55", "R56")]
    public async Task An_erasure_leaves_what_an_officer_retained_for_a_reason_and_the_end_of_the_reason_erases_it()
    {
        await world.EventsAsync(ada);
        var request = await VerifiedAsync(RequestKinds.Erasure, "called-back");
        var review = world.Clock.GetUtcNow().AddYears(10);
        await RefusedAsync(() => RetainAsync(request, "legal-obligation", null), "invalid-fields");
        await RefusedAsync(() => RetainAsync(request, "third-party-rights", review), "invalid-fields");
        await RefusedAsync(() => TakeAsync(RightsWorld.Officer, RequestAct.Choose, request, new StepTerms("legal-obligation") { Items = ["shoe-size"], ReviewAt = review }), "invalid-fields");
        var chosen = await RetainAsync(request, "legal-obligation", review);
        Assert.Equal(("event:purchase", "legal-obligation", "justifications:LegalObligation", "17(3)(b)"), Assert.Single(chosen.Facts.Choices) is var one ? (Assert.Single(one.Items), one.Reason, one.Term, one.Article) : default);
        Assert.Contains("retained:legal-obligation", (await LatestAsync()).Rules);

        var part = await world.ApproveAsync(request);
        Assert.Equal((RequestStates.Approved, RequestReasons.PartlyRefused, "partial"), (part.State, part.Facts.Outcome, part.Erasure!.State));
        Assert.Equal(["event:purchase"], part.Erasure.Deferred);
        Assert.Equal(("legal-obligation", review), Assert.Single(part.Erasure.Because) is var why ? (why.Authority, why.ReviewAt) : default);
        Assert.Equal(["1"], await world.ListAsync($"select count(*)::text from vault.event where subject_id = '{ada}'"));
        world.Clock.Advance(TimeSpan.FromDays(200));
        Assert.False((await world.GetAsync(request)).Clock.Overdue);

        var hold = Assert.Single((await world.Vault.Get<LegalHolds>().ListAsync(RightsWorld.Officer, new HoldFilter(), 10, null, Guid.NewGuid(), default)).Items);
        await world.Vault.Get<LegalHolds>().ReleaseAsync(Second, hold.Id, "over", Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal((RequestStates.Completed, true), ((await world.GetAsync(request)).State, (await world.GetAsync(request)).HasCertificate));
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
    }

    [Fact]
    [Requirement("R52")]
    public async Task A_package_is_without_what_an_officer_withheld_and_says_why()
    {
        var request = await VerifiedAsync(RequestKinds.Access, "document-seen");
        await RefusedAsync(() => TakeAsync(RightsWorld.Officer, RequestAct.Choose, request, new StepTerms("public-health") { Items = ["notes"] }), "invalid-fields");
        await TakeAsync(RightsWorld.Officer, RequestAct.Choose, request, new StepTerms("legal-claim") { Items = ["notes", "email"] });
        await TakeAsync(RightsWorld.Officer, RequestAct.Choose, request, new StepTerms { Items = ["email"] });
        await TakeAsync(RightsWorld.Officer, RequestAct.Choose, request, new StepTerms("third-party-rights") { Items = ["notes"] });
        var done = await world.ApproveAsync(request);
        Assert.Equal((RequestStates.Completed, RequestReasons.PartlyRefused), (done.State, done.Facts.Outcome));
        await using var stream = await world.Requests.PackageAsync(RightsWorld.Officer, request, Guid.NewGuid(), default);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        var files = new ZipArchive(copy).Entries.ToDictionary(entry => entry.FullName, entry => new StreamReader(entry.Open()).ReadToEnd());
        var fields = JsonDocument.Parse(files.First(file => file.Key.EndsWith("profile.json", StringComparison.Ordinal)).Value).RootElement.GetProperty("fields");
        Assert.True(fields.TryGetProperty("email", out _));
        Assert.False(fields.TryGetProperty("notes", out _));
        Assert.Contains(files.Values, text => text.Contains("15(4)", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(RequestKinds.Access)]
    [InlineData(RequestKinds.Erasure)]
    [InlineData(RequestKinds.Restriction)]
    public async Task What_was_approved_is_taken_back_as_long_as_nothing_of_it_was_carried_out(string kind)
    {
        var request = await VerifiedAsync(kind, "document-seen");
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request, row => row with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        var withdrawn = await TakeAsync(RightsWorld.Customer(ada), RequestAct.Withdraw, request, new StepTerms());
        Assert.Equal((RequestStates.Withdrawn, RequestReasons.WithdrawnByCustomer), (withdrawn.State, withdrawn.Reason));
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(RequestStates.Withdrawn, (await world.GetAsync(request)).State);
        Assert.False((await world.GetAsync(request)).HasPackage);
        Assert.Equal(["1"], await world.ListAsync($"select count(*)::text from vault.subject where subject_id = '{ada}'"));
    }

    [Fact]
    public async Task A_withdrawal_while_the_package_is_built_leaves_no_package()
    {
        var request = await VerifiedAsync(RequestKinds.Access, "document-seen");
        var row = await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request, current => current with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        var build = world.Vault.Get<SubjectExport>().BuildAsync(row, default);
        var withdrawal = TakeAsync(RightsWorld.Customer(ada), RequestAct.Withdraw, request, new StepTerms());
        await Task.WhenAll(Task.WhenAny(build), Task.WhenAny(withdrawal));
        var after = await world.GetAsync(request);
        Assert.Equal(withdrawal.IsCompletedSuccessfully ? (RequestStates.Withdrawn, false) : (RequestStates.Completed, true), (after.State, after.HasPackage));
        Assert.Equal(after.HasPackage ? 1 : 0, Directory.EnumerateFiles(world.Home, $"*{request:N}*", SearchOption.AllDirectories).Count());
    }

    [Fact]
    public async Task An_erasure_that_has_begun_is_not_taken_back()
    {
        var request = await VerifiedAsync(RequestKinds.Erasure, "called-back");
        world.Vault.Get<SubjectErasure>().StepDone = step => { if (step == ErasureStep.Requested) throw new InvalidOperationException("cut off"); };
        await world.ApproveAsync(request);
        await RefusedAsync(() => TakeAsync(RightsWorld.Customer(ada), RequestAct.Withdraw, request, new StepTerms()));
    }

    [Fact]
    [Requirement("R56")]
    public async Task A_hold_that_comes_between_the_approval_and_the_execution_keeps_what_it_names()
    {
        var request = await VerifiedAsync(RequestKinds.Erasure, "called-back");
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request, row => row with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        await world.Vault.Get<LegalHolds>().PlaceAsync(RightsWorld.Officer, new NewHold([ada], ["email"], [], "court-order", "a case", world.Clock.GetUtcNow().AddDays(30)), Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(["email"], (await world.GetAsync(request)).Erasure!.Deferred);
    }

    /// <summary>After each step of an erasure in part the process ends; the next one takes it up, and what was retained is there, and nothing else.</summary>
    [Theory]
    [Requirement("R41")]
    [InlineData(ErasureStep.Requested, null)]
    [InlineData(null, PartialStep.SuccessorMade)]
    [InlineData(null, PartialStep.PartDeleted)]
    [InlineData(null, PartialStep.KeyReplaced)]
    [InlineData(null, PartialStep.PartSettled)]
    public async Task A_process_that_dies_at_any_step_loses_nothing_that_was_retained_and_leaves_nothing_else(object? whole, object? part)
    {
        await world.EventsAsync(ada);
        var request = await VerifiedAsync(RequestKinds.Erasure, "called-back");
        await RetainAsync(request, "legal-claim", world.Clock.GetUtcNow().AddYears(1));
        world.Vault.Get<SubjectErasure>().StepDone = step => { if (Equals(step, whole)) throw new InvalidOperationException("cut off"); };
        world.Vault.Get<PartialErasure>().StepDone = step => { if (Equals(step, part)) throw new InvalidOperationException("cut off"); };
        await world.ApproveAsync(request);
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var view = await world.GetAsync(request);
        Assert.Equal(("partial", RequestReasons.PartlyRefused), (view.Erasure!.State, view.Facts.Outcome));
        Assert.Equal(["event:purchase"], view.Erasure.Deferred);
        Assert.Equal(["1"], await world.ListAsync($"select count(*)::text from vault.hold_subject where subject_id = '{ada}'"));
        await world.Vault.AssertSoundAsync();
    }

    [Theory]
    [InlineData(RequestAct.Acknowledge, null)]
    [InlineData(RequestAct.Ask, "fee")]
    [InlineData(RequestAct.Extend, "complexity")]
    [InlineData(RequestAct.Refuse, "process-excessive")]
    [InlineData(RequestAct.Withdraw, null)]
    [Requirement("R31", "R32")]
    public async Task A_step_whose_notice_cannot_be_written_has_not_been_taken(RequestAct act, string? reason)
    {
        var request = await VerifiedAsync(RequestKinds.Access, "document-seen");
        var before = await world.GetAsync(request);
        await world.VaultSqlAsync("alter table vault.message add constraint full_disk check (created_at < '2000-01-01') not valid");
        await Assert.ThrowsAnyAsync<Exception>(() => TakeAsync(RightsWorld.Officer, act, request, new StepTerms(reason, "In words.")));
        var after = await world.GetAsync(request);
        Assert.Equal((before.State, before.LogIndex, before.DueAt), (after.State, after.LogIndex, after.DueAt));
        Assert.Empty(await world.Requests.NotesAsync(RightsWorld.Officer, request, Guid.NewGuid(), default));
        await world.VaultSqlAsync("alter table vault.message drop constraint full_disk");
        Assert.NotEqual(before.LogIndex, (await TakeAsync(RightsWorld.Officer, act, request, new StepTerms(reason, "In words."))).LogIndex);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task An_erasure_while_somebody_imports_the_same_customer_leaves_nothing_of_them()
    {
        var request = await VerifiedAsync(RequestKinds.Erasure, "called-back");
        using var done = new CancellationTokenSource();
        var (written, refused) = (0, 0);
        var import = Task.Run(async () =>
        {
            for (var number = 0; !done.IsCancellationRequested; number++)
            {
                try
                {
                    await world.ChangeAsync(ada, $"Import {number}");
                    Interlocked.Increment(ref written);
                }
                catch (VaultException e) when (e.Slug == "not-found")
                {
                    Interlocked.Increment(ref refused);
                    return;
                }
            }
        }, TestContext.Current.CancellationToken);
        await Waiting(() => Volatile.Read(ref written) > 0);
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request)).State);
        await import;
        await done.CancelAsync();
        Assert.Equal(1, refused);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await world.Vault.AssertSoundAsync();
    }

    private static async Task Waiting(Func<bool> until)
    {
        while (!until()) await Task.Yield();
    }

    private async Task<Guid> VerifiedAsync(string kind, string method)
    {
        var request = await world.OpenAsync(RightsWorld.Officer, kind, ada);
        Assert.Equal(RequestStates.Verified, (await TakeAsync(RightsWorld.Officer, RequestAct.Verify, request.Id, new StepTerms { Method = method })).State);
        return request.Id;
    }

    private Task<RequestView> ApproveAsync(Recipient officer, Guid id) => TakeAsync(officer, RequestAct.Approve, id, new StepTerms());

    private Task<RequestView> RetainAsync(Guid id, string reason, DateTimeOffset? review) =>
        TakeAsync(RightsWorld.Officer, RequestAct.Choose, id, new StepTerms(reason) { Items = ["event:purchase"], ReviewAt = review });

    private Task<RequestView> TakeAsync(Recipient recipient, RequestAct act, Guid id, StepTerms terms) => world.Requests.TakeAsync(recipient, id, act, terms, Guid.NewGuid(), default);

    private async Task<LogEntry> LatestAsync() => (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 1 })).Entries[0].Entry;

    private static async Task RefusedAsync(Func<Task> act, string slug = "invalid-state") => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);
}
