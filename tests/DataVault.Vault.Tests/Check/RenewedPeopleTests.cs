using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>What was sealed anew under new keys agrees with the log as before, and what is done to it afterwards is named.</summary>
public sealed class RenewedPeopleTests : IAsyncLifetime
{
    private static readonly string[] Tables = ["subject", "history", "event", "event_gone", "consent_event"];

    /// <summary>Sealed under a key of a person that a renewal replaces.</summary>
    private static readonly string[] OfPeople =
        ["vault.subject.record", "vault.subject.record_seal", "vault.history.sealed", "vault.event.sealed", "vault.request.evidence", "vault.request.notes", "vault.request.package_key", "vault.message.sealed", "vault.recipient_notice.sealed", "vault.automated_decision.sealed", "vault.automated_decision.review"];

    /// <summary>Hashes, terms, proofs, what is sealed under a key of the service, and details of log entries, whose key people keep for life.</summary>
    private static readonly string[] OfNobody =
    [
        "audit.actor.tag", "audit.batch.entries", "audit.batch.leaf_hashes", "audit.bulk.tags", "audit.detail.sealed", "audit.head.frontier", "audit.head.root", "audit.pruned.root",
        "audit.tile.hashes", "audit.timestamp.token", "vault.alert.seal", "vault.approval.seal", "vault.automated_decision.seal", "vault.automated_decision.sender", "vault.breach_step.seal", "vault.breach_step.sealed", "vault.budget_mark.seal", "vault.closed_request.work", "vault.consent_event.notice_hash", "vault.digest.recipient", "vault.event_gone.commitment", "vault.event_gone.leaf", "vault.hold.case_ref", "vault.hold.release_ref", "vault.hold.seal", "vault.hold_subject.seal", "vault.honey.sealed", "vault.notice.hash", "vault.idempotency.body",
        "vault.idempotency.key", "vault.idempotency.request_hash", "vault.identifier.lookup", "vault.index_plan.survey", "vault.opendsr_controller.seal", "vault.opendsr_request.body_mac", "vault.opendsr_request.callbacks", "vault.opendsr_request.seal", "vault.outbox.sealed", "vault.parting_letter.sealed", "vault.policy_activation.seal", "vault.policy_activation.version", "vault.policy_version.files", "vault.policy_version.version", "vault.recipient_notice.seal", "vault.request.course", "vault.request.seal", "vault.request.work", "vault.retention_look.rules", "vault.retention_look.seal", "vault.review.seal", "vault.review.subject", "vault.search_term.term",
        "vault.subject.facts", "vault.suppression.seal", "vault.suppression.token", "vault.tombstone.subject_hash",
    ];

