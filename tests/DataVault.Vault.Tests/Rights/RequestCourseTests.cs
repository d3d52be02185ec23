using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>What happens to a request between its receipt and its end: identity, questions, clocks, refusals in part, second officers.</summary>
public sealed class RequestCourseTests : IAsyncLifetime
{
    private static readonly Recipient Second = new(RecipientKind.Staff, "officer-2", "officer", ["compliance-officer"], ["data-subject-rights"]);
    private static readonly Recipient Desk = new(RecipientKind.Application, "desk", "Desk", ["compliance-officer"], ["data-subject-rights"]);

    private static readonly string Authority = File.ReadLines(Path.Combine(Repository.Root, "policies", "jurisdictions.yaml")).Single(line => line.Contains("www.cac.gov.cn", StringComparison.Ordinal));

    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R30")]
    public async Task An_officer_names_the_law_of_a_request_and_whoever_asks_about_themselves_does_not()
    {
        Task<RequestView> OpenAsync(Recipient recipient, string law) => world.Requests.OpenAsync(recipient, RequestKinds.Access, ada, null, law, Guid.NewGuid(), CancellationToken.None);
        await RefusedAsync("invalid-fields", () => OpenAsync(RightsWorld.Customer(ada), "us-ca"));
        await RefusedAsync("invalid-fields", () => OpenAsync(RightsWorld.Officer, "nowhere"));
        var here = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Portability, ada);
        Assert.True((await OpenAsync(RightsWorld.Officer, "us-ca")).DueAt > here.DueAt);
    }

    [Fact]
    [Requirement("R34")]
    public async Task An_identity_is_established_by_a_method_whose_level_the_request_needs()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        await RefusedAsync("invalid-fields", () => VerifyAsync(request.Id, null));
        await RefusedAsync("invalid-fields", () => VerifyAsync(request.Id, "passport"));
        var low = await VerifyAsync(request.Id, "matching-answers");
        Assert.Equal((RequestStates.Received, "low", "substantial"), (low.State, low.Facts.Assurance, low.Facts.Needed));
        Assert.Equal(["request:erasure:received", $"request:{request.Id:D}", "identity:matching-answers", "assurance:low"], (await LatestAsync()).Rules);
        Assert.Equal((RequestStates.Verified, "substantial"), await StateAsync(VerifyAsync(request.Id, "called-back")));
        var correction = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        Assert.Equal(RequestStates.Verified, (await VerifyAsync(correction.Id, "matching-answers")).State);
    }

    [Fact]
    [Requirement("R34")]
    public async Task Attempts_that_fail_are_counted_and_a_way_is_closed_after_as_many_as_the_policy_says()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        for (var attempt = 0; attempt < 2; attempt++)
            Assert.Equal((RequestStates.Received, "none"), await StateAsync(VerifyAsync(request.Id, "document-seen", failed: true)));
        await RefusedAsync("invalid-state", () => VerifyAsync(request.Id, "document-seen"));
        Assert.Equal(RequestStates.Verified, (await VerifyAsync(request.Id, "called-back")).State);
        Assert.Equal([false, false, true], (await world.GetAsync(request.Id)).Facts.Checks.Select(check => check.Passed));
    }

    [Fact]
    public async Task A_sign_in_counts_for_what_the_policy_says_it_is_worth()
    {
        Assert.Equal((RequestStates.Verified, "substantial"), await StateAsync(world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)));
        world.Vault.Get<ActivePolicy>().Swap(Repository.ChangedPolicy(("rights.yaml", "  erasure: substantial", "  erasure: high")));
        var waiting = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        Assert.Equal((RequestStates.Received, "high"), (waiting.State, waiting.Facts.Needed));
        await RefusedAsync("invalid-state", () => world.ApproveAsync(waiting.Id));
        var sure = new Recipient(RecipientKind.Customer, ada.ToString(), "customer", ["customer"], ["data-subject-rights"], ada, Recipient.MultiFactor);
        Assert.Equal((RequestStates.Verified, "high"), await StateAsync(world.OpenAsync(sure, RequestKinds.Erasure, ada)));
    }

    [Fact]
    [Requirement("R34")]
    public async Task What_was_shown_of_an_identity_is_for_officers_for_a_short_time_and_never_in_the_record()
    {
        const string Shown = "passport X1234567, seen at the counter";
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await TakeAsync(RequestAct.Verify, request.Id, new StepTerms { Method = "document-seen", Evidence = Shown });
        Assert.Equal(Shown, Assert.Single(await EvidenceAsync(RightsWorld.Officer, request.Id)).Text);
        await RefusedAsync("forbidden", () => EvidenceAsync(Desk, request.Id));
        await RefusedAsync("forbidden", () => EvidenceAsync(RightsWorld.Customer(ada), request.Id));
        Assert.Empty(await world.Requests.NotesAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default));
        Assert.Empty(await world.TablesNamingAsync(Convert.ToHexStringLower(System.Text.Encoding.UTF8.GetBytes(Shown))));
        await world.RotateAsync("subjects");
        Assert.Single(await EvidenceAsync(RightsWorld.Officer, request.Id));

        await TakeAsync(RequestAct.Refuse, request.Id, new StepTerms("not-applicable", "There is nothing to correct."));
        world.Clock.Advance(TimeSpan.FromDays(29));
        await world.Vault.Get<UnansweredRequests>().RoundAsync(default);
        Assert.Single(await EvidenceAsync(RightsWorld.Officer, request.Id));
        world.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Empty(await EvidenceAsync(RightsWorld.Officer, request.Id));
        await world.Vault.Get<UnansweredRequests>().RoundAsync(default);
        Assert.Equal(["0"], await world.ListAsync("select count(evidence)::text from vault.request"));
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task Silence_about_the_identity_ends_a_request_and_silence_about_its_meaning_does_not()
    {
        // A row that somebody else wrote, and that is looked at first, keeps no other from its end.
        var forged = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await AskAsync(forged.Id, "identity");
        await world.ExecuteAsync($"update vault.request set jurisdiction = 'uk' where request_id = '{forged.Id}'");
        var (unknown, unclear) = (await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada), await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada));
        await AskAsync(unknown.Id, "identity");
        await AskAsync(unclear.Id, "clarification");
        await RefusedAsync("invalid-state", () => AskAsync(unknown.Id, "identity"));
        world.Clock.Advance(TimeSpan.FromDays(29));
        await world.Vault.Get<UnansweredRequests>().RoundAsync(default);
        Assert.Equal(RequestStates.Received, (await world.GetAsync(unknown.Id)).State);
        world.Clock.Advance(TimeSpan.FromDays(2));
        await world.Vault.Get<UnansweredRequests>().RoundAsync(default);
        var ended = await world.GetAsync(unknown.Id);
        Assert.Equal((RequestStates.Expired, RequestReasons.Unanswered), (ended.State, ended.Reason));
        Assert.Contains("letter.expired", await ToldAsync());
        var open = await world.GetAsync(unclear.Id);
        Assert.Equal(RequestStates.Received, open.State);
        Assert.NotNull(Assert.Single(open.Facts.Questions).Until);
        // Nobody is thanked for an answer that did not come, neither to them nor in the log.
        Assert.Contains("request.went-on", await ToldAsync());
        Assert.DoesNotContain("letter.resumed", await ToldAsync());
        Assert.Contains("unanswered:clarification", LogEntry.Decode((await world.Vault.Get<LogStore>().EntriesAtAsync([open.LogIndex], default))[open.LogIndex]).Rules);
        await RefusedAsync("invalid-state", () => VerifyAsync(unknown.Id, "called-back"));
    }

    [Theory]
    [Requirement("R36")]
    [InlineData("uk", 7, 7)]
    [InlineData("eu", 0, 0)]
    [InlineData("us-ca", 0, 0)]
    public async Task A_question_stops_the_clock_where_the_regime_lets_it_and_an_answer_sets_it_going(string regime, int binding, int shown)
    {
        var request = await world.Requests.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada, null, regime, Guid.NewGuid(), default);
        world.Clock.Advance(TimeSpan.FromDays(2));
        var asked = await AskAsync(request.Id, "clarification");
        Assert.Equal(binding > 0, asked.Clock.StandsStill);
        world.Clock.Advance(TimeSpan.FromDays(6));
        Assert.Equal(request.DueAt.AddDays(binding).Date, (await world.GetAsync(request.Id)).Clock.DueAt.Date);
        var answered = await world.Requests.TakeAsync(RightsWorld.Customer(ada), request.Id, RequestAct.Answer, new StepTerms("clarification", "The orders of 2025."), Guid.NewGuid(), default);
        Assert.Equal((request.DueAt.AddDays(binding).Date, request.DueAt.Date, request.DueAt.AddDays(shown).Date), (answered.DueAt.Date, answered.Clock.StrictDueAt.Date, answered.Clock.PausedDueAt.Date));
        Assert.False(answered.Clock.StandsStill);
        await RefusedAsync("invalid-state", () => world.Requests.TakeAsync(RightsWorld.Customer(ada), request.Id, RequestAct.Answer, new StepTerms("fee"), Guid.NewGuid(), default));
    }

    [Fact]
    [Requirement("R30", "R36")]
    public async Task Under_the_law_of_the_union_the_strict_clock_alarms_and_the_other_is_shown_beside_it()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await AskAsync(request.Id, "identity");
        world.Clock.Advance(TimeSpan.FromDays(17));
        var asked = await world.GetAsync(request.Id);
        Assert.Equal((false, 50, false), (asked.Clock.StandsStill, asked.Clock.Escalation, asked.Clock.Overdue));
        Assert.True(asked.Clock.PausedDueAt > asked.Clock.StrictDueAt);
        world.Clock.Advance(TimeSpan.FromDays(13));
        Assert.Equal(90, (await world.GetAsync(request.Id)).Clock.Escalation);
        await TakeAsync(RequestAct.Answer, request.Id, new StepTerms());
        world.Clock.Advance(TimeSpan.FromDays(4));
        var late = await world.GetAsync(request.Id);
        Assert.True(late.Clock is { Overdue: true, Elapsed: > 1 } && late.DueAt == request.DueAt);
    }

    [Fact]
    [Requirement("R30")]
    public async Task Receipt_is_acknowledged_within_the_working_days_of_the_regime_and_a_customer_who_asks_has_the_answer()
    {
        var request = await world.Requests.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada, null, "us-ca", Guid.NewGuid(), default);
        Assert.Equal((new DateOnly(2026, 10, 29), null), (DateOnly.FromDateTime(request.Facts.AcknowledgeBy!.Value.AddDays(-1).UtcDateTime), request.Facts.AcknowledgedAt));
        Assert.Equal(world.Clock.GetUtcNow(), (await TakeAsync(RequestAct.Acknowledge, request.Id, new StepTerms())).Facts.AcknowledgedAt);
        await RefusedAsync("invalid-state", () => TakeAsync(RequestAct.Acknowledge, request.Id, new StepTerms()));
        Assert.Contains("letter.received", await ToldAsync());
        Assert.NotNull((await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Restriction, ada)).Facts.AcknowledgedAt);
    }

    [Fact]
    [Requirement("R31")]
    public async Task An_extension_is_there_only_with_its_notice_and_once_and_before_the_first_due_date()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await RefusedAsync("invalid-fields", () => ExtendAsync(request.Id, null));
        await world.VaultSqlAsync("alter table vault.message add constraint nothing_more check (created_at < '2000-01-01') not valid");
        await Assert.ThrowsAnyAsync<PostgresException>(() => ExtendAsync(request.Id, "Eleven years of orders."));
        Assert.Equal((request.DueAt, null), ((await world.GetAsync(request.Id)).DueAt, (await world.GetAsync(request.Id)).Facts.FirstDueAt));
        await world.VaultSqlAsync("alter table vault.message drop constraint nothing_more");
        var extended = await ExtendAsync(request.Id, "Eleven years of orders.");
        Assert.Equal(request.DueAt, extended.Facts.FirstDueAt);
        Assert.Equal(new DateOnly(2027, 1, 15), DateOnly.FromDateTime(extended.DueAt.UtcDateTime));
        Assert.Contains("letter.extended", await ToldAsync());
        await RefusedAsync("invalid-state", () => ExtendAsync(request.Id, "again"));

        var other = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        world.Clock.Advance(other.DueAt - world.Clock.GetUtcNow() + TimeSpan.FromSeconds(1));
        await RefusedAsync("invalid-state", () => ExtendAsync(other.Id, "too late"));
        var here = await world.Requests.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada, null, "cn", Guid.NewGuid(), default);
        await RefusedAsync("invalid-state", () => ExtendAsync(here.Id, "the law knows none"));
    }

    [Fact]
    [Requirement("R32", "R33")]
    public async Task A_refusal_has_a_code_and_words_for_the_person_who_is_told()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await RefusedAsync("invalid-fields", () => TakeAsync(RequestAct.Refuse, request.Id, new StepTerms("legal-obligation")));
        await RefusedAsync("invalid-fields", () => TakeAsync(RequestAct.Refuse, request.Id, new StepTerms("because", "we say so")));
        var usual = world.Vault.Get<ActivePolicy>().Current;
        world.Vault.Get<ActivePolicy>().Swap(Repository.ChangedPolicy(("jurisdictions.yaml", Authority, "")));
        var elsewhere = await world.Requests.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada, null, "cn", Guid.NewGuid(), default);
        await RefusedAsync("invalid-fields", () => TakeAsync(RequestAct.Refuse, elsewhere.Id, new StepTerms("not-applicable", "There is nothing.")));
        world.Vault.Get<ActivePolicy>().Swap(usual);
        var refused = await TakeAsync(RequestAct.Refuse, request.Id, new StepTerms("legal-obligation", "Tax law keeps your invoices until 2036."));
        Assert.Equal((RequestStates.Refused, "legal-obligation"), (refused.State, refused.Reason));
        Assert.Contains("reason:legal-obligation", (await LatestAsync()).Rules);
        Assert.Contains("letter.refused", await ToldAsync());
        Assert.Equal("Tax law keeps your invoices until 2036.", (await world.Requests.NotesAsync(RightsWorld.Customer(ada), request.Id, Guid.NewGuid(), default))[^1].Text);
    }

    [Fact]
    [Requirement("R38")]
    public async Task A_second_request_counts_from_the_first_also_when_it_is_extended()
    {
        var first = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        world.Clock.Advance(TimeSpan.FromHours(1));
        var second = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        Assert.Equal((first.Id, first.DueAt), (second.Facts.Repeats!.Value, second.DueAt));
        world.Clock.Advance(TimeSpan.FromDays(5));
        await TakeAsync(RequestAct.Withdraw, first.Id, new StepTerms());
        var third = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        Assert.Equal((second.Id, first.DueAt), (third.Facts.Repeats!.Value, third.DueAt));
        Assert.Equal(new DateOnly(2027, 1, 15), DateOnly.FromDateTime((await ExtendAsync(third.Id, "many of them")).DueAt.UtcDateTime));
    }

    [Fact]
    public async Task What_was_changed_of_a_course_or_a_due_date_in_the_database_is_found_and_stops_the_request()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await VerifyAsync(request.Id, "called-back");
        foreach (var change in new[] { "due_at = due_at + interval '1 year'", "course = null", "opened_at = now()" })
        {
            await world.VaultSqlAsync($"create table kept as select * from vault.request; update vault.request set {change} where request_id = '{request.Id}'");
            Assert.Contains((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings, one => one.Message.Contains($"{request.Id} is not as the vault wrote it", StringComparison.Ordinal));
            await RefusedAsync("invalid-state", () => world.ApproveAsync(request.Id));
            await world.VaultSqlAsync("delete from vault.request; insert into vault.request select * from kept; drop table kept");
        }

        Assert.Equal(RequestStates.Approved, (await world.ApproveAsync(request.Id)).State);
    }

    private Task<RequestView> VerifyAsync(Guid id, string? method, bool failed = false) => TakeAsync(RequestAct.Verify, id, new StepTerms { Method = method, Failed = failed });

    private Task<RequestView> AskAsync(Guid id, string cause) => TakeAsync(RequestAct.Ask, id, new StepTerms(cause, "Please tell us."));

    private Task<RequestView> ExtendAsync(Guid id, string? words) => TakeAsync(RequestAct.Extend, id, new StepTerms("complexity", words));

    private Task<RequestView> TakeAsync(RequestAct act, Guid id, StepTerms terms, Recipient? officer = null) =>
        world.Requests.TakeAsync(officer ?? RightsWorld.Officer, id, act, terms, Guid.NewGuid(), default);

    private Task<IReadOnlyList<RequestNote>> EvidenceAsync(Recipient recipient, Guid id) => world.Requests.EvidenceAsync(recipient, id, Guid.NewGuid(), default);

    private async Task<IReadOnlyList<string>> ToldAsync() =>
        [.. (await world.Vault.Get<SubjectMessages>().ListAsync(RightsWorld.Customer(ada), 50, null, Guid.NewGuid(), default)).Items.Select(message => message.Kind)];

    private async Task<LogEntry> LatestAsync() => (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 1 })).Entries[0].Entry;

    private static async Task<(string, string)> StateAsync(Task<RequestView> request) => ((await request).State, (await request).Facts.Assurance);

    private static async Task RefusedAsync(string slug, Func<Task> act) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);
}
