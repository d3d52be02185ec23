using System.Text;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

public sealed class LegalHoldsTests : IAsyncLifetime
{
    private static readonly Recipient Second = new(RecipientKind.Staff, "officer-2", "officer", ["compliance-officer"], ["data-subject-rights"]);

    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        (ada, bob) = (await world.PersonAsync("ada"), await world.PersonAsync("bob"));
        await world.EventsAsync(ada);
        await world.FeedAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    private LegalHolds Holds => world.Vault.Get<LegalHolds>();

    [Fact]
    [Requirement("R55", "R56")]
    public async Task A_hold_defers_the_erasure_of_what_it_names_and_of_nothing_else_and_its_release_resumes_it()
    {
        var hold = await PlaceAsync("email", "event:purchase");
        Assert.Null(hold.Damage);
        var request = await EraseAsync();
        Assert.Equal((RequestStates.Approved, RequestReasons.OnHold), (request.State, request.Reason));
        Assert.Equal("partial", request.Erasure!.State);
        Assert.Equal(["email", "event:purchase"], request.Erasure.Deferred);
        Assert.Equal("legal-claim", Assert.Single(request.Erasure.Because).Authority);
        Assert.True(request.HasCertificate);
        var part = await CertificateAsync(request.Id);
        Assert.Equal((true, "email,event:purchase"), (part.Statement.IsPart, string.Join(',', part.Statement.Kept.Select(item => item.Key))));
        Assert.Equal(part.ToString(), await world.Requests.PublishedCertificateAsync(request.Id, default));
        Assert.Contains(ada.Value, world.Accounts.Removed);
        Assert.Equal(
            ["keys.subject_key", "vault.event", "vault.hold_subject", "vault.request", "vault.subject"],
            (await world.TablesNamingAsync(ada.ToString())).Keys.Order());
        Assert.Equal(["event:purchase"], (await ReadEventsAsync()).Select(one => "event:" + one));
        Assert.Equal("ada@example.com", await ReadEmailAsync(RightsWorld.Support));

        await Holds.ReleaseAsync(Second, hold.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var done = await world.GetAsync(request.Id);
        Assert.Equal((RequestStates.Completed, null, "executed"), (done.State, done.Reason, done.Erasure!.State));
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        var whole = await CertificateAsync(request.Id);
        Assert.Equal((true, false), (whole.Statement.Born is not null, whole.Statement.IsPart));
        Assert.NotEmpty((await ReadAsync(bob, RightsWorld.Support)).Fields);
    }

    [Fact]
    [Requirement("R31", "R55")]
    public async Task Each_part_is_certified_once_and_what_a_certificate_says_is_left_was_not_erased()
    {
        var (first, second) = (await PlaceAsync("email"), await PlaceAsync("event:purchase"));
        var request = await EraseAsync();
        var before = await CertificateAsync(request.Id);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(before.ToString(), (await CertificateAsync(request.Id)).ToString());
        await Holds.ReleaseAsync(Second, first.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var after = await CertificateAsync(request.Id);
        Assert.Equal(["event:purchase"], after.Statement.Kept.Select(item => item.Key));
        Assert.True(after.Statement.ExecutedIndex > before.Statement.ExecutedIndex);

        // Signed by the log's own key, and yet false.
        var (signer, key) = (world.Vault.Get<CheckpointSigner>().Signer, NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey));
        var gone = after.Statement with { Kept = before.Statement.Kept };
        Assert.NotNull(ErasureCertificate.Issue(gone, signer, after.Proofs).Verify(key));
        Assert.False(ErasureCertificate.TryParse(after.ToString().Replace("state part", "state final", StringComparison.Ordinal), out _));
        Assert.Throws<ArgumentException>(() => ErasureCertificate.Issue(after.Statement with { Kept = [] }, signer, after.Proofs));
        Assert.NotEqual(Guid.Empty, second.Id);
    }

    [Fact]
    [Requirement("R55")]
    public async Task What_is_held_is_withheld_from_everybody_but_for_the_purposes_that_the_hold_names()
    {
        await Holds.PlaceAsync(RightsWorld.Officer, Hold([ada], ["email"], purposes: ["legal-obligation"]), Guid.NewGuid(), default);
        Assert.NotEmpty((await ReadAsync(ada, RightsWorld.Support)).Fields);
        await EraseAsync();
        foreach (var recipient in new[] { RightsWorld.Support, RightsWorld.Customer(ada) })
        {
            var seen = await ReadAsync(ada, recipient);
            Assert.Empty(seen.Fields);
            Assert.Equal(Reasons.OnHold, seen.Withheld.Single(field => field.Name == "email").Reason);
        }
    }

    [Fact]
    public async Task Facts_that_were_changed_in_the_database_end_no_hold()
    {
        var free = await FactsAsync();
        var hold = await PlaceAsync("email");
        var held = await FactsAsync();
        await world.VaultSqlAsync($"update vault.subject set facts = '\\x{free}' where subject_id = '{ada}'");
        var request = await EraseAsync();
        Assert.Equal((RequestStates.Approved, RequestReasons.Damaged), (request.State, request.Reason));
        Assert.Empty(await EntriesAsync(EntryType.EraseRequest));
        await world.VaultSqlAsync($"update vault.subject set facts = '\\x{held}' where subject_id = '{ada}'");
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal("partial", (await world.GetAsync(request.Id)).Erasure!.State);
        var left = await FactsAsync();
        await world.VaultSqlAsync($"update vault.subject set facts = '\\x{free}' where subject_id = '{ada}'");
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal("partial", (await world.GetAsync(request.Id)).Erasure!.State);
        await world.VaultSqlAsync($"update vault.subject set facts = '\\x{left}' where subject_id = '{ada}'");
        await Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);

        async Task<string> FactsAsync() => (await world.ListAsync($"select encode(facts, 'hex') from vault.subject where subject_id = '{ada}'"))[0];
    }

