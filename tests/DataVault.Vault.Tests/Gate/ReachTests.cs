using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Gate;

/// <summary>A vault with a desk and officers who reach the people of one brand only, and a feed that does.</summary>
public sealed class ReachVault : StoreVault
{
    internal static Recipient Desk { get; } = new(RecipientKind.Application, "desk-1", "House desk", ["house-desk"], ["customer-support"]);

    internal static Recipient Near { get; } = new(RecipientKind.Staff, "o9", "House officer", ["house-officer"], ["data-subject-rights", "customer-support"]);

    internal static PolicySet Narrow { get; } = Repository.ChangedPolicy(
        ("roles.yaml", "  analyst: {", "  house-officer: { title: Officer of the house brand, capabilities: [requests.read, requests.decide, holds.manage, standing.manage, audit.read], reach: [{ brand: [house] }] }\n  house-intake: { title: Intake of the house brand, parents: [ingest], reach: [{ brand: [house] }] }\n  analyst: {"),
        ("roles.yaml", "  analytics-feed: {", "  analytics-feed: { reach: [{ brand: [house] }],"));

    protected internal override void Configure(IServiceCollection services) => services.AddSingleton(new ActivePolicy(Narrow));

    internal async Task<SubjectId> AddAsync(string? brand, string fields = "{}", Dictionary<string, string>? consents = null) =>
        (await Editor.CreateAsync(Ingest, Customer(fields, consents) with { Standing = new PersonStanding("eu", null, brand, []) }, null, Guid.NewGuid(), default)).Id;

    internal async Task<StandingView> StandAsync(SubjectId subject, PersonStanding standing)
    {
        var service = Vault.Get<SubjectStanding>();
        var before = await service.GetAsync(Ingest, subject, "service-delivery", Guid.NewGuid(), default);
        return await service.SetAsync(Ingest, subject, before.Version, standing, "service-delivery", Guid.NewGuid(), default);
    }

    internal Task<SearchOutcome> FindAsync(Recipient recipient, string field, string value, int limit = 20) => Search.SearchAsync(
        recipient, "customer-support", new Dictionary<string, SearchCondition> { [field] = SearchCondition.Equal(value) }, Items("givenName"), limit, Guid.NewGuid(), default);
}

public sealed class ReachTests(ReachVault store) : IClassFixture<ReachVault>
{
    private static readonly PersonStanding Partner = new(null, null, "partner", []);

    private readonly Guid call = Guid.NewGuid();

