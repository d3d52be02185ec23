using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Feed;

public sealed class AnalyticsFeedTests(StoreVault store) : IClassFixture<StoreVault>
{
    private const string Fields =
        """{"familyName":"Lovelace","birthDate":"1990-06-16","gender":"female","country":"DE","customerSince":"2021-03-04","loyaltyTier":"gold","householdSize":3,"lifetimeValue":{"amount":"730","currency":"EUR"},"postalAddress":{"street":"Long Lane 5","postcode":"50667","city":"Köln","country":"DE"}}""";

    [Fact]
    [Requirement("R91", "R92")]
    public async Task A_consented_person_arrives_generalised_under_a_pseudonym_of_each_domain()
    {
        var subject = await ConsentedAsync();
        await AppendAsync(store.Purchase(new CustomerLookup(subject), "20.00"), store.Purchase(new CustomerLookup(subject), "5.00", type: "refund"));
        await store.Feed.DrainAsync(default);
        var (insight, commerce) = await PseudonymsAsync(subject);
        Assert.NotEqual(insight, commerce);
        Assert.Equal("30-39|female|DE-50|DE|2021|gold|2-5", await store.ScalarAsync(
            $"select concat_ws('|', age_band, gender, region, country, customer_since, loyalty_tier, household) from analytics_insight.customer where pseudonym = '{insight}'"));
        Assert.Equal("500-1000 EUR", await store.ScalarAsync($"select value_band from analytics_commerce.customer where pseudonym = '{commerce}'"));
        Assert.Equal(15.00m, await store.ScalarAsync($"select sum(amount) from analytics_insight.purchase where pseudonym = '{insight}' and currency = 'EUR' and channel = 'web'"));
        Assert.Equal("2026-06-01", await store.ScalarAsync($"select month::text from analytics_commerce.purchase where pseudonym = '{commerce}' limit 1"));
    }

    [Fact]
    public async Task Without_consent_nobody_arrives()
    {
        var subject = await store.AddAsync(Fields);
        await store.Feed.DrainAsync(default);
        Assert.Equal(0, await RowsAsync(subject));
        Assert.Equal(0, await store.CountAsync("select count(*) from vault.feed_queue"));
    }

    [Fact]
    [Requirement("R96")]
    public async Task A_withdrawal_takes_every_row_with_it_at_once()
    {
        var subject = await ConsentedAsync();
        await AppendAsync(store.Purchase(new CustomerLookup(subject)));
        await store.Feed.DrainAsync(default);
        Assert.Equal(4, await RowsAsync(subject));
        await SetAsync(subject, "withdrawn");
        Assert.Equal(0, await RowsAsync(subject));
        await store.Feed.DrainAsync(default);
        Assert.Equal(0, await RowsAsync(subject));
        await SetAsync(subject, "given");
        await store.Feed.DrainAsync(default);
        Assert.Equal(4, await RowsAsync(subject));
    }

