using DataVault.Policy;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class SubjectRequestsTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task A_customers_own_request_is_verified_by_the_sign_in_and_waits_for_the_officer()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        Assert.Equal((RequestStates.Verified, "customer"), (request.State, request.OpenedBy));
        Assert.Equal(request.LogIndex, (await world.GetAsync(request.Id)).LogIndex);
    }

    [Fact]
    public async Task An_officers_request_is_verified_approved_and_completed_by_hand_where_the_vault_cannot_do_it()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        Assert.Equal(RequestStates.Received, request.State);
        Assert.Equal(RequestStates.Verified, (await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "document-seen")).State);
        Assert.Equal(RequestStates.Approved, (await world.ApproveAsync(request.Id)).State);
        var done = await world.Requests.CompleteAsync(RightsWorld.Officer, request.Id, "corrected", Guid.NewGuid(), default);
        Assert.Equal((RequestStates.Completed, world.Clock.GetUtcNow()), (done.State, done.CompletedAt!.Value));
    }

    [Fact]
    public async Task A_step_that_the_state_forbids_is_refused_and_changes_nothing()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await RefusedAsync("invalid-state", () => world.ApproveAsync(request.Id));
        await RefusedAsync("invalid-state", () => world.Requests.CompleteAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default));
        var after = await world.GetAsync(request.Id);
        Assert.Equal((request.State, request.LogIndex, request.DueAt), (after.State, after.LogIndex, after.DueAt));
    }

    [Fact]
    [Requirement("R30", "R31")]
    public async Task The_due_date_is_that_of_the_law_and_moves_once_with_a_reason()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        Assert.Equal(new DateOnly(2026, 11, 16), DateOnly.FromDateTime(request.DueAt.UtcDateTime));
        await RefusedAsync("invalid-fields", () => ExtendAsync(request.Id, "because"));
        var extended = await ExtendAsync(request.Id, "complexity");
        Assert.Equal((new DateOnly(2027, 1, 15), "complexity"), (DateOnly.FromDateTime(extended.DueAt.UtcDateTime), extended.Reason));
        await RefusedAsync("invalid-state", () => ExtendAsync(request.Id, "complexity"));
    }

    [Fact]
    [Requirement("R31")]
    public async Task After_the_due_date_it_is_too_late_to_extend()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        world.Clock.Advance(TimeSpan.FromDays(40));
        await RefusedAsync("invalid-state", () => ExtendAsync(request.Id, "high-volume"));
    }

    [Fact]
    [Requirement("R38")]
    public async Task A_second_request_of_the_same_kind_keeps_the_clock_of_the_first()
    {
        var first = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        world.Clock.Advance(TimeSpan.FromDays(5));
        Assert.Equal(first.DueAt, (await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada)).DueAt);
        Assert.True((await world.OpenAsync(RightsWorld.Officer, RequestKinds.Restriction, ada)).DueAt > first.DueAt);
    }

    [Fact]
    [Requirement("R32", "R33")]
    public async Task A_refusal_names_a_reason_of_the_list()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        await RefusedAsync("invalid-fields", () => RefuseAsync(RightsWorld.Officer, request.Id, "John Smith did not like it"));
        Assert.Equal((RequestStates.Refused, "identity-verification-failure"), await StateAsync(RefuseAsync(RightsWorld.Officer, request.Id, "identity-verification-failure")));
    }

    [Fact]
    public async Task Customers_withdraw_their_own_request_and_decide_nothing_else()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await RefusedAsync("forbidden", () => world.Requests.ApproveAsync(RightsWorld.Customer(ada), request.Id, null, Guid.NewGuid(), default));
        await RefusedAsync("forbidden", () => RefuseAsync(RightsWorld.Customer(ada), request.Id, "not-applicable"));
        Assert.Equal((RequestStates.Withdrawn, "withdrawn-by-customer"), await StateAsync(RefuseAsync(RightsWorld.Customer(ada), request.Id, "withdrawn-by-customer")));
    }

    [Fact]
    public async Task Nobody_sees_or_opens_a_request_of_another_person()
    {
        var bob = await world.PersonAsync("bob");
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await RefusedAsync("not-found", () => world.Requests.GetAsync(RightsWorld.Customer(bob), request.Id, Guid.NewGuid(), default));
        await RefusedAsync("not-found", () => world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Erasure, ada));
        await RefusedAsync("forbidden", () => world.OpenAsync(RightsWorld.Support, RequestKinds.Erasure, ada));
        await RefusedAsync("forbidden", () => world.Requests.ListAsync(RightsWorld.Support, new RequestFilter(), 10, null, Guid.NewGuid(), default));
        var mine = await world.Requests.ListAsync(RightsWorld.Customer(bob), new RequestFilter(Subject: ada), 10, null, Guid.NewGuid(), default);
        Assert.Empty(mine.Items);
    }

    [Fact]
    public async Task The_list_pages_newest_first_and_narrows()
    {
        var ids = new List<Guid>();
        for (var i = 0; i < 3; i++)
        {
            ids.Add((await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada)).Id);
            world.Clock.Advance(TimeSpan.FromSeconds(1));
        }
        var first = await world.Requests.ListAsync(RightsWorld.Officer, new RequestFilter(Kind: RequestKinds.Rectification), 2, null, Guid.NewGuid(), default);
        var second = await world.Requests.ListAsync(RightsWorld.Officer, new RequestFilter(), 2, first.Next, Guid.NewGuid(), default);
        Assert.Equal([ids[2], ids[1], ids[0]], first.Items.Concat(second.Items).Select(r => r.Id));
        Assert.Null(second.Next);
        Assert.Empty((await world.Requests.ListAsync(RightsWorld.Officer, new RequestFilter(RequestStates.Refused), 2, null, Guid.NewGuid(), default)).Items);
    }

    [Fact]
    public async Task Every_step_is_an_entry_of_the_log_and_so_is_a_refused_call()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await RefusedAsync("forbidden", () => world.Requests.ApproveAsync(RightsWorld.Support, request.Id, null, Guid.NewGuid(), default));
        await RefuseAsync(RightsWorld.Officer, request.Id, "legal-obligation");
        var page = await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada, Purpose = "data-subject-rights" });
        Assert.Equal([EntryType.RequestChange, EntryType.LetterWritten, EntryType.Denied, EntryType.RequestChange, EntryType.RequestChange, EntryType.LetterWritten], page.Entries.Select(e => e.Entry.Type));
        Assert.Contains("request:erasure:refused", page.Entries[0].Entry.Rules);
    }

    [Fact]
    public async Task Notes_are_sealed_and_read_by_the_officer_with_an_entry()
    {
        const string Words = "please hurry, I am moving";
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada, Words);
        await world.Requests.ApproveAsync(RightsWorld.Officer, request.Id, "seen", Guid.NewGuid(), default);
        var notes = await world.Requests.NotesAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default);
        Assert.Equal([("customer", Words), ("officer", "seen")], notes.Select(n => (n.By, n.Text)));
        Assert.Empty(await world.TablesNamingAsync(Convert.ToHexStringLower(System.Text.Encoding.UTF8.GetBytes(Words))));
    }

    [Fact]
    public async Task Every_look_of_an_officer_at_requests_is_an_entry_and_a_customers_own_is_not()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada, "please");
        var bob = await world.PersonAsync("bob");
        await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Rectification, bob);
        foreach (var look in Looks(RightsWorld.Customer(ada), request.Id)) await look();
        Assert.Equal(0, await ReadsAsync());
        foreach (var look in Looks(RightsWorld.Officer, request.Id)) await look();
        var page = await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada, Purpose = "data-subject-rights" });
        Assert.Equal(3, page.Entries.Count(e => EntryTypes.NameOf(e.Entry.Type) == "request.read"));
        Assert.Equal(3, await ReadsAsync());
        await world.Requests.ListAsync(RightsWorld.Officer, new RequestFilter(Subject: ada), 10, null, Guid.NewGuid(), default);
        page = await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada, Purpose = "data-subject-rights" });
        Assert.Equal(4, page.Entries.Count(e => EntryTypes.NameOf(e.Entry.Type) == "request.read"));
    }

    [Fact]
    public async Task An_officer_who_asks_for_a_request_that_is_not_there_leaves_a_refusal_in_the_log()
    {
        var before = (await LatestAsync()).Entry;
        await RefusedAsync("not-found", () => world.GetAsync(Guid.NewGuid()));
        var after = (await LatestAsync()).Entry;
        Assert.NotEqual(before.RequestId.ToArray(), after.RequestId.ToArray());
        Assert.Equal((EntryType.Denied, EntryResult.Denied), (after.Type, after.Result));
    }

    [Fact]
    public async Task A_customer_opens_ten_requests_a_day_and_no_more_and_officers_as_many_as_come()
    {
        await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        for (var i = 0; i < 10; i++)
        {
            world.Clock.Advance(TimeSpan.FromHours(1));
            await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada);
        }
        var refusal = await Assert.ThrowsAsync<VaultException>(() => world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada));
        Assert.Equal("rate-limited", refusal.Slug);
        Assert.InRange(refusal.RetryAfter!.Value, TimeSpan.FromHours(14.9), TimeSpan.FromHours(15));
        Assert.Equal(EntryType.Denied, (await LatestAsync()).Entry.Type);
        await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        world.Clock.Advance(refusal.RetryAfter.Value);
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada);
        Assert.Equal("rate-limited", (await Assert.ThrowsAsync<VaultException>(() => world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada))).Slug);
    }

    [Fact]
    public async Task A_customer_who_opens_requests_all_at_once_gets_no_further()
    {
        var attempts = Enumerable.Range(0, 14).Select(_ => Task.Run(() => world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada))).ToList();
        foreach (var attempt in attempts) await Task.WhenAny(attempt);
        Assert.Equal(10, attempts.Count(attempt => attempt.IsCompletedSuccessfully));
        Assert.All(attempts.Where(attempt => attempt.IsFaulted), attempt => Assert.Equal("rate-limited", Assert.IsType<VaultException>(attempt.Exception!.InnerException).Slug));
    }

    [Fact]
    public async Task Calls_with_one_key_open_one_request_and_another_body_under_it_is_refused()
    {
        var calls = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => KeyedAsync(1)));
        var request = Assert.Single(calls.Select(call => call.Id).Distinct());
        await world.Requests.RefuseAsync(RightsWorld.Customer(ada), request, "withdrawn-by-customer", null, Guid.NewGuid(), default);
        Assert.Equal((request, RequestStates.Withdrawn), ((await KeyedAsync(1)).Id, (await KeyedAsync(1)).State));
        await RefusedAsync("idempotency-mismatch", () => KeyedAsync(2));
        Assert.Single((await world.Requests.ListAsync(RightsWorld.Customer(ada), new RequestFilter(), 10, null, Guid.NewGuid(), default)).Items);
        var bob = await world.PersonAsync("bob");
        await RefusedAsync("not-found", () => world.Requests.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Restriction, ada, null, null, Guid.NewGuid(), default, Key(1)));
    }

    [Fact]
    [Requirement("R65")]
    public async Task A_contested_decision_is_closed_by_a_person_with_an_outcome_and_the_log_has_it()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Contest, ada, "The scoring has my old address.");
        Assert.Equal(RequestStates.Verified, request.State);
        await RefusedAsync("invalid-state", () => world.ApproveAsync(request.Id));
        await RefusedAsync("invalid-fields", () => CompleteAsync(RightsWorld.Officer, request.Id, null));
        await RefusedAsync("invalid-fields", () => CompleteAsync(RightsWorld.Officer, request.Id, "process-unfounded"));
        var desk = new Recipient(RecipientKind.Application, "desk", "Desk", ["compliance-officer"], ["data-subject-rights"]);
        await RefusedAsync("forbidden", () => CompleteAsync(desk, request.Id, "decision-changed"));
        Assert.Equal((RequestStates.Completed, "decision-changed"), await StateAsync(CompleteAsync(RightsWorld.Officer, request.Id, "decision-changed")));
        Assert.Equal(["request:contest:completed", $"request:{request.Id:D}", "outcome:decision-changed"], (await LatestAsync()).Entry.Rules);
        await RefusedAsync("invalid-state", () => CompleteAsync(RightsWorld.Officer, request.Id, "decision-upheld"));
        Assert.Equal("decision-changed", (await world.Requests.GetAsync(RightsWorld.Customer(ada), request.Id, Guid.NewGuid(), default)).Reason);
    }

    [Fact]
    public async Task A_contest_that_nobody_verified_is_not_completed_and_another_kind_has_no_outcome()
    {
        var contest = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Contest, ada);
        await RefusedAsync("invalid-state", () => CompleteAsync(RightsWorld.Officer, contest.Id, "decision-upheld"));
        var other = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada);
        await world.ApproveAsync(other.Id);
        await RefusedAsync("invalid-fields", () => CompleteAsync(RightsWorld.Officer, other.Id, "decision-upheld"));
    }

    [Fact]
    public async Task A_note_on_a_completion_that_the_vault_carries_out_is_kept()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.VerifyAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default, "document-seen");
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, request.Id, r => r with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        Assert.Equal(RequestStates.Completed, (await world.Requests.CompleteAsync(RightsWorld.Officer, request.Id, "again", Guid.NewGuid(), default)).State);
        Assert.Equal("again", Assert.Single(await world.Requests.NotesAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default)).Text);
    }

    [Theory]
    [Requirement("R61", "R63")]
    [InlineData(RequestKinds.Restriction, "restricted")]
    [InlineData(RequestKinds.Objection, "objected")]
    public async Task An_approved_limit_stops_the_next_disclosure(string kind, string reason)
    {
        var marketing = new Recipient(RecipientKind.Application, "campaigns", "Campaigns", ["marketing"], ["marketing"]);
        var before = await ReadAsync(marketing);
        Assert.NotEmpty(before.Fields);
        var request = await world.OpenAsync(RightsWorld.Customer(ada), kind, ada);
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request.Id)).State);
        var after = await ReadAsync(marketing);
        Assert.Empty(after.Fields);
        Assert.Contains(after.Withheld, w => w.Reason == reason);
    }

    [Fact]
    [Requirement("R63")]
    public async Task What_an_objection_covers_the_policy_says_and_no_purpose_is_known_by_its_name()
    {
        world.Vault.Get<ActivePolicy>().Swap(Testing.Repository.ChangedPolicy(
            ("purposes.yaml", "    directMarketing: true\n", "    directMarketing: false\n"),
            ("purposes.yaml", "    basis: consent\n    dpv: dpv:ServicePersonalisation\n", "    basis: consent\n    dpv: dpv:ServicePersonalisation\n    directMarketing: true\n")));
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Objection, ada);
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync(request.Id)).State);
        var record = await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), ada, default);
        Assert.True(FactsCodec.TryDecode(record!.Facts, out var facts));
        var policy = world.Vault.Get<ActivePolicy>().Current;
        Assert.Equal(["personalisation", "fraud-prevention", "complaints"], facts.ObjectedPurposes.Order().Select(id => policy.Purposes.ById(id)!.Name));
    }

    private Task<RequestView> CompleteAsync(Recipient recipient, Guid id, string? outcome) =>
        world.Requests.CompleteAsync(recipient, id, null, Guid.NewGuid(), default, outcome);

    private Task<RequestView> KeyedAsync(byte body) =>
        world.Requests.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Restriction, ada, null, null, Guid.NewGuid(), default, Key(body));

    private static IdempotencyKey Key(byte body) => new("customer", "once", new byte[] { body });

    private Func<Task>[] Looks(Recipient recipient, Guid id) =>
    [
        () => world.Requests.GetAsync(recipient, id, Guid.NewGuid(), default),
        () => world.Requests.ListAsync(recipient, new RequestFilter(), 10, null, Guid.NewGuid(), default),
        () => world.Requests.NotesAsync(recipient, id, Guid.NewGuid(), default),
    ];

    private async Task<AuditRecord> LatestAsync() => (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 1 })).Entries[0];

    private async Task<int> ReadsAsync() =>
        (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 500 })).Entries.Count(e => EntryTypes.NameOf(e.Entry.Type) == "request.read");

    private Task<Disclosure> ReadAsync(Recipient recipient) =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(recipient, ada, recipient.Purposes[0], null, false, Guid.NewGuid()), default);

    private Task<RequestView> ExtendAsync(Guid id, string reason) => world.Requests.ExtendAsync(RightsWorld.Officer, id, reason, "because it is", Guid.NewGuid(), default);

    private Task<RequestView> RefuseAsync(Recipient recipient, Guid id, string reason) => world.Requests.RefuseAsync(recipient, id, reason, "as we explained", Guid.NewGuid(), default);

    private static async Task<(string, string?)> StateAsync(Task<RequestView> request) => ((await request).State, (await request).Reason);

    private static async Task RefusedAsync(string slug, Func<Task> act) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);
}