    [Fact]
    public async Task A_standing_is_sealed_logged_and_in_force_at_once()
    {
        var subject = await store.AddAsync("house");
        Assert.NotEmpty((await store.ReadAsync(ReachVault.Desk, subject, "customer-support", "givenName")).Fields);
        var after = await store.StandAsync(subject, Partner);
        Assert.Equal(2, after.Version);
        await NobodyAsync(() => store.ReadAsync(ReachVault.Desk, subject, "customer-support", "givenName"));
        var entry = (await store.Vault.Get<AuditReader>().EntryAsync(after.LogIndex)).Entry;
        Assert.Equal((EntryType.RecordWrite, 2L), (entry.Type, entry.RecordVersion));
        Assert.Equal(["standing"], entry.Rules);
        Assert.DoesNotContain((await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings, finding => finding.ToString()!.Contains(subject.ToString(), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Only_words_of_the_policy_are_taken_and_only_from_who_may()
    {
        var subject = await store.AddAsync("house");
        var wrong = await Assert.ThrowsAsync<VaultException>(() => store.StandAsync(subject, new("nowhere", "mars", "unknown", [new("cousin", "a b")])));
        Assert.Equal(["/standing/jurisdiction", "/standing/residency", "/standing/brand", "/standing/relations/0/name", "/standing/relations/0/recipient"], wrong.Errors.Select(error => error.Pointer));
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => store.Vault.Get<SubjectStanding>().SetAsync(Support, subject, 1, Partner, "customer-support", call, default))).Slug);
        var created = store.Editor.CreateAsync(Support, store.Customer() with { Standing = Partner, Purpose = "customer-support" }, null, call, default);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => created)).Slug);
    }

    [Fact]
    public async Task An_assigned_agent_reaches_a_person_and_nobody_else_of_the_role_does()
    {
        var subject = await store.AddAsync("partner");
        await store.StandAsync(subject, Partner with { Relations = [new("assigned-agent", "agent-7")] });
        var agent = new Recipient(RecipientKind.Staff, "agent-7", "Agent", ["house-desk"], ["customer-support"]);
        var read = await store.ReadAsync(agent, subject, "customer-support", "email");
        Assert.Equal(Form.Plain, Assert.Single(read.Fields).Form);
        await NobodyAsync(() => store.ReadAsync(ReachVault.Desk, subject, "customer-support", "email"));
    }

    [Fact]
    public async Task Unknown_erased_and_unreachable_people_are_answered_for_alike()
    {
        var unreachable = await store.AddAsync("partner");
        var unknown = new SubjectId(Guid.CreateVersion7());
        foreach (var subject in new[] { unreachable, unknown })
        {
            await NobodyAsync(() => store.ReadAsync(ReachVault.Desk, subject, "customer-support", "email"));
            await NobodyAsync(() => store.Gate.ReadEventsAsync(ReachVault.Desk, subject, "customer-support", null, 10, null, call, default));
            await NobodyAsync(() => store.Consents.GetAsync(ReachVault.Desk, subject, call, default));
            await NobodyAsync(() => store.Consents.SetAsync(ReachVault.Desk, subject, new ConsentStatement("marketing", "withdrawn"), call, default));
            await NobodyAsync(() => store.Vault.Get<SubjectStanding>().GetAsync(ReachVault.Near, subject, "customer-support", call, default));
            await NobodyAsync(() => store.Vault.Get<SubjectStanding>().SetAsync(ReachVault.Near, subject, 7, Partner, "customer-support", call, default));
            // The desk writes nothing of anybody, and is told so before anything is known of the person.
            var written = await Assert.ThrowsAsync<VaultException>(() => store.Editor.PatchAsync(ReachVault.Desk, subject, 7, new ProfilePatch(Object("""{"givenName":"Eve"}"""), "crm", null, null, "customer-support"), call, default));
            Assert.Equal("forbidden", written.Slug);
            await NobodyAsync(() => store.Vault.Get<SubjectRequests>().OpenAsync(ReachVault.Near, "access", subject, null, null, call, default));
            await NobodyAsync(() => store.Vault.Get<LegalHolds>().PlaceAsync(ReachVault.Near, Hold(subject), call, default));
            Assert.Equal("not-found", Assert.Single(await ManyAsync(subject)).Error!.Slug);
            foreach (var type in new[] { "support_contact", "purchase" })
            {
                var appended = await store.Recorder.AppendAsync(ReachVault.Desk, [Contact(new CustomerLookup(Id: subject), type)], call, default);
                Assert.Equal("not-found", Assert.Single(appended.Items).Error!.Slug);
            }
        }
    }

    [Fact]
    public async Task Requests_and_holds_about_the_unreachable_are_neither_listed_nor_found()
    {
        var (far, near) = (await store.AddAsync("partner"), await store.AddAsync("house"));
        var (requests, holds) = (store.Vault.Get<SubjectRequests>(), store.Vault.Get<LegalHolds>());
        var hidden = await requests.OpenAsync(Officer, "restriction", far, null, null, call, default);
        var shown = await requests.OpenAsync(Officer, "restriction", near, null, null, call, default);
        var page = await requests.ListAsync(ReachVault.Near, new RequestFilter(Kind: "restriction"), 1, null, call, default);
        Assert.Equal((shown.Id, null), (Assert.Single(page.Items).Id, page.Next));
        await NobodyAsync(() => requests.GetAsync(ReachVault.Near, hidden.Id, call, default));
        var both = await holds.PlaceAsync(Officer, Hold(far, near), call, default);
        var own = await holds.PlaceAsync(Officer, Hold(near), call, default);
        Assert.Equal(own.Id, Assert.Single((await holds.ListAsync(ReachVault.Near, new HoldFilter(), 1, null, call, default)).Items).Id);
        await NobodyAsync(() => holds.ReleaseAsync(ReachVault.Near, both.Id, null, call, default));
        Assert.NotNull((await holds.ReleaseAsync(ReachVault.Near, own.Id, null, call, default)).ReleasedAt);
    }

    [Fact]
    public async Task A_search_counts_nobody_who_is_out_of_reach_and_its_entry_names_them()
    {
        const string phone = "+491700000777";
        var near = await store.AddAsync("house", $$"""{"phone":"{{phone}}"}""");
        for (var far = 0; far < 3; far++) await store.AddAsync("partner", $$"""{"phone":"{{phone}}"}""");
        Assert.Equal(near, Assert.Single((await store.FindAsync(ReachVault.Desk, "phone", phone, limit: 1)).Results).Id);
        await Assert.ThrowsAsync<VaultException>(() => store.FindAsync(Support, "phone", phone, limit: 1));

        var other = await store.AddAsync("partner", """{"email":"far.away@example.com"}""");
        var (hidden, nobody) = (await store.FindAsync(ReachVault.Desk, "email", "far.away@example.com"), await store.FindAsync(ReachVault.Desk, "email", "nobody.here@example.com"));
        Assert.Equal((hidden.Results.Count, hidden.Refused), (nobody.Results.Count, nobody.Refused));
        Assert.Equal(hidden.LogIndex, (await store.EntriesAsync(other))[^1].Index);
        Assert.Equal(["out-of-reach"], (await store.Vault.Get<AuditReader>().EntryAsync(hidden.LogIndex)).Entry.Rules);
    }

    [Fact]
    public async Task That_several_share_a_phone_tells_of_nobody_out_of_reach()
    {
        const string phone = "+491700000888";
        for (var far = 0; far < 2; far++) await store.AddAsync("partner", $$"""{"phone":"{{phone}}"}""");
        var alone = await store.Recorder.AppendAsync(ReachVault.Desk, [Contact(new CustomerLookup(Phone: phone))], call, default);
        Assert.Equal("not-found", Assert.Single(alone.Items).Error!.Slug);
        var near = await store.AddAsync("house", $$"""{"phone":"{{phone}}"}""");
        Assert.Equal(near, Assert.Single((await store.Recorder.AppendAsync(ReachVault.Desk, [Contact(new CustomerLookup(Phone: phone))], call, default)).Items).Subject);
    }

    [Fact]
    public async Task The_log_says_whom_somebody_tried_to_reach()
    {
        var subject = await store.AddAsync("partner");
        await NobodyAsync(() => store.ReadAsync(ReachVault.Desk, subject, "customer-support", "email"));
        var last = (await store.EntriesAsync(subject))[^1].Entry;
        Assert.Equal((EntryType.Denied, EntryResult.Denied), (last.Type, last.Result));
        await ManyAsync(subject);
        Assert.Equal(2, (await store.EntriesAsync(subject)).Count(record => record.Entry.Type == EntryType.Denied));
    }

    [Fact]
    public async Task Only_those_whom_the_feed_reaches_have_rows_in_analytics()
    {
        var domain = ReachVault.Narrow.Analytics[0];
        var before = await store.CountAsync($"select count(*) from \"{domain.Schema}\".customer");
        var near = await store.AddAsync("house", "{}", new() { ["analytics"] = "given" });
        await store.AddAsync("partner", "{}", new() { ["analytics"] = "given" });
        await store.Feed.DrainAsync(default);
        Assert.Equal(before + 1, await store.CountAsync($"select count(*) from \"{domain.Schema}\".customer"));
        await store.StandAsync(near, Partner);
        await store.Feed.DrainAsync(default);
        Assert.Equal(before, await store.CountAsync($"select count(*) from \"{domain.Schema}\".customer"));
    }

    [Fact]
    public async Task Damage_is_told_to_nobody_who_may_not_know_of_everybody()
    {
        var subject = await store.AddAsync("partner");
        await store.ExecuteAsync($"update vault.subject set facts = '\\x63' where subject_id = '{subject}'");
        await NobodyAsync(() => store.ReadAsync(ReachVault.Desk, subject, "customer-support", "email"));
        Assert.Equal("record-damaged", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Support, subject, "customer-support", "email"))).Slug);
        await store.ExecuteAsync($"delete from vault.subject where subject_id = '{subject}'");
    }

    [Fact]
    public async Task Whoever_reaches_some_creates_those_only_and_a_conflict_is_a_denial_in_the_log()
    {
        var intake = new Recipient(RecipientKind.Application, "intake-1", "Intake", ["house-intake"], ["service-delivery"]);
        var house = new PersonStanding(null, null, "house", []);
        var made = await store.Editor.CreateAsync(intake, store.Customer() with { Standing = house }, null, call, default);
        Assert.Equal(1, made.Version);
        await RefusedAsync("forbidden", store.Customer());
        await RefusedAsync("forbidden", store.Customer() with { Standing = Partner });
        await store.AddAsync("partner", """{"email":"taken.far@example.com"}""");
        await RefusedAsync("conflict", store.Customer("""{"email":"taken.far@example.com"}""") with { Standing = house });
        var newest = (await store.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Actor = "Intake", Limit = 1 })).Entries[0];
        Assert.Equal(EntryType.Denied, newest.Entry.Type);
        Assert.Equal(["conflict"], newest.Entry.Rules);
        Assert.Contains(ReachVault.Narrow.Lint(), finding => finding.Message.Contains("house-intake reaches some people only and may write email", StringComparison.Ordinal));

        async Task RefusedAsync(string slug, NewCustomer customer) =>
            Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(() => store.Editor.CreateAsync(intake, customer, null, call, default))).Slug);
    }

    [Fact]
    public void What_is_about_everybody_is_of_no_use_to_who_reaches_some()
    {
        Assert.False(ReachVault.Narrow.Decisions.HasCapability(ReachVault.Near.Roles, Capabilities.AuditRead));
        Assert.True(ReachVault.Narrow.Decisions.HasCapability(ReachVault.Near.Roles, Capabilities.RequestsRead));
        Assert.Contains(ReachVault.Narrow.Lint(), finding => finding.Message.Contains("house-officer reaches some people only: audit.read", StringComparison.Ordinal));
    }

    private Task<IReadOnlyList<ItemResult<Disclosure>>> ManyAsync(SubjectId subject) =>
        store.Gate.ReadManyAsync(ReachVault.Desk, [subject], "customer-support", Items("email"), false, call, default);

    private NewHold Hold(params SubjectId[] subjects) => new(subjects, null, [], "legal-claim", "C-1", store.Clock.GetUtcNow().AddDays(30));

    private NewEvent Contact(CustomerLookup customer, string type = "support_contact") => type == "purchase"
        ? store.Purchase(customer) with { Purpose = "customer-support" }
        : new(customer, type, store.Clock.GetUtcNow().AddDays(-1), "desk", Object("""{"channel":"phone","topic":"delivery"}"""), null, "customer-support");

    private static async Task NobodyAsync<T>(Func<Task<T>> ask) => Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(ask)).Slug);
}
