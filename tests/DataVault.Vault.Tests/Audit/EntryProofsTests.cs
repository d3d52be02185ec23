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
            await AssertNotFoundAsync(Marketing, index);
            var denial = (await store.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Limit = 1 })).Entries[0].Entry;
            Assert.Equal((EntryType.Denied, EntryResult.Denied, true), (denial.Type, denial.Result, denial.Subject.IsEmpty));
        }
    }

    [Fact]
    public async Task Each_of_many_whom_an_entry_is_about_sees_it_in_the_own_history_and_proves_to_be_among_them()
    {
        var people = new List<SubjectId>();
        for (var i = 0; i < 5; i++) people.Add(await store.AddAsync());
        var outcome = await store.Vault.Get<EventRecorder>().AppendAsync(Ingest, [.. people.Select(person => store.Purchase(new CustomerLookup(person)))], Guid.NewGuid(), default);
        var index = outcome.LogIndex!.Value;
        foreach (var person in people)
        {
            var history = await store.Vault.Get<AccessHistory>().ListAsync(Person(person), person, 10, null, Guid.NewGuid(), default);
            Assert.Contains(history.Items, access => access.Index == index && access.Type == "event.append");
            var proof = await ProveAsync(Person(person), index);
            var entry = LogEntry.Decode(proof.Entry);
            Assert.True(BulkMembers.Verify(entry, proof.Member!.Tag.Span, proof.Member.Position, proof.Member.Hashes));
            Assert.False(BulkMembers.Verify(entry, new byte[LogEntry.TagSize], proof.Member.Position, proof.Member.Hashes));
        }

        await AssertNotFoundAsync(Person(await store.AddAsync()), index);
    }

    [Fact]
    public async Task A_list_of_members_that_was_altered_proves_nothing()
    {
        var people = new[] { await store.AddAsync(), await store.AddAsync() };
        var outcome = await store.Vault.Get<EventRecorder>().AppendAsync(Ingest, [.. people.Select(person => store.Purchase(new CustomerLookup(person)))], Guid.NewGuid(), default);
        await store.ExecuteAsync($"update audit.bulk set tags = set_byte(tags, 31, 255 - get_byte(tags, 31)) where index = {outcome.LogIndex}");
        await Assert.ThrowsAsync<InvalidDataException>(() => ProveAsync(Person(people[0]), outcome.LogIndex!.Value));
    }

    private async Task AssertNotFoundAsync(Recipient recipient, long index) =>
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => ProveAsync(recipient, index))).Slug);

    private Task<InclusionProofData> ProveAsync(Recipient recipient, long index) =>
        store.Vault.Get<EntryProofs>().ProofAsync(recipient, index, Guid.NewGuid());
}