    [Fact]
    public async Task A_hold_before_an_erasure_takes_nothing_from_anybody_who_may_see()
    {
        var before = await ReadAsync(ada, RightsWorld.Support);
        await PlaceAsync();
        var after = await ReadAsync(ada, RightsWorld.Support);
        Assert.Equal(before.Fields.Select(field => field.Name), after.Fields.Select(field => field.Name));
    }

    [Fact]
    public async Task Old_copies_of_what_was_not_held_open_with_no_key_that_is_left()
    {
        await PlaceAsync("email");
        var before = await SealedAsync();
        using var old = await world.Vault.Get<KeyRegistry>().GetAsync(ada);
        var commitment = old.Commitment;
        await EraseAsync();
        await world.RestartAsync();
        using var held = await world.Vault.Get<KeyRegistry>().GetAsync(ada);
        Assert.Equal(2, held.KeyVersion);
        Assert.NotEqual(commitment, held.Commitment);
        Assert.Equal(old.Tag, held.Tag);
        Assert.ThrowsAny<System.Security.Cryptography.CryptographicException>(() => world.Vault.Get<RecordCipher>().Verify(before, held));
        var executed = Assert.Single(await EntriesAsync(EntryType.EraseExecuted));
        Assert.True(executed.KeyCommitment.Span.SequenceEqual(commitment));
        Assert.DoesNotContain(Code("email"), executed.Items);
        Assert.Contains(Code("phone"), executed.Items);
    }

    [Fact]
    [Requirement("R56")]
    public async Task Each_hold_that_ends_lets_go_what_it_alone_kept()
    {
        var first = await PlaceAsync("email", "phone");
        var second = await PlaceAsync("phone", "event:purchase");
        var request = await EraseAsync();
        Assert.Equal(["email", "phone", "event:purchase"], request.Erasure!.Deferred);
        await Holds.ReleaseAsync(RightsWorld.Officer, first.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(["phone", "event:purchase"], (await world.GetAsync(request.Id)).Erasure!.Deferred);
        // What is gone is not brought back by a hold that comes too late for it.
        var third = await PlaceAsync("email", "phone");
        await Holds.ReleaseAsync(RightsWorld.Officer, second.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(["phone"], (await world.GetAsync(request.Id)).Erasure!.Deferred);
        await Holds.ReleaseAsync(RightsWorld.Officer, third.Id, null, Guid.NewGuid(), default);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal("executed", (await world.GetAsync(request.Id)).Erasure!.State);
        Assert.Null((await CertificateAsync(request.Id)).Verify(NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey)));
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
    }

    [Theory]
    [InlineData((int)PartialStep.SuccessorMade)]
    [InlineData((int)PartialStep.PartDeleted)]
    [InlineData((int)PartialStep.KeyReplaced)]
    [InlineData((int)PartialStep.PartSettled)]
    [InlineData((int)PartialStep.HoldsEnded)]
    public async Task A_part_that_is_cut_off_after_any_step_is_finished_after_the_restart_and_nothing_held_is_lost(int step)
    {
        var hold = await PlaceAsync("email", "event:purchase");
        CutOffAfter((PartialStep)step);
        var request = await EraseAsync();
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal("partial", (await world.GetAsync(request.Id)).Erasure!.State);
        Assert.Equal("ada@example.com", await ReadEmailAsync(RightsWorld.Support));
        Assert.Single(await ReadEventsAsync());
        await world.Vault.AssertSoundAsync();
        CutOffAfter((PartialStep)step);
        await Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task Several_processes_that_carry_out_a_part_at_once_do_it_once()
    {
        await PlaceAsync("email");
        var opened = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        var row = await world.Vault.Get<RequestStore>().ChangeAsync(RightsWorld.Officer, opened.Id, r => r with { State = RequestStates.Approved }, Guid.NewGuid(), default);
        var erasure = world.Vault.Get<SubjectErasure>();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ => await Record.ExceptionAsync(() => erasure.RunAsync(row, default))));
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal("partial", (await world.GetAsync(opened.Id)).Erasure!.State);
        Assert.Single(await EntriesAsync(EntryType.EraseExecuted));
        Assert.Equal("ada@example.com", await ReadEmailAsync(RightsWorld.Support));
    }

