using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>An administrator of the database who wants evidence erased that a hold keeps, by writing what the vault would write.</summary>
public sealed class HoldSealTests : IAsyncLifetime
{
    private const string End = "update vault.hold set expires_at = placed_at";

    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    private LegalHolds Holds => world.Vault.Get<LegalHolds>();

    [Theory]
    [InlineData(End)]
    [InlineData(End + ", seal = null")]
    [InlineData(End + ", seal = set_byte(seal, 0, 2)")]
    [InlineData("update vault.hold set released_at = placed_at, released_by = 'nobody'")]
    [InlineData("update vault.hold set items = '{2}', expires_at = placed_at")]
    [InlineData("delete from vault.hold_subject")]
    [InlineData("delete from vault.hold_subject; delete from vault.hold")]
    [InlineData("update vault.hold_subject set hold_id = gen_random_uuid(), behind = true")]
    public async Task What_somebody_writes_into_the_rows_of_a_hold_ends_nothing_and_is_found(string attack)
    {
        await PlaceAsync("email");
        var request = await EraseAsync();
        await world.VaultSqlAsync(attack);
        await ResumeAsync();
        // Nor does what happens to another hold of the same person.
        var other = await PlaceAsync("email");
        await Holds.ReleaseAsync(RightsWorld.Officer, other.Id, null, Guid.NewGuid(), default);
        await ResumeAsync();
        Assert.Equal("partial", (await world.GetAsync(request.Id)).Erasure!.State);
        Assert.Single((await FactsAsync()).Holds);
        Assert.Equal(["1"], await world.KeysListAsync($"select count(*)::text from keys.subject_key where subject_id = '{ada}'"));
        var report = await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: false));
        Assert.Contains(report.Findings, finding => finding.Check == "holds");
    }

    [Fact]
    public async Task A_changed_hold_is_told_of_and_ends_when_an_officer_ends_it_as_long_as_the_log_says_the_same_of_it()
    {
        var hold = await PlaceAsync("email");
        var request = await EraseAsync();
        await world.VaultSqlAsync(End);
        await ResumeAsync();
        Assert.Equal(1, (await world.Vault.Get<RightsWatch>().LookAsync(default)).ChangedHolds);
        Assert.Equal("changed", Assert.Single((await ListAsync()).Items).Damage);
        await world.VaultSqlAsync("update vault.hold set authority = 'research'");
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default))).Slug);
        await world.VaultSqlAsync("update vault.hold set authority = 'legal-claim'");
        await Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        await ResumeAsync();
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);
        Assert.Equal(0, (await world.Vault.Get<RightsWatch>().LookAsync(default)).ChangedHolds);
        await world.Vault.AssertSoundAsync();
    }

    [Theory]
    [InlineData("delete from vault.hold_subject; delete from vault.hold")]
    [InlineData("alter table vault.hold disable trigger all; delete from vault.hold")]
    public async Task A_hold_whose_row_was_deleted_is_shown_as_the_log_knows_it_and_ends_when_an_officer_ends_it(string attack)
    {
        var hold = await PlaceAsync("email");
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        var sound = await PlaceAsync("phone");
        var request = await EraseAsync();
        await world.VaultSqlAsync($"{attack} where hold_id = '{hold.Id}'".Replace("vault.hold_subject;", $"vault.hold_subject where hold_id = '{hold.Id}';", StringComparison.Ordinal));
        await ResumeAsync();
        Assert.Equal("partial", (await world.GetAsync(request.Id)).Erasure!.State);
        Assert.Equal(1, (await world.Vault.Get<RightsWatch>().LookAsync(default)).ChangedHolds);
        Assert.Equal([sound.Id, hold.Id], (await ListAsync()).Items.Select(item => item.Id));
        var shown = (await Holds.ListAsync(RightsWorld.Officer, new HoldFilter(Open: true, Subject: ada), 10, sound.Id.ToString("N"), Guid.NewGuid(), default)).Items.Single();
        Assert.Equal((hold.Id, "deleted", "legal-claim", hold.LogIndex), (shown.Id, shown.Damage, shown.Authority, shown.LogIndex));
        Assert.Equal([ada], shown.Subjects);
        Assert.Equal(["email"], shown.Items);
        Assert.Equal("deleted", (await GetAsync(hold.Id)).Damage);
        Assert.Null((await GetAsync(sound.Id)).Damage);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => GetAsync(Guid.NewGuid()))).Slug);

        var released = await Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, "settled", Guid.NewGuid(), default);
        Assert.Equal(("settled", null), (released.ReleaseReason, released.Damage));
        Assert.Equal([ada], released.Subjects);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default))).Slug);
        Assert.Equal([sound.Id], (await FactsAsync()).Holds.Select(fact => fact.Id));
        Assert.Equal(0, (await world.Vault.Get<RightsWatch>().LookAsync(default)).ChangedHolds);
        await ResumeAsync();
        Assert.Equal(["phone"], (await world.GetAsync(request.Id)).Erasure!.Deferred);
        await world.Vault.AssertSoundAsync();
        await Holds.ReleaseAsync(RightsWorld.Officer, sound.Id, null, Guid.NewGuid(), default);
        await ResumeAsync();
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task A_hold_that_ended_and_whose_old_row_is_put_back_takes_no_other_that_is_alike_with_it()
    {
        var ending = await PlaceAsync(world.Clock.GetUtcNow().AddDays(10), "email");
        await PlaceAsync("email");
        var request = await EraseAsync();
        await world.VaultSqlAsync("create schema kept; create table kept.hold as select * from vault.hold");
        world.Clock.Advance(TimeSpan.FromDays(11));
        await ResumeAsync();
        Assert.Single((await FactsAsync()).Holds);
        await world.VaultSqlAsync($"delete from vault.hold where hold_id = '{ending.Id}'; insert into vault.hold select * from kept.hold where hold_id = '{ending.Id}'");
        await ResumeAsync();
        Assert.Single((await FactsAsync()).Holds);
        Assert.Equal("partial", (await world.GetAsync(request.Id)).Erasure!.State);
    }

    [Fact]
    public async Task Holds_from_before_there_were_seals_are_sealed_once_and_end_as_they_would_have()
    {
        var hold = await PlaceAsync("email");
        var other = await PlaceAsync("email");
        await UnnameAsync();
        await world.VaultSqlAsync("update vault.hold set seal = null; update vault.hold_subject set seal = null");
        await world.KeysListAsync("delete from keys.hold_seal_mark");
        await world.RestartAsync();
        Assert.All((await ListAsync()).Items, item => Assert.Null(item.Damage));
        await Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        Assert.Single((await FactsAsync()).Holds);
        await world.VaultSqlAsync("update vault.hold set seal = null, expires_at = placed_at");
        await world.RestartAsync();
        await ResumeAsync();
        Assert.Single((await FactsAsync()).Holds);
        await Holds.ReleaseAsync(RightsWorld.Officer, other.Id, null, Guid.NewGuid(), default);
        Assert.Empty((await FactsAsync()).Holds);
    }

    [Fact]
    public async Task A_case_that_does_not_open_hides_no_other_hold_and_keeps_none_from_being_released()
    {
        var hold = await PlaceAsync("email");
        await world.VaultSqlAsync("update vault.hold set case_ref = set_byte(case_ref, 20, 255 - get_byte(case_ref, 20))");
        var sound = await PlaceAsync("phone");
        var listed = (await ListAsync()).Items.ToDictionary(item => item.Id);
        Assert.Equal(("unreadable", null), (listed[hold.Id].Damage, listed[hold.Id].CaseReference));
        Assert.Equal((null, "a case"), (listed[sound.Id].Damage, listed[sound.Id].CaseReference));
        var released = await Holds.ReleaseAsync(RightsWorld.Officer, hold.Id, "settled", Guid.NewGuid(), default);
        Assert.Equal(("unreadable", "settled"), (released.Damage, released.ReleaseReason));
        Assert.NotNull(released.ReleasedAt);
        Assert.Single((await FactsAsync()).Holds);
    }

    private Task<HoldView> PlaceAsync(params string[] items) => PlaceAsync(null, items);

    private Task<HoldView> PlaceAsync(DateTimeOffset? until, params string[] items) => Holds.PlaceAsync(
        RightsWorld.Officer, new NewHold([ada], items, ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30), until), Guid.NewGuid(), default);

    private Task<HoldPage> ListAsync() => Holds.ListAsync(RightsWorld.Officer, new HoldFilter(), 10, null, Guid.NewGuid(), default);

    private Task<HoldView> GetAsync(Guid id) => Holds.GetAsync(RightsWorld.Officer, id, Guid.NewGuid(), default);

    private async Task<RequestView> EraseAsync() => await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id);

    private Task<bool> ResumeAsync() => world.Vault.Get<RequestFulfilment>().ResumeAsync(default);

    private async Task<DecisionFacts> FactsAsync() => FactsCodec.Decode((await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), ada, default))!.Facts);

    // As facts were written before holds had their ids there.
    private async Task UnnameAsync()
    {
        using var held = await world.Vault.Get<KeyRegistry>().GetAsync(ada);
        await world.Vault.Get<VaultDatabase>().RunAsync(
            (connection, transaction) => world.Vault.Get<SubjectFacts>().ChangeAsync(
                connection, transaction, held, before => before with { Holds = [.. before.Holds.Select(hold => hold with { Id = Guid.Empty })] }, default), default);
    }
}
