using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Consents;

/// <summary>Who may consent alone, and what a browser's signal stops.</summary>
public sealed class ChildAndSignalTests(StoreVault store) : IClassFixture<StoreVault>
{
    // The clock stands at 15 June 2026, and purposes ask for sixteen years.
    private const string Child = """{"birthDate":"2010-06-16"}""";
    private const string Sixteen = """{"birthDate":"2010-06-15"}""";

    private PrivacySignals Signals => store.Vault.Get<PrivacySignals>();

    [Fact]
    [Requirement("R15")]
    public async Task A_child_consents_only_with_a_guardian_who_is_named()
    {
        var subject = await store.AddAsync(Child);
        foreach (var recipient in new[] { Person(subject), Support })
            Assert.Equal("guardian-needed", await CodeAsync(() => SetAsync(recipient, subject, new("marketing", "given"))));
        Assert.Equal("not-permitted", await CodeAsync(() => SetAsync(Person(subject), subject, new("marketing", "given") { Guardian = "GC-2026-0113" })));
        Assert.Equal(Reasons.ConsentMissing, await ReadAsync(subject));

        await SetAsync(Support, subject, new("marketing", "given") { Guardian = "GC-2026-0113" });
        Assert.Null(await ReadAsync(subject));
        var act = (await store.Consents.GetAsync(Person(subject), subject, Guid.NewGuid(), default)).Items.Single(item => item.Purpose.Name == "marketing").History[0];
        Assert.Equal(("GC-2026-0113", ConsentRecorder.Application), (act.Guardian, act.RecordedBy));
        await SetAsync(Person(subject), subject, new("marketing", "withdrawn"));
        Assert.Equal(Reasons.ConsentWithdrawn, await ReadAsync(subject));
    }

    [Fact]
    public async Task On_the_birthday_the_person_consents_alone()
    {
        var subject = await store.AddAsync(Sixteen);
        await SetAsync(Person(subject), subject, new("marketing", "given"));
        Assert.Null(await ReadAsync(subject));
    }

    [Fact]
    [Requirement("R15")]
    public async Task A_child_is_not_taken_in_with_a_consent_of_its_own()
    {
        var error = await Assert.ThrowsAsync<VaultException>(() => store.AddAsync(Child, new() { ["marketing"] = "given" }));
        Assert.Equal(("/consents/marketing", "guardian-needed"), (Assert.Single(error.Errors).Pointer, error.Errors[0].Code));
        var subject = await store.AddAsync(Child, new() { ["marketing"] = "refused" });
        Assert.Equal(Reasons.ConsentMissing, await ReadAsync(subject));
    }

    [Fact]
    public async Task A_date_of_birth_that_turns_out_to_be_a_childs_stops_a_consent_at_once_and_a_corrected_one_lets_it_go_on()
    {
        var subject = await store.AddAsync(consents: new() { ["marketing"] = "given" });
        Assert.Null(await ReadAsync(subject));
        await PatchAsync(subject, Child);
        Assert.Equal(Reasons.ConsentMissing, await ReadAsync(subject));
        await PatchAsync(subject, Sixteen);
        Assert.Null(await ReadAsync(subject));
        await PatchAsync(subject, Child);
        await PatchAsync(subject, """{"birthDate":null}""");
        Assert.Equal(Reasons.ConsentMissing, await ReadAsync(subject));
        Assert.Equal("guardian-needed", await CodeAsync(() => SetAsync(Person(subject), subject, new("marketing", "given"))));
        await PatchAsync(subject, Sixteen);
        Assert.Null(await ReadAsync(subject));
        await PatchAsync(subject, """{"birthDate":null}""");
        Assert.Null(await ReadAsync(subject));
    }

    [Fact]
    public async Task Who_grew_up_gives_consent_alone_without_anybody_writing_the_date_anew()
    {
        await using var own = new StoreVaultOwner();
        var fresh = await own.StartAsync();
        var subject = await fresh.AddAsync(Child);
        fresh.Clock.Advance(TimeSpan.FromDays(1));
        await fresh.Consents.SetAsync(Person(subject), subject, new("marketing", "given"), Guid.NewGuid(), default);
        Assert.Null((await fresh.ReadAsync(Marketing, subject, "marketing", "email")).Refused);
    }

    [Fact]
    public async Task Nothing_in_clear_tells_the_date_of_birth()
    {
        var subject = await store.AddAsync(Child);
        Assert.Equal("0308000000", Convert.ToHexString((byte[])(await store.ScalarAsync($"select facts from vault.subject where subject_id = '{subject}'"))!));
    }

