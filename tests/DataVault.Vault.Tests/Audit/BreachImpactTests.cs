using System.Text;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using DataVault.Vault.Tests.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Audit;

public sealed class BreachImpactTests : IAsyncLifetime
{
    private static readonly Recipient Stolen = new(RecipientKind.Application, "stolen-key", "Newsletter", ["marketing"], ["marketing"]);
    private static readonly DateTimeOffset Begin = new(2026, 5, 4, 8, 0, 0, TimeSpan.Zero);
    private readonly ManualClock clock = new(Begin);
    private readonly List<(SubjectId Subject, ReadOnlyMemory<byte> Tag)> people = [];
    private DatabasePerClass databases = null!;
    private RunningVault vault = null!;

    private BreachImpact Impact => vault.Get<BreachImpact>();

    public async ValueTask InitializeAsync()
    {
        databases = await DatabasePerClass.CreateAsync();
        vault = await databases.StartVaultAsync(clock: clock);
        foreach (var keys in await vault.Get<KeyRegistry>().CreateAsync([.. Enumerable.Range(0, 200).Select(_ => People.NewId())]))
        {
            using (keys) people.Add((keys.Subject, keys.Tag));
        }

        await PlantAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await vault.DisposeAsync();
        await databases.DisposeAsync();
    }

    [Fact]
    [Requirement("R75")]
    public async Task Whom_and_what_a_stolen_credential_saw_is_counted_exactly()
    {
        var report = await Impact.ReportAsync(new ImpactQuery { Actor = "stolen-key" });
        // 137 single reads, three of them twice, and one entry about five more.
        Assert.Equal((142, 142, 0, 2, 1), (report.People, report.Disclosures, report.ErasedSince, report.Denied, report.Searches));
        Assert.Equal((1, 1), (report.Unattributed, report.Changes));
        Assert.Equal((Begin.AddHours(1), Begin.AddHours(2)), (report.First, report.Last));
        Assert.Equal(137, Of(report, "email").People);
        Assert.Equal(140, Of(report, "email").Disclosures);
        Assert.Equal(40, Of(report, "dietaryRequirements").People);
        Assert.Equal(5, Of(report, "phone").People);
        Assert.Equal(40, report.SpecialPeople);
        Assert.Equal(Repository.Policy.Catalogue.Find("email")!.Category, Of(report, "email").Category);
        Assert.Equal(137, report.Categories.Single(category => category.Name == Of(report, "email").Category).People);

        Assert.Equal(report.People, (await Impact.ReportAsync(new ImpactQuery { Actor = "Newsletter" })).People);
        Assert.Equal(60, (await Impact.ReportAsync(new ImpactQuery { Actor = "Support desk" })).People);
        Assert.Equal(0, (await Impact.ReportAsync(new ImpactQuery { Actor = "nobody" })).People);
        Assert.Equal(60, (await Impact.ReportAsync(new ImpactQuery { Until = Begin.AddMinutes(59) })).People);
        Assert.Equal(142, (await Impact.ReportAsync(new ImpactQuery { From = Begin.AddHours(1), Purpose = "marketing" })).People);
        Assert.Equal("invalid-request", (await Assert.ThrowsAsync<VaultException>(() => Impact.ReportAsync(new ImpactQuery()))).Slug);
    }

    [Fact]
    public async Task The_people_are_listed_page_by_page_and_found_by_name_unless_they_were_erased()
    {
        var erased = people[0];
        await AppendAsync(EntryType.EraseExecuted, LogWorker.Keeper, EntryResult.Ok, [erased], "");
        await vault.Get<KeyRegistry>().DestroyAsync(erased.Subject);
        var found = new List<ImpactPerson>();
        for (string? cursor = null; ;)
        {
            var page = await Impact.PeopleAsync(new ImpactQuery { Actor = "stolen-key" }, resolve: true, 50, cursor);
            found.AddRange(page.People);
            if ((cursor = page.Next) is null) break;
        }

        Assert.Equal(142, found.Count);
        Assert.Equal(142, found.DistinctBy(person => person.Tag).Count());
        var gone = found.Single(person => person.Erased);
        Assert.Equal((Convert.ToHexStringLower(erased.Tag.Span), null, 2L), (gone.Tag, gone.Customer, gone.Disclosures));
        foreach (var person in found.Where(person => !person.Erased))
            Assert.Equal(person.Tag, Convert.ToHexStringLower(people.Single(known => known.Subject == person.Customer).Tag.Span));
        Assert.Equal(39, found.Count(person => person is { Special: true, Erased: false }));
        Assert.Equal(1, (await Impact.ReportAsync(new ImpactQuery { Actor = "stolen-key" })).ErasedSince);
    }

    [Fact]
    public async Task Exports_are_tables_that_nothing_in_them_can_turn_into_formulas()
    {
        var evil = new Recipient(RecipientKind.Application, "evil", "=HYPERLINK(\"x\")", ["marketing"], ["marketing"]);
        await AppendAsync(EntryType.FieldRead, evil, EntryResult.Ok, [people[3]], "marketing", "email");
        using var entries = new MemoryStream();
        await AuditCsv.WriteAsync(entries, vault.Get<AuditReader>().ExportAsync(new AuditQuery { OldestFirst = true }), default);
        var lines = Encoding.UTF8.GetString(entries.ToArray()).TrimEnd().Split("\r\n");
        Assert.Equal(await People.CountAsync(vault, "audit.entry_index"), lines.Length - 1);
        Assert.Contains("\"'=HYPERLINK(\"\"x\"\")\"", lines[^1], StringComparison.Ordinal);
        Assert.StartsWith("0,2026-05-04T08:00:00.000Z,field.read,ok,Support desk,", lines[1], StringComparison.Ordinal);

        using var list = new MemoryStream();
        await AuditCsv.WriteAsync(list, Impact.ExportAsync(new ImpactQuery { Actor = "stolen-key" }, resolve: true), default);
        Assert.Equal(143, Encoding.UTF8.GetString(list.ToArray()).TrimEnd().Split("\r\n").Length);
    }

