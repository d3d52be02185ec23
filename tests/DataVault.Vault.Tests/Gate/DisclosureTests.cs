using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Gate;

public sealed class DisclosureTests(StoreVault store) : IClassFixture<StoreVault>
{
    private const string Fields =
        """{"familyName":"Lovelace","phone":"+442079460000","birthDate":"1990-06-16","iban":"DE89370400440532013000","postalAddress":{"street":"Long Lane 5","postcode":"50667","city":"Köln","country":"DE"},"interests":["tea"]}""";

    [Fact]
    [Requirement("R03")]
    public async Task What_the_policy_allows_is_released_in_its_form_and_the_rest_is_withheld_with_its_reason()
    {
        var subject = await store.AddAsync(Fields);
        var disclosure = await store.ReadAsync(Support, subject, "customer-support", "familyName", "phone", "birthDate", "iban", "preferredName");
        Assert.Equal("\"Lovelace\"", Value(disclosure, "familyName"));
        Assert.Equal("\"+44•••00\"", Value(disclosure, "phone"));
        Assert.Equal("\"30-39\"", Value(disclosure, "birthDate"));
        Assert.Equal(Form.Masked, disclosure.Fields.Single(field => field.Name == "phone").Form);
        Assert.Equal(Reasons.NotPermitted, Reason(disclosure, "iban"));
        Assert.Equal(Reasons.NotHeld, Reason(disclosure, "preferredName"));
        Assert.Null(disclosure.Refused);
    }

    [Fact]
    public async Task A_caller_may_ask_for_less_than_it_is_allowed()
    {
        var subject = await store.AddAsync(Fields);
        var disclosure = await store.ReadAsync(Support, subject, "customer-support", "familyName.masked");
        Assert.Equal("\"L•••\"", Value(disclosure, "familyName"));
    }

    [Fact]
    public async Task A_disclosure_names_its_entry_in_the_log()
    {
        var subject = await store.AddAsync(Fields);
        var disclosure = await store.ReadAsync(Support, subject, "customer-support", "familyName", "phone");
        var record = await store.Vault.Get<AuditReader>().EntryAsync(disclosure.LogIndex);
        Assert.Equal((EntryType.FieldRead, EntryResult.Ok, "customer-support"), (record.Entry.Type, record.Entry.Result, record.Entry.Purpose));
        Assert.Equal(["familyName", "phone"], record.ItemNames);
        Assert.Equal(1, record.Entry.RecordVersion);
        Assert.NotEmpty(record.Entry.Rules);
    }

    [Fact]
    public async Task Withdrawn_consent_stops_the_next_disclosure()
    {
        var subject = await store.AddAsync(Fields, new() { ["marketing"] = "given" });
        Assert.NotNull(Value(await store.ReadAsync(Marketing, subject, "marketing", "email"), "email"));
        await store.Consents.SetAsync(Person(subject), subject, new ConsentStatement("marketing", "withdrawn"), Guid.NewGuid(), default);
        var after = await store.ReadAsync(Marketing, subject, "marketing", "email");
        Assert.Empty(after.Fields);
        Assert.Equal(Reasons.ConsentWithdrawn, after.Refused);
    }

