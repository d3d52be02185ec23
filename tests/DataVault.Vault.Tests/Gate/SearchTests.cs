using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Gate;

public sealed class SearchTests(StoreVault store) : IClassFixture<StoreVault>
{
    [Fact]
    public async Task A_customer_is_found_by_any_spelling_of_the_address_and_shown_as_the_policy_allows()
    {
        var subject = await store.AddAsync("""{"email":"Grace.Hopper@example.com"}""");
        var outcome = await SearchAsync(Support, "customer-support", new() { ["email"] = " grace.hopper@EXAMPLE.com " }, "email", "givenName");
        var found = Assert.Single(outcome.Results);
        Assert.Equal(subject, found.Id);
        Assert.Equal("\"G•••@example.com\"", Value(found, "email"));
    }

    [Fact]
    public async Task A_search_is_an_entry_and_so_is_each_record_it_shows()
    {
        var subject = await store.AddAsync("""{"phone":"+491700000001"}""");
        var outcome = await SearchAsync(Support, "customer-support", new() { ["phone"] = "+49 170 0000001" }, "givenName");
        var reader = store.Vault.Get<AuditReader>();
        Assert.Equal(EntryType.Search, (await reader.EntryAsync(outcome.LogIndex)).Entry.Type);
        Assert.Equal(["phone"], (await reader.EntryAsync(outcome.LogIndex)).ItemNames);
        var shown = await reader.EntryAsync(Assert.Single(outcome.Results).LogIndex);
        Assert.Equal(EntryType.FieldRead, shown.Entry.Type);
        Assert.Equal(shown.Index, (await store.EntriesAsync(subject))[^1].Index);
    }

    [Fact]
    public async Task People_may_share_a_phone_and_every_term_must_match()
    {
        var one = await store.AddAsync("""{"phone":"+491700000002"}""");
        var two = await store.AddAsync("""{"phone":"+491700000002","email":"shared.two@example.com"}""");
        var both = await SearchAsync(Support, "customer-support", new() { ["phone"] = "+491700000002" });
        Assert.Equal(new[] { one, two }.OrderBy(id => id.Value), both.Results.Select(result => result.Id));
        var narrowed = await SearchAsync(Support, "customer-support", new() { ["phone"] = "+491700000002", ["email"] = "shared.two@example.com" });
        Assert.Equal(two, Assert.Single(narrowed.Results).Id);
    }

    [Fact]
    public async Task Nobody_found_is_an_empty_answer_with_an_entry()
    {
        var outcome = await SearchAsync(Support, "customer-support", new() { ["email"] = "nobody@example.com" });
        Assert.Empty(outcome.Results);
        Assert.Null(outcome.Refused);
        Assert.Equal(EntryType.Search, (await store.Vault.Get<AuditReader>().EntryAsync(outcome.LogIndex)).Entry.Type);
    }

    [Fact]
    public async Task Reading_does_not_include_searching()
    {
        var outcome = await SearchAsync(Marketing, "marketing", new() { ["phone"] = "+491700000002" });
        Assert.Equal(Reasons.NotPermitted, outcome.Refused);
        Assert.Equal(EntryType.Denied, (await store.Vault.Get<AuditReader>().EntryAsync(outcome.LogIndex)).Entry.Type);
    }

    [Fact]
    public async Task A_search_for_a_purpose_that_rests_on_consent_finds_only_who_consented()
    {
        await store.AddAsync("""{"email":"silent@example.com"}""");
        var agreed = await store.AddAsync("""{"email":"agreed@example.com"}""", new() { ["marketing"] = "given" });
        Assert.Empty((await SearchAsync(Marketing, "marketing", new() { ["email"] = "silent@example.com" }, "email")).Results);
        Assert.Equal(agreed, Assert.Single((await SearchAsync(Marketing, "marketing", new() { ["email"] = "agreed@example.com" }, "email")).Results).Id);
    }

    [Theory]
    [InlineData("givenName", "Ada", "not-searchable")]
    [InlineData("nonsense", "x", "not-searchable")]
    [InlineData("email", "not an address", "not-an-email")]
    public async Task What_cannot_be_searched_for_is_refused_without_repeating_it(string field, string value, string code)
    {
        var error = await Assert.ThrowsAsync<VaultException>(() => SearchAsync(Support, "customer-support", new() { [field] = value }));
        Assert.Equal(code, Assert.Single(error.Errors).Code);
        Assert.DoesNotContain(value, error.Message + error.Errors[0].Message, StringComparison.Ordinal);
    }

    private Task<SearchOutcome> SearchAsync(Recipient recipient, string purpose, Dictionary<string, string> where, params string[] items) =>
        store.Search.SearchAsync(recipient, purpose, where.ToDictionary(term => term.Key, term => SearchCondition.Equal(term.Value)), items.Length == 0 ? null : Items(items), 20, Guid.NewGuid(), default);

    [Fact]
    public async Task A_term_without_a_value_is_a_bad_value()
    {
        var error = await Assert.ThrowsAsync<VaultException>(() => SearchAsync(Support, "customer-support", new() { ["email"] = null! }));
        Assert.Equal("invalid-fields", error.Slug);
    }
}
