using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using Npgsql;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Events;

public sealed class EventTests(StoreVault store) : IClassFixture<StoreVault>
{
    [Fact]
    public async Task An_event_is_stored_sealed_and_read_back_through_the_gate()
    {
        var subject = await store.AddAsync();
        var outcome = await AppendAsync(store.Purchase(new CustomerLookup(subject)));
        Assert.Equal(EventStatus.Stored, outcome.Items[0].Status);
        var page = await store.Gate.ReadEventsAsync(Support, subject, "customer-support", null, 10, null, Guid.NewGuid(), default);
        var read = Assert.Single(page.Events);
        Assert.Equal(("purchase", "shop", outcome.Items[0].Id), (read.Type, read.Source, read.Id));
        Assert.Contains("\"total\":{\"amount\":\"12.50\",\"currency\":\"EUR\"}", Encoding.UTF8.GetString(read.Properties.Span), StringComparison.Ordinal);
        var stored = (byte[])(await store.ScalarAsync($"select sealed from vault.event where subject_id = '{subject}'"))!;
        Assert.DoesNotContain("TEA-7", Encoding.Latin1.GetString(stored), StringComparison.Ordinal);
        Assert.Equal(EntryType.EventRead, (await store.EntriesAsync(subject))[^1].Entry.Type);
    }

    [Fact]
    public async Task The_same_id_for_the_same_customer_is_stored_once()
    {
        var (subject, other, id) = (await store.AddAsync(), await store.AddAsync(), Guid.NewGuid());
        var item = store.Purchase(new CustomerLookup(subject), id: id);
        var first = await AppendAsync(item, item, store.Purchase(new CustomerLookup(other), id: id));
        Assert.Equal([EventStatus.Stored, EventStatus.Duplicate, EventStatus.Stored], first.Items.Select(outcome => outcome.Status));
        var again = await AppendAsync(item);
        Assert.Equal((EventStatus.Duplicate, null), (again.Items[0].Status, again.LogIndex));
    }

    [Fact]
    public async Task A_customer_is_found_by_address_number_or_phone()
    {
        var subject = await store.AddAsync("""{"email":"events@example.com","customerNumber":"EV-1","phone":"+491700000020"}""");
        await store.AddAsync("""{"phone":"+491700000021"}""");
        await store.AddAsync("""{"phone":"+491700000021"}""");
        var outcome = await AppendAsync(
            store.Purchase(new CustomerLookup(Email: "Events@Example.com")), store.Purchase(new CustomerLookup(CustomerNumber: "ev-1")),
            store.Purchase(new CustomerLookup(Phone: "+49 170 0000020")), store.Purchase(new CustomerLookup(Phone: "+491700000021")),
            store.Purchase(new CustomerLookup(Email: "unknown@example.com")), store.Purchase(new CustomerLookup(subject, Email: "events@example.com")));
        Assert.All(outcome.Items.Take(3), item => Assert.Equal(subject, item.Subject));
        Assert.Equal(["ambiguous", "not-found", "one-of"], outcome.Items.Skip(3).Select(item => item.Error!.Errors is [var first, ..] ? first.Code : item.Error.Slug));
    }