    [Fact]
    [Requirement("R75")]
    public async Task What_is_attached_to_a_case_is_exact_and_counts_the_same_again_whatever_is_logged_later()
    {
        var officer = new Recipient(RecipientKind.Staff, "o1", "Officer", ["compliance-officer"], ["data-subject-rights"]);
        var register = vault.Get<BreachRegister>();
        var opened = await register.OpenAsync(officer, new BreachOpening("A stolen key", [BreachWords.Confidentiality], clock.GetUtcNow(), "Europe/Brussels"), Guid.NewGuid(), default);
        var attached = await register.AttachAsync(officer, opened.Id, new ImpactQuery { Actor = "stolen-key" }, null, Guid.NewGuid(), default);
        var impact = attached.Impact!;
        Assert.Equal((142, 182, 40), (impact.Counts["people"], impact.Counts["records"], impact.Counts["specialPeople"]));
        Assert.Equal((137, 40, 5), (impact.Items["email"], impact.Items["dietaryRequirements"], impact.Items["phone"]));
        Assert.Equal((142, 182, true, BreachWords.Readable), (attached.Findings.People, attached.Findings.Records, attached.Findings.Special, attached.Findings.KeyState));
        // The people of this vault have keys and no records: nobody knows where they are.
        Assert.Equal([new("unknown", 142)], impact.Places);
        Assert.Equal(40, impact.Categories.Single(category => category.Key.EndsWith('*')).Value);

        await AppendAsync(EntryType.FieldRead, Stolen, EntryResult.Ok, people[150..180], "marketing", "email");
        await AppendAsync(EntryType.EraseExecuted, LogWorker.Keeper, EntryResult.Ok, [people[0]], "");
        Assert.Equal((172, 1), ((await Impact.ReportAsync(new ImpactQuery { Actor = "stolen-key" })) is var now ? now.People : 0, now.ErasedSince));
        var again = await register.CompareAsync(officer, opened.Id, null, Guid.NewGuid(), default);
        Assert.Equal((2, true, null), (again.Step, again.RootHolds, again.Unknown));
        Assert.Empty(again.Differences);

        // What searches are made on is an aid that whoever writes to the database reaches: a second count shows it.
        await databases.Cluster.ExecuteAsync(databases.VaultName, "delete from audit.entry_index where index = (select min(index) from audit.entry_index e join audit.shape s on s.code = e.shape where s.purpose = 'marketing' and s.type = 17 and s.result = 0)");
        Assert.Contains(new ImpactDifference("counts/disclosures", 142, 141), (await register.CompareAsync(officer, opened.Id, 2, Guid.NewGuid(), default)).Differences);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => register.CompareAsync(officer, opened.Id, 1, Guid.NewGuid(), default))).Slug);
    }

    private static ImpactItem Of(ImpactReport report, string field) => report.Items.Single(item => item.Name == field);

    private async Task PlantAsync()
    {
        for (var i = 0; i < 60; i++) await AppendAsync(EntryType.FieldRead, Log.Desk, EntryResult.Ok, [people[i + 100]], "customer-support", "email", "givenName");
        clock.Advance(TimeSpan.FromHours(1));
        for (var i = 0; i < 137; i++) await AppendAsync(EntryType.FieldRead, Stolen, EntryResult.Ok, [people[i]], "marketing", i < 40 ? ["email", "dietaryRequirements"] : ["email"]);
        clock.Advance(TimeSpan.FromHours(1));
        for (var i = 0; i < 3; i++) await AppendAsync(EntryType.FieldRead, Stolen, EntryResult.Ok, [people[i]], "marketing", "email");
        await AppendAsync(EntryType.Export, Stolen, EntryResult.Ok, people[190..195], "marketing", "phone");
        await AppendAsync(EntryType.FieldRead, Stolen, EntryResult.Ok, [], "marketing");
        await AppendAsync(EntryType.Denied, Stolen, EntryResult.Denied, [people[199]], "marketing", "dietaryRequirements");
        await AppendAsync(EntryType.FieldRead, Stolen, EntryResult.Denied, [people[198]], "marketing", "dietaryRequirements");
        await AppendAsync(EntryType.FieldRead, Stolen, EntryResult.Error, [people[197]], "marketing", "dietaryRequirements");
        await AppendAsync(EntryType.Search, Stolen, EntryResult.Ok, [], "marketing", "email");
        await AppendAsync(EntryType.RecordWrite, Stolen, EntryResult.Ok, [people[196]], "marketing", "email");
    }

    private async Task AppendAsync(EntryType type, Recipient actor, EntryResult result, List<(SubjectId Subject, ReadOnlyMemory<byte> Tag)> about, string purpose, params string[] fields)
    {
        var log = vault.Get<AuditLog>();
        var entry = log.Entry(type, actor, default, purpose, result, [.. fields.Select(field => People.Field(field).Id)]);
        await log.AppendAsync(AuditLog.Concerning(entry, about.Select(person => person.Tag)));
    }
}
