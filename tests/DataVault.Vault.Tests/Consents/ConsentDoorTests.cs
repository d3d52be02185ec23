using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Consents;

/// <summary>A vault where consents of people in the Union only may be recorded, and where somebody reads the log who records none.</summary>
public sealed class DoorVault : StoreVault
{
    internal static Recipient Auditor { get; } = new(RecipientKind.Staff, "a1", "Auditor", ["auditor"], ["data-subject-rights"]);

    internal static PolicySet Conditional { get; } = Repository.ChangedPolicy(
        ("roles.yaml", "  analyst: {", "  auditor: { title: Auditor, capabilities: [audit.read] }\n  analyst: {"),
        ("access/customer-support.yaml", "    fields: [all]\n    actions: [consent]\n", "    fields: [all]\n    actions: [consent]\n    when: { jurisdiction: [eu] }\n"),
        ("access/ingest.yaml", "    actions: [consent]\n", "    actions: [consent]\n    when: { jurisdiction: [eu] }\n"));

    protected internal override void Configure(IServiceCollection services) => services.AddSingleton(new ActivePolicy(Conditional));

    internal async Task<SubjectId> TakeInAsync(string place, Dictionary<string, string>? consents = null) =>
        (await Editor.CreateAsync(Ingest, Customer(consents: consents) with { Standing = new PersonStanding(place, null, null, []) }, null, Guid.NewGuid(), default)).Id;
}

/// <summary>Whoever sees, records, shows or proves a consent is decided upon, person by person.</summary>
public sealed class ConsentDoorTests(DoorVault store) : IClassFixture<DoorVault>
{
    private static readonly Uri WithdrawAt = new("https://vault.example/console/me/consents");

    private ConsentReceipts Receipts => store.Vault.Get<ConsentReceipts>();

    private ConsentHealth Health => store.Vault.Get<ConsentHealth>();

    [Fact]
    public async Task Consents_are_seen_recorded_ended_and_shown_where_the_rule_holds_of_the_person_and_nowhere_else()
    {
        var (near, far) = (await store.TakeInAsync("eu"), await store.TakeInAsync("uk"));
        Func<SubjectId, Task>[] ways =
        [
            subject => SetAsync(Support, subject, "given"),
            subject => store.Consents.GetAsync(Support, subject, Guid.NewGuid(), default),
            subject => Receipts.IssueAsync(Support, subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default),
            subject => SetAsync(Support, subject, "requested"),
            subject => SetAsync(Support, subject, "withdrawn"),
        ];
        await SetAsync(Person(far), far, "given");
        foreach (var way in ways)
        {
            await way(near);
            var before = await store.CountAsync("select size from audit.head");
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => way(far))).Slug);
            Assert.Equal(before + 1, await store.CountAsync("select size from audit.head"));
        }

        Assert.Equal("given", (await store.Consents.GetAsync(Person(far), far, Guid.NewGuid(), default)).Items.Single(item => item.Purpose.Name == "marketing").State);
    }

    [Fact]
    public async Task Nobody_is_taken_in_with_a_consent_that_the_recipient_may_not_record_of_them()
    {
        await store.TakeInAsync("eu", new() { ["marketing"] = "given" });
        await store.TakeInAsync("uk");
        foreach (var state in new[] { "given", "refused" })
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => store.TakeInAsync("uk", new() { ["marketing"] = state }))).Slug);
    }

    [Fact]
    public async Task Only_those_are_named_to_be_asked_again_whose_consents_the_recipient_may_record_and_who_do_not_object()
    {
        var (near, far, objecting) = (await store.TakeInAsync("eu"), await store.TakeInAsync("uk"), await store.TakeInAsync("eu"));
        foreach (var subject in new[] { objecting, far, near })
        {
            store.Clock.Advance(TimeSpan.FromSeconds(1));
            await store.Consents.SetAsync(Person(subject), subject, new("personalisation", "given", Expires: store.Clock.GetUtcNow().AddDays(10)), Guid.NewGuid(), default);
        }

        await store.Vault.Get<PrivacySignals>().HonourAsync(Person(objecting), Guid.NewGuid(), default);
        var page = await Health.EndingAsync(Support, "personalisation", 1, null, Guid.NewGuid(), default);
        Assert.Equal((near, null), (Assert.Single(page.Items).Subject, page.Next));
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Health.EndingAsync(DoorVault.Auditor, "personalisation", 1, null, Guid.NewGuid(), default))).Slug);
        Assert.Equal([near, far], (await Health.EndingAsync(Officer, "personalisation", 10, null, Guid.NewGuid(), default)).Items.Select(one => one.Subject).OrderBy(one => one == far));
    }

    [Fact]
    public async Task Whoever_proves_a_consent_reads_the_log_and_may_see_consents_for_a_purpose_of_the_credential()
    {
        var subject = await store.TakeInAsync("eu", new() { ["marketing"] = "given" });
        Task<ProvenConsent> Prove(Recipient recipient) => Receipts.ProveAsync(recipient, subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default);
        Assert.Equal("given", (await Prove(Officer)).State);
        var unbound = new Recipient(RecipientKind.Staff, "o3", "Officer", ["compliance-officer"], ["billing"]);
        foreach (var recipient in new[] { DoorVault.Auditor, Support, unbound })
        {
            var before = await store.CountAsync("select size from audit.head");
            Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Prove(recipient))).Slug);
            Assert.Equal(before + 1, await store.CountAsync("select size from audit.head"));
        }
    }

    [Fact]
    public async Task A_restriction_keeps_the_desk_from_consents_and_never_from_recording_their_end()
    {
        var subject = await store.TakeInAsync("eu", new() { ["marketing"] = "given" });
        using var keys = await store.Vault.Get<Vault.Keys.KeyRegistry>().GetAsync(subject);
        await store.Vault.Get<VaultDatabase>().RunAsync(
            (connection, transaction) => store.Vault.Get<SubjectFacts>().ChangeAsync(connection, transaction, keys, facts => facts with { Restricted = true }, default), default);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => store.Consents.GetAsync(Support, subject, Guid.NewGuid(), default))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => SetAsync(Support, subject, "requested"))).Slug);
        Assert.Equal("withdrawn", (await SetAsync(Support, subject, "withdrawn")).Consent.State);
        Assert.NotEmpty((await store.Consents.GetAsync(Person(subject), subject, Guid.NewGuid(), default)).Items);
        Assert.Contains(await store.EntriesAsync(subject), entry => entry.Entry.Type == EntryType.Denied && entry.Entry.Purpose == "customer-support");
    }

    private Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, string state) =>
        store.Consents.SetAsync(recipient, subject, new ConsentStatement("marketing", state), Guid.NewGuid(), default);
}