    [Fact]
    public async Task Each_bad_event_says_what_is_wrong_and_the_good_ones_are_stored()
    {
        var customer = new CustomerLookup(await store.AddAsync());
        var good = store.Purchase(customer);
        var properties = new Dictionary<string, System.Text.Json.JsonElement>(good.Properties);
        properties.Remove("sku");
        properties["quantity"] = Json("0");
        properties["secretNote"] = Json("\"hidden words\"");
        var outcome = await AppendAsync(
            good, good with { Type = "teleport" }, good with { Properties = properties }, good with { OccurredAt = store.Clock.GetUtcNow().AddDays(2) },
            good with { Purpose = "curiosity" }, good with { Purpose = "marketing" }, good with { Customer = new CustomerLookup(new SubjectId(Guid.NewGuid())) });
        Assert.Equal([EventStatus.Stored, .. Enumerable.Repeat(EventStatus.Failed, 6)], outcome.Items.Select(item => item.Status));
        Assert.Equal([null, "invalid-fields", "invalid-fields", "invalid-fields", "unknown-purpose", "forbidden", "not-found"], outcome.Items.Select(item => item.Error?.Slug));
        Assert.Equal(["/properties", "/properties/quantity", "/properties/sku"], outcome.Items[2].Error!.Errors.Select(problem => problem.Pointer).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("hidden", string.Concat(outcome.Items[2].Error!.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_thousand_events_of_many_people_are_one_entry()
    {
        var people = new List<SubjectId>();
        for (var i = 0; i < 5; i++) people.Add(await store.AddAsync());
        var before = await store.CountAsync("select size from audit.head");
        var outcome = await AppendAsync([.. Enumerable.Range(0, EventRecorder.MaxBatch).Select(i => store.Purchase(new CustomerLookup(people[i % 5])))]);
        Assert.All(outcome.Items, item => Assert.Equal(EventStatus.Stored, item.Status));
        Assert.Equal(before + 1, await store.CountAsync("select size from audit.head"));
        var entry = (await store.Vault.Get<AuditReader>().EntryAsync(outcome.LogIndex!.Value)).Entry;
        Assert.Equal((EntryType.EventAppend, 5, 32), (entry.Type, entry.BulkCount, entry.BulkRoot.Length));
        Assert.Equal([1001], entry.Items);
    }

    [Fact]
    public async Task Pages_meet_without_gap_or_overlap_newest_first()
    {
        var subject = await store.AddAsync();
        var at = store.Clock.GetUtcNow().AddDays(-10);
        await AppendAsync([.. Enumerable.Range(0, 7).Select(i => store.Purchase(new CustomerLookup(subject)) with { OccurredAt = at.AddHours(i / 2) })]);
        var (seen, cursor) = (new List<ReleasedEvent>(), (string?)null);
        do
        {
            var page = await store.Gate.ReadEventsAsync(Person(subject), subject, "data-subject-rights", null, 3, cursor, Guid.NewGuid(), default);
            seen.AddRange(page.Events);
            cursor = page.Next;
        }
        while (cursor is not null);
        Assert.Equal(7, seen.Select(one => one.Id).Distinct().Count());
        Assert.Equal(seen.OrderByDescending(one => one.OccurredAt).Select(one => one.OccurredAt), seen.Select(one => one.OccurredAt));
        var error = await Assert.ThrowsAsync<VaultException>(() => store.Gate.ReadEventsAsync(Person(subject), subject, "data-subject-rights", null, 3, "rubbish", Guid.NewGuid(), default));
        Assert.Equal("invalid-request", error.Slug);
    }

    [Fact]
    public async Task Types_that_are_not_permitted_are_withheld_by_name()
    {
        var subject = await store.AddAsync();
        var view = new NewEvent(
            new CustomerLookup(subject), "page_view", store.Clock.GetUtcNow(), "web", Object("""{"path":"/tea"}"""), null, "service-delivery");
        await AppendAsync(view, store.Purchase(new CustomerLookup(subject)));
        var page = await store.Gate.ReadEventsAsync(Support, subject, "customer-support", null, 10, null, Guid.NewGuid(), default);
        Assert.Equal("purchase", Assert.Single(page.Events).Type);
        Assert.Contains(new WithheldField("event:page_view", Reasons.NotPermitted), page.Withheld);
        Assert.Null(page.Refused);
    }

    [Fact]
    public async Task An_event_moved_to_another_person_does_not_open()
    {
        var (one, two) = (await store.AddAsync(), await store.AddAsync());
        await AppendAsync(store.Purchase(new CustomerLookup(one)));
        await store.ExecuteAsync($"update vault.event set subject_id = '{two}' where subject_id = '{one}'");
        var error = await Assert.ThrowsAsync<VaultException>(() => store.Gate.ReadEventsAsync(Support, two, "customer-support", null, 10, null, Guid.NewGuid(), default));
        Assert.Equal("record-damaged", error.Slug);
    }

    [Fact]
    public async Task An_erasure_that_is_under_way_gets_no_event_behind_it()
    {
        var subject = await store.AddAsync();
        await using var connection = new NpgsqlConnection(store.Cluster.ConnectionString(store.VaultName));
        await connection.OpenAsync();
        await using var erasure = await connection.BeginTransactionAsync();
        await using (var delete = new NpgsqlCommand($"delete from vault.subject where subject_id = '{subject}'", connection, erasure)) await delete.ExecuteNonQueryAsync();

        var append = AppendAsync(store.Purchase(new CustomerLookup(subject)));
        while (await store.CountAsync("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0) Assert.False(append.IsCompleted);
        await erasure.CommitAsync();

        Assert.Equal("not-found", (await append).Items[0].Error!.Slug);
        Assert.Equal(0, await store.CountAsync($"select count(*) from vault.event where subject_id = '{subject}'"));
    }

    private Task<EventBatchOutcome> AppendAsync(params NewEvent[] events) => store.Recorder.AppendAsync(Ingest, events, Guid.NewGuid(), default);

    [Fact]
    public async Task A_type_asked_for_twice_is_released_once()
    {
        var subject = await store.AddAsync();
        await store.Recorder.AppendAsync(Ingest, [store.Purchase(new CustomerLookup(subject))], Guid.NewGuid(), default);
        var purchase = StoreVault.Policy.Events.Find("purchase")!;
        var page = await store.Gate.ReadEventsAsync(Person(subject), subject, "data-subject-rights", [purchase, purchase], 10, null, Guid.NewGuid(), default);
        Assert.Single(page.Events);
    }
}
