using System.Security.Cryptography;
using DataVault.Policy;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Keys;

/// <summary>Keys that do not open, and turns that fail: seen, told of, tried again, and no reason to stop for anybody else.</summary>
public sealed class DamagedKeysTests : IAsyncLifetime
{
    private const string Flip = "set wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40))";

    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        // A full page, so that the next person comes on another.
        await KeysSqlAsync("update keys.page set count = 256");
        bob = await world.PersonAsync("bob");
        await KeysSqlAsync("update keys.page set count = 1");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task A_page_that_does_not_open_is_set_aside_told_of_and_keeps_no_root_from_its_end()
    {
        await DamagePageAsync();
        await TurnAsync();
        Assert.Equal(["1|true", "2|false"], await PagesAsync());
        Assert.Equal([$"keys:page:{await PageOfAsync(ada)}"], Assert.Single(await SetAsideEntriesAsync()).Rules.Skip(1));
        var damage = (await StatusAsync()).Damage;
        Assert.Equal((1, 1, 0, true), (damage.Pages, damage.People, damage.IndexKeys, damage.Epochs.Count == 0));
        Assert.NotEmpty((await ReadAsync(bob)).Fields);
        await Assert.ThrowsAnyAsync<CryptographicException>(() => ReadAsync(ada));
        Assert.NotEmpty((await ReadAsync(await world.PersonAsync("cid"))).Fields);
        Assert.Contains((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings, f => f.Check == "keys" && f.Message.Contains("does not open", StringComparison.Ordinal));

        world.Clock.Advance(TimeSpan.FromDays(8));
        Assert.Equal(damage.LostFrom, world.Clock.GetUtcNow() - TimeSpan.FromDays(1));
        await TurnAsync();
        Assert.Equal(["1"], await world.KeysListAsync("select epoch_id::text from keys.epoch where destroyed_at is not null"));
        Assert.False(File.Exists(Path.Combine(world.Home, "epochs", "1.slot")));
        Assert.Single(await SetAsideEntriesAsync());
        await world.RestartAsync();
        Assert.NotEmpty((await ReadAsync(bob)).Fields);
    }

    [Fact]
    public async Task The_account_of_somebody_whose_key_is_damaged_can_be_switched_off_and_the_log_says_so()
    {
        await DamagePageAsync();
        var trail = world.Vault.Get<AuditTrail>();
        var account = new Recipient(RecipientKind.Customer, Guid.NewGuid().ToString("D"), "customer", [], []);
        var act = new AdministrativeAct(EntryType.AccountChange, RightsWorld.Officer, account, "disabled", ada);

        var intent = await trail.IntendAsync(act);
        await trail.ConfirmAsync(act, Guid.NewGuid(), intent);

        var entries = await world.Vault.Get<LogStore>().EntriesAtAsync([intent, intent + 1], default);
        Assert.All(entries.Values.Select(entry => LogEntry.Decode(entry)), entry => Assert.True(entry.Subject.IsEmpty));
        Assert.Contains(entries.Values.Select(entry => LogEntry.Decode(entry)), entry => entry.Reference == intent && entry.Rules[0] == "done");
    }

    [Fact]
    public async Task A_page_that_opens_again_before_its_root_ends_is_keyed_anew()
    {
        var page = await PageOfAsync(ada);
        await DamagePageAsync();
        await TurnAsync();
        await DamagePageAsync(restart: false);
        await TurnAsync();
        Assert.Equal([$"{page}|2|3|"], await world.KeysListAsync($"select page_id || '|' || generation || '|' || epoch_id || '|' || coalesce(damaged_at::text, '') from keys.page where page_id = {page}"));
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
        Assert.False((await StatusAsync()).Damage.IsAny);
    }

    [Fact]
    public async Task What_a_process_has_in_memory_mends_the_page_that_was_damaged_in_the_database()
    {
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
        await DamagePageAsync(restart: false);
        await TurnAsync();
        Assert.False((await StatusAsync()).Damage.IsAny);
        await world.RestartAsync();
        Assert.NotEmpty((await ReadAsync(ada)).Fields);
    }

    [Fact]
    public async Task Pages_under_a_root_that_does_not_open_stay_as_they_are_and_that_root_is_not_destroyed()
    {
        await TurnAsync();
        await world.RestartAsync();
        await KeysSqlAsync($"update keys.page set epoch_id = 1 where page_id = {await PageOfAsync(ada)}; update keys.epoch {Flip} where epoch_id = 1");
        world.Clock.Advance(TimeSpan.FromDays(8));
        await TurnAsync();
        Assert.Equal(["1|false", "3|false"], await PagesAsync());
        Assert.Empty(await world.KeysListAsync("select epoch_id::text from keys.epoch where destroyed_at is not null"));
        Assert.True(File.Exists(Path.Combine(world.Home, "epochs", "1.slot")));
        Assert.Equal([1], (await StatusAsync()).Damage.Epochs);
        Assert.NotEmpty((await ReadAsync(bob)).Fields);
        for (var restart = 0; restart < 2; restart++)
        {
            await world.RestartAsync();
            Assert.NotEmpty((await ReadAsync(bob)).Fields);
            await Assert.ThrowsAnyAsync<Exception>(() => ReadAsync(ada));
            Assert.Equal([1], (await StatusAsync()).Damage.Epochs);
            await TurnAsync();
        }
    }

    [Fact]
    public async Task A_restart_mends_a_root_whose_row_was_put_back_and_refuses_one_whose_slot_is_gone()
    {
        await TurnAsync();
        await world.RestartAsync();
        var sound = (await KeysSqlAsync("select encode(wrapped, 'hex') from keys.epoch where epoch_id = 1"))[0];
        await KeysSqlAsync($"update keys.page set epoch_id = 1 where page_id = {await PageOfAsync(ada)}; update keys.epoch set wrapped = null where epoch_id = 1");
        await world.RestartAsync();
        Assert.NotEmpty((await ReadAsync(bob)).Fields);
        await KeysSqlAsync($"update keys.epoch set wrapped = '\\x{sound}' where epoch_id = 1");
        await world.RestartAsync();
        Assert.Empty((await StatusAsync()).Damage.Epochs);
        File.Delete(Path.Combine(world.Home, "epochs", "1.slot"));
        var refused = await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync());
        Assert.Contains("key epoch 1 was destroyed", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_of_an_index_that_does_not_open_is_set_aside_and_the_index_built_anew()
    {
        await KeysSqlAsync($"update keys.index_epoch {Flip} where index_id = (select min(index_id) from keys.index_epoch where index_id > 0)");
        await TurnAsync();
        Assert.Equal(["1"], await world.KeysListAsync("select count(*)::text from keys.index_epoch where damaged_at is not null"));
        Assert.Equal(["0"], await world.KeysListAsync("select count(*)::text from keys.index_epoch where key_epoch < 2 and damaged_at is null and wrapped is not null"));
        Assert.Single(await SetAsideEntriesAsync());
        await world.RestartAsync();
        await world.Vault.Get<IndexWorker>().TurnAsync(default);
        var found = await world.Vault.Get<CustomerSearch>().SearchAsync(
            RightsWorld.Support, "customer-support", new Dictionary<string, SearchCondition> { ["email"] = SearchCondition.Equal("ada@example.com") }, null, 20, Guid.NewGuid(), default);
        Assert.Single(found.Results);
        Assert.Equal(0, (await StatusAsync()).Damage.IndexKeys);
    }

    [Fact]
    public async Task A_turn_that_failed_is_shown_and_tried_again_by_itself()
    {
        var slot = Path.Combine(world.Home, "epochs", "2.slot");
        await File.WriteAllTextAsync(slot, "short", TestContext.Current.CancellationToken);
        world.Clock.Advance(TimeSpan.FromDays(2));
        await world.Vault.Get<KeyWorker>().TurnEpochsAsync(false, default);
        var failed = Assert.Single((await StatusAsync()).Running);
        Assert.Equal((RotationStates.Failed, world.Clock.GetUtcNow() + TimeSpan.FromMinutes(1)), (failed.State, failed.RetryAt));
        Assert.Contains("slot", failed.Error, StringComparison.Ordinal);
        world.Clock.Advance(TimeSpan.FromMinutes(1));
        await world.Vault.Get<RotationRunner>().DriveAsync(null, rest: false, default);
        Assert.Equal(world.Clock.GetUtcNow() + TimeSpan.FromMinutes(2), Assert.Single((await StatusAsync()).Running).RetryAt);
        File.Delete(slot);
        world.Clock.Advance(TimeSpan.FromMinutes(2));
        await world.Vault.Get<RotationRunner>().DriveAsync(null, rest: false, default);
        Assert.Empty((await StatusAsync()).Running);
        Assert.Equal(2, (await StatusAsync()).CurrentEpoch);
    }

    [Fact]
    public async Task A_person_whose_key_does_not_open_keeps_nobody_else_from_being_renewed()
    {
        await KeysSqlAsync($"update keys.subject_key {Flip} where subject_id = '{ada}'");
        await world.RestartAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        Assert.Equal(new[] { $"{ada}|1", $"{bob}|2" }.Order(), (await world.KeysListAsync("select subject_id || '|' || key_version from keys.subject_key")).Order());
        var view = (await world.Vault.Get<RotationStore>().ListAsync(1, default))[0];
        Assert.StartsWith("1 people", view.Error, StringComparison.Ordinal);
    }

    private Task<IReadOnlyList<string>> KeysSqlAsync(string sql) => world.KeysListAsync(sql);

    private async Task DamagePageAsync(bool restart = true)
    {
        await KeysSqlAsync($"update keys.page {Flip} where page_id = {await PageOfAsync(ada)}");
        if (restart) await world.RestartAsync();
    }

    private async Task TurnAsync()
    {
        world.Clock.Advance(TimeSpan.FromDays(1));
        await world.Vault.Get<KeyWorker>().TurnEpochsAsync(false, default);
    }

    private async Task<string> PageOfAsync(SubjectId subject) => (await world.KeysListAsync($"select page_id::text from keys.subject_key where subject_id = '{subject}'"))[0];

    private Task<IReadOnlyList<string>> PagesAsync() => world.KeysListAsync("select epoch_id || '|' || (damaged_at is not null) from keys.page order by 1");

    private Task<KeysState> StatusAsync() => world.Vault.Get<KeyAdministration>().StatusAsync(default);

    private async Task<IReadOnlyList<LogEntry>> SetAsideEntriesAsync() =>
        [.. (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.KeyRotate })).Entries.Select(e => e.Entry).Where(e => e.Rules.Contains("keys:set-aside"))];

    private Task<Disclosure> ReadAsync(SubjectId subject) =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid()), default);
}
