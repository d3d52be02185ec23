using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>Time passes, and what was kept long enough goes: at its hour, and nothing else.</summary>
public sealed class RetentionTests : IAsyncLifetime
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(1);

    private RightsWorld world = null!;
    private SubjectId ada;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    private Retention Retention => world.Vault.Get<Retention>();

    private static PolicySet Policy => Repository.Policy;

    [Fact]
    [Requirement("R05")]
    public async Task A_value_is_gone_at_the_hour_when_its_period_ends_and_not_before()
    {
        var due = RightsWorld.Start.AddMonths(Rule("identity-check").Months);
        world.Clock.Advance(due - RightsWorld.Start - Moment);
        Assert.Equal(0, (await SweepAsync()).Values);
        Assert.Equal(Ids(_ => true), await FieldsAsync(ada));
        world.Clock.Advance(Moment);
        var run = await SweepAsync();
        Assert.Equal((1, 1, 0, 0, 0), (run.People, run.Values, run.Events, run.Failed, run.Frozen));
        Assert.Equal(1, run.ByRule["identity-check"]);
        Assert.Equal(Ids(field => field.Retention != "identity-check"), await FieldsAsync(ada));

        var entry = Assert.Single(await EntriesAsync());
        Assert.Equal(["retention:identity-check"], entry.Rules);
        Assert.Equal(Policy.Catalogue.Fields.Where(field => field.Retention == "identity-check").Select(field => field.Code), entry.Items);
        await SoundAsync();
    }

    [Fact]
    [Requirement("R05")]
    public async Task What_a_change_replaced_is_kept_no_longer_than_it_would_have_been_itself()
    {
        await world.ChangeAsync(ada, "Adelheid");
        world.Clock.Advance(TimeSpan.FromDays(400));
        await PatchAsync("preferences", "[\"tea\"]");
        world.Clock.Advance(TimeSpan.FromDays(1));
        await PatchAsync("preferences", "[\"coffee\"]");
        world.Clock.Advance(RightsWorld.Start.AddMonths(Rule("interest").Months) - world.Clock.GetUtcNow());
        await SweepAsync();

        // The first preferences are of the beginning; the second, in the history as well, and the third are a year younger.
        var preferences = Policy.Catalogue.Find("preferences")!.Id;
        var history = await HistoryAsync();
        Assert.Equal(1, history.Count(id => id == preferences));
        Assert.Contains(Policy.Catalogue.Find("givenName")!.Id, history);
        Assert.Contains(preferences, await FieldsAsync(ada));
        await SoundAsync();
        await world.RotateAsync(RotationLevels.Subjects);
        await SoundAsync();
    }

    [Fact]
    [Requirement("R05")]
    public async Task Events_go_by_when_they_happened_and_activity_that_is_deleted_is_remembered()
    {
        world.Clock.Advance(RightsWorld.Start.AddMonths(10) - RightsWorld.Start);
        await AppendAsync("page_view", "purchase");
        var visited = world.Clock.GetUtcNow();
        world.Clock.Advance(visited.AddMonths(Rule("behaviour").Months) - visited);
        var run = await SweepAsync();
        Assert.Equal(1, run.Events);
        await SoundAsync();
        await world.FeedAsync();

        // 36 months after the beginning, and not 36 after the visit: who came back is a customer still.
        AdvanceTo(RightsWorld.Start.AddMonths(Rule("relationship").Months + 1));
        await SweepAsync();
        Assert.Contains(Policy.Catalogue.Find("email")!.Id, await FieldsAsync(ada));
        AdvanceTo(visited.AddMonths(Rule("relationship").Months));
        await SweepAsync();
        Assert.DoesNotContain(Policy.Catalogue.Find("email")!.Id, await FieldsAsync(ada));
        Assert.Equal(["0"], await world.ListAsync($"select count(*)::text from vault.identifier where subject_id = '{ada}'"));
        Assert.Equal(["0"], await world.ListAsync($"select count(*)::text from vault.search_term where subject_id = '{ada}'"));
        Assert.Equal(["1"], await world.ListAsync($"select count(*)::text from vault.event where subject_id = '{ada}'"));
        await SoundAsync();
    }

    [Fact]
    public async Task Nobody_is_made_idle_in_the_database()
    {
        await AppendAsync("page_view");
        AdvanceTo(RightsWorld.Start.AddMonths(20));
        await SweepAsync();
        await world.VaultSqlAsync($"update vault.retention_look set active_at = active_at - interval '10 years', look_at = '2020-01-01' where subject_id = '{ada}'");
        AdvanceTo(RightsWorld.Start.AddMonths(21));
        var before = await FieldsAsync(ada);
        var run = await SweepAsync();
        Assert.Equal((1, 0), (run.Failed, run.Values));
        Assert.Equal(before, await FieldsAsync(ada));
    }

    [Fact]
    public async Task Of_somebody_who_is_damaged_nothing_goes_and_everybody_else_is_swept()
    {
        var bob = await world.PersonAsync("bob");
        await world.VaultSqlAsync($"update vault.subject set record_seal = sha256(record_seal) where subject_id = '{ada}'");
        AdvanceTo(RightsWorld.Start.AddMonths(Rule("identity-check").Months).AddDays(1));
        var run = await SweepAsync();
        Assert.Equal((2, 1, 1), (run.Looked, run.People, run.Failed));
        Assert.Equal(Ids(field => field.Retention != "identity-check"), await FieldsAsync(bob));
    }

    [Fact]
    [Requirement("R40", "R56")]
    public async Task A_hold_an_open_request_and_a_restriction_freeze_what_is_due_and_their_end_lets_it_go()
    {
        var (bob, eve) = (await world.PersonAsync("bob"), await world.PersonAsync("eve"));
        var item = Policy.Catalogue.Fields.Single(field => field.Retention == "identity-check").Name;
        var hold = await world.Vault.Get<LegalHolds>().PlaceAsync(
            RightsWorld.Officer, new NewHold([ada], [item], [], "legal-claim", "C-1", RightsWorld.Start.AddYears(1)), Guid.NewGuid(), default);
        var rectify = await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Rectification, bob);
        var restrict = await world.OpenAsync(RightsWorld.Customer(eve), RequestKinds.Restriction, eve);
        await world.ApproveAsync(restrict.Id);
        AdvanceTo(RightsWorld.Start.AddMonths(Rule("identity-check").Months).AddDays(1));
        var run = await SweepAsync();
        Assert.Equal((3, 0, 3), (run.Looked, run.Values, run.Frozen));

        await world.Vault.Get<LegalHolds>().ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        await world.Requests.RefuseAsync(RightsWorld.Officer, rectify.Id, "not-applicable", "nothing to correct", Guid.NewGuid(), default);
        world.Clock.Advance(TimeSpan.FromDays(1));
        run = await SweepAsync();
        Assert.Equal((2, 1), (run.People, run.Frozen));
        Assert.Equal(Ids(field => field.Retention != "identity-check"), await FieldsAsync(ada));
        Assert.Equal(Ids(_ => true), await FieldsAsync(eve));
        await SoundAsync();
    }

    [Fact]
    [Requirement("R05")]
    public async Task Of_whom_nothing_would_be_left_is_erased_with_a_certificate()
    {
        await AppendAsync("purchase");
        AdvanceTo(RightsWorld.Start.AddMonths(Rule("bookkeeping").Months).AddDays(1));
        var run = await SweepAsync();
        Assert.Equal(1, run.Erasures);
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        var request = Guid.Parse(Assert.Single(await world.ListAsync("select request_id::text from vault.closed_request where kind = 'erasure' and state = 'completed'")));
        Assert.NotNull(await world.Requests.CertificateAsync(RightsWorld.Officer, request, Guid.NewGuid(), default));
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await SoundAsync();
    }

    [Fact]
    public async Task A_sweep_that_only_counts_deletes_nothing_and_is_for_those_who_answer_for_retention()
    {
        AdvanceTo(RightsWorld.Start.AddMonths(Rule("identity-check").Months).AddDays(1));
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Retention.StartAsync(RightsWorld.Support, dry: true, Guid.NewGuid(), default))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Retention.StateAsync(RightsWorld.Customer(ada), default))).Slug);
        var started = await Retention.StartAsync(RightsWorld.Officer, dry: true, Guid.NewGuid(), default);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Retention.StartAsync(RightsWorld.Officer, dry: true, Guid.NewGuid(), default))).Slug);
        // The one that was due by itself comes after it.
        var sweep = world.Vault.Get<RetentionSweep>();
        await sweep.GoOnAsync(started, Guid.Empty, default);
        var counted = await Retention.RunAsync(RightsWorld.Officer, started.Id, default);
        Assert.Equal((true, 1, 1), (counted.Dry, counted.Values, counted.People));
        Assert.Equal(Ids(_ => true), await FieldsAsync(ada));
        Assert.True(await sweep.RoundAsync(default));
        Assert.Equal(Ids(field => field.Retention != "identity-check"), await FieldsAsync(ada));
        var state = await Retention.StateAsync(RightsWorld.Officer, default);
        Assert.Equal((world.Clock.GetUtcNow() + TimeSpan.FromDays(1), 0, 1), (state.NextAt, state.Waiting, state.Last!.Values));
        Assert.Contains(state.Rules, rule => rule.Rule.Name == "behaviour" && rule.Items.Contains("event:page_view"));
    }

    [Fact]
    public async Task A_sweep_that_was_cut_off_goes_on_where_it_stopped()
    {
        var bob = await world.PersonAsync("bob");
        AdvanceTo(RightsWorld.Start.AddMonths(Rule("identity-check").Months).AddDays(1));
        var (first, second) = ada.Value.CompareTo(bob.Value) < 0 ? (ada, bob) : (bob, ada);
        await Retention.StartAsync(RightsWorld.Officer, dry: false, Guid.NewGuid(), default);
        await world.VaultSqlAsync($"update vault.retention_run set position = '{first}', looked = 1");
        await world.RestartAsync();
        Assert.True(await world.Vault.Get<RetentionSweep>().RoundAsync(default));
        var run = (await Retention.RunsAsync(RightsWorld.Officer, 10, default))[0];
        Assert.Equal((2, 1), (run.Looked, run.People));
        Assert.Equal(Ids(_ => true), await FieldsAsync(first));
        Assert.Equal(Ids(field => field.Retention != "identity-check"), await FieldsAsync(second));
    }

    private static RetentionRule Rule(string name) => Policy.Retention.Single(rule => rule.Name == name);

    private static IEnumerable<int> Ids(Func<FieldDefinition, bool> kept) => Policy.Catalogue.Fields.Where(kept).Select(field => field.Id).Order();

    private void AdvanceTo(DateTimeOffset at) => world.Clock.Advance(at - world.Clock.GetUtcNow());

    private async Task<RetentionRun> SweepAsync()
    {
        // The sweeps that are due by themselves come first; whatever they leave, one that was asked for does not find either.
        var sweep = world.Vault.Get<RetentionSweep>();
        var before = (await Retention.RunsAsync(RightsWorld.Officer, 10, default)).Select(run => run.Id).ToHashSet();
        if ((await Retention.StateAsync(RightsWorld.Officer, default)).NextAt > world.Clock.GetUtcNow()) await Retention.StartAsync(RightsWorld.Officer, dry: false, Guid.NewGuid(), default);
        Assert.True(await sweep.RoundAsync(default));
        return (await Retention.RunsAsync(RightsWorld.Officer, 10, default)).Single(run => !before.Contains(run.Id));
    }

    private async Task<IEnumerable<int>> FieldsAsync(SubjectId subject)
    {
        var record = (await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), subject, default))!;
        using var held = await world.Vault.Get<KeyRegistry>().GetAsync(subject, default);
        return world.Vault.Get<RecordCipher>().Ages(record, held).Select(age => age.FieldId).Order().ToList();
    }

    private async Task<List<int>> HistoryAsync()
    {
        using var held = await world.Vault.Get<KeyRegistry>().GetAsync(ada, default);
        await using var command = world.Vault.Get<VaultDatabase>().Source.CreateCommand("select sealed from vault.history where subject_id = $1");
        command.Parameters.Add(new() { Value = ada.Value });
        return [.. (await Rows.ReadAsync(command, row => row.GetFieldValue<byte[]>(0), default)).SelectMany(row => world.Vault.Get<RecordCipher>().AgesOfHistory(row, held)).Select(age => age.FieldId)];
    }

    private Task<WriteOutcome> PatchAsync(string field, string json) => world.Vault.Get<ProfileEditor>().PatchAsync(
        RightsWorld.Ingest, ada, null, new ProfilePatch(StoreVault.Object($$"""{"{{field}}": {{json}}}"""), "crm", null, "2026-01", "service-delivery"), Guid.NewGuid(), default);

    private async Task AppendAsync(params string[] types)
    {
        var events = types.Select(name => Policy.Events.Types.Single(type => type.Type == name)).Select(type => new NewEvent(
            new CustomerLookup(Id: ada), type.Type, world.Clock.GetUtcNow(), "shop", FullProfile.Properties(type), Guid.NewGuid(), "service-delivery")).ToList();
        Assert.All((await world.Vault.Get<EventRecorder>().AppendAsync(RightsWorld.Ingest, events, Guid.NewGuid(), default)).Items, item => Assert.Equal(EventStatus.Stored, item.Status));
    }

    private async Task<List<LogEntry>> EntriesAsync()
    {
        var page = await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.RetentionSwept, Subject = ada, Limit = 100 });
        return [.. page.Entries.Select(record => record.Entry)];
    }

    private async Task SoundAsync()
    {
        await world.Vault.Get<CheckpointSigner>().SignAsync();
        Assert.Empty((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings.Select(finding => finding.Message));
    }
}
