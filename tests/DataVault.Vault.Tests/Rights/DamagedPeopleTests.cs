using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>People of whom something does not open: erased on an officer's word, let go of by holds, and no reason for anybody else to wait.</summary>
public sealed class DamagedPeopleTests : IAsyncLifetime
{
    private const string Flip = "set_byte({0}, 60, 255 - get_byte({0}, 60))";

    private RightsWorld world = null!;
    private SubjectId ada;
    private SubjectId bob;

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
        await world.KeysListAsync("update keys.page set count = 256");
        bob = await world.PersonAsync("bob");
        await world.KeysListAsync("update keys.page set count = 1");
        await world.EventsAsync(ada);
        await world.ChangeAsync(ada, "Adele");
        await world.FeedAsync();
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task A_damaged_record_is_erased_when_an_officer_orders_it_and_the_log_says_who_and_why()
    {
        await DamageRecordAsync();
        var request = await EraseAsync();
        Assert.Equal((RequestStates.Approved, RequestReasons.Damaged), (request.State, request.Reason));
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => OrderAsync(request.Id, recipient: RightsWorld.Support))).Slug);
        Assert.Equal("invalid-fields", (await Assert.ThrowsAsync<VaultException>(() => OrderAsync(request.Id, "because"))).Slug);
        var erased = await OrderAsync(request.Id);
        Assert.Equal(RequestStates.Completed, erased.State);
        Assert.Contains(new KeyValuePair<string, long>("record-unreadable", 1), (await CertificateAsync(request.Id)).Statement.Residuals);
        var order = Assert.Single((await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.RequestChange })).Entries, e => e.Entry.Rules.Contains("request:erasure:damaged-ordered")).Entry;
        Assert.Contains("reason:no-sound-copy", order.Rules);
        Assert.Equal(Convert.ToHexString(world.Vault.Get<VaultKeyring>().ActorTag(RightsWorld.Officer)), Convert.ToHexString(order.Actor.Span));
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        await world.Vault.AssertSoundAsync();
    }

    [Theory]
    [InlineData("keys.subject_key", "subject_id = '{0}'")]
    [InlineData("keys.page", "page_id = (select page_id from keys.subject_key where subject_id = '{0}')")]
    public async Task A_person_whose_key_does_not_open_is_erased_by_what_the_log_knows_and_the_certificate_says_so(string table, string where)
    {
        byte[] tag, commitment;
        using (var held = await world.Vault.Get<KeyRegistry>().GetFreshAsync(ada)) (tag, commitment) = (held.Tag.ToArray(), held.Commitment);
        await world.KeysListAsync($"update {table} set wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) where " + where.Replace("{0}", ada.ToString(), StringComparison.Ordinal));
        await world.RestartAsync();
        var request = await EraseAsync();
        Assert.Equal((RequestStates.Approved, RequestReasons.Damaged), (request.State, request.Reason));
        Assert.Equal(RequestStates.Completed, (await OrderAsync(request.Id)).State);
        var said = (await CertificateAsync(request.Id)).Statement;
        Assert.Equal((Convert.ToHexString(tag), Convert.ToHexString(commitment)), (Convert.ToHexString(said.SubjectTag.Span), Convert.ToHexString(said.KeyCommitment.Span)));
        Assert.Contains(new KeyValuePair<string, long>("key-unreadable", 1), said.Residuals);
        Assert.NotNull(said.Born);
        Assert.Empty(await world.TablesNamingAsync(ada.ToString()));
        Assert.Empty(await world.KeysListAsync($"select 1::text from keys.subject_key where subject_id = '{ada}'"));
        await world.FeedAsync();
        Assert.NotEmpty((await ReadAsync(bob)).Fields);
        await world.Vault.AssertSoundAsync();
    }

    [Theory]
    [InlineData(true, "events")]
    [InlineData(false, "a request")]
    public async Task A_person_whose_key_and_record_are_damaged_is_erased_by_what_the_log_knows_of_their_events_or_requests(bool hasEvents, string evidence)
    {
        if (!hasEvents) await world.OpenAsync(RightsWorld.Customer(bob), RequestKinds.Rectification, bob);
        var person = hasEvents ? ada : bob;
        byte[] tag;
        using (var held = await world.Vault.Get<KeyRegistry>().GetFreshAsync(person)) tag = held.Tag.ToArray();
        await DamageBothAsync(person);
        var opened = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, person);
        await world.Requests.VerifyAsync(RightsWorld.Officer, opened.Id, null, Guid.NewGuid(), default, "document-seen");
        var request = await world.ApproveAsync(opened.Id);
        Assert.True(request.Reason == RequestReasons.Damaged, evidence);
        Assert.Equal(RequestStates.Completed, (await OrderAsync(request.Id)).State);
        var said = (await CertificateAsync(request.Id)).Statement;
        Assert.Equal(Convert.ToHexString(tag), Convert.ToHexString(said.SubjectTag.Span));
        Assert.Contains(new KeyValuePair<string, long>("key-unreadable", 1), said.Residuals);
        Assert.Contains(new KeyValuePair<string, long>("record-unreadable", 1), said.Residuals);
        Assert.Empty(await world.TablesNamingAsync(person.ToString()));
        Assert.NotEmpty((await ReadAsync(hasEvents ? bob : ada)).Fields);
        await world.FeedAsync();
        await world.Vault.AssertSoundAsync();
    }

    [Theory]
    [InlineData("update vault.request set subject_id = '{1}' where subject_id = '{0}'")]
    [InlineData("update vault.event set subject_id = '{1}' where subject_id = '{0}'")]
    public async Task Nobody_is_taken_for_another_by_rows_that_were_moved_to_them(string attack)
    {
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada);
        await world.VaultSqlAsync(attack.Replace("{0}", ada.ToString(), StringComparison.Ordinal).Replace("{1}", bob.ToString(), StringComparison.Ordinal));
        await DamageBothAsync(bob);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, bob))).Slug);
    }

    [Fact]
    public async Task A_key_that_is_damaged_in_the_middle_of_an_erasure_does_not_stop_it()
    {
        world.Vault.Get<SubjectErasure>().StepDone = done =>
        {
            if (done == ErasureStep.Requested) throw new InvalidOperationException("cut off");
        };
        var request = await EraseAsync();
        await world.KeysListAsync($"update keys.subject_key set wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) where subject_id = '{ada}'");
        await world.RestartAsync();
        Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
        Assert.Equal(RequestStates.Completed, (await world.GetAsync(request.Id)).State);
    }

    [Fact]
    public async Task Nothing_is_ordered_that_opens_or_that_a_hold_in_force_names()
    {
        var hold = await HoldAsync();
        await DamageRecordAsync();
        var request = await EraseAsync();
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => OrderAsync(request.Id))).Slug);
        await world.Vault.Get<LegalHolds>().ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        // The release takes the erasure up again behind the call: it has found the damage before that is mended.
        await world.Vault.Get<RequestFulfilment>().ResumeAsync(default);
        await DamageRecordAsync();
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => OrderAsync(request.Id))).Slug);
        await DamageRecordAsync();
        Assert.Equal(RequestStates.Completed, (await OrderAsync(request.Id)).State);
        await world.Vault.AssertSoundAsync();
    }

    [Theory]
    [InlineData("delete from vault.hold_subject")]
    [InlineData("delete from vault.hold_subject; delete from vault.hold")]
    [InlineData("update vault.hold set released_at = placed_at, released_by = 'nobody'")]
    [InlineData("delete from vault.hold_subject; delete from audit.entry_index")]
    public async Task Nothing_is_ordered_while_the_log_has_a_hold_in_force_whatever_somebody_did_to_its_rows(string attack)
    {
        await HoldAsync();
        await DamageRecordAsync();
        var request = await EraseAsync();
        await world.VaultSqlAsync(attack);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => OrderAsync(request.Id))).Slug);
        Assert.Equal(["1"], await world.KeysListAsync($"select count(*)::text from keys.subject_key where subject_id = '{ada}'"));
    }

    [Fact]
    public async Task A_hold_ends_although_a_record_does_not_open_which_follows_once_it_is_repaired()
    {
        var hold = await HoldAsync();
        await DamageRecordAsync();
        await world.Vault.Get<LegalHolds>().ReleaseAsync(RightsWorld.Officer, hold.Id, null, Guid.NewGuid(), default);
        Assert.Equal(["behind"], await world.ListAsync($"select case when behind then 'behind' else 'after' end from vault.hold_subject where subject_id = '{ada}'"));
        Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
        Assert.Empty((await FactsAsync(bob)).Holds);
        await DamageRecordAsync();
        Assert.NotEmpty((await FactsAsync(ada)).Holds);
        Assert.True(await world.Vault.Get<RequestFulfilment>().ResumeAsync(default));
        Assert.Empty((await FactsAsync(ada)).Holds);
        Assert.Equal(["after"], await world.ListAsync($"select case when behind then 'behind' else 'after' end from vault.hold_subject where subject_id = '{ada}'"));
        await world.Vault.AssertSoundAsync();
    }

    private async Task DamageBothAsync(SubjectId person)
    {
        await world.KeysListAsync($"update keys.subject_key set wrapped = set_byte(wrapped, 40, 255 - get_byte(wrapped, 40)) where subject_id = '{person}'");
        await world.VaultSqlAsync($"update vault.subject set record = {Flip.Replace("{0}", "record", StringComparison.Ordinal)} where subject_id = '{person}'");
        await world.RestartAsync();
    }

    // Done twice, it is as it was.
    private Task DamageRecordAsync() => world.VaultSqlAsync($"update vault.subject set record = {Flip.Replace("{0}", "record", StringComparison.Ordinal)} where subject_id = '{ada}'");

    private Task<HoldView> HoldAsync() => world.Vault.Get<LegalHolds>().PlaceAsync(
        RightsWorld.Officer, new NewHold([ada, bob], ["email"], ["customer-support"], "legal-claim", "a case", world.Clock.GetUtcNow().AddDays(30)), Guid.NewGuid(), default);

    private async Task<RequestView> EraseAsync()
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        return await world.ApproveAsync(request.Id);
    }

    private Task<RequestView> OrderAsync(Guid request, string reason = "no-sound-copy", Recipient? recipient = null) =>
        world.Requests.EraseDamagedAsync(recipient ?? RightsWorld.Officer, request, reason, null, Guid.NewGuid(), default);

    private async Task<DecisionFacts> FactsAsync(SubjectId subject) =>
        FactsCodec.Decode((await SubjectRows.FindAsync(world.Vault.Get<VaultDatabase>(), subject, default))!.Facts);

    private async Task<ErasureCertificate> CertificateAsync(Guid request)
    {
        var text = await world.Requests.CertificateAsync(RightsWorld.Officer, request, Guid.NewGuid(), default);
        Assert.True(ErasureCertificate.TryParse(text, out var certificate));
        Assert.Null(certificate!.Verify(NoteVerifier.Parse(world.Vault.Get<AuditReader>().VerifierKey)));
        return certificate;
    }

    private Task<Disclosure> ReadAsync(SubjectId subject) =>
        world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(RightsWorld.Support, subject, "customer-support", null, false, Guid.NewGuid()), default);
}