    private static readonly string[] Attacks =
    [
        "delete from vault.history where row_version = (select min(row_version) from vault.history)",
        "delete from vault.history",
        "update vault.history set sealed = sealed || '\\x00'",
        "update vault.history set row_version = row_version + 20",
        "insert into vault.history select subject_id, row_version + 20, changed_at, key_version, sealed from vault.history",
        "delete from vault.history; insert into vault.history select * from kept.before_history",
        "delete from vault.event",
        "delete from vault.event where event_id = (select event_id from vault.event limit 1)",
        "delete from vault.event; insert into vault.event select * from kept.before_event",
        "insert into vault.event select * from kept.before_event on conflict do nothing; update vault.event set batch = null",
        "delete from vault.event_gone",
        "delete from vault.event_gone where leaf = (select leaf from vault.event_gone limit 1)",
        "delete from vault.subject; insert into vault.subject select * from kept.before_subject",
        "update vault.subject set facts = set_byte(facts, 5, 2)",
        "delete from vault.consent_event",
    ];

    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.EventsAsync(ada);
        await world.EventsAsync(ada);
        await world.ChangeAsync(ada, "Adele");
        await world.ChangeAsync(ada, "Adelaide");
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada, "a note about ada");
        await world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, ada, "customer-support", null, false, Guid.NewGuid()), default);
        await KeepAsync("before");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task Records_history_events_and_consents_agree_with_the_log_after_every_renewal_and_what_follows_it()
    {
        await world.RotateAsync(RotationLevels.Subjects);
        await world.Vault.AssertSoundAsync();
        await world.ChangeAsync(ada, "Ada");
        await world.EventsAsync(ada);
        await world.Vault.AssertSoundAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        await world.ChangeAsync(ada, "Adina");
        await world.RestartAsync();
        await world.Vault.AssertSoundAsync();
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.ApproveAsync(request.Id);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task Somebody_erased_between_the_sealing_and_the_switch_leaves_a_vault_that_agrees_with_its_log()
    {
        var people = world.Vault.Get<PersonRenewal>();
        var (page, members) = (await world.Vault.Get<KeyRegistry>().NextPageAsync(-1, default))!.Value;
        await world.Vault.Get<KeyRegistry>().PrepareAsync(page, default);
        await people.RenewAsync(members, default);
        await world.EventsAsync(ada);
        await world.Vault.AssertSoundAsync();
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.ApproveAsync(request.Id);
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    [Requirement("R53")]
    public async Task Every_column_that_is_sealed_under_a_persons_key_is_sealed_anew_and_a_column_that_nobody_has_thought_of_is_named()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada, "another note");
        var rescuer = new Recipient(RecipientKind.Staff, "s1", "Support", ["customer-support"], ["emergency"], assurance: Recipient.MultiFactor);
        (await world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(rescuer, ada, "emergency", null, false, Guid.NewGuid(), "An allergic reaction"), default)).Dispose();
        await TellAsync();
        await DecideAsync();
        var proved = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Restriction, ada);
        await world.Requests.TakeAsync(RightsWorld.Officer, proved.Id, RequestAct.Verify, new StepTerms { Method = "document-seen", Evidence = "A passport, seen at the counter" }, Guid.NewGuid(), default);
        var columns = await world.ListAsync(
            """
            select format('%s.%s.%s', n.nspname, c.relname, a.attname) from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
            where a.atttypid = 'bytea'::regtype and c.relkind in ('r', 'p') and not c.relispartition and not a.attisdropped and n.nspname in ('vault', 'audit')
            order by 1
            """);
        Assert.Equal("", string.Join(", ", columns.Except(OfPeople).Except(OfNobody).Concat(OfPeople.Concat(OfNobody).Except(columns))));
        var before = await ValuesAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        var after = await ValuesAsync();
        foreach (var column in OfPeople)
        {
            Assert.NotEmpty(before[column]);
            Assert.Equal(before[column].Count, after[column].Count);
            Assert.True(!before[column].Intersect(after[column]).Any(), $"{column} holds what was sealed under a key that is gone");
        }

        var messages = (await world.Vault.Get<SubjectMessages>().ListAsync(RightsWorld.Customer(ada), 10, null, Guid.NewGuid(), default)).Items;
        // The other letters tell of requests that were opened and carried out beside.
        var told = messages.Where(message => message.Kind is "letter.rectified" or "disclosure").Select(message => (message.Kind, message.Purpose));
        Assert.Equal([("letter.rectified", "data-subject-rights"), ("disclosure", "emergency")], told);
        var notes = await world.Requests.NotesAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default);
        Assert.Equal("another note", Assert.Single(notes).Text);
        var evidence = await world.Requests.EvidenceAsync(RightsWorld.Officer, proved.Id, Guid.NewGuid(), default);
        Assert.Equal("A passport, seen at the counter", Assert.Single(evidence).Text);
        await using var package = await world.Requests.PackageAsync(RightsWorld.Customer(ada), request.Id, Guid.NewGuid(), default);
        Assert.True(await package.ReadAsync(new byte[64]) > 0);

        // A recipient who was given something is told that it was corrected.
        async Task TellAsync()
        {
            var desk = new Recipient(RecipientKind.Application, "refund-desk", "Refunds and complaints", ["customer-support"], ["complaints"]);
            (await world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(desk, ada, "complaints", null, false, Guid.NewGuid(), "CASE-123"), default)).Dispose();
            var asked = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada);
            var rectification = world.Vault.Get<Rectification>();
            await rectification.AskAsync(RightsWorld.Customer(ada), asked.Id, StoreVault.Object("""{ "language": "fr" }"""), Guid.NewGuid(), default);
            await world.ApproveAsync(asked.Id);
            await rectification.DecideAsync(RightsWorld.Officer, asked.Id, new RectificationDecision(new Dictionary<string, JsonElement?> { ["language"] = null }, new Dictionary<string, string>(), null), Guid.NewGuid(), default);
        }

        async Task<Dictionary<string, IReadOnlyList<string>>> ValuesAsync()
        {
            var values = new Dictionary<string, IReadOnlyList<string>>();
            foreach (var column in OfPeople)
            {
                var (table, name) = (column[..column.LastIndexOf('.')], column[(column.LastIndexOf('.') + 1)..]);
                values[column] = await world.ListAsync($"select md5({name}) from {table} where {name} is not null");
            }

            return values;
        }
    }

    // What was decided by itself, and how an officer's look at it ended.
    private async Task DecideAsync()
    {
        var desk = new Recipient(RecipientKind.Application, "credit-check", "Credit check", ["customer-support"], ["billing"]);
        var given = new NewDecision("order-1", "invoice-limit", "2026-1", "billing", "declined", ["paymentPreference"]) { Factors = ["few-orders"] };
        var made = await world.Vault.Get<DecisionRecorder>().RecordAsync(desk, ada, given, Guid.NewGuid(), default);
        var contest = await world.Requests.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Contest, ada, null, null, Guid.NewGuid(), default, wish: new RequestWish { Decision = made.Id });
        await world.Requests.CompleteAsync(RightsWorld.Officer, contest.Id, "It stands.", Guid.NewGuid(), default, "decision-upheld");
    }

    [Fact]
    public async Task What_is_done_to_renewed_rows_is_named()
    {
        await world.RotateAsync(RotationLevels.Subjects);
        await world.ChangeAsync(ada, "Ada");
        await KeepAsync("after");
        foreach (var attack in Attacks)
        {
            await world.VaultSqlAsync(attack);
            var report = await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true));
            Assert.True(report.Findings.Any(finding => finding.Check == "records-against-log"), attack);
            await world.VaultSqlAsync(string.Concat(Tables.Select(table => $"truncate vault.{table}; insert into vault.{table} table kept.after_{table}; ")));
        }

        await world.Vault.AssertSoundAsync();
    }

    private Task KeepAsync(string name) =>
        world.VaultSqlAsync("create schema if not exists kept; " + string.Concat(Tables.Select(table => $"create table kept.{name}_{table} as table vault.{table}; ")));
}
