using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>
/// Somebody with every right over the vault database, and none over keys and home folder. Each attack is refused when the data are read, or named by the
/// verifier that compares the records with the log, or both. After each the tables are put back as they were.
/// </summary>
public sealed class DatabaseAdministratorTests(StoreVault store) : IClassFixture<StoreVault>, IAsyncLifetime
{
    private static readonly string[] Tables = ["vault.subject", "vault.history", "vault.identifier", "vault.search_term", "vault.event", "vault.event_gone", "vault.consent_event"];

    private static readonly Recipient Officer = new(RecipientKind.Staff, "officer-1", "officer", ["compliance-officer"], ["data-subject-rights"]);

    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        ada = await AddAsync("Ada");
        bob = await AddAsync("Bob");
        await store.ExecuteAsync("drop schema if exists kept cascade; create schema kept; " + string.Concat(Tables.Select(table => $"create table kept.{table[6..]} as table {table}; ")));
    }

    public async ValueTask DisposeAsync() => await store.ExecuteAsync(string.Concat(Tables.Select(table => $"truncate {table}; insert into {table} table kept.{table[6..]}; ")));

    [Fact]
    public async Task Ciphertexts_swapped_between_two_people()
    {
        await store.ExecuteAsync($"update vault.subject s set record = o.record, record_seal = o.record_seal, facts = o.facts from kept.subject o where s.subject_id = '{ada}' and o.subject_id = '{bob}'");
        await AssertRefusedAsync(ada);
        AssertFound(await VerifyAsync(), RecordFault.SealDiffers, await TagAsync(ada));
    }

    [Fact]
    public async Task Whole_rows_swapped_between_two_people()
    {
        await store.ExecuteAsync(
            $"""
            delete from vault.subject where subject_id in ('{ada}', '{bob}');
            insert into vault.subject select case subject_id when '{ada}'::uuid then '{bob}'::uuid else '{ada}'::uuid end, row_version, key_version, record, record_seal, facts, jurisdiction, created_at, updated_at
            from kept.subject where subject_id in ('{ada}', '{bob}');
            """);
        await AssertRefusedAsync(ada);
        await AssertRefusedAsync(bob);
        AssertFound(await VerifyAsync(), RecordFault.SealDiffers, await TagAsync(bob));
    }

    [Fact]
    public async Task One_byte_of_a_record_changed()
    {
        await store.ExecuteAsync($"update vault.subject set record = set_byte(record, length(record) - 5, get_byte(record, length(record) - 5) # 1) where subject_id = '{ada}'");
        await AssertRefusedAsync(ada);
        AssertFound(await VerifyAsync(), RecordFault.SealDiffers, await TagAsync(ada));
    }

    [Fact]
    public async Task An_old_row_put_back_whole_is_refused_by_this_process_and_by_the_next_and_named()
    {
        await ChangeAsync(ada, "Adelaide");
        await store.ReadAsync(StoreVault.Support, ada, "customer-support", "givenName");
        await store.Vault.Get<NewestVersions>().FlushAsync(default);
        await store.ExecuteAsync($"delete from vault.history where subject_id = '{ada}'; {PutBack("subject", ada)}{PutBack("history", ada, delete: false)}");
        await AssertRefusedAsync(ada);
        await AssertRefusedByTheNextAsync(ada);
        var report = await VerifyAsync();
        AssertFound(report, RecordFault.RolledBack, await TagAsync(ada));
        Assert.Contains(report.Findings, finding => finding.Fault == RecordFault.History);
        Assert.NotNull(report.Findings.First(finding => finding.Fault == RecordFault.RolledBack).Entry);
    }

    [Fact]
    public async Task An_old_row_put_back_under_a_declaration_of_a_restore_that_was_written_into_the_log()
    {
        var before = await store.CountAsync("select size from audit.head");
        await ChangeAsync(ada, "Adelheid");
        await store.ReadAsync(StoreVault.Support, ada, "customer-support", "givenName");
        await store.Vault.Get<NewestVersions>().FlushAsync(default);
        await store.ExecuteAsync($"delete from vault.history where subject_id = '{ada}'; {PutBack("subject", ada)}{PutBack("history", ada, delete: false)}");
        await ForgeAsync(entry => entry with { Reference = before });
        await ForgeAsync(entry => entry with { Reference = before, Rules = [RestoreDeclaration.OrderedRule] });
        await ForgeAsync(entry => RestoreDeclaration.Sign(entry with { Reference = before, Rules = [RestoreDeclaration.OrderedRule] }, 7, new NoteSigner("datavault.test", ECDsa.Create(ECCurve.NamedCurves.nistP256))));
        await AssertRefusedByTheNextAsync(ada);
        var report = await VerifyAsync();
        var tag = await TagAsync(ada);
        AssertFound(report, RecordFault.RolledBack, tag);
        Assert.Contains("no operator stands behind", report.Findings.First(finding => finding.Fault == RecordFault.RolledBack && finding.Tag == tag).Message, StringComparison.Ordinal);
        Assert.Equal([RestoreWord.Unsigned, RestoreWord.Unsigned, RestoreWord.Forged], report.Restores.Select(restore => restore.Word));
        Assert.DoesNotContain(report.Restores, restore => restore.IsBelieved);
    }

    [Fact]
    public async Task An_old_row_put_back_right_after_a_change_that_nobody_has_read()
    {
        await ChangeAsync(ada, "Adelaide");
        await store.ExecuteAsync(PutBack("subject", ada));
        await AssertRefusedAsync(ada);
        await store.Vault.Get<NewestVersions>().FlushAsync(default);
        await AssertRefusedByTheNextAsync(ada);
        AssertFound(await VerifyAsync(), RecordFault.RolledBack, await TagAsync(ada));
    }

    [Fact]
    public async Task A_withdrawal_and_a_restriction_undone_before_anything_else_was_written_are_refused_by_every_process()
    {
        await store.Consents.SetAsync(StoreVault.Person(ada), ada, new ConsentStatement("marketing", "withdrawn"), Guid.NewGuid(), default);
        var request = await store.Vault.Get<SubjectRequests>().OpenAsync(Officer, RequestKinds.Restriction, bob, null, null, Guid.NewGuid(), default);
        await store.Vault.Get<SubjectRequests>().VerifyAsync(Officer, request.Id, null, Guid.NewGuid(), default, "document-seen");
        await store.Vault.Get<SubjectRequests>().ApproveAsync(Officer, request.Id, null, Guid.NewGuid(), default);
        await store.ExecuteAsync(PutBack("subject", ada) + PutBack("subject", bob));
        await AssertRefusedAsync(ada);
        await AssertRefusedAsync(bob);
        await AssertRefusedByTheNextAsync(ada);
        await AssertRefusedByTheNextAsync(bob);
    }

    [Fact]
    public async Task A_hold_undone_before_anything_else_was_written_is_refused_by_every_process()
    {
        var hold = new NewHold([ada], ["email"], ["customer-support"], "legal-claim", "a case", store.Clock.GetUtcNow().AddDays(30));
        await store.Vault.Get<LegalHolds>().PlaceAsync(Officer, hold, Guid.NewGuid(), default);
        await store.ExecuteAsync(PutBack("subject", ada));
        await AssertRefusedAsync(ada);
        await AssertRefusedByTheNextAsync(ada);
    }

    [Fact]
    public async Task A_change_whose_version_was_lost_with_its_process_is_remembered_by_the_sweep()
    {
        await ChangeAsync(bob, "Robert");
        await ForgetVersionAsync(bob);
        await store.Vault.Get<NewestVersions>().SweepAsync(default);
        store.Vault.Get<KeyRegistry>().ForgetAll();
        await store.ExecuteAsync(PutBack("subject", bob));
        await AssertRefusedAsync(bob);
    }

    [Fact]
    public async Task Versions_raised_beside_the_records_lock_nobody_out_for_longer_than_they_stand_there()
    {
        await store.ExecuteAsync("update vault.subject set row_version = row_version + 1000, updated_at = updated_at + interval '50 years'");
        await AssertRefusedAsync(bob);
        await store.Vault.Get<NewestVersions>().SweepAsync(default);
        store.Vault.Get<KeyRegistry>().ForgetAll();
        await store.ExecuteAsync("update vault.subject set row_version = row_version - 1000, updated_at = updated_at - interval '50 years'");
        using var read = await store.ReadAsync(StoreVault.Support, bob, "customer-support", "givenName");
        Assert.Single(read.Fields);
    }

    [Fact]
    public async Task A_record_deleted()
    {
        await store.ExecuteAsync($"delete from vault.subject where subject_id = '{ada}'");
        AssertFound(await VerifyAsync(), RecordFault.Deleted, await TagAsync(ada));
        Assert.Contains((await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings, finding => finding.Check == "rows");
    }

    [Theory]
    [InlineData("update vault.subject set facts = set_byte(facts, 5, 2) where subject_id = '{0}'")]
    [InlineData("update vault.subject set facts = '\\x01000000' where subject_id = '{0}'")]
    [InlineData("update vault.subject set facts = set_byte(facts, 1, 1) where subject_id = '{0}'")]
    public async Task Consents_and_restrictions_changed_to_release_more_or_less(string attack)
    {
        await store.ExecuteAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, attack, ada));
        await AssertRefusedAsync(ada, StoreVault.Marketing, "marketing");
        var appended = await store.Recorder.AppendAsync(StoreVault.Ingest, [store.Purchase(new CustomerLookup(Id: ada))], Guid.NewGuid(), default);
        Assert.Equal("record-damaged", Assert.Single(appended.Items).Error?.Slug);
        AssertFound(await VerifyAsync(), RecordFault.SealDiffers, await TagAsync(ada));
    }

    [Theory]
    [InlineData("delete from vault.event where subject_id = '{0}'")]
    [InlineData("update vault.event set occurred_at = occurred_at - interval '1 day' where subject_id = '{0}'")]
    [InlineData("update vault.event set sealed = sealed || '\\x00' where subject_id = '{0}'")]
    [InlineData("insert into vault.event select subject_id, gen_random_uuid(), event_type, occurred_at, recorded_at, key_version, sealed, batch from vault.event where subject_id = '{0}'")]
    [InlineData("insert into vault.event select subject_id, gen_random_uuid(), event_type, occurred_at, recorded_at, key_version, sealed, null from vault.event where subject_id = '{0}'")]
    [InlineData("update vault.event set batch = null where subject_id = '{0}'")]
    [InlineData("with gone as (delete from vault.event where subject_id = '{0}' returning *) insert into vault.event_gone select sha256('\\x00'::bytea || uuid_send(subject_id) || uuid_send(event_id) || int4send(event_type) || timestamptz_send(occurred_at) || timestamptz_send(recorded_at) || sealed), batch, '\\x00' from gone")]
    public async Task Events_deleted_changed_added_or_said_to_be_erased(string attack)
    {
        await store.ExecuteAsync(attack.Replace("{0}", ada.ToString(), StringComparison.Ordinal));
        Assert.Contains((await VerifyAsync()).Findings, finding => finding.Fault == RecordFault.Events);
    }

    [Fact]
    public async Task An_event_moved_to_another_person()
    {
        await store.ExecuteAsync($"update vault.event set subject_id = '{bob}' where subject_id = '{ada}'");
        await Assert.ThrowsAsync<VaultException>(() => store.Gate.ReadEventsAsync(StoreVault.Person(bob), bob, "data-subject-rights", null, 10, null, Guid.NewGuid(), default));
        Assert.Contains((await VerifyAsync()).Findings, finding => finding.Fault == RecordFault.Events && finding.Entry is not null);
    }

    [Theory]
    [InlineData("delete from vault.consent_event where subject_id = '{0}'")]
    [InlineData("update vault.consent_event set state = 2 where subject_id = '{0}'")]
    [InlineData("update vault.consent_event set at = at + interval '1 hour' where subject_id = '{0}'")]
    [InlineData("insert into vault.consent_event select subject_id, sequence + 1, purpose_id, 2, at, notice_version, channel, expires, log_index from vault.consent_event where subject_id = '{0}'")]
    public async Task Consent_acts_deleted_changed_or_added(string attack)
    {
        await store.ExecuteAsync(attack.Replace("{0}", ada.ToString(), StringComparison.Ordinal));
        AssertFound(await VerifyAsync(), RecordFault.Consent, await TagAsync(ada));
    }

    [Fact]
    public async Task History_deleted_or_taken_from_another_version()
    {
        await ChangeAsync(ada, "Adele");
        await store.ExecuteAsync($"update vault.history set row_version = row_version + 7 where subject_id = '{ada}'");
        AssertFound(await VerifyAsync(), RecordFault.History, await TagAsync(ada));
        await store.ExecuteAsync($"delete from vault.history where subject_id = '{ada}'");
        AssertFound(await VerifyAsync(), RecordFault.History, await TagAsync(ada));
        await ForgetVersionAsync(ada);
    }

    [Fact]
    public async Task An_identifier_pointed_at_another_person_finds_nobody_else()
    {
        var email = $"{Guid.NewGuid():N}@example.com";
        await store.Editor.PatchAsync(StoreVault.Ingest, ada, null, new ProfilePatch(StoreVault.Object($$"""{ "email": "{{email}}" }"""), "crm", null, "2026-01", "service-delivery"), Guid.NewGuid(), default);
        Assert.Contains((await store.FindAsync("email", email)).Results, disclosure => disclosure.Id == ada);
        await store.ExecuteAsync($"update vault.identifier set subject_id = '{bob}' where subject_id = '{ada}'");
        var found = await store.FindAsync("email", email);
        Assert.DoesNotContain(found.Results, disclosure => disclosure.Id == bob);
        await ForgetVersionAsync(ada);
    }

    [Fact]
    public async Task A_write_past_the_log_with_sound_keys_is_named()
    {
        using var held = await store.Vault.Get<KeyRegistry>().GetAsync(ada);
        var record = (await SubjectRows.FindAsync(store.Vault.Get<VaultDatabase>(), ada, default))!;
        var written = store.Vault.Get<RecordCipher>().WithFacts(record, held, record.RowVersion + 1, record.Facts);
        await store.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
        {
            await SubjectRows.UpdateAsync(connection, transaction, written, store.Clock.GetUtcNow(), default);
            return true;
        }, default);
        AssertFound(await VerifyAsync(), RecordFault.UnloggedWrite, await TagAsync(ada));
    }

    [Fact]
    public async Task A_record_that_no_entry_brought_into_the_world_is_named()
    {
        await Keys.People.CreateAsync(store.Vault, "nobody@example.com");
        AssertFound(await VerifyAsync(), RecordFault.UnloggedWrite, null);
        await store.ExecuteAsync($"insert into vault.subject select gen_random_uuid(), row_version, key_version, record, record_seal, facts, jurisdiction, created_at, updated_at from kept.subject where subject_id = '{ada}'");
        Assert.Contains((await VerifyAsync()).Findings, finding => finding.Fault == RecordFault.NoKey);
    }

    [Fact]
    public async Task An_old_row_put_back_with_a_copy_of_its_entry_appended_to_the_log()
    {
        await ChangeAsync(ada, "Adelaide");
        var tag = await TagAsync(ada);
        await store.ExecuteAsync(PutBack("subject", ada));
        var old = (await WritesAsync(tag))[^2];
        await ForgeAsync(entry => old with { Time = entry.Time });
        var report = await VerifyAsync();
        AssertFound(report, RecordFault.RolledBack, tag);
        AssertFound(report, RecordFault.Repeated, tag);
    }

    [Fact]
    public async Task A_record_deleted_and_said_to_be_erased()
    {
        var cid = await AddAsync("Cid");
        var tag = await TagAsync(cid);
        await store.ExecuteAsync(string.Concat(Tables.Where(table => table != "vault.event_gone").Select(table => $"delete from {table} where subject_id = '{cid}'; ")));
        await ForgeAsync(entry => entry with { Type = EntryType.EraseExecuted, Subject = Convert.FromHexString(tag), KeyCommitment = SHA256.HashData("nothing"u8) });
        var report = await VerifyAsync();
        AssertFound(report, RecordFault.Deleted, tag);
        AssertFound(report, RecordFault.Erasure, tag);
        var messages = (await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Select(finding => finding.Message).ToList();
        Assert.Contains(messages, message => message.StartsWith($"{cid} has a key and no record", StringComparison.Ordinal));
        Assert.Contains(messages, message => message.EndsWith("the journal has none of that key", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_record_deleted_and_a_whole_erasure_written_into_the_log()
    {
        var dan = await AddAsync("Dan");
        var tag = await TagAsync(dan);
        await store.ExecuteAsync(string.Concat(Tables.Where(table => table != "vault.event_gone").Select(table => $"delete from {table} where subject_id = '{dan}'; ")));
        var about = $"request:{Guid.NewGuid():D}";
        await ForgeAsync(entry => entry with { Type = EntryType.EraseRequest, Subject = Convert.FromHexString(tag), Rules = ["request:erasure:approved", about] });
        var asked = await store.CountAsync("select size - 1 from audit.head");
        await ForgeAsync(entry => entry with
        {
            Type = EntryType.EraseExecuted,
            Subject = Convert.FromHexString(tag),
            Rules = ["request:erasure:approved", about],
            KeyCommitment = SHA256.HashData("nothing"u8),
            Reference = asked,
        });
        AssertFound(await VerifyAsync(), RecordFault.Erasure, tag);
        var messages = (await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Select(finding => finding.Message).ToList();
        Assert.Contains(messages, message => message.StartsWith($"{dan} has a key and no record", StringComparison.Ordinal));
        Assert.Contains(messages, message => message.EndsWith("the journal has none of that key", StringComparison.Ordinal));
    }

    private async Task<List<LogEntry>> WritesAsync(string tag)
    {
        var log = store.Vault.Get<LogStore>();
        var writes = new List<LogEntry>();
        await foreach (var (_, encoded) in log.EntriesAsync(0, (await log.HeadAsync(default)).Size, default))
        {
            var entry = LogEntry.Decode(encoded);
            if (entry.RecordVersion > 0 && !entry.Seal.IsEmpty && Convert.ToHexStringLower(entry.Subject.Span) == tag) writes.Add(entry);
        }

        return writes;
    }

    private async Task<SubjectId> AddAsync(string name)
    {
        var subject = await store.AddAsync($$"""{ "givenName": "{{name}}" }""", new() { ["marketing"] = "given" });
        await store.Recorder.AppendAsync(StoreVault.Ingest, [store.Purchase(new CustomerLookup(Id: subject))], Guid.NewGuid(), default);
        await ChangeAsync(subject, name + " I");
        return subject;
    }

    private Task<WriteOutcome> ChangeAsync(SubjectId subject, string name) => store.Editor.PatchAsync(
        StoreVault.Ingest, subject, null, new ProfilePatch(StoreVault.Object($$"""{ "givenName": "{{name}}" }"""), "crm", null, "2026-01", "service-delivery"), Guid.NewGuid(), default);

    private static string PutBack(string table, SubjectId subject, bool delete = true) =>
        (delete ? $"delete from vault.{table} where subject_id = '{subject}'; " : "") + $"insert into vault.{table} select * from kept.{table} where subject_id = '{subject}'; ";

    // A well-formed batch, as the log's own writers make them: the signer extends it, for it cannot know who wrote.
    private async Task ForgeAsync(Func<LogEntry, LogEntry> declare)
    {
        await using var connection = new NpgsqlConnection(store.VaultAdmin);
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var head = await LogHead.LockAsync(connection, transaction, default);
        var entry = declare(store.Vault.Get<AuditLog>().Entry(EntryType.RestoreDeclared, LogWorker.Keeper, default, "", EntryResult.Ok, []));
        await using (var write = new LogBatch(head, [new PendingEntry(entry, null)]).Write(connection, transaction)) await write.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
    }

    private async Task AssertRefusedByTheNextAsync(SubjectId subject)
    {
        await using var next = await store.StartVaultAsync(clock: store.Clock);
        var refused = await Assert.ThrowsAsync<VaultException>(() => next.Get<DisclosureGate>().ReadAsync(
            new ReadQuery(StoreVault.Support, subject, "customer-support", StoreVault.Items("givenName"), false, Guid.NewGuid()), default));
        Assert.Equal("record-damaged", refused.Slug);
    }

    // The tables are put back to before a change that was read: what is known of it must go back too.
    private async Task ForgetVersionAsync(SubjectId subject)
    {
        await store.Vault.Get<NewestVersions>().FlushAsync(default);
        await store.Cluster.ExecuteAsync(store.KeysName, $"update keys.subject_key set newest = 0 where subject_id = '{subject}'");
        store.Vault.Get<KeyRegistry>().ForgetAll();
    }

    private async Task AssertRefusedAsync(SubjectId subject, Recipient? recipient = null, string purpose = "customer-support")
    {
        var before = await store.CountAsync("select size from audit.head");
        var refused = await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(recipient ?? StoreVault.Support, subject, purpose));
        Assert.Equal("record-damaged", refused.Slug);
        var newest = (await store.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Result = EntryResult.Error, Limit = 1 })).Entries.Single();
        Assert.True(newest.Index >= before, "the log does not say that the read failed");
    }

    private async Task<string> TagAsync(SubjectId subject)
    {
        using var held = await store.Vault.Get<KeyRegistry>().GetAsync(subject);
        return Convert.ToHexStringLower(held.Tag.Span);
    }

    private static void AssertFound(RecordsReport report, RecordFault fault, string? tag) =>
        Assert.True(report.Findings.Any(finding => finding.Fault == fault && (tag is null || finding.Tag == tag)), VerificationText.Describe(report));

    private async Task<RecordsReport> VerifyAsync()
    {
        using var manifest = new MemoryStream();
        await store.Vault.Get<RecordsManifests>().WriteAsync(manifest);
        manifest.Position = 0;
        var folder = Directory.CreateTempSubdirectory("dba-");
        try
        {
            await LogCopy.SaveAsync(new OwnLog(store.Vault.Get<AuditReader>(), store.Vault.Get<LogMirror>()), folder.FullName);
            return await new RecordsVerifier(NoteVerifier.Parse(store.Vault.Get<AuditReader>().VerifierKey)).VerifyAsync(new TileDirectory(folder.FullName), manifest);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
