using System.Text.Json;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Profiles;

public sealed class ProfileTests(StoreVault store) : IClassFixture<StoreVault>
{
    [Fact]
    public async Task A_new_customers_log_begins_with_the_key_and_the_record()
    {
        var outcome = await store.Editor.CreateAsync(Ingest, store.Customer(consents: new() { ["marketing"] = "given" }), null, Guid.NewGuid(), default);
        var entries = await store.EntriesAsync(outcome.Id);
        Assert.Equal([EntryType.KeyCreate, EntryType.RecordWrite, EntryType.ConsentChange], entries.Select(record => record.Entry.Type));
        Assert.Equal(32, entries[0].Entry.KeyCommitment.Length);
        Assert.Equal(outcome.LogIndex, entries[1].Index);
        Assert.Equal((1L, 32), (entries[1].Entry.RecordVersion, entries[1].Entry.Seal.Length));
        Assert.Equal(("marketing", "consent-given"), (entries[2].Entry.Purpose, entries[2].Entry.Rules.Single()));
    }

    [Fact]
    public async Task Each_bad_field_has_one_error_that_does_not_repeat_the_value()
    {
        var customer = store.Customer("""{"email":"secret-not-an-email","phone":"12345-secret","shoeSize":"secret","birthDate":"1990-01-01"}""", new() { ["marketing"] = "maybe", ["billing"] = "given" });
        var error = await Assert.ThrowsAsync<VaultException>(() => store.Editor.CreateAsync(Ingest, customer, null, Guid.NewGuid(), default));
        Assert.Equal("invalid-fields", error.Slug);
        Assert.Equal(
            [("/consents/billing", "no-consent-needed"), ("/consents/marketing", "not-listed"), ("/fields/email", "not-an-email"), ("/fields/phone", "not-a-phone"), ("/fields/shoeSize", "unknown-field")],
            error.Errors.Select(problem => (problem.Pointer, problem.Code)).Order());
        Assert.DoesNotContain("secret", string.Concat(error.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_that_may_be_a_value_in_the_wrong_place_is_not_repeated()
    {
        var customer = store.Customer("""{"ada@example.com":"x"}""");
        var error = await Assert.ThrowsAsync<VaultException>(() => store.Editor.CreateAsync(Ingest, customer, null, Guid.NewGuid(), default));
        Assert.Equal("/fields", Assert.Single(error.Errors).Pointer);
    }

    [Fact]
    public async Task A_unique_identifier_that_is_taken_is_named()
    {
        await store.AddAsync("""{"email":"taken@example.com"}""");
        var error = await Assert.ThrowsAsync<VaultException>(() => store.AddAsync("""{"email":"TAKEN@Example.com"}"""));
        Assert.Equal(("conflict", "/fields/email"), (error.Slug, Assert.Single(error.Errors).Pointer));
    }

    [Fact]
    public async Task Of_two_that_claim_one_address_at_once_exactly_one_gets_it()
    {
        var attempts = Enumerable.Range(0, 8).Select(_ => Task.Run(() => store.Editor.CreateManyAsync(
            Ingest, [store.Customer("""{"email":"contested@example.com"}"""), store.Customer()], null, Guid.NewGuid(), default)));
        var results = await Task.WhenAll(attempts);
        Assert.Equal(1, results.Count(result => result[0].Value is not null));
        Assert.All(results.Where(result => result[0].Value is null), result => Assert.Equal("conflict", result[0].Error!.Slug));
        Assert.All(results, result => Assert.NotNull(result[1].Value));
    }

    [Fact]
    public async Task In_a_batch_each_item_stands_or_falls_by_itself()
    {
        await store.AddAsync("""{"email":"batch.held@example.com"}""");
        var results = await store.Editor.CreateManyAsync(
            Ingest,
            [
                store.Customer("""{"email":"batch.one@example.com"}"""), store.Customer("""{"email":"nope"}"""), store.Customer("""{"email":"batch.held@example.com"}"""),
                store.Customer("""{"email":"batch.one@example.com"}"""), store.Customer() with { Purpose = "marketing" }, store.Customer(),
            ],
            null, Guid.NewGuid(), default);
        Assert.Equal([null, "invalid-fields", "conflict", "conflict", "forbidden", null], results.Select(result => result.Error?.Slug));
        foreach (var good in new[] { results[0], results[5] }) Assert.NotNull(Value(await store.ReadAsync(Support, good.Value!.Id, "customer-support", "givenName"), "givenName"));
    }

    [Fact]
    public async Task A_thousand_come_in_one_call()
    {
        var customers = Enumerable.Range(0, ProfileEditor.MaxBatch).Select(_ => store.Customer()).ToList();
        var results = await store.Editor.CreateManyAsync(Ingest, customers, null, Guid.NewGuid(), default);
        Assert.All(results, result => Assert.NotNull(result.Value));
        Assert.Equal(ProfileEditor.MaxBatch, results.Select(result => result.Value!.LogIndex).Distinct().Count());
        await Assert.ThrowsAsync<VaultException>(() => store.Editor.CreateManyAsync(Ingest, [.. customers, store.Customer()], null, Guid.NewGuid(), default));
    }

    [Fact]
    public async Task A_refused_customer_leaves_no_row_and_no_key()
    {
        var rows = await store.CountAsync("select count(*) from vault.subject");
        await store.ExecuteAsync("revoke insert on audit.batch from dv_vault");
        try
        {
            await Assert.ThrowsAnyAsync<Exception>(() => store.AddAsync());
        }
        finally
        {
            await store.ExecuteAsync("grant insert on audit.batch to dv_vault");
        }
        Assert.Equal(rows, await store.CountAsync("select count(*) from vault.subject"));
    }

    [Fact]
    public async Task A_patch_changes_adds_and_removes_and_keeps_what_was_sealed()
    {
        var subject = await store.AddAsync("""{"familyName":"Byron","phone":"+491700000010","interests":["tea"]}""");
        var outcome = await PatchAsync(subject, 1, """{"familyName":"Lovelace","phone":null,"preferredName":"Ada"}""");
        Assert.Equal(2, outcome.Version);
        var disclosure = await store.ReadAsync(Person(subject), subject, "data-subject-rights", "familyName", "phone", "preferredName", "interests");
        Assert.Equal(("\"Lovelace\"", null, "\"Ada\"", "[\"tea\"]"), (Value(disclosure, "familyName"), Value(disclosure, "phone"), Value(disclosure, "preferredName"), Value(disclosure, "interests")));
        Assert.Equal(2, disclosure.Version);
        Assert.Equal(1, await store.CountAsync($"select count(*) from vault.history where subject_id = '{subject}' and row_version = 1"));
        Assert.Empty((await store.FindAsync("phone", "+491700000010")).Results);
    }

    [Fact]
    public async Task A_patch_of_another_version_is_refused()
    {
        var subject = await store.AddAsync();
        await PatchAsync(subject, 1, """{"familyName":"One"}""");
        Assert.Equal("version-mismatch", (await Assert.ThrowsAsync<VaultException>(() => PatchAsync(subject, 1, """{"familyName":"Two"}"""))).Slug);
    }

    [Fact]
    public async Task A_released_identifier_is_free_for_the_next()
    {
        var subject = await store.AddAsync("""{"email":"first.owner@example.com"}""");
        var other = await store.AddAsync();
        Assert.Equal("conflict", (await Assert.ThrowsAsync<VaultException>(() => PatchAsync(other, 1, """{"email":"first.owner@example.com"}"""))).Slug);
        await PatchAsync(subject, 1, """{"email":"second.owner@example.com"}""");
        await PatchAsync(other, 1, """{"email":"first.owner@example.com"}""");
        var found = await store.FindAsync("email", "first.owner@example.com");
        Assert.Equal(other, Assert.Single(found.Results).Id);
    }

    [Fact]
    public async Task A_field_that_may_not_be_written_refuses_the_patch_and_is_logged()
    {
        var subject = await store.AddAsync();
        var error = await Assert.ThrowsAsync<VaultException>(() => store.Editor.PatchAsync(
            Support, subject, 1, new ProfilePatch(Object("""{"phone":"+491700000011","loyaltyTier":"gold"}"""), "desk", null, null, "customer-support"), Guid.NewGuid(), default));
        Assert.Equal(("/fields/loyaltyTier", "not-permitted"), (Assert.Single(error.Errors).Pointer, error.Errors[0].Code));
        Assert.Equal(EntryType.Denied, (await store.EntriesAsync(subject))[^1].Entry.Type);
    }

    [Fact]
    [Requirement("R16")]
    public async Task Health_data_come_in_only_with_the_consent_they_rest_on()
    {
        const string Diet = """{"dietaryRequirements":["nuts"]}""";
        var error = await Assert.ThrowsAsync<VaultException>(() => store.AddAsync(Diet));
        Assert.Equal("/fields/dietaryRequirements", Assert.Single(error.Errors).Pointer);
        Assert.NotEqual(default, await store.AddAsync(Diet, new() { ["wellbeing"] = "given" }));
    }

    [Fact]
    public async Task A_repeated_call_with_its_key_is_one_call()
    {
        var key = new IdempotencyKey("crm-ingest", "order-77", new byte[32]);
        var customer = store.Customer();
        var first = await store.Editor.CreateAsync(Ingest, customer, key, Guid.NewGuid(), default);
        var again = await store.Editor.CreateAsync(Ingest, customer, key, Guid.NewGuid(), default);
        Assert.Equal(first with { Replayed = true }, again);
        var error = await Assert.ThrowsAsync<VaultException>(() => store.Editor.CreateAsync(
            Ingest, customer, key with { RequestHash = Enumerable.Repeat((byte)1, 32).ToArray() }, Guid.NewGuid(), default));
        Assert.Equal("idempotency-mismatch", error.Slug);
    }

    [Fact]
    public async Task Calls_with_one_key_at_the_same_time_are_one_call()
    {
        var key = new IdempotencyKey("crm-ingest", "at-once", new byte[32]);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => store.Editor.CreateAsync(Ingest, store.Customer(), key, Guid.NewGuid(), default))));
        Assert.Single(outcomes.Select(outcome => (outcome.Id, outcome.LogIndex)).Distinct());
        Assert.Equal(1, outcomes.Count(outcome => !outcome.Replayed));
    }

