using DataVault.Policy;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>A restriction or an objection ends for everybody at once, for a reason, and never behind the person's back.</summary>
public sealed class LimitLiftingTests : IAsyncLifetime
{
    private static readonly Recipient Marketing = new(RecipientKind.Application, "campaigns", "Campaigns", ["marketing"], ["marketing"]);

    private RightsWorld world = null!;
    private SubjectId ada;

    private LimitLifting Limits => world.Vault.Get<LimitLifting>();

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Theory]
    [Requirement("R61")]
    [InlineData(RequestKinds.Restriction)]
    [InlineData(RequestKinds.Objection)]
    public async Task An_officer_ends_a_limit_at_once_and_in_every_process_and_the_person_was_told_before(string kind)
    {
        await LimitAsync(kind);
        var deaf = await world.DeafProcessAsync();
        Assert.Empty((await ReadAsync(deaf)).Fields);
        var lifted = await LiftAsync(RightsWorld.Officer, kind, "person-asked");
        Assert.NotEmpty((await ReadAsync(world.Vault)).Fields);
        Assert.NotEmpty((await ReadAsync(deaf)).Fields);
        var name = kind + ".lift";
        var message = Assert.Single((await MessagesAsync()).Items, one => one.Kind == name);
        Assert.Equal((kind == RequestKinds.Objection ? "marketing" : "data-subject-rights", "compliance-officer"), (message.Purpose, message.Who));
        var entries = await EntriesAsync(name);
        Assert.Equal([message.LogIndex, lifted.LogIndex], entries.Select(one => one.Index));
        Assert.Equal([["lift:announced", "reason:person-asked"], ["lift:done", "reason:person-asked"]], entries.Select(one => one.Entry.Rules));
        Assert.Equal((message.LogIndex, true), (entries[1].Entry.Reference, entries[1].Entry.RecordVersion > 0));
        Assert.Empty((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings.Select(finding => finding.Message));
    }

    [Theory]
    [InlineData(RequestKinds.Restriction)]
    [InlineData(RequestKinds.Objection)]
    public async Task The_person_ends_their_own_without_a_reason_and_only_their_own(string kind)
    {
        await LimitAsync(kind);
        var bob = await world.PersonAsync("bob");
        await RefusedAsync("not-found", () => LiftAsync(RightsWorld.Customer(bob), kind, null));
        Assert.Empty((await ReadAsync(world.Vault)).Fields);
        await LiftAsync(RightsWorld.Customer(ada), kind, null);
        Assert.NotEmpty((await ReadAsync(world.Vault)).Fields);
        Assert.Equal(["lift:done", "reason:person-asked"], Assert.Single(await EntriesAsync(kind + ".lift")).Entry.Rules);
        await RefusedAsync("invalid-state", () => LiftAsync(RightsWorld.Customer(ada), kind, null));
    }

    [Theory]
    [InlineData(RequestKinds.Restriction)]
    [InlineData(RequestKinds.Objection)]
    public async Task What_does_not_stand_is_not_ended_and_nobody_is_told_of_it(string kind)
    {
        await RefusedAsync("invalid-state", () => LiftAsync(RightsWorld.Officer, kind, "person-asked"));
        await RefusedAsync("not-found", () => Limits.LiftRestrictionAsync(RightsWorld.Officer, new SubjectId(Guid.NewGuid()), "person-asked", Guid.NewGuid(), default));
        await RefusedAsync("forbidden", () => LiftAsync(RightsWorld.Support, kind, "person-asked"));
        Assert.Empty((await MessagesAsync()).Items);
        Assert.Empty(await EntriesAsync(kind + ".lift"));
    }

    [Fact]
    [Requirement("R63")]
    public async Task An_officer_names_a_reason_and_of_direct_marketing_only_that_the_person_asked()
    {
        await LimitAsync(RequestKinds.Restriction);
        await LimitAsync(RequestKinds.Objection);
        await RefusedAsync("invalid-fields", () => LiftAsync(RightsWorld.Officer, RequestKinds.Restriction, null));
        await RefusedAsync("invalid-fields", () => LiftAsync(RightsWorld.Officer, RequestKinds.Restriction, "compelling-grounds"));
        await RefusedAsync("invalid-fields", () => LiftAsync(RightsWorld.Officer, RequestKinds.Objection, "compelling-grounds"));
        await RefusedAsync("unknown-purpose", () => Limits.LiftObjectionAsync(RightsWorld.Officer, ada, "nothing", "person-asked", Guid.NewGuid(), default));
        Assert.True((await Limits.LiftObjectionAsync(RightsWorld.Officer, ada, "fraud-prevention", "compelling-grounds", Guid.NewGuid(), default)).LogIndex > 0);
    }

    [Fact]
    public async Task A_damaged_record_ends_nothing_and_the_log_says_that_it_was_tried()
    {
        await LimitAsync(RequestKinds.Restriction);
        await world.VaultSqlAsync($"update vault.subject set facts = '\\x01000000' where subject_id = '{ada}'");
        await RefusedAsync("record-damaged", () => LiftAsync(RightsWorld.Officer, RequestKinds.Restriction, "person-asked"));
        Assert.Equal(EntryResult.Error, Assert.Single(await EntriesAsync("restriction.lift")).Entry.Result);
    }

    private async Task LimitAsync(string kind) =>
        Assert.Equal(RequestStates.Completed, (await world.ApproveAsync((await world.OpenAsync(RightsWorld.Customer(ada), kind, ada)).Id)).State);

    private Task<LiftedLimit> LiftAsync(Recipient recipient, string kind, string? reason) => kind == RequestKinds.Restriction
        ? Limits.LiftRestrictionAsync(recipient, ada, reason, Guid.NewGuid(), default)
        : Limits.LiftObjectionAsync(recipient, ada, "marketing", reason, Guid.NewGuid(), default);

    private Task<Disclosure> ReadAsync(Testing.RunningVault vault) =>
        vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(Marketing, ada, "marketing", null, false, Guid.NewGuid()), default);

    private Task<MessagePage> MessagesAsync() => world.Vault.Get<SubjectMessages>().ListAsync(RightsWorld.Customer(ada), 10, null, Guid.NewGuid(), default);

    private async Task<IReadOnlyList<AuditRecord>> EntriesAsync(string type)
    {
        Assert.True(EntryTypes.TryParse(type, out var known));
        return (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = known, OldestFirst = true, Limit = 20 })).Entries;
    }

    private static async Task RefusedAsync(string slug, Func<Task> act) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);
}
