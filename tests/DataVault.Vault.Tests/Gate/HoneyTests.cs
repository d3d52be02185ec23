using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Npgsql;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Gate;

/// <summary>Planted people: an alarm for whoever touches them, and nothing that tells them from others.</summary>
public sealed class HoneyTests(StoreVault store) : IClassFixture<StoreVault>
{
    private HoneySubjects Honey => store.Vault.Get<HoneySubjects>();

    [Fact]
    public async Task Whoever_touches_somebody_planted_raises_an_alert_once_for_each_touch_and_reading_others_raises_none()
    {
        var (planted, other) = (await store.AddAsync(), await store.AddAsync());
        await Honey.PlantAsync(Officer, planted, brake: false, "In every extract", Guid.NewGuid(), default);
        await FollowAsync();
        var before = (await AlertsAsync()).Count;
        var read = await store.ReadAsync(Support, planted, "customer-support", "givenName");
        await store.ReadAsync(Support, other, "customer-support", "givenName");
        await FollowAsync();
        await FollowAsync();
        var alert = (await AlertsAsync()).Single(one => one.About == read.LogIndex);
        Assert.Equal(before + 1, (await AlertsAsync()).Count);
        Assert.Equal((AlertKinds.HoneyTouched, "customer-support", (DateTimeOffset?)null), (alert.Kind, alert.Purpose, alert.StoppedUntil));
        var entry = (await store.Vault.Get<AuditReader>().EntryAsync(alert.LogIndex)).Entry;
        Assert.Equal((EntryType.Alert, read.LogIndex, true), (entry.Type, entry.Reference, entry.Subject.IsEmpty));
        await store.Search.SearchAsync(Support, "customer-support", new Dictionary<string, SearchCondition> { ["email"] = SearchCondition.Equal("nobody@example.com") }, null, 5, Guid.NewGuid(), default);
        await store.Gate.ReadEventsAsync(Support, planted, "customer-support", null, 5, null, Guid.NewGuid(), default);
        await store.Gate.ReadManyAsync(Support, [other, planted], "customer-support", Items("givenName"), false, Guid.NewGuid(), default);
        await FollowAsync();
        Assert.Equal(before + 3, (await AlertsAsync()).Count);
    }

    [Fact]
    public async Task A_search_that_finds_too_many_to_answer_is_in_the_log_about_all_of_them_and_raises_an_alert()
    {
        const string fields = """{"phone":"+442079460991"}""";
        var (planted, other) = (await store.AddAsync(fields), await store.AddAsync(fields));
        await Honey.PlantAsync(Officer, planted, brake: false, null, Guid.NewGuid(), default);
        await FollowAsync();
        var before = (await AlertsAsync()).Count;
        var where = new Dictionary<string, SearchCondition> { ["phone"] = SearchCondition.Equal("+442079460991") };
        var refused = await Assert.ThrowsAsync<VaultException>(() => store.Search.SearchAsync(Support, "customer-support", where, Items("givenName"), 1, Guid.NewGuid(), default));
        Assert.Equal("invalid-request", refused.Slug);
        foreach (var person in new[] { planted, other })
        {
            var entry = (await store.EntriesAsync(person))[^1].Entry;
            Assert.Equal((EntryType.Denied, EntryResult.Denied, 2), (entry.Type, entry.Result, entry.BulkCount));
        }

        await FollowAsync();
        Assert.Equal(before + 1, (await AlertsAsync()).Count);
    }