    [Fact]
    public async Task A_conflict_is_remembered_with_its_key_too()
    {
        await store.AddAsync("""{"email":"idem.held@example.com"}""");
        var key = new IdempotencyKey("crm-ingest", "conflict", new byte[32]);
        for (var i = 0; i < 2; i++)
        {
            var error = await Assert.ThrowsAsync<VaultException>(() => store.Editor.CreateAsync(Ingest, store.Customer("""{"email":"idem.held@example.com"}"""), key, Guid.NewGuid(), default));
            Assert.Equal(("conflict", "/fields/email"), (error.Slug, error.Errors[0].Pointer));
        }
        var body = (byte[])(await store.ScalarAsync("select body from vault.idempotency order by created_at desc limit 1"))!;
        Assert.DoesNotContain("held@", JsonDocument.Parse(body).RootElement.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_remembered_of_a_keyed_call_tells_nothing_without_the_vaults_key_and_is_forgotten()
    {
        var hash = Enumerable.Repeat((byte)7, 32).ToArray();
        await store.Editor.CreateAsync(Ingest, store.Customer(), new IdempotencyKey("crm-ingest", "guessable", hash), Guid.NewGuid(), default);
        Assert.Equal(0, await store.CountAsync($"select count(*) from vault.idempotency where request_hash = '\\x{Convert.ToHexStringLower(hash)}'"));
        store.Clock.Advance(TimeSpan.FromDays(2));
        await store.Vault.Get<Upkeep>().TurnAsync(default);
        Assert.Equal(0, await store.CountAsync("select count(*) from vault.idempotency"));
    }

    [Fact]
    public async Task An_identifier_that_another_person_holds_leaves_an_entry_when_it_is_tried()
    {
        await store.AddAsync("""{"email":"tried@example.com"}""");
        var subject = await store.AddAsync();
        var before = await store.CountAsync("select size from audit.head");
        var patch = new ProfilePatch(Object("""{"email":"tried@example.com"}"""), "console", null, null, "data-subject-rights");
        await Assert.ThrowsAsync<VaultException>(() => store.Editor.PatchAsync(Person(subject), subject, 1, patch, Guid.NewGuid(), default));
        Assert.Equal(before + 1, await store.CountAsync("select size from audit.head"));
    }

    private Task<WriteOutcome> PatchAsync(Policy.SubjectId subject, long ifMatch, string fields) =>
        store.Editor.PatchAsync(Ingest, subject, ifMatch, new ProfilePatch(Object(fields), "crm", null, null, "service-delivery"), Guid.NewGuid(), default);
}
