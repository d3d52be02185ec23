using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Indexes;
using Xunit;

namespace DataVault.Vault.Tests.Indexes;

public sealed class IndexSearchTests
{
    private static SearchCondition Equal(string text) => SearchCondition.Equal(text);

    private static SearchCondition Prefix(string text) => SearchCondition.Prefix(text);

    [Fact]
    public async Task Whoever_shares_a_bucket_and_does_not_match_is_neither_shown_nor_counted_nor_logged()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await IndexWorld.StartAsync(databases, IndexWorld.PolicyWith("  names: { id: 1000, on: { familyName: whole }, bits: 2 }"));
        var people = await IndexWorld.AddAsync(vault, Enumerable.Range(0, 40).Select(number => IndexWorld.Person(number)));
        Assert.True(await IndexWorld.CountAsync(databases, "(select 1 from vault.search_term where index_id = 1000 group by term having count(*) > 4) as shared") > 0);
        var outcome = await IndexWorld.SearchAsync(vault, ("familyName", Equal(" lovelace ")));
        Assert.Equal(people.Where((_, number) => number % 10 == 2).Order(Comparer), outcome.Results.Select(result => result.Id).Order(Comparer));
        var log = vault.Get<AuditReader>();
        Assert.Equal(EntryType.Search, (await log.EntryAsync(outcome.LogIndex)).Entry.Type);
        Assert.Equal(1, await IndexWorld.CountAsync(databases, $"audit.head where size = {outcome.LogIndex + 5}"));
    }

    [Fact]
    public async Task A_beginning_is_searched_by_with_as_many_letters_as_the_index_has_or_more()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await IndexWorld.StartAsync(databases);
        var people = await IndexWorld.AddAsync(vault, Enumerable.Range(0, 10).Select(number => IndexWorld.Person(number)));
        var li = (await IndexWorld.AddAsync(vault, [IndexWorld.Person(10, "Li")]))[0];
        Assert.Equal(new[] { people[0], people[1] }.Order(Comparer), (await IndexWorld.FindAsync(vault, ("familyName", Prefix("HOP")))).Order(Comparer));
        Assert.Equal([people[1]], await IndexWorld.FindAsync(vault, ("familyName", Prefix("hopk"))));
        Assert.Equal([li], await IndexWorld.FindAsync(vault, ("familyName", Equal("li"))));
        var error = await Assert.ThrowsAsync<VaultException>(() => IndexWorld.FindAsync(vault, ("familyName", Prefix("ho"))));
        Assert.Equal(("invalid-fields", "no-index"), (error.Slug, error.Errors[0].Code));
        Assert.Contains("family-name-start by familyName (first 3)", error.Errors[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_fields_together_are_found_only_with_all_of_them_and_follow_each_change()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await IndexWorld.StartAsync(
            databases, IndexWorld.PolicyWith("  place: { id: 1000, on: { familyName: prefix 2, birthDate: year, country: whole, postalAddress: postcode }, bits: 4, partitions: 3 }"));
        var subject = (await IndexWorld.AddAsync(vault, [IndexWorld.Person(1, "Ørsted", """{"country":"DK","postalAddress":{"postcode":"DK-1165","city":"København"}}""")]))[0];
        await IndexWorld.AddAsync(vault, Enumerable.Range(10, 30).Select(number => IndexWorld.Person(number, "Ørsted", """{"country":"DK","postalAddress":{"postcode":"2100"}}""")));
        (string, SearchCondition)[] where =
        [
            ("familyName", Equal("ØRSTED")), ("birthDate", new SearchCondition(SearchComparison.Year, "1951")), ("country", Equal("dk")),
            ("postalAddress", new SearchCondition(SearchComparison.Postcode, "dk 1165")),
        ];
        Assert.Equal([subject], await IndexWorld.FindAsync(vault, where));
        var error = await Assert.ThrowsAsync<VaultException>(() => IndexWorld.FindAsync(vault, where[..3]));
        Assert.Contains("postalAddress (postcode)", error.Errors[0].Message, StringComparison.Ordinal);
        var patch = new ProfilePatch(StoreVault.Object("""{"postalAddress":{"postcode":"8000"}}"""), "crm", null, null, "service-delivery");
        await vault.Get<ProfileEditor>().PatchAsync(IndexWorld.Ingest, subject, 1, patch, Guid.NewGuid(), default);
        Assert.Empty(await IndexWorld.FindAsync(vault, where));
        where[3].Item2 = new SearchCondition(SearchComparison.Postcode, "8000");
        Assert.Equal([subject], await IndexWorld.FindAsync(vault, where));
    }

    [Fact]
    public async Task A_question_that_would_open_too_many_records_is_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await IndexWorld.StartAsync(databases, IndexWorld.PolicyWith("  names: { id: 1000, on: { familyName: whole }, bits: 2 }"), candidates: 5);
        await IndexWorld.AddAsync(vault, Enumerable.Range(0, 40).Select(number => IndexWorld.Person(number)));
        var error = await Assert.ThrowsAsync<VaultException>(async () =>
        {
            foreach (var name in IndexWorld.Names) await IndexWorld.FindAsync(vault, ("familyName", Equal(name)));
        });
        Assert.Equal("invalid-request", error.Slug);
        Assert.Contains("More than 5", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Hopper", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_permission_to_search_by_a_field_nothing_is_opened()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await IndexWorld.StartAsync(databases);
        await IndexWorld.AddAsync(vault, [IndexWorld.Person(1)]);
        var outcome = await vault.Get<CustomerSearch>().SearchAsync(
            StoreVault.Ingest, "service-delivery", new Dictionary<string, SearchCondition> { ["familyName"] = Prefix("hop") }, null, 5, Guid.NewGuid(), default);
        Assert.Equal(Reasons.NotPermitted, outcome.Refused);
        Assert.Equal(EntryType.Denied, (await vault.Get<AuditReader>().EntryAsync(outcome.LogIndex)).Entry.Type);
    }

    [Fact]
    public async Task An_index_whose_live_distribution_makes_it_unsafe_is_not_built_and_a_search_says_why()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var before = await IndexWorld.StartAsync(databases))
            await IndexWorld.AddAsync(before, Enumerable.Range(0, 80).Select(number => IndexWorld.Person(number, more: number % 5 == 0 ? """{"country":"AT"}""" : """{"country":"DE"}""")));
        await using var vault = await IndexWorld.StartAsync(
            databases, IndexWorld.PolicyWith("  land: { id: 1000, on: { country: whole }, bits: auto }", "  names: { id: 1001, on: { familyName: whole, birthDate: whole }, bits: auto }"));
        var early = await Assert.ThrowsAsync<VaultException>(() => IndexWorld.FindAsync(vault, ("country", Equal("DE"))));
        Assert.Contains("land is being built", early.Errors[0].Message, StringComparison.Ordinal);
        Assert.True(await IndexWorld.TurnAsync(vault));
        Assert.Equal(IndexStates.Refused, (await IndexWorld.RowAsync(vault, "land")).State);
        Assert.Equal(IndexStates.Ready, (await IndexWorld.RowAsync(vault, "names")).State);
        var error = await Assert.ThrowsAsync<VaultException>(() => IndexWorld.FindAsync(vault, ("country", Equal("DE"))));
        Assert.Equal("index-not-ready", error.Errors[0].Code);
        Assert.Contains("land is refused: Only 2 different values among 80 people", error.Errors[0].Message, StringComparison.Ordinal);
        Assert.Equal(0, await IndexWorld.CountAsync(databases, "vault.search_term where index_id = 1000"));
        var report = (await vault.Get<IndexReporter>().ReportAsync(default)).Indexes.Single(index => index.Definition.Name == "land");
        Assert.Equal(("unsafe", false), (report.Verdict, report.IsSearchable));
    }

    private static Comparer<SubjectId> Comparer { get; } = Comparer<SubjectId>.Create((one, other) => one.Value.CompareTo(other.Value));
}
