using System.Globalization;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Consents;

/// <summary>What the officer's proof of a consent rests on: what is missing is named, and nothing is attested that the log does not hold.</summary>
public sealed class ConsentProofTests(StoreVault store) : IClassFixture<StoreVault>
{
    private static readonly Uri WithdrawAt = new("https://vault.example/console/me/consents");

    private ConsentReceipts Receipts => store.Vault.Get<ConsentReceipts>();

    [Theory]
    [Requirement("R10")]
    [InlineData("update vault.consent_event set state = 1 where subject_id = '{0}' and sequence = 2", "tells of another act than the one that is stored")]
    [InlineData("update vault.consent_event set notice_hash = null where subject_id = '{0}' and sequence = 2", "tells of another act than the one that is stored")]
    [InlineData("update vault.consent_event set log_index = 0 where subject_id = '{0}' and sequence = 2", "tells of no consent act, although an act names it")]
    [InlineData("update vault.consent_event set log_index = 4000000 where subject_id = '{0}' and sequence = 2", "is not in the log, although an act names it")]
    [InlineData("update vault.consent_event c set log_index = o.log_index from vault.consent_event o where c.subject_id = '{0}' and c.sequence = 2 and o.subject_id = '{1}'", "tells of another person than the act that names it")]
    public async Task An_act_that_somebody_changed_is_named_and_neither_attested_nor_valid(string attack, string finding)
    {
        var (subject, other) = (await store.AddAsync(consents: Given()), await store.AddAsync(consents: Given()));
        await SetAsync(Person(subject), subject, "withdrawn");
        Assert.Empty((await ProveAsync(subject)).Missing);
        await store.ExecuteAsync(string.Format(CultureInfo.InvariantCulture, attack, subject, other));
        var proof = await ProveAsync(subject);
        Assert.Contains(proof.Missing, one => one.EndsWith(finding, StringComparison.Ordinal));
        Assert.False(proof.Valid);
        Assert.Equal("given", ConsentStates.NameOf(Assert.Single(proof.Receipts).Statement.Act.State));
        var refused = await RefusedReceiptAsync(subject);
        Assert.Equal("evidence-contradicted", refused.Slug);
        Assert.Contains(refused.Errors, one => one.Message.EndsWith(finding, StringComparison.Ordinal));
        Assert.Contains(await store.EntriesAsync(subject), entry => entry.Entry is { Type: EntryType.ConsentReceipt, Result: EntryResult.Error });
    }

    [Fact]
    public async Task An_act_that_somebody_removed_is_named_by_its_entry()
    {
        var subject = await store.AddAsync(consents: Given());
        var withdrawn = await SetAsync(Person(subject), subject, "withdrawn");
        await store.ExecuteAsync($"delete from vault.consent_event where subject_id = '{subject}' and sequence = 2");
        var proof = await ProveAsync(subject);
        Assert.Equal([$"entry {withdrawn.LogIndex} tells of an act that is not stored", "the acts come to given, and the sealed record says withdrawn"], proof.Missing);
        Assert.Equal(("given", false), (proof.State, proof.Valid));
    }

    [Theory]
    [InlineData("sequence = 2", true)]
    [InlineData("true", true)]
    [InlineData("sequence = 1", false)]
    public async Task No_receipt_is_signed_of_a_consent_while_an_act_of_it_is_missing(string removed, bool isOfTheSealedState)
    {
        var subject = await store.AddAsync(consents: Given());
        var given = (await store.EntriesAsync(subject)).First(entry => entry.Entry.Type == EntryType.ConsentChange).Index;
        var withdrawn = await SetAsync(Person(subject), subject, "withdrawn");
        await store.ExecuteAsync($"delete from vault.consent_event where subject_id = '{subject}' and {removed}");
        foreach (var entry in new long?[] { null, given })
        {
            var refused = await RefusedReceiptAsync(subject, entry);
            Assert.Equal("evidence-contradicted", refused.Slug);
            var missing = removed == "sequence = 1" ? given : withdrawn.LogIndex;
            Assert.Contains(refused.Errors, one => one.Message == $"entry {missing} tells of an act that is not stored");
            Assert.Equal(isOfTheSealedState, refused.Errors.Any(one => one.Message.EndsWith("and the sealed record says withdrawn", StringComparison.Ordinal)));
        }

        Assert.Equal(2, (await store.EntriesAsync(subject)).Count(entry => entry.Entry is { Type: EntryType.ConsentReceipt, Result: EntryResult.Error }));
    }

    [Fact]
    public async Task A_consent_is_not_valid_while_the_person_objects_and_is_again_once_they_lifted_it()
    {
        var subject = await store.AddAsync(consents: Given());
        var start = store.Clock.GetUtcNow();
        store.Clock.Advance(TimeSpan.FromDays(1));
        await store.Vault.Get<PrivacySignals>().HonourAsync(Person(subject), Guid.NewGuid(), default);
        store.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal((false, "objected"), Outcome(await ProveAsync(subject)));
        await store.Consents.SetAsync(Person(subject), subject, new ConsentStatement("marketing", "given") { LiftsObjection = true }, Guid.NewGuid(), default);
        store.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal([(true, ""), (false, "objected"), (true, ""), (true, "")], [
            Outcome(await ProveAsync(subject, start.AddHours(1))), Outcome(await ProveAsync(subject, start.AddHours(25))), Outcome(await ProveAsync(subject, start.AddHours(49))),
            Outcome(await ProveAsync(subject))]);
    }

