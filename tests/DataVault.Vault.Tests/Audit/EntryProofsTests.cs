using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Audit;

public sealed class EntryProofsTests(StoreVault store) : IClassFixture<StoreVault>
{
    private const long NoSuchEntry = 1_000_000;

    [Fact]
    public async Task An_entry_is_proved_to_who_acted_to_the_person_concerned_and_to_officers()
    {
        var subject = await store.AddAsync();
        var read = (await store.ReadAsync(Support, subject, "customer-support", "givenName")).LogIndex;
        foreach (var recipient in new[] { Support, Person(subject), Officer })
            Assert.Equal(read, (await ProveAsync(recipient, read)).Index);
        await AssertNotFoundAsync(Marketing, read);
        await AssertNotFoundAsync(Person(await store.AddAsync()), read);
        await AssertNotFoundAsync(new Recipient(RecipientKind.Staff, "support-desk", "Analyst", ["analyst"], []), read);
    }

    [Fact]
    public async Task Customers_share_an_actor_tag_and_still_have_each_their_own_proofs()
    {
        var (ada, bob) = (await store.AddAsync(), await store.AddAsync());
        var read = (await store.ReadAsync(Person(ada), ada, "data-subject-rights", "givenName")).LogIndex;
        Assert.Equal(read, (await ProveAsync(Person(ada), read)).Index);
        await AssertNotFoundAsync(Person(bob), read);
    }

    [Fact]
    public async Task A_refusal_is_an_entry_whether_or_not_there_was_one_to_prove()
    {
        foreach (var index in new[] { 0, NoSuchEntry, -1 })
        {
            var before = store.Vault.Get<AuditReader>().Size;
            await AssertNotFoundAsync(Marketing, index);
            var denial = (await store.Vault.Get<AuditReader>().EntryAsync(before)).Entry;
            Assert.Equal((EntryType.Denied, EntryResult.Denied, true), (denial.Type, denial.Result, denial.Subject.IsEmpty));
        }
    }

    private async Task AssertNotFoundAsync(Recipient recipient, long index) =>
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => ProveAsync(recipient, index))).Slug);

    private Task<InclusionProofData> ProveAsync(Recipient recipient, long index) =>
        store.Vault.Get<EntryProofs>().ProofAsync(recipient, index, Guid.NewGuid());
}