    [Fact]
    public async Task Of_two_officers_who_release_at_once_one_does()
    {
        var hold = await PlaceAsync("email");
        var outcomes = await Task.WhenAll(new[] { RightsWorld.Officer, Second }.Select(officer => Record.ExceptionAsync(() => Holds.ReleaseAsync(officer, hold.Id, null, Guid.NewGuid(), default)).AsTask()));
        Assert.Equal("invalid-state", Assert.IsType<VaultException>(Assert.Single(outcomes, e => e is not null)).Slug);
        Assert.Equal(2, (await EntriesAsync(EntryType.HoldChange)).Count);
    }

    [Fact]
    public async Task Nobody_is_held_who_is_unknown_erased_or_about_to_be_and_the_refusals_are_alike()
    {
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == ErasureStep.Requested) throw new InvalidOperationException("cut off");
        };
        await EraseAsync();
        foreach (var subjects in new SubjectId[][] { [ada], [bob, ada], [new SubjectId(Guid.NewGuid())], [bob, new SubjectId(Guid.NewGuid())] })
        {
            var refusal = await Assert.ThrowsAsync<VaultException>(() => Holds.PlaceAsync(RightsWorld.Officer, Hold(subjects, ["email"]), Guid.NewGuid(), default));
            Assert.Equal(("not-found", "There is no such resource."), (refusal.Slug, refusal.Message));
        }
        Assert.Empty((await Holds.ListAsync(RightsWorld.Officer, new HoldFilter(), 10, null, Guid.NewGuid(), default)).Items);
        await world.RestartAsync();
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await Assert.ThrowsAsync<VaultException>(() => Holds.PlaceAsync(RightsWorld.Officer, Hold([ada], ["email"]), Guid.NewGuid(), default));
    }

    [Fact]
    public async Task A_hold_about_several_people_is_an_entry_about_each_and_its_case_is_in_no_table_in_clear()
    {
        var hold = await Holds.PlaceAsync(RightsWorld.Officer, Hold([ada, bob], ["class:identity"]), Guid.NewGuid(), default);
        var entries = await EntriesAsync(EntryType.HoldChange);
        Assert.Equal(2, entries.Select(entry => Convert.ToHexString(entry.Subject.Span)).Distinct().Count());
        Assert.All(entries, entry => Assert.Contains("authority:legal-claim", entry.Rules));
        Assert.Empty(await world.TablesNamingAsync("Meyer v. Vault"));
        var listed = Assert.Single((await Holds.ListAsync(RightsWorld.Officer, new HoldFilter(Open: true, Subject: bob), 10, null, Guid.NewGuid(), default)).Items);
        Assert.Equal((hold.Id, "Meyer v. Vault", 2), (listed.Id, listed.CaseReference, listed.Subjects.Count));
        Assert.Equal(["class:identity"], listed.Items);
    }

    [Fact]
    public async Task A_review_date_that_passes_reminds_and_an_end_that_comes_ends_the_hold()
    {
        var lasting = await PlaceAsync("email");
        var ending = await Holds.PlaceAsync(
            RightsWorld.Officer, Hold([ada], ["phone"]) with { ExpiresAt = world.Clock.GetUtcNow().AddDays(40) }, Guid.NewGuid(), default);
        var request = await EraseAsync();
        world.Clock.Advance(TimeSpan.FromDays(41));
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        Assert.Equal(["email"], (await world.GetAsync(request.Id)).Erasure!.Deferred);
        var overdue = Assert.Single((await Holds.ListAsync(RightsWorld.Officer, new HoldFilter(Overdue: true), 10, null, Guid.NewGuid(), default)).Items);
        Assert.Equal((lasting.Id, true), (overdue.Id, overdue.Overdue));
        var ended = Assert.Single((await Holds.ListAsync(RightsWorld.Officer, new HoldFilter(Open: false), 10, null, Guid.NewGuid(), default)).Items);
        Assert.Equal((ending.Id, "vault-maintenance"), (ended.Id, ended.ReleasedBy));
    }

    [Fact]
    public async Task The_case_is_forgotten_with_the_last_person_of_an_ended_hold()
    {
        var hold = await PlaceAsync("email");
        await Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        await EraseAsync();
        var listed = Assert.Single((await Holds.ListAsync(RightsWorld.Officer, new HoldFilter(Open: false), 10, null, Guid.NewGuid(), default)).Items);
        Assert.Null(listed.CaseReference);
        Assert.Empty(listed.Subjects);
    }

    [Fact]
    public async Task Only_officers_place_and_see_holds_and_what_they_write_is_checked()
    {
        foreach (var recipient in new[] { RightsWorld.Support, RightsWorld.Customer(ada), new Recipient(RecipientKind.Staff, "a", "admin", ["administrator"], []) })
        {
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Holds.PlaceAsync(recipient, Hold([ada], []), Guid.NewGuid(), default))).Slug);
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Holds.ListAsync(recipient, new HoldFilter(), 10, null, Guid.NewGuid(), default))).Slug);
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Holds.ReleaseAsync(recipient, Guid.NewGuid(), null, Guid.NewGuid(), default))).Slug);
        }
        var wrong = new NewHold([], ["nonsense"], ["nonsense"], "because", " ", world.Clock.GetUtcNow(), world.Clock.GetUtcNow());
        var refusal = await Assert.ThrowsAsync<VaultException>(() => Holds.PlaceAsync(RightsWorld.Officer, wrong, Guid.NewGuid(), default));
        Assert.Equal(
            ["/authority", "/caseReference", "/customers", "/expiresAt", "/items/0", "/purposes/0", "/reviewAt"], refusal.Errors.Select(e => e.Pointer).Order(StringComparer.Ordinal));
    }

    private static int Code(string name) => Repository.Policy.Items.Single(item => item.Name == name).Code;

    private NewHold Hold(IReadOnlyList<SubjectId> subjects, IReadOnlyList<string> items, params string[] purposes) =>
        new(subjects, items, purposes.Length > 0 ? purposes : ["customer-support"], "legal-claim", "Meyer v. Vault", world.Clock.GetUtcNow().AddDays(30));

    private Task<HoldView> PlaceAsync(params string[] items) => Holds.PlaceAsync(RightsWorld.Officer, Hold([ada], items), Guid.NewGuid(), default);

    private void CutOffAfter(PartialStep step) => world.Vault.Get<PartialErasure>().StepDone = done =>
    {
        if (done == step) throw new InvalidOperationException("cut off");
    };

    private async Task<RequestView> EraseAsync()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        return await world.ApproveAsync(request.Id);
    }

    private Task<Disclosure> ReadAsync(SubjectId subject, Recipient recipient) => world.Vault.Get<DisclosureGate>().ReadAsync(
        new ReadQuery(recipient, subject, recipient.Purposes[0], null, false, Guid.NewGuid()), default);

    private async Task<string> ReadEmailAsync(Recipient recipient)
    {
        var held = world.Vault.Get<RecordCipher>();
        using var keys = await world.Vault.Get<KeyRegistry>().GetAsync(ada);
        Assert.NotEmpty((await ReadAsync(ada, recipient)).Fields);
        var permits = Repository.Policy.Decisions.Decide(
            new AccessRequest(RightsWorld.Customer(ada), ada, AccessAction.Read, "data-subject-rights", null), DecisionFacts.None, world.Clock.GetUtcNow()).Permits;
        using var opened = held.Open(await SealedAsync(), keys, permits);
        return System.Text.Json.JsonDocument.Parse(opened.Single(field => field.Field.Name == "email").Utf8Json).RootElement.GetString()!;
    }

    private async Task<IReadOnlyList<string>> ReadEventsAsync()
    {
        var page = await world.Vault.Get<DisclosureGate>().ReadEventsAsync(RightsWorld.Support, ada, "customer-support", null, 50, null, Guid.NewGuid(), default);
        return [.. page.Events.Select(one => one.Type)];
    }

    private async Task<SealedRecord> SealedAsync() => (await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), ada, default))!;

    private async Task<ErasureCertificate> CertificateAsync(Guid request)
    {
        var text = await world.Requests.CertificateAsync(RightsWorld.Officer, request, Guid.NewGuid(), default);
        Assert.True(ErasureCertificate.TryParse(text, out var certificate));
        Assert.Null(certificate!.Verify(NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey)));
        return certificate;
    }

    private async Task<IReadOnlyList<LogEntry>> EntriesAsync(EntryType type) =>
        [.. (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = type })).Entries.Select(record => record.Entry)];
}