    [Fact]
    public async Task A_consent_that_runs_out_takes_the_rows_with_it()
    {
        var subject = await ConsentedAsync();
        await store.Consents.SetAsync(
            Person(subject), subject, new ConsentStatement("analytics", "given", Expires: store.Clock.GetUtcNow().AddHours(1)), Guid.NewGuid(), default);
        await store.Vault.Get<Upkeep>().TurnAsync(default);
        await store.Feed.DrainAsync(default);
        Assert.Equal(2, await RowsAsync(subject));
        await store.Vault.Get<Upkeep>().TurnAsync(default);
        Assert.Equal(0, await store.CountAsync("select count(*) from vault.feed_queue"));
        store.Clock.Advance(TimeSpan.FromHours(2));
        await store.Vault.Get<Upkeep>().TurnAsync(default);
        await store.Feed.DrainAsync(default);
        Assert.Equal(0, await RowsAsync(subject));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_consent_that_runs_out_after_a_deferral_takes_the_rows_with_it_also_where_an_earlier_version_passed_over_it(bool passedOver)
    {
        var subject = await ConsentedAsync();
        await store.Consents.SetAsync(
            Person(subject), subject, new ConsentStatement("analytics", "given", Expires: store.Clock.GetUtcNow().AddHours(1)), Guid.NewGuid(), default);
        await SetAsync(subject, "deferred");
        await NewUpkeep().TurnAsync(default);
        await store.Feed.DrainAsync(default);
        Assert.Equal(2, await RowsAsync(subject));
        store.Clock.Advance(TimeSpan.FromHours(4));
        if (passedOver) await store.ExecuteAsync($"delete from vault.upkeep; insert into vault.upkeep (task, done_until) values ('consent-expiry', '{store.Clock.GetUtcNow():O}')");
        await NewUpkeep().TurnAsync(default);
        await store.Feed.DrainAsync(default);
        Assert.Equal(0, await RowsAsync(subject));
    }

    [Fact]
    public async Task A_new_process_does_not_feed_again_whose_consent_ran_out_long_before()
    {
        var subject = await ConsentedAsync();
        await store.Consents.SetAsync(
            Person(subject), subject, new ConsentStatement("analytics", "given", Expires: store.Clock.GetUtcNow().AddHours(1)), Guid.NewGuid(), default);
        await store.Feed.DrainAsync(default);
        store.Clock.Advance(TimeSpan.FromHours(2));
        await NewUpkeep().TurnAsync(default);
        Assert.Equal(1, await store.CountAsync($"select count(*) from vault.feed_queue where subject_id = '{subject}'"));
        await store.Feed.DrainAsync(default);
        store.Clock.Advance(TimeSpan.FromHours(2));
        await NewUpkeep().TurnAsync(default);
        store.Clock.Advance(TimeSpan.FromHours(2));
        await NewUpkeep().TurnAsync(default);
        Assert.Equal(0, await store.CountAsync($"select count(*) from vault.feed_queue where subject_id = '{subject}'"));
        await store.Feed.DrainAsync(default);
    }

    [Fact]
    public async Task A_withdrawal_and_the_feed_at_the_same_time_leave_no_row()
    {
        var people = new List<SubjectId>();
        for (var i = 0; i < 12; i++) people.Add(await ConsentedAsync());
        for (var round = 0; round < 3; round++)
        {
            await AppendAsync([.. people.Select(subject => store.Purchase(new CustomerLookup(subject)))]);
            var feeding = Task.Run(() => store.Feed.DrainAsync(default));
            await Task.WhenAll([feeding, .. people.Select(subject => Task.Run(() => SetAsync(subject, "withdrawn")))]);
            foreach (var subject in people) Assert.Equal(0, await RowsAsync(subject));
            foreach (var subject in people) await SetAsync(subject, "given");
        }
    }

    [Fact]
    public async Task Events_that_come_while_the_feed_runs_are_fed_too()
    {
        var subject = await ConsentedAsync();
        var appends = Enumerable.Range(0, 20).Select(_ => Task.Run(() => AppendAsync(store.Purchase(new CustomerLookup(subject))))).ToList();
        while (appends.Exists(append => !append.IsCompleted)) await store.Feed.DrainAsync(default);
        await Task.WhenAll(appends);
        await store.Feed.DrainAsync(default);
        Assert.Equal(2 + (2 * 20), await RowsAsync(subject));
    }

    [Fact]
    [Requirement("R96")]
    public async Task What_is_gone_from_the_vault_goes_from_the_domains()
    {
        var subject = await ConsentedAsync();
        await AppendAsync(store.Purchase(new CustomerLookup(subject)), store.Purchase(new CustomerLookup(subject)));
        await store.Feed.DrainAsync(default);
        Assert.Equal(6, await RowsAsync(subject));
        await store.ExecuteAsync($"delete from vault.event where ctid = (select ctid from vault.event where subject_id = '{subject}' limit 1)");
        await store.Editor.PatchAsync(Ingest, subject, null, new ProfilePatch(Object("""{"loyaltyTier":"silver"}"""), "crm", null, null, "service-delivery"), Guid.NewGuid(), default);
        await store.Feed.DrainAsync(default);
        Assert.Equal(4, await RowsAsync(subject));
        var (insight, _) = await PseudonymsAsync(subject);
        Assert.Equal("silver", await store.ScalarAsync($"select loyalty_tier from analytics_insight.customer where pseudonym = '{insight}'"));
    }

    [Fact]
    public async Task Each_batch_is_one_entry_about_all_of_them()
    {
        await store.Feed.DrainAsync(default);
        await ConsentedAsync();
        await ConsentedAsync();
        var before = await store.CountAsync("select size from audit.head");
        Assert.Equal(2, await store.Feed.DrainAsync(default));
        Assert.Equal(before + 1, await store.CountAsync("select size from audit.head"));
        var entry = (await store.Vault.Get<AuditReader>().EntryAsync(before)).Entry;
        Assert.Equal((EntryType.AnalyticsFeed, 2, "analytics"), (entry.Type, entry.BulkCount, entry.Purpose));
    }

    [Fact]
    public async Task A_record_that_does_not_match_its_seal_is_set_aside_and_the_others_are_fed()
    {
        var (spoilt, sound) = (await ConsentedAsync(), await ConsentedAsync());
        await store.ExecuteAsync($"update vault.subject set row_version = row_version + 1 where subject_id = '{spoilt}'");
        await store.Feed.DrainAsync(default);
        Assert.Equal(0, await RowsAsync(spoilt));
        Assert.Equal(2, await RowsAsync(sound));
        await store.ExecuteAsync("delete from vault.feed_queue");
    }

    [Fact]
    public async Task An_event_that_does_not_open_does_not_hold_up_the_rest()
    {
        var (one, two) = (await ConsentedAsync(), await ConsentedAsync());
        await AppendAsync(store.Purchase(new CustomerLookup(one)), store.Purchase(new CustomerLookup(two)));
        await store.ExecuteAsync($"update vault.event set sealed = '\\x00'::bytea || sealed where subject_id = '{one}'");
        await store.Feed.DrainAsync(default);
        Assert.Equal((2, 4), (await RowsAsync(one), await RowsAsync(two)));
        await store.ExecuteAsync("delete from vault.feed_queue");
    }

    private Upkeep NewUpkeep() => Microsoft.Extensions.DependencyInjection.ActivatorUtilities.CreateInstance<Upkeep>(store.Vault.Get<IServiceProvider>());

    private Task<SubjectId> ConsentedAsync() => store.AddAsync(Fields, new() { ["analytics"] = "given" });

    private Task<EventBatchOutcome> AppendAsync(params NewEvent[] events) => store.Recorder.AppendAsync(Ingest, events, Guid.NewGuid(), default);

    private Task<ConsentChange> SetAsync(SubjectId subject, string state) =>
        store.Consents.SetAsync(Person(subject), subject, new ConsentStatement("analytics", state), Guid.NewGuid(), default);

    private async Task<(string Insight, string Commerce)> PseudonymsAsync(SubjectId subject)
    {
        var registry = store.Vault.Get<KeyRegistry>();
        using var keys = await registry.GetAsync(subject);
        var pseudonyms = AnalyticsRows.PseudonymsOf(keys, registry, StoreVault.Policy).ToDictionary(one => one.Domain.Name, one => one.Pseudonym);
        return (pseudonyms["insight"], pseudonyms["commerce"]);
    }

    private async Task<long> RowsAsync(SubjectId subject)
    {
        var (insight, commerce) = await PseudonymsAsync(subject);
        var tables = from domain in new[] { ("insight", insight), ("commerce", commerce) }
                     from table in new[] { "customer", "purchase", "interaction" }
                     select $"(select count(*) from analytics_{domain.Item1}.{table} where pseudonym = '{domain.Item2}')";
        return await store.CountAsync("select " + string.Join(" + ", tables));
    }
}