    [Fact]
    [Requirement("R64")]
    public async Task The_signal_is_an_objection_to_what_the_policy_marks_and_to_nothing_else()
    {
        var subject = await store.AddAsync(consents: new() { ["marketing"] = "given", ["analytics"] = "given" });
        Assert.True(await Signals.HonourAsync(Person(subject), Guid.NewGuid(), default));
        Assert.Equal(Reasons.Objected, await ReadAsync(subject));
        var items = (await store.Consents.GetAsync(Person(subject), subject, Guid.NewGuid(), default)).Items.ToDictionary(item => item.Purpose.Name);
        Assert.Equal((true, true, "given"), (items["marketing"].Objected, items["marketing"].BySignal, items["marketing"].State));
        Assert.Equal((true, false), (items["personalisation"].Objected, items["analytics"].Objected));
        Assert.Equal(("objected", "gpc", ConsentRecorder.Signal), (items["marketing"].History[0].State, items["marketing"].History[0].Channel, items["marketing"].History[0].RecordedBy));
        var entry = (await store.Vault.Get<AuditReader>().EntryAsync(items["marketing"].History[0].LogIndex)).Entry;
        Assert.Equal((EntryType.ConsentChange, "marketing", "consent-objected"), (entry.Type, entry.Purpose, entry.Rules.Single()));
    }

    [Fact]
    public async Task The_signal_is_recorded_once_however_often_and_from_however_many_it_comes()
    {
        var subject = await store.AddAsync();
        var done = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => Signals.HonourAsync(Person(subject), Guid.NewGuid(), default))));
        Assert.Single(done, one => one);
        Assert.False(await Signals.HonourAsync(Person(subject), Guid.NewGuid(), default));
        Assert.Equal(2, await store.CountAsync($"select count(*) from vault.consent_event where subject_id = '{subject}'"));
        Assert.False(await Signals.HonourAsync(Support, Guid.NewGuid(), default));
        Assert.False(await Signals.HonourAsync(Person(new SubjectId(Guid.NewGuid())), Guid.NewGuid(), default));
    }

    [Fact]
    public async Task Who_consents_against_the_signal_is_told_first_and_then_heard()
    {
        var subject = await store.AddAsync();
        await Signals.HonourAsync(Person(subject), Guid.NewGuid(), default);
        Assert.Equal("objected", await CodeAsync(() => SetAsync(Person(subject), subject, new("marketing", "given"))));
        Assert.Equal(Reasons.Objected, await ReadAsync(subject));

        await SetAsync(Person(subject), subject, new("marketing", "given") { LiftsObjection = true });
        Assert.Null(await ReadAsync(subject));
        Assert.False(await Signals.HonourAsync(Person(subject), Guid.NewGuid(), default));
        Assert.Null(await ReadAsync(subject));

        await SetAsync(Person(subject), subject, new("marketing", "withdrawn"));
        Assert.True(await Signals.HonourAsync(Person(subject), Guid.NewGuid(), default));
        Assert.Equal(Reasons.Objected, await ReadAsync(subject));
    }

    [Fact]
    public async Task A_vault_with_children_guardians_and_signals_is_sound()
    {
        var subject = await store.AddAsync(Child);
        await SetAsync(Support, subject, new("analytics", "given") { Guardian = "GC-7" });
        await Signals.HonourAsync(Person(subject), Guid.NewGuid(), default);
        var report = await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true), _ => { }, default);
        Assert.True(report.Ok, string.Join('\n', report.Findings));
    }

    private sealed class StoreVaultOwner : IAsyncDisposable
    {
        private readonly StoreVault own = new();

        public async Task<StoreVault> StartAsync()
        {
            await own.InitializeAsync();
            return own;
        }

        public ValueTask DisposeAsync() => own.DisposeAsync();
    }

    private Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, ConsentStatement said) => store.Consents.SetAsync(recipient, subject, said, Guid.NewGuid(), default);

    private Task<WriteOutcome> PatchAsync(SubjectId subject, string fields) =>
        store.Editor.PatchAsync(Ingest, subject, null, new ProfilePatch(Object(fields), "crm", null, null, "service-delivery"), Guid.NewGuid(), default);

    private async Task<string?> ReadAsync(SubjectId subject) => (await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused;

    private static async Task<string> CodeAsync(Func<Task> act) => Assert.Single((await Assert.ThrowsAsync<VaultException>(act)).Errors).Code;
}
