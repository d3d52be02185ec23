using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.Gate.ObligationVault;

namespace DataVault.Vault.Tests.Gate;

/// <summary>The shipped policy stops whose releases wait too long for their review, for that purpose, until officers have decided.</summary>
public sealed class OverdueTests(StoreVault store) : IClassFixture<StoreVault>
{
    private const string Reason = "Recall of a dangerous product";

    [Fact]
    public async Task Overdue_reviews_stop_the_purpose_for_whoever_got_the_data_until_an_officer_has_decided()
    {
        var most = StoreVault.Policy.Purposes.Find("emergency")!.StopsAtOverdue!.Value;
        var (owing, other) = (Staff("s20", "emergency", "customer-support"), Staff("s21", "emergency"));
        List<SubjectId> people = [];
        for (var index = 0; index <= most; index++) people.Add(await store.AddAsync());
        for (var index = 0; index < most; index++) Assert.Null((await ReadAsync(owing, people[index])).Refused);
        store.Clock.Advance(TimeSpan.FromDays(2));
        Assert.Null((await ReadAsync(owing, people[0])).Refused);

        store.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal("reviews-overdue", (await Assert.ThrowsAsync<VaultException>(() => ReadAsync(owing, people[^1]))).Slug);
        Assert.Equal(EntryType.Denied, (await store.EntriesAsync(people[^1]))[^1].Entry.Type);
        var many = await Assert.ThrowsAsync<VaultException>(() => store.Gate.ReadManyAsync(owing, people, "emergency", StoreVault.Items("givenName"), false, Guid.NewGuid(), default, Reason));
        Assert.Equal("reviews-overdue", many.Slug);
        foreach (var person in people) Assert.Equal(EntryType.Denied, (await store.EntriesAsync(person))[^1].Entry.Type);
        Assert.Null((await ReadAsync(other, people[^1])).Refused);
        Assert.Null((await ReadAsync(owing, people[^1], "customer-support")).Refused);

        var reviews = store.Vault.Get<Reviews>();
        var overdue = (await reviews.ListAsync(StoreVault.Officer, new ReviewFilter(Overdue: true), 200, null, Guid.NewGuid(), default)).Items;
        await reviews.DecideAsync(StoreVault.Officer, overdue[0].Id, justified: true, "The lot was recalled", Guid.NewGuid(), default);
        Assert.Null((await ReadAsync(owing, people[^1])).Refused);
    }

    private Task<Disclosure> ReadAsync(Recipient recipient, SubjectId subject, string purpose = "emergency") =>
        store.Gate.ReadAsync(new ReadQuery(recipient, subject, purpose, StoreVault.Items("givenName"), false, Guid.NewGuid(), Reason), default);
}
