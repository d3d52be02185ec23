using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>An objection names its purposes: advertising stops with it, everything else stops until somebody has weighed, purpose by purpose.</summary>
public sealed class ObjectionTests : IAsyncLifetime
{
    private static readonly Recipient Second = new(RecipientKind.Staff, "officer-2", "officer", ["compliance-officer"], ["data-subject-rights"]);

    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R63")]
    public async Task Advertising_stops_with_the_objection_to_it_in_every_process_without_an_officer_and_nothing_else_stops()
    {
        var deaf = await world.DeafProcessAsync();
        Assert.NotEmpty((await ReadAsync(deaf)).Fields);
        var request = await ObjectAsync(RightsWorld.Customer(ada), "marketing");
        Assert.Equal(RequestStates.Completed, request.State);
        Assert.Contains((await ReadAsync(deaf)).Withheld, one => one.Reason == "objected");
        Assert.Empty((await ReadAsync(world.Vault)).Fields);
        Assert.Equal(["marketing"], await ObjectedAsync());
        Assert.Equal([("marketing", "stopped", true)], request.Facts.Objections.Select(one => (one.Purpose, one.State, one.DirectMarketing)));
        Assert.Equal(["objected"], await LettersAsync(request.Id));
        var entry = (await EntriesAsync(request.Id))[^1];
        Assert.Equal(("request:objection:completed", true, true), (entry.Rules[0], entry.Rules.Contains("stopped:marketing"), entry.RecordVersion > 0));
        Assert.Empty((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings.Select(finding => finding.Message));
    }

    [Fact]
    [Requirement("R63")]
    public async Task What_is_to_be_weighed_rests_until_an_officer_decides_purpose_by_purpose_with_grounds_in_words()
    {
        var request = await ObjectAsync(RightsWorld.Customer(ada), "marketing", "fraud-prevention", "complaints");
        Assert.Equal((RequestStates.Verified, "marketing,fraud-prevention,complaints"), (request.State, string.Join(',', await ObjectedAsync())));
        await RefusedAsync("invalid-fields", () => ChooseAsync(request.Id, "compelling-grounds", null, "fraud-prevention"));
        await RefusedAsync("invalid-fields", () => ChooseAsync(request.Id, "third-party-rights", "because", "fraud-prevention"));
        await RefusedAsync("invalid-fields", () => ChooseAsync(request.Id, "compelling-grounds", "because", "marketing"));
        await RefusedAsync("invalid-fields", () => ChooseAsync(request.Id, "compelling-grounds", "because", "billing"));
        await ChooseAsync(request.Id, "compelling-grounds", "Two orders of last week were paid with a stolen card.", "fraud-prevention");
        Assert.Equal(3, (await ObjectedAsync()).Count);
        var done = await world.ApproveAsync(request.Id);
        Assert.Equal((RequestStates.Completed, RequestReasons.PartlyRefused), (done.State, done.Facts.Outcome));
        Assert.Equal(["marketing", "complaints"], await ObjectedAsync());
        Assert.Equal(["stopped", "overridden", "stopped"], done.Facts.Objections.Select(one => one.State));
        var against = done.Facts.Objections[1];
        Assert.Equal(("compelling-grounds", "dpv:LegitimateInterest", "21(1)", true), (against.Reason, against.Term, against.Article, against.Until is not null));
        Assert.Contains(await NotesAsync(request.Id), text => text.Contains("stolen card", StringComparison.Ordinal));
        Assert.Equal(["received", "objected"], await LettersAsync(request.Id));
        var letter = await LetterAsync(request.Id, "objected");
        Assert.Contains("answering complaints", letter, StringComparison.Ordinal);
        Assert.Contains("goes on in spite of your objection: preventing fraud. The reason: we have compelling grounds", letter, StringComparison.Ordinal);
        Assert.Contains("complain to the supervisory authority", letter, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("service-delivery", "no-objection", "contract")]
    [InlineData("legal-obligation", "no-objection", "law obliges")]
    [InlineData("emergency", "no-objection", "life")]
    [InlineData("analytics", "no-objection", "withdraw the consent")]
    [InlineData("nothing", "unknown", "no such purpose")]
    public async Task What_cannot_be_objected_to_is_refused_and_says_why(string purpose, string code, string why)
    {
        var refused = await Assert.ThrowsAsync<VaultException>(() => ObjectAsync(RightsWorld.Customer(ada), "marketing", purpose));
        var problem = Assert.Single(refused.Errors);
        Assert.Equal(("/purposes/1", code), (problem.Pointer, problem.Code));
        Assert.Contains(why, problem.Message, StringComparison.Ordinal);
        Assert.Empty(await ObjectedAsync());
    }

    [Fact]
    public async Task Whoever_says_that_they_are_the_person_stops_no_check_against_fraud_before_that_is_known()
    {
        var request = await ObjectAsync(RightsWorld.Officer, "marketing", "fraud-prevention");
        Assert.Equal(["marketing"], await ObjectedAsync());
        Assert.Equal(["stopped", "waiting"], request.Facts.Objections.Select(one => one.State));
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "called-back");
        Assert.Equal(["marketing", "fraud-prevention"], await ObjectedAsync());
    }

    [Theory]
    [InlineData(RequestAct.Refuse)]
    [InlineData(RequestAct.Withdraw)]
    public async Task When_it_is_refused_or_taken_back_what_rested_goes_on_and_advertising_stays_stopped(RequestAct act)
    {
        var request = await ObjectAsync(RightsWorld.Customer(ada), "marketing", "complaints");
        var terms = act == RequestAct.Refuse ? new StepTerms("legal-claim", "There is a case at court.") : new StepTerms();
        await world.Requests.TakeAsync(RightsWorld.Officer, request.Id, act, terms, Guid.NewGuid(), default);
        Assert.Equal(["marketing"], await ObjectedAsync());
    }

    [Fact]
    public async Task What_was_objected_to_before_and_what_another_open_objection_stops_is_not_let_go_on()
    {
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync((await ObjectAsync(RightsWorld.Customer(ada), "complaints")).Id)).State);
        var again = await ObjectAsync(RightsWorld.Customer(ada), "complaints", "fraud-prevention");
        var beside = await ObjectAsync(RightsWorld.Customer(ada), "fraud-prevention");
        await RefuseAsync(again.Id);
        Assert.Equal(["fraud-prevention", "complaints"], await ObjectedAsync());
        await RefuseAsync(beside.Id);
        Assert.Equal(["complaints"], await ObjectedAsync());
    }

    [Fact]
    public async Task An_objection_that_everything_overrides_is_refused_and_not_approved()
    {
        var request = await ObjectAsync(RightsWorld.Customer(ada), "complaints");
        await ChooseAsync(request.Id, "legal-claim", "There is a case at court.", "complaints");
        await RefusedAsync("invalid-state", () => world.ApproveAsync(request.Id));
        await RefuseAsync(request.Id);
        Assert.Empty(await ObjectedAsync());
    }

    [Fact]
    public async Task A_damaged_record_stops_nothing_and_opens_no_request()
    {
        await world.VaultSqlAsync($"update vault.subject set facts = '\\x01000000' where subject_id = '{ada}'");
        await Assert.ThrowsAnyAsync<Exception>(() => ObjectAsync(RightsWorld.Customer(ada), "marketing"));
        Assert.Empty((await world.Requests.ListAsync(RightsWorld.Customer(ada), new RequestFilter(), 10, null, Guid.NewGuid(), default)).Items);
    }

    [Fact]
    [Requirement("R63")]
    public async Task Ten_requests_of_a_day_keep_nobody_from_objecting_freezing_or_erasing()
    {
        for (var round = 0; round < SubjectRequests.MostOpenedByCustomer; round++) await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Contest, ada);
        await RefusedAsync("rate-limited", () => world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Contest, ada));
        Assert.Equal(RequestStates.Completed, (await ObjectAsync(RightsWorld.Customer(ada), "marketing")).State);
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Restriction, ada);
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.ExecuteAsync(
            $"""
            insert into vault.request (request_id, subject_id, kind, state, jurisdiction, opened_at, due_at, opened_by, log_index)
            select gen_random_uuid(), subject_id, kind, state, jurisdiction, opened_at, due_at, opened_by, log_index from vault.request, generate_series(4, {SubjectRequests.MostProtectionsByCustomer}) where kind = 'restriction'
            """);
        await RefusedAsync("rate-limited", () => world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Restriction, ada));
    }

    private Task<RequestView> ObjectAsync(Recipient recipient, params string[] purposes)
    {
        world.Clock.Advance(TimeSpan.FromMilliseconds(1));
        return world.Requests.OpenAsync(recipient, RequestKinds.Objection, ada, null, null, Guid.NewGuid(), default, wish: new RequestWish("en", purposes));
    }

    private Task<RequestView> ChooseAsync(Guid request, string? reason, string? note, params string[] purposes) =>
        world.Requests.TakeAsync(Second, request, RequestAct.Choose, new StepTerms(reason, note) { Purposes = purposes }, Guid.NewGuid(), default);

    private Task<RequestView> RefuseAsync(Guid request) => world.Requests.RefuseAsync(RightsWorld.Officer, request, "legal-claim", "There is a case at court.", Guid.NewGuid(), default);

    private Task<Disclosure> ReadAsync(RunningVault vault) => vault.Get<DisclosureGate>().ReadAsync(
        new ReadQuery(new Recipient(RecipientKind.Application, "campaigns", "Campaigns", ["marketing"], ["marketing"]), ada, "marketing", null, false, Guid.NewGuid()), default);

    private async Task<IReadOnlyList<string>> ObjectedAsync()
    {
        var record = await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), ada, default);
        return [.. FactsCodec.Decode(record!.Facts).ObjectedPurposes.Order().Select(id => world.Vault.Get<ActivePolicy>().Current.Purposes.ById(id)!.Name)];
    }

    private async Task<IReadOnlyList<string>> LettersAsync(Guid request) =>
        [.. (await world.Vault.Get<RequestLetters>().ListAsync(RightsWorld.Officer, request, Guid.NewGuid(), default)).Select(letter => letter.Kind)];

    private async Task<string> LetterAsync(Guid request, string kind)
    {
        var letters = world.Vault.Get<RequestLetters>();
        var letter = (await letters.ListAsync(RightsWorld.Officer, request, Guid.NewGuid(), default)).Single(one => one.Kind == kind);
        return (await letters.ReadAsync(RightsWorld.Officer, letter.Id, Guid.NewGuid(), default)).Printed.Text();
    }

    private async Task<IReadOnlyList<string>> NotesAsync(Guid request) => [.. (await world.Requests.NotesAsync(RightsWorld.Customer(ada), request, Guid.NewGuid(), default)).Select(note => note.Text)];

    private async Task<List<LogEntry>> EntriesAsync(Guid request) =>
        [.. (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.RequestChange, OldestFirst = true, Limit = 500 })).Entries.Select(one => one.Entry).Where(entry => entry.Rules.Contains($"request:{request:D}"))];

    private static async Task RefusedAsync(string slug, Func<Task> act) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);
}