    [Fact]
    [Requirement("R12")]
    public async Task Consent_that_was_never_asked_for_is_no()
    {
        var subject = await store.AddAsync(Fields);
        Assert.Equal(Reasons.ConsentMissing, (await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused);
    }

    [Fact]
    [Requirement("R01")]
    public async Task A_purpose_that_the_credential_lacks_refuses_everything_and_is_logged()
    {
        var subject = await store.AddAsync(Fields);
        await ForbiddenAsync(subject, "email", "givenName");
        var last = (await store.EntriesAsync(subject))[^1];
        Assert.Equal((EntryType.Denied, EntryResult.Denied), (last.Entry.Type, last.Entry.Result));
        Assert.Equal(["email", "givenName"], last.ItemNames);
    }

    /// <summary>Who could be shown nothing of anybody is not told that somebody is there: neither by the answer nor by the number of entries.</summary>
    [Fact]
    public async Task Who_may_see_nothing_of_anybody_is_answered_alike_for_the_living_the_erased_and_nobody()
    {
        var (living, erased, unreadable) = (await store.AddAsync(Fields), await store.AddAsync(Fields), await store.AddAsync(Fields));
        await store.Vault.Get<KeyRegistry>().DestroyAsync(erased);
        await store.ExecuteAsync($"update vault.subject set facts = '\\xff' where subject_id = '{unreadable}'");
        var before = await store.CountAsync("select size from audit.head");
        SubjectId[] asked = [living, erased, unreadable, new(Guid.CreateVersion7())];
        foreach (var subject in asked)
        {
            await ForbiddenAsync(subject, "email");
            await ForbiddenAsync(subject);
            var events = await Assert.ThrowsAsync<VaultException>(() => store.Gate.ReadEventsAsync(Support, subject, "marketing", null, 10, null, Guid.NewGuid(), default));
            Assert.Equal("forbidden", events.Slug);
        }

        var many = await store.Gate.ReadManyAsync(Support, asked, "marketing", null, false, Guid.NewGuid(), default);
        Assert.All(many, one => Assert.Equal("forbidden", one.Error!.Slug));
        Assert.Equal(before + 16, await store.CountAsync("select size from audit.head"));
    }

    [Fact]
    [Requirement("R01")]
    public async Task An_unknown_purpose_is_an_error_of_the_caller()
    {
        var error = await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Support, default, "curiosity", "email"));
        Assert.Equal("unknown-purpose", error.Slug);
    }

    [Fact]
    public async Task Unknown_erased_and_somebody_elses_record_look_the_same_and_are_logged()
    {
        var (own, other, erased) = (await store.AddAsync(Fields), await store.AddAsync(Fields), await store.AddAsync(Fields));
        await store.Vault.Get<KeyRegistry>().DestroyAsync(erased);
        var before = await store.CountAsync("select size from audit.head");
        var messages = new List<string>();
        foreach (var (recipient, subject) in new[] { (Support, new SubjectId(Guid.NewGuid())), (Support, erased), (Person(own), other) })
        {
            var purpose = recipient.Purposes[0];
            var error = await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(recipient, subject, purpose, "email"));
            messages.Add(error.Slug + error.Message);
        }
        Assert.Single(messages.Distinct());
        Assert.Equal(before + 3, await store.CountAsync("select size from audit.head"));
    }

    [Fact]
    public async Task A_field_that_is_denied_is_never_opened()
    {
        var subject = await store.AddAsync(Fields);
        await SpoilAsync(subject, classId: 5);
        Assert.NotNull(Value(await store.ReadAsync(Support, subject, "customer-support", "familyName", "iban"), "familyName"));
        var error = await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Person(subject), subject, "data-subject-rights", "iban"));
        Assert.Equal("record-damaged", error.Slug);
    }

    [Fact]
    public async Task Without_a_log_entry_nothing_is_released()
    {
        var subject = await store.AddAsync(Fields);
        await store.ExecuteAsync("revoke insert on audit.batch from dv_vault");
        try
        {
            foreach (var attempt in new Func<Task>[]
            {
                () => store.ReadAsync(Support, subject, "customer-support", "familyName"),
                () => store.Gate.ReadManyAsync(Support, [subject], "customer-support", null, false, Guid.NewGuid(), default),
                () => store.Gate.ReadEventsAsync(Support, subject, "customer-support", null, 10, null, Guid.NewGuid(), default),
            })
            {
                await Assert.ThrowsAnyAsync<Exception>(attempt);
            }
        }
        finally
        {
            await store.ExecuteAsync("grant insert on audit.batch to dv_vault");
        }
        Assert.NotNull(Value(await store.ReadAsync(Support, subject, "customer-support", "familyName"), "familyName"));
    }

    [Fact]
    public async Task A_row_moved_between_people_is_noticed_and_not_served()
    {
        var (one, two) = (await store.AddAsync(Fields), await store.AddAsync(Fields));
        await store.ExecuteAsync(
            $"update vault.subject t set record = s.record, record_seal = s.record_seal, facts = s.facts from vault.subject s where t.subject_id = '{one}' and s.subject_id = '{two}'");
        var error = await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Support, one, "customer-support", "familyName"));
        Assert.Equal("record-damaged", error.Slug);
        var said = (await store.EntriesAsync(one))[^1];
        Assert.Equal(EntryResult.Error, said.Entry.Result);
        // Other classes of tests share neither this process's counter nor its log; the last entry named is this one or a later one of this class.
        var (calls, last) = store.Vault.Get<AuditReader>().DamageMet;
        Assert.True(calls >= 1 && last >= said.Index);
    }

    [Theory]
    [InlineData("")]
    [InlineData("02000000")]
    [InlineData("0100000200")]
    public async Task Facts_that_cannot_be_read_stop_every_call_about_the_person_and_are_logged_as_errors(string hex)
    {
        var subject = await store.AddAsync(Fields);
        await store.ExecuteAsync($"update vault.subject set facts = '\\x{hex}' where subject_id = '{subject}'");
        foreach (var attempt in EveryCall(subject)) await DamagedAsync(subject, attempt);
    }

    [Fact]
    public async Task A_record_that_does_not_match_its_seal_stops_every_call_about_the_person_and_is_logged_as_an_error()
    {
        var subject = await store.AddAsync(Fields);
        await store.Recorder.AppendAsync(Ingest, [store.Purchase(new CustomerLookup(subject))], Guid.NewGuid(), default);
        await store.ExecuteAsync($"update vault.subject set row_version = row_version + 1 where subject_id = '{subject}'");
        foreach (var attempt in EveryCall(subject)) await DamagedAsync(subject, attempt);
    }

    [Theory]
    [InlineData("facts = '\\x02000000'")]
    [InlineData("row_version = row_version + 1")]
    public async Task One_broken_row_fails_neither_a_batch_nor_a_search(string damage)
    {
        var phone = $"+49170000{damage.Length:D4}";
        var (broken, sound) = (await store.AddAsync($$"""{"phone":"{{phone}}"}"""), await store.AddAsync($$"""{"phone":"{{phone}}"}"""));
        await store.ExecuteAsync($"update vault.subject set {damage} where subject_id = '{broken}'");
        var results = await store.Gate.ReadManyAsync(Support, [broken, sound], "customer-support", Items("givenName"), false, Guid.NewGuid(), default);
        Assert.Equal(("record-damaged", sound), (results[0].Error!.Slug, results[1].Value!.Id));
        Assert.Equal(EntryResult.Error, (await store.EntriesAsync(broken))[^1].Entry.Result);
        var before = (await store.EntriesAsync(broken)).Count(entry => entry.Entry.Result == EntryResult.Error);
        var found = await store.FindAsync("phone", phone, "givenName");
        Assert.Equal(sound, Assert.Single(found.Results).Id);
        Assert.Equal(before + 1, (await store.EntriesAsync(broken)).Count(entry => entry.Entry.Result == EntryResult.Error));
    }

    [Fact]
    public async Task Events_for_a_person_whose_facts_cannot_be_read_fail_alone_and_leave_an_error()
    {
        var (broken, sound) = (await store.AddAsync(Fields), await store.AddAsync(Fields));
        await store.ExecuteAsync($"update vault.subject set facts = '\\x02000000' where subject_id = '{broken}'");
        var outcome = await store.Recorder.AppendAsync(
            Ingest, [store.Purchase(new CustomerLookup(broken)), store.Purchase(new CustomerLookup(sound))], Guid.NewGuid(), default);
        Assert.Equal([EventStatus.Failed, EventStatus.Stored], outcome.Items.Select(item => item.Status));
        Assert.Equal("record-damaged", outcome.Items[0].Error!.Slug);
        Assert.Equal((EntryType.EventAppend, EntryResult.Error), Last(await store.EntriesAsync(broken)));
    }

    [Fact]
    public async Task A_consent_written_into_the_table_by_hand_releases_nothing()
    {
        var (consented, other) = (await store.AddAsync(Fields, new() { ["marketing"] = "given" }), await store.AddAsync(Fields));
        await store.ExecuteAsync($"update vault.subject t set facts = s.facts from vault.subject s where t.subject_id = '{other}' and s.subject_id = '{consented}'");
        await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Marketing, other, "marketing", "email"));
    }

    [Fact]
    public async Task Reading_many_answers_each_in_its_place()
    {
        var (one, two) = (await store.AddAsync(Fields), await store.AddAsync(Fields));
        var unknown = new SubjectId(Guid.NewGuid());
        var results = await store.Gate.ReadManyAsync(Support, [one, unknown, two], "customer-support", Items("familyName"), false, Guid.NewGuid(), default);
        Assert.Equal([one, null, two], results.Select(result => result.Value?.Id));
        Assert.Equal("not-found", results[1].Error!.Slug);
        Assert.Equal(results[0].Value!.LogIndex + 2, results[2].Value!.LogIndex);
        Assert.Equal(EntryType.FieldRead, (await store.EntriesAsync(two))[^1].Entry.Type);
    }

    [Fact]
    [Requirement("R04")]
    public async Task Where_a_value_came_from_is_told_when_asked()
    {
        var subject = await store.AddAsync(Fields);
        var disclosure = await store.Gate.ReadAsync(new ReadQuery(Support, subject, "customer-support", Items("familyName"), true, Guid.NewGuid()), default);
        var provenance = disclosure.Fields[0].Provenance!;
        Assert.Equal(("crm", "provided", "2026-01"), (provenance.Source, provenance.Origin, provenance.Notice));
    }

    [Fact]
    public async Task The_person_sees_everything_that_is_held()
    {
        var subject = await store.AddAsync(Fields);
        var disclosure = await store.ReadAsync(Person(subject), subject, "data-subject-rights");
        Assert.Equal(9, disclosure.Fields.Count);
        Assert.All(disclosure.Fields, field => Assert.Equal(Form.Plain, field.Form));
        Assert.Empty(disclosure.Withheld);
    }

    [Fact]
    public async Task Printing_a_disclosure_shows_no_value()
    {
        var subject = await store.AddAsync(Fields);
        var disclosure = await store.ReadAsync(Support, subject, "customer-support", "familyName");
        Assert.DoesNotContain("Lovelace", $"{disclosure} {disclosure.Fields[0]}", StringComparison.Ordinal);
    }

    private Func<Task>[] EveryCall(SubjectId subject) =>
    [
        () => store.ReadAsync(Support, subject, "customer-support", "familyName"),
        () => store.Gate.ReadEventsAsync(Support, subject, "customer-support", null, 10, null, Guid.NewGuid(), default),
        () => store.Editor.PatchAsync(Ingest, subject, null, new ProfilePatch(Object("""{"loyaltyTier":"silver"}"""), "crm", null, null, "service-delivery"), Guid.NewGuid(), default),
        () => store.Consents.GetAsync(Person(subject), subject, Guid.NewGuid(), default),
        () => store.Consents.SetAsync(Person(subject), subject, new ConsentStatement("marketing", "given"), Guid.NewGuid(), default),
    ];

    private async Task DamagedAsync(SubjectId subject, Func<Task> attempt)
    {
        var before = (await store.EntriesAsync(subject)).Count(entry => entry.Entry.Result == EntryResult.Error);
        Assert.Equal("record-damaged", (await Assert.ThrowsAsync<VaultException>(attempt)).Slug);
        Assert.Equal(before + 1, (await store.EntriesAsync(subject)).Count(entry => entry.Entry.Result == EntryResult.Error));
    }

    private static (EntryType, EntryResult) Last(IReadOnlyList<AuditRecord> entries) => (entries[^1].Entry.Type, entries[^1].Entry.Result);

    /// <summary>Makes one class group unreadable under a valid seal, so that only opening it can fail.</summary>
    private async Task SpoilAsync(SubjectId subject, int classId)
    {
        var cipher = store.Vault.Get<RecordCipher>();
        using var keys = await store.Vault.Get<KeyRegistry>().GetAsync(subject);
        var record = (await SubjectRows.FindAsync(store.Vault.Get<VaultDatabase>(), subject, default))!;
        var groups = RecordCodec.Unpack(record.Record).Select(group => group.ClassId == classId ? (classId, group.Sealed.ToArray().Reverse().ToArray()) : (group.ClassId, group.Sealed)).ToList();
        var spoilt = record with { Record = RecordCodec.Pack(groups) };
        var seal = new byte[RecordCipher.DigestSize];
        keys.RecordSeal(cipher.Digest(spoilt), seal);
        await using var source = NpgsqlDataSource.Create(store.VaultAdmin);
        await using var connection = await source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await SubjectRows.UpdateAsync(connection, transaction, spoilt with { RecordSeal = seal }, store.Clock.GetUtcNow(), default);
        await transaction.CommitAsync();
    }

    private async Task ForbiddenAsync(SubjectId subject, params string[] items) =>
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Support, subject, "marketing", items))).Slug);
}