    [Theory]
    [InlineData("restriction", "restricted")]
    [InlineData("objection", "objected")]
    public async Task A_request_that_was_carried_out_counts_from_then_on(string kind, string stop)
    {
        var subject = await store.AddAsync(consents: Given());
        var start = store.Clock.GetUtcNow();
        store.Clock.Advance(TimeSpan.FromDays(1));
        var requests = store.Vault.Get<SubjectRequests>();
        var opened = await requests.OpenAsync(Officer, kind, subject, null, null, Guid.NewGuid(), default);
        await requests.VerifyAsync(Officer, opened.Id, null, Guid.NewGuid(), default, "document-seen");
        Assert.Equal("completed", (await requests.ApproveAsync(Officer, opened.Id, null, Guid.NewGuid(), default)).State);
        store.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal([(true, ""), (false, stop), (false, stop)], [
            Outcome(await ProveAsync(subject, start.AddHours(1))), Outcome(await ProveAsync(subject, start.AddHours(25))), Outcome(await ProveAsync(subject))]);
    }

    [Theory]
    [InlineData("restriction", "restricted")]
    [InlineData("objection", "objected")]
    public async Task What_was_lifted_counts_for_the_time_that_it_stood_and_not_after(string kind, string stop)
    {
        var subject = await store.AddAsync(consents: Given());
        var start = store.Clock.GetUtcNow();
        store.Clock.Advance(TimeSpan.FromDays(1));
        var requests = store.Vault.Get<SubjectRequests>();
        var opened = await requests.OpenAsync(Officer, kind, subject, null, null, Guid.NewGuid(), default);
        await requests.VerifyAsync(Officer, opened.Id, null, Guid.NewGuid(), default, "document-seen");
        await requests.ApproveAsync(Officer, opened.Id, null, Guid.NewGuid(), default);
        store.Clock.Advance(TimeSpan.FromDays(1));
        var limits = store.Vault.Get<LimitLifting>();
        await (kind == "restriction" ? limits.LiftRestrictionAsync(Officer, subject, "person-asked", Guid.NewGuid(), default)
            : limits.LiftObjectionAsync(Officer, subject, "marketing", "person-asked", Guid.NewGuid(), default));
        store.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal([(true, ""), (false, stop), (true, ""), (true, "")], [
            Outcome(await ProveAsync(subject, start.AddHours(1))), Outcome(await ProveAsync(subject, start.AddHours(25))), Outcome(await ProveAsync(subject, start.AddHours(49))),
            Outcome(await ProveAsync(subject))]);
    }

    [Fact]
    [Requirement("R15")]
    public async Task A_childs_own_word_is_not_valid_and_a_guardians_is()
    {
        var (own, guarded) = (await store.AddAsync(consents: Given()), await store.AddAsync("""{"birthDate":"2014-01-01"}"""));
        await store.Consents.SetAsync(Support, guarded, new ConsentStatement("marketing", "given") { Guardian = "GC-9" }, Guid.NewGuid(), default);
        var before = store.Clock.GetUtcNow();
        store.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal((true, ""), Outcome(await ProveAsync(own, before)));
        await store.Editor.PatchAsync(Ingest, own, null, new ProfilePatch(Object("""{"birthDate":"2014-01-01"}"""), "crm", null, null, "service-delivery"), Guid.NewGuid(), default);
        Assert.Equal([(false, "child"), (false, "child"), (true, ""), (true, "")], [
            Outcome(await ProveAsync(own)), Outcome(await ProveAsync(own, before)), Outcome(await ProveAsync(guarded)), Outcome(await ProveAsync(guarded, before))]);
    }

    [Fact]
    public async Task A_receipt_speaks_in_the_words_of_the_policy_that_the_act_was_decided_by()
    {
        var renamed = Repository.ChangedPolicy(("purposes.yaml", "Telling you about offers", "Selling things"), ("purposes.yaml", "Example Trading Company", "Another Company"));
        await store.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
        {
            await store.Vault.Get<PolicyStore>().FileAsync(connection, transaction, StoreVault.Policy, Repository.ChangedFiles(), store.Clock.GetUtcNow(), default);
            return 0;
        }, default);
        var subject = await store.AddAsync(consents: Given());
        var policy = store.Vault.Get<ActivePolicy>();
        try
        {
            policy.Swap(renamed);
            await SetAsync(Person(subject), subject, "withdrawn");
            var (then, now) = ((await ProveAsync(subject)).Receipts[0].Statement, (await ProveAsync(subject)).Receipts[1].Statement);
            Assert.Equal((StoreVault.Policy.Version, "Telling you about offers", "Example Trading Company"), (then.PolicyVersion, then.Title, then.Controller!.Name));
            Assert.Equal((renamed.Version, "Selling things", "Another Company"), (now.PolicyVersion, now.Title, now.Controller!.Name));
        }
        finally
        {
            policy.Swap(StoreVault.Policy);
        }
    }

    private static Dictionary<string, string> Given() => new() { ["marketing"] = "given" };

    private static (bool, string) Outcome(ProvenConsent proof)
    {
        Assert.Empty(proof.Missing);
        return (proof.Valid, string.Join(' ', proof.Stops));
    }

    private Task<ProvenConsent> ProveAsync(SubjectId subject, DateTimeOffset? at = null) => Receipts.ProveAsync(Officer, subject, "marketing", at, WithdrawAt, Guid.NewGuid(), default);

    private Task<VaultException> RefusedReceiptAsync(SubjectId subject, long? entry = null) =>
        Assert.ThrowsAsync<VaultException>(() => Receipts.IssueAsync(Person(subject), subject, "marketing", entry, WithdrawAt, Guid.NewGuid(), default));

    private Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, string state) =>
        store.Consents.SetAsync(recipient, subject, new ConsentStatement("marketing", state), Guid.NewGuid(), default);
}