    [Fact]
    public async Task The_credential_is_stopped_where_that_was_asked_for_until_an_officer_lets_it_go_on()
    {
        var desk = new Recipient(RecipientKind.Application, "nosy-desk", "Nosy desk", ["customer-support"], ["customer-support"]);
        var (planted, other) = (await store.AddAsync(), await store.AddAsync());
        await Honey.PlantAsync(Officer, planted, brake: true, null, Guid.NewGuid(), default);
        await store.ReadAsync(desk, planted, "customer-support", "givenName");
        await FollowAsync();
        Assert.Equal("budget-exhausted", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(desk, other, "customer-support", "givenName"))).Slug);
        await store.ReadAsync(Support, other, "customer-support", "givenName");
        var alert = (await AlertsAsync()).First(one => one.StoppedUntil is not null);
        await store.Vault.Get<Alerts>().ReleaseAsync(Officer, alert.Id, Guid.NewGuid(), default);
        await store.Vault.Get<WatchKeeper>().RoundAsync(default);
        await store.ReadAsync(desk, other, "customer-support", "givenName");
    }

    [Fact]
    public async Task What_was_tried_while_the_credential_was_stopped_does_not_stop_it_again_once_it_is_let_go()
    {
        var desk = new Recipient(RecipientKind.Application, "patient-desk", "Patient desk", ["customer-support"], ["customer-support"]);
        var (planted, other) = (await store.AddAsync(), await store.AddAsync());
        await Honey.PlantAsync(Officer, planted, brake: true, null, Guid.NewGuid(), default);
        var read = await store.ReadAsync(desk, planted, "customer-support", "givenName");
        await FollowAsync();
        Assert.Equal("budget-exhausted", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(desk, planted, "customer-support", "givenName"))).Slug);
        await Assert.ThrowsAsync<VaultException>(() => store.Gate.ReadManyAsync(desk, [planted, other], "customer-support", Items("givenName"), false, Guid.NewGuid(), default));
        var alert = (await AlertsAsync()).Single(one => one.About == read.LogIndex);
        await store.Vault.Get<Alerts>().ReleaseAsync(Officer, alert.Id, Guid.NewGuid(), default);
        Assert.Equal(2, await FollowAsync());
        await store.Vault.Get<WatchKeeper>().RoundAsync(default);
        await store.ReadAsync(desk, other, "customer-support", "givenName");
    }

    [Fact]
    public async Task An_entry_about_several_planted_people_is_one_alert_and_keeps_the_watch_from_nothing()
    {
        var (one, two) = (await store.AddAsync("""{"phone":"+442079460777"}"""), await store.AddAsync("""{"phone":"+442079460777"}"""));
        foreach (var planted in new[] { one, two }) await Honey.PlantAsync(Officer, planted, brake: false, null, Guid.NewGuid(), default);
        var tags = new List<ReadOnlyMemory<byte>>();
        foreach (var planted in new[] { one, two })
        {
            using var held = await store.Vault.Get<KeyRegistry>().GetAsync(planted, default);
            tags.Add(held.Tag);
        }

        var log = store.Vault.Get<AuditLog>();
        var about = await store.Vault.Get<VaultDatabase>().RunAsync(
            (connection, transaction) => log.AppendWithinAsync(connection, transaction, [AuditLog.Concerning(log.Entry(EntryType.Search, Support, default, "customer-support", EntryResult.Ok, []), [.. tags])], default), default);
        Assert.Equal(1, await FollowAsync());
        Assert.Single(await AlertsAsync(), alert => alert.About == about);
        var read = await store.ReadAsync(Support, two, "customer-support", "givenName");
        Assert.Equal(1, await FollowAsync());
        Assert.Single(await AlertsAsync(), alert => alert.About == read.LogIndex);
    }

    [Fact]
    public async Task Whoever_is_planted_and_touched_while_the_watch_is_looking_is_not_passed_over()
    {
        await Honey.PlantAsync(Officer, await store.AddAsync(), brake: false, null, Guid.NewGuid(), default);
        var planted = await store.AddAsync();
        await using var admin = NpgsqlDataSource.Create(store.VaultAdmin);
        await using var connection = await admin.OpenConnectionAsync();
        // The watch stands right before it looks how far the index of the log goes.
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var hold = new NpgsqlCommand("lock table vault.watch in access exclusive mode", connection)) await hold.ExecuteNonQueryAsync();
        var looking = FollowAsync();
        while (await store.CountAsync("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") == 0) await Task.Yield();
        await Honey.PlantAsync(Officer, planted, brake: false, null, Guid.NewGuid(), default);
        var read = await store.ReadAsync(Support, planted, "customer-support", "givenName");
        await store.Vault.Get<AuditReader>().CatchUpAsync(default);
        await transaction.CommitAsync();
        await looking;
        await FollowAsync();
        Assert.Single(await AlertsAsync(), alert => alert.About == read.LogIndex);
    }

    [Fact]
    public async Task To_ordinary_recipients_somebody_planted_answers_as_anybody_does()
    {
        const string fields = """{"familyName":"Probe"}""";
        var (planted, other) = (await store.AddAsync(fields), await store.AddAsync(fields));
        await Honey.PlantAsync(Officer, planted, brake: false, null, Guid.NewGuid(), default);
        var answers = new List<string>();
        foreach (var person in new[] { planted, other })
        {
            var read = await store.ReadAsync(Support, person, "customer-support", "familyName", "givenName", "phone");
            // The entry of the read is the only one that it makes: no number betrays a second.
            var next = await store.ReadAsync(Support, other, "customer-support", "givenName");
            answers.Add($"{string.Join(',', read.Fields.Select(field => field.Name + Value(read, field.Name)))}/{string.Join(',', read.Withheld)}/{read.Version}/{next.LogIndex - read.LogIndex}");
        }

        Assert.Equal(answers[1], answers[0]);
    }

    [Fact]
    public async Task Analytics_leave_out_whoever_is_planted_and_take_them_in_again_when_they_are_not()
    {
        var planted = await store.AddAsync("""{"country":"DE"}""", new() { ["analytics"] = "given" });
        await store.Feed.DrainAsync(default);
        var before = await FedAsync();
        var view = await Honey.PlantAsync(Officer, planted, brake: false, null, Guid.NewGuid(), default);
        await store.Feed.DrainAsync(default);
        Assert.Equal(before - 1, await FedAsync());
        Assert.Contains(await Honey.ListAsync(Officer, Guid.NewGuid(), default), one => one.Subject == planted && one.Note is null);
        await Honey.WithdrawAsync(Officer, view.Id, Guid.NewGuid(), default);
        await store.Feed.DrainAsync(default);
        Assert.Equal(before, await FedAsync());
    }

    [Fact]
    public async Task Only_officers_and_administrators_plant_and_the_table_names_nobody()
    {
        var planted = await store.AddAsync();
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Honey.PlantAsync(Support, planted, false, null, Guid.NewGuid(), default))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Honey.ListAsync(Support, Guid.NewGuid(), default))).Slug);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => Honey.PlantAsync(Officer, new SubjectId(Guid.NewGuid()), false, null, Guid.NewGuid(), default))).Slug);
        await Honey.PlantAsync(Officer, planted, false, null, Guid.NewGuid(), default);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Honey.PlantAsync(Officer, planted, false, null, Guid.NewGuid(), default))).Slug);
        Assert.Equal(0, await store.CountAsync($"select count(*) from vault.honey where position(decode('{planted.Value:N}', 'hex') in sealed) > 0"));
    }

    private Task<int> FollowAsync() => store.Vault.Get<HoneyWatch>().FollowAsync(store.Vault.Get<VaultClock>(), default);

    private async Task<IReadOnlyList<AlertView>> AlertsAsync() =>
        [.. (await store.Vault.Get<Alerts>().ListAsync(Officer, null, 200, null, Guid.NewGuid(), default)).Items.Where(alert => alert.Kind == AlertKinds.HoneyTouched)];

    private Task<long> FedAsync() => store.CountAsync($"select count(*) from {StoreVault.Policy.Analytics[0].Schema}.customer");
}
