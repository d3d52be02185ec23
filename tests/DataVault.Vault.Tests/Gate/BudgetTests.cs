using System.Diagnostics;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.Gate.ObligationVault;

namespace DataVault.Vault.Tests.Gate;

/// <summary>Budgets of distinct people and sensitive fields: never exceeded, over any number of processes and restarts.</summary>
public sealed class BudgetTests(ObligationVault store) : IClassFixture<ObligationVault>, IAsyncLifetime
{
    private static readonly Lock Once = new();
    private static Task<List<SubjectId>>? everybody;
    private List<SubjectId> people = [];

    public async ValueTask InitializeAsync()
    {
        lock (Once) everybody ??= ManyAsync();
        people = await everybody;
        // Each test in an hour, and a day, of its own.
        store.Clock.Advance(TimeSpan.FromDays(1));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_budget_counts_each_person_and_field_once_and_stops_the_credential_when_it_is_used_up()
    {
        var desk = Desk("counts");
        foreach (var person in people.Take(PerHour)) await ReadAsync(desk, person);
        foreach (var person in people.Take(PerHour)) await ReadAsync(desk, person);
        var stopped = await StoppedAsync(desk, people[PerHour]);
        Assert.InRange(stopped.RetryAfter!.Value, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        var last = (await store.EntriesAsync(people[PerHour]))[^1];
        Assert.Equal((EntryType.Denied, EntryResult.Denied), (last.Entry.Type, last.Entry.Result));
        // Stopped for all of the purpose, for people seen before too; others and other purposes go on.
        await StoppedAsync(desk, people[0]);
        await ReadAsync(Desk("another"), people[0]);
        await store.ReadAsync(desk, people[0], "fraud-prevention", "AB-1", null, "email");
        Assert.Single(await AlertsAsync(), alert => alert.Kind == AlertKinds.BudgetExhausted && alert.Actor == desk.DisplayName && alert.StoppedUntil is not null);
    }

    [Fact]
    public async Task What_is_not_sensitive_costs_nothing_and_the_next_hour_begins_anew_until_the_day_is_used_up()
    {
        var desk = Desk("hours");
        foreach (var person in people.Take(PerHour)) await store.ReadAsync(desk, person, "wellbeing", "preferredName");
        foreach (var person in people.Take(PerHour)) await ReadAsync(desk, person);
        await StoppedAsync(desk, people[PerHour]);
        store.Clock.Advance(TimeSpan.FromHours(1));
        foreach (var person in people.Skip(PerHour).Take(PerDay - PerHour)) await ReadAsync(desk, person);
        var stopped = await StoppedAsync(desk, people[PerDay]);
        Assert.True(stopped.RetryAfter > TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task Over_two_processes_the_budget_is_never_exceeded_and_is_found_exhausted_early_by_no_more_than_the_blocks_of_the_others()
    {
        await using var second = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        var desk = Desk("two");
        var released = new HashSet<SubjectId>();
        DisclosureGate[] gates = [store.Gate, second.Get<DisclosureGate>()];
        for (var i = 0; i < PerHour + 8; i++)
        {
            var query = new ReadQuery(desk, people[i], "wellbeing", StoreVault.Items("dietaryRequirements"), false, Guid.NewGuid());
            if (await Record.ExceptionAsync(() => gates[i % 2].ReadAsync(query, default)) is null) released.Add(people[i]);
        }

        Assert.InRange(released.Count, PerHour - PerHour / DisclosureBudgets.Blocks, PerHour);
    }

    [Fact]
    public async Task People_whom_two_processes_show_are_counted_once()
    {
        await using var second = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        var desk = Desk("same");
        DisclosureGate[] gates = [store.Gate, second.Get<DisclosureGate>()];
        foreach (var person in people.Take(PerHour - PerHour / DisclosureBudgets.Blocks))
        {
            foreach (var gate in gates) await gate.ReadAsync(new ReadQuery(desk, person, "wellbeing", StoreVault.Items("dietaryRequirements"), false, Guid.NewGuid()), default);
        }
    }

    [Fact]
    public async Task Under_concurrency_and_over_restarts_no_more_than_the_budget_is_released()
    {
        var desk = Desk("many");
        var released = 0;
        for (var restart = 0; restart < 3; restart++)
        {
            await using var one = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
            await using var two = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
            var some = people.Skip(restart * 16).Take(16).ToList();
            var tries = await Task.WhenAll(some.SelectMany(person => new[] { one, two }.Select(async vault =>
            {
                var query = new ReadQuery(desk, person, "wellbeing", StoreVault.Items("dietaryRequirements"), false, Guid.NewGuid());
                return (person, Failure: await Record.ExceptionAsync(() => vault.Get<DisclosureGate>().ReadAsync(query, default)));
            })));
            Assert.All(tries, one => Assert.True(one.Failure is null or VaultException { Slug: "budget-exhausted" }, one.Failure?.ToString()));
            released += tries.Where(one => one.Failure is null).Select(one => one.person).Distinct().Count();
        }

        Assert.InRange(released, PerHour / 2, PerHour);
    }

    [Fact]
    public async Task A_batch_and_a_search_count_too_and_a_batch_that_has_no_room_releases_nothing()
    {
        var desk = Desk("batch");
        Task<IReadOnlyList<ItemResult<Disclosure>>> BatchAsync(int from, int count) =>
            store.Gate.ReadManyAsync(desk, [.. people.Skip(from).Take(count)], "wellbeing", StoreVault.Items("dietaryRequirements"), false, Guid.NewGuid(), default);
        Assert.Equal(20, (await BatchAsync(0, 20)).Count(result => result.Value is not null));
        Assert.Equal("budget-exhausted", (await Assert.ThrowsAsync<VaultException>(() => BatchAsync(20, 20))).Slug);
        Assert.Equal(EntryType.Denied, (await store.EntriesAsync(people[39]))[^1].Entry.Type);
        Assert.Single(await AlertsAsync(), alert => alert.Actor == desk.DisplayName);
        var search = store.Search.SearchAsync(
            desk, "wellbeing", new Dictionary<string, SearchCondition> { ["email"] = SearchCondition.Equal("a@example.com") }, null, 5, Guid.NewGuid(), default);
        Assert.NotNull((await search).Refused);
    }

    [Fact]
    public async Task An_officer_releases_the_brake_and_the_credential_goes_on_with_a_whole_budget_in_every_process()
    {
        await using var second = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        var desk = Desk("released");
        foreach (var person in people.Take(PerHour)) await ReadAsync(desk, person);
        await StoppedAsync(desk, people[PerHour]);
        var brakes = second.Get<Brakes>();
        await brakes.RefreshAsync(default);
        Assert.NotNull(brakes.Wait(desk, "wellbeing"));
        var alert = (await AlertsAsync()).Single(one => one.Actor == desk.DisplayName);
        var alerts = store.Vault.Get<Alerts>();
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => alerts.ReleaseAsync(Clerk, alert.Id, Guid.NewGuid(), default))).Slug);
        Assert.Null((await alerts.ReleaseAsync(StoreVault.Officer, alert.Id, Guid.NewGuid(), default)).StoppedUntil);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => alerts.ReleaseAsync(StoreVault.Officer, alert.Id, Guid.NewGuid(), default))).Slug);
        foreach (var vault in new[] { store.Vault, second }) await vault.Get<WatchKeeper>().RoundAsync(default);
        Assert.Null(brakes.Wait(desk, "wellbeing"));
        foreach (var person in people.Skip(PerHour).Take(8)) await ReadAsync(desk, person);
        var acknowledged = await alerts.AcknowledgeAsync(StoreVault.Officer, alert.Id, Guid.NewGuid(), default);
        Assert.Equal(StoreVault.Officer.Id, acknowledged.AcknowledgedBy);
        Assert.Equal(0, await store.CountAsync($"select count(*) from vault.alert where alert_id = '{alert.Id}' and acknowledged_at is null"));
    }

    [Fact]
    public async Task An_application_may_be_held_to_less_and_never_to_more()
    {
        var desk = Desk("tighter");
        var tag = new Guid(store.Vault.Get<AuditLog>().TagOf(desk), bigEndian: true);
        await store.ExecuteAsync($"insert into vault.budget_limit values ('{tag}', 'wellbeing', '{desk.Id}', 4, 1000)");
        foreach (var person in people.Take(4)) await ReadAsync(desk, person);
        await StoppedAsync(desk, people[4]);
    }

    private Task<Disclosure> ReadAsync(Recipient desk, SubjectId person) => store.ReadAsync(desk, person, "wellbeing", "dietaryRequirements");

    private async Task<VaultException> StoppedAsync(Recipient desk, SubjectId person)
    {
        var refusal = await Assert.ThrowsAsync<VaultException>(() => ReadAsync(desk, person));
        Assert.Equal("budget-exhausted", refusal.Slug);
        return refusal;
    }

    private async Task<IReadOnlyList<AlertView>> AlertsAsync()
    {
        await store.Vault.Get<AuditReader>().CatchUpAsync();
        return (await store.Vault.Get<Alerts>().ListAsync(StoreVault.Officer, null, 200, null, Guid.NewGuid(), default)).Items;
    }

    private async Task<List<SubjectId>> ManyAsync()
    {
        var many = new List<SubjectId>();
        for (var i = 0; i < PerDay + 1; i++) many.Add(await store.AddAllergicAsync());
        return many;
    }
}
