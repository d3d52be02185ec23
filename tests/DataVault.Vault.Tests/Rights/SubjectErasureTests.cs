using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class SubjectErasureTests : IAsyncLifetime
{
    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        await world.EventsAsync(ada);
        await world.EventsAsync(bob);
        await world.FeedAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R58", "R96")]
    public async Task No_row_of_the_person_is_left_in_any_table_and_the_neighbours_still_read()
    {
        var pseudonyms = await PseudonymsAsync(ada);
        foreach (var pseudonym in pseudonyms)
            Assert.NotEmpty(await world.TablesNamingAsync(pseudonym));
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        await EraseAsync();
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        foreach (var pseudonym in pseudonyms)
            Assert.Empty(await world.TablesNamingAsync(pseudonym));
        Assert.Empty(Directory.GetFiles(Path.Combine(world.Home, "packages")));
        await world.RestartAsync();
        Assert.NotEmpty((await ReadAsync(bob)).Fields);
        Assert.NotEmpty((await world.Vault.Get<DisclosureGate>().ReadEventsAsync(
            RightsWorld.Customer(bob), bob, "data-subject-rights", null, 50, null, Guid.NewGuid(), default)).Events);
    }

    [Fact]
    [Requirement("R53")]
    public async Task The_list_of_tables_to_delete_from_is_the_schemas()
    {
        var tables = await world.ListAsync(
            """
            select n.nspname || '.' || c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
            where a.attname = 'subject_id' and c.relkind in ('r', 'p') and not c.relispartition
            """);
        Assert.Equal(tables.Order(), ErasureRows.SubjectTables.Order());
    }

    [Fact]
    public async Task The_erased_are_not_found_by_anybody_and_their_accounts_are_gone()
    {
        await EraseAsync();
        foreach (var recipient in new[] { RightsWorld.Support, RightsWorld.Customer(ada) })
        {
            var refusal = await Assert.ThrowsAsync<VaultException>(() => ReadAsync(ada, recipient));
            Assert.Equal("not-found", refusal.Slug);
        }
        Assert.Contains(ada.Value, world.Accounts.Removed);
    }

    [Fact]
    public async Task The_certificate_verifies_offline_with_nothing_but_the_logs_key()
    {
        var request = await EraseAsync();
        Assert.Equal((RequestStates.Completed, true, null), (request.State, request.HasCertificate, request.Subject));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => world.ApproveAsync(request.Id))).Slug);
        var text = await world.Requests.CertificateAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default);
        var key = NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey);
        Assert.True(ErasureCertificate.TryParse(text, out var certificate));
        Assert.Null(certificate!.Verify(key));
        Assert.Equal(request.Id, certificate.Statement.Request);
        Assert.Equal(Repository.Policy.Events.Types.Count, certificate.Statement.Erased.Single(e => e.Key == "events").Value);
        Assert.DoesNotContain(ada.ToString(), text);
        Assert.True(!ErasureCertificate.TryParse(text.Replace("erased events ", "erased events 1", StringComparison.Ordinal), out var forged) || forged!.Verify(key) is not null);
    }

    [Fact]
    [Requirement("R39")]
    public async Task What_is_left_of_the_requests_names_nobody_and_is_still_found()
    {
        var access = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        var open = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada, "a note about ada");
        var erased = await EraseAsync();
        var list = await world.Requests.ListAsync(RightsWorld.Officer, new RequestFilter(), 10, null, Guid.NewGuid(), default);
        Assert.Equal([erased.Id, open.Id, access.Id], list.Items.Select(r => r.Id));
        Assert.All(list.Items, r => Assert.Null(r.Subject));
        Assert.Equal((RequestStates.Moot, RequestReasons.SubjectErased), (list.Items[1].State, list.Items[1].Reason));
        Assert.Equal(RequestStates.Completed, list.Items[2].State);
        Assert.Empty(await world.Requests.NotesAsync(RightsWorld.Officer, open.Id, Guid.NewGuid(), default));
    }

    [Fact]
    [Requirement("R58")]
    public async Task The_log_tells_request_and_execution_under_a_tag_that_nobody_can_compute_any_more()
    {
        using (var held = await world.Vault.Get<KeyRegistry>().GetAsync(ada))
        {
            var tag = Convert.ToHexStringLower(held.Tag.Span);
            var request = await EraseAsync();
            var entries = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Purpose = "data-subject-rights" })).Entries
                .Where(e => Convert.ToHexStringLower(e.Entry.Subject.Span) == tag).Select(e => e.Entry.Type).Reverse().ToList();
            Assert.Equal(
                [
                    EntryType.LetterWritten, EntryType.RequestChange, EntryType.RequestChange, EntryType.RequestChange, EntryType.LetterWritten, EntryType.EraseRequest, EntryType.NoticeChange, EntryType.EraseExecuted,
                    EntryType.RequestChange,
                ],
                entries);
            Assert.Equal(request.LogIndex, (await world.GetAsync(request.Id)).LogIndex);
        }
        Assert.Empty((await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada })).Entries);
    }

    [Theory]
    [Requirement("R41")]
    [InlineData((int)ErasureStep.Requested)]
    [InlineData((int)ErasureStep.KeyDestroyed)]
    [InlineData((int)ErasureStep.AccountsRemoved)]
    [InlineData((int)ErasureStep.RowsDeleted)]
    [InlineData((int)ErasureStep.Certified)]
    public async Task An_erasure_that_is_cut_off_after_any_step_is_finished_after_the_restart(int step)
    {
        var pseudonyms = await PseudonymsAsync(ada);
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == (ErasureStep)step) throw new InvalidOperationException("cut off");
        };
        var cut = await EraseAsync();
        Assert.Equal(step == (int)ErasureStep.Certified ? RequestStates.Completed : RequestStates.Approved, cut.State);
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var done = await world.GetAsync(cut.Id);
        Assert.Equal((RequestStates.Completed, true), (done.State, done.HasCertificate));
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        foreach (var pseudonym in pseudonyms)
            Assert.Empty(await world.TablesNamingAsync(pseudonym));
        var text = await world.Requests.CertificateAsync(RightsWorld.Officer, cut.Id, Guid.NewGuid(), default);
        Assert.True(ErasureCertificate.TryParse(text, out var certificate));
        Assert.Null(certificate!.Verify(NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey)));
        Assert.NotEmpty((await ReadAsync(bob)).Fields);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task A_hold_defers_the_erasure_and_its_end_resumes_it()
    {
        await HoldAsync(true);
        var held = await EraseAsync();
        Assert.Equal((RequestStates.Approved, RequestReasons.OnHold), (held.State, held.Reason));
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(RequestStates.Approved, (await world.GetAsync(held.Id)).State);
        await HoldAsync(false);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal((RequestStates.Completed, null), await StateAsync(held.Id));
    }

    [Fact]
    public async Task The_address_of_the_erased_may_be_registered_again_by_somebody_new()
    {
        await EraseAsync();
        await world.Vault.Get<Suppressions>().LiftAsync(RightsWorld.Officer, "email", "ada@example.com", "person-asked", Guid.NewGuid(), default);
        var again = await world.PersonAsync("ada");
        Assert.NotEqual(ada, again);
        Assert.NotEmpty((await ReadAsync(again)).Fields);
    }

    [Fact]
    public async Task Two_who_carry_out_the_same_erasure_at_once_leave_one_certificate()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        var store = world.Vault.Get<RequestStore>();
        var row = await store.ChangeAsync(RightsWorld.Officer, request.Id, r => r with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        var erasure = world.Vault.Get<SubjectErasure>();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ => await Record.ExceptionAsync(() => erasure.RunAsync(row, default))));
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal((RequestStates.Completed, null), await StateAsync(request.Id));
        var entries = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.EraseExecuted })).Entries;
        Assert.Single(entries);
    }

    [Fact]
    public async Task A_second_erasure_request_takes_nothing_from_the_first_that_is_under_way()
    {
        var pseudonyms = await PseudonymsAsync(ada);
        var older = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, older.Id, row => row with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == ErasureStep.KeyDestroyed) throw new InvalidOperationException("cut off");
        };
        var first = await EraseAsync();
        world.Vault.Get<SubjectErasure>().StepDone = static _ => { };
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal((RequestStates.Completed, true), ((await world.GetAsync(first.Id)).State, (await world.GetAsync(first.Id)).HasCertificate));
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(older.Id)).State);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        foreach (var pseudonym in pseudonyms)
            Assert.Empty(await world.TablesNamingAsync(pseudonym));
    }

    [Fact]
    public async Task A_request_that_crosses_the_erasure_leaves_no_row()
    {
        var store = world.Vault.Get<RequestStore>();
        using var held = await world.Vault.Get<KeyRegistry>().GetAsync(ada);
        var late = new RequestRow(Guid.NewGuid(), ada, RequestKinds.Rectification, RequestStates.Received, "eu") { OpenedAt = store.Now, DueAt = store.Now.AddDays(30), OpenedBy = "customer" };
        await world.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
        {
            await using var gone = new Npgsql.NpgsqlCommand("delete from vault.subject where subject_id = $1", connection, transaction) { Parameters = { new() { Value = ada.Value } } };
            return await gone.ExecuteNonQueryAsync();
        }, default);
        var refusal = await Assert.ThrowsAsync<VaultException>(() => store.InsertAsync(RightsWorld.Customer(ada), late, [RequestStates.Received], Guid.NewGuid(), default));
        Assert.Equal("not-found", refusal.Slug);
    }

    [Theory]
    [InlineData((int)ErasureStep.Requested)]
    [InlineData((int)ErasureStep.KeyDestroyed)]
    [InlineData((int)ErasureStep.RowsDeleted)]
    public async Task A_process_that_nobody_told_serves_nothing_of_the_person_whatever_it_has_in_its_cache(int step)
    {
        var deaf = await world.DeafProcessAsync();
        var support = RightsWorld.Support;
        var query = new ReadQuery(support, ada, support.Purposes[0], null, false, Guid.NewGuid());
        var change = new ProfilePatch(StoreVault.Object("""{"givenName": "Ada"}"""), "crm", null, "2026-01", "service-delivery");
        NewEvent Event() => new(new CustomerLookup(Id: ada), Repository.Policy.Events.Types[0].Type, RightsWorld.Start, "shop", FullProfile.Properties(Repository.Policy.Events.Types[0]), Guid.NewGuid(), "service-delivery");
        Assert.NotEmpty((await deaf.Get<DisclosureGate>().ReadAsync(query, default)).Fields);
        Assert.NotEmpty((await deaf.Get<AccessHistory>().ListAsync(RightsWorld.Customer(ada), ada, 10, null, Guid.NewGuid(), default)).Items);
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == (ErasureStep)step) throw new InvalidOperationException("cut off");
        };
        await EraseAsync();

        var refusals = new List<Func<Task>>
        {
            () => deaf.Get<DisclosureGate>().ReadAsync(query, default),
            () => deaf.Get<DisclosureGate>().ReadEventsAsync(RightsWorld.Customer(ada), ada, "data-subject-rights", null, 50, null, Guid.NewGuid(), default),
            () => deaf.Get<ProfileEditor>().PatchAsync(RightsWorld.Ingest, ada, null, change, Guid.NewGuid(), default),
            () => deaf.Get<ConsentLedger>().GetAsync(RightsWorld.Customer(ada), ada, Guid.NewGuid(), default),
        };
        foreach (var attempt in refusals) Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(attempt)).Slug);
        var many = await deaf.Get<DisclosureGate>().ReadManyAsync(support, [ada, bob], support.Purposes[0], null, false, Guid.NewGuid(), default);
        Assert.Equal("not-found", many[0].Error?.Slug);
        Assert.NotNull(many[1].Value);
        Assert.Equal(EventStatus.Failed, (await deaf.Get<EventRecorder>().AppendAsync(RightsWorld.Ingest, [Event()], Guid.NewGuid(), default)).Items[0].Status);
        if (step == (int)ErasureStep.Requested) return;
        Assert.Empty((await deaf.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada })).Entries);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => deaf.Get<AccessHistory>().ListAsync(RightsWorld.Officer, ada, 10, null, Guid.NewGuid(), default))).Slug);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => deaf.Get<RequestStore>().TagAsync(ada, default))).Slug);
    }

    private async Task<RequestView> EraseAsync()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        return await world.ApproveAsync(request.Id);
    }

    private async Task<(string, string?)> StateAsync(Guid id) => ((await world.GetAsync(id)).State, (await world.GetAsync(id)).Reason);

    private Task<Disclosure> ReadAsync(SubjectId subject, Recipient? recipient = null)
    {
        recipient ??= RightsWorld.Support;
        return world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(recipient, subject, recipient.Purposes[0], null, false, Guid.NewGuid()), default);
    }

    private async Task HoldAsync(bool onHold)
    {
        using var keys = await world.Vault.Get<KeyRegistry>().GetAsync(ada);
        await world.Vault.Get<VaultDatabase>().RunAsync(
            (connection, transaction) => world.Vault.Get<SubjectFacts>().ChangeAsync(connection, transaction, keys, facts => facts with { OnHold = onHold }, default), default);
    }

    private async Task<IReadOnlyList<string>> PseudonymsAsync(SubjectId subject)
    {
        var registry = world.Vault.Get<KeyRegistry>();
        using var keys = await registry.GetAsync(subject);
        return [.. AnalyticsRows.PseudonymsOf(keys, registry, Repository.Policy).Select(p => p.Pseudonym)];
    }
}
