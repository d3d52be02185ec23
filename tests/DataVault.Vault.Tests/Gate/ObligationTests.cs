using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.Gate.ObligationVault;

namespace DataVault.Vault.Tests.Gate;

/// <summary>What a rule demands beside the release is there together with the entry, or nothing is released.</summary>
public sealed class ObligationTests(ObligationVault store) : IClassFixture<ObligationVault>
{
    private const string Reason = "Recall of a dangerous product";

    private Reviews Reviews => store.Vault.Get<Reviews>();

    private Approvals Approvals => store.Vault.Get<Approvals>();

    [Fact]
    public async Task An_emergency_is_released_with_a_message_to_the_person_and_an_open_review_and_its_reason_is_kept_sealed()
    {
        var subject = await store.AddAsync("""{"phone":"+442079460000"}""");
        var disclosure = await store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "phone");
        Assert.Equal("\"+442079460000\"", StoreVault.Value(disclosure, "phone"));
        Assert.Equal(["justification", "notify-subject", "review"], disclosure.Obligations.Order());
        var reader = store.Vault.Get<AuditReader>();
        Assert.Equal(Reason, Encoding.UTF8.GetString((await reader.DetailAsync(await reader.EntryAsync(disclosure.LogIndex)))!));

        var message = Assert.Single((await store.Vault.Get<SubjectMessages>().ListAsync(StoreVault.Person(subject), 10, null, Guid.NewGuid(), default)).Items);
        Assert.Equal(("disclosure", "emergency", "customer-support", disclosure.LogIndex), (message.Kind, message.Purpose, message.Who, message.LogIndex));
        Assert.Equal(["phone"], message.Items);

        var review = await ReviewOfAsync(disclosure.LogIndex);
        Assert.Equal((subject, Reason, ReviewStates.Open), (review.Subject, review.Reason, review.State));
        Assert.Equal(store.Clock.GetUtcNow().AddDays(3), review.DueAt);
    }

    [Fact]
    public async Task An_emergency_without_a_reason_is_refused_and_the_refusal_is_in_the_log()
    {
        var subject = await store.AddAsync();
        foreach (var (reason, slug) in new[] { (null, "reason-required"), ("  ", "reason-mismatch"), ("a\u0007b", "reason-mismatch") })
        {
            Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Rescuer, subject, "emergency", reason, null, "givenName"))).Slug);
            Assert.Equal((EntryType.Denied, EntryResult.Denied), Last(await store.EntriesAsync(subject)));
        }

        Assert.Equal(0, await CountOfAsync("vault.message", subject));
    }

    [Fact]
    public async Task An_emergency_lasts_for_its_window_about_one_person_and_must_then_be_justified_anew()
    {
        var subject = await store.AddAsync("""{"language":"en"}""");
        var other = await store.AddAsync();
        var first = await store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "givenName");
        var joined = await store.ReadAsync(Rescuer, subject, "emergency", null, null, "language", "givenName");
        Assert.Null(joined.Refused);
        Assert.Equal([first.LogIndex, joined.LogIndex], (await ReviewOfAsync(first.LogIndex)).Entries);
        Assert.Equal("reason-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Rescuer, other, "emergency", null, null, "givenName"))).Slug);
        Assert.Equal("reason-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Staff("s9", "emergency"), subject, "emergency", null, null, "givenName"))).Slug);
        store.Clock.Advance(TimeSpan.FromMinutes(Bound.Purposes.Find("emergency")!.Emergency!.Minutes));
        Assert.Equal("reason-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Rescuer, subject, "emergency", null, null, "givenName"))).Slug);
        Assert.Equal(2, await CountOfAsync("vault.message", subject));
        await store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "givenName");
        Assert.Equal(3, await CountOfAsync("vault.message", subject));
    }

    [Fact]
    public async Task The_person_is_told_once_of_each_item_that_an_emergency_shows()
    {
        var subject = await store.AddAsync("""{"phone":"+442079460000"}""");
        var first = await store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "givenName");
        var joined = await store.ReadAsync(Rescuer, subject, "emergency", null, null, "givenName", "phone");
        await store.ReadAsync(Rescuer, subject, "emergency", null, null, "phone", "givenName");
        var messages = (await store.Vault.Get<SubjectMessages>().ListAsync(StoreVault.Person(subject), 10, null, Guid.NewGuid(), default)).Items.OrderBy(message => message.LogIndex).ToList();
        Assert.Equal([first.LogIndex, joined.LogIndex], messages.Select(message => message.LogIndex));
        Assert.Equal(["givenName"], messages[0].Items);
        Assert.Equal(["phone"], messages[1].Items);
    }

    [Fact]
    public async Task What_is_not_held_is_neither_in_the_entry_nor_in_the_message()
    {
        var subject = await store.AddAsync();
        var read = await store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "givenName", "phone");
        Assert.Equal("not-held", Assert.Single(read.Withheld, field => field.Name == "phone").Reason);
        Assert.Equal(["givenName"], (await store.EntriesAsync(subject))[^1].ItemNames);
        var messages = await store.Vault.Get<SubjectMessages>().ListAsync(StoreVault.Person(subject), 10, null, Guid.NewGuid(), default);
        Assert.Equal(["givenName"], Assert.Single(messages.Items).Items);
    }

    [Theory]
    [InlineData("    obligations: [justification]\n")]
    [InlineData("    obligations: [justification, review]\n")]
    [InlineData("")]
    public void A_policy_whose_emergency_reads_without_its_obligations_is_not_loaded(string obligations)
    {
        var refused = Assert.Throws<PolicyException>(() =>
            Testing.Repository.ChangedPolicy(("access/emergency.yaml", "    obligations: [justification, notify-subject, review]\n", obligations)));
        Assert.Contains(refused.Problems, problem => problem is { File: "access/emergency.yaml", Line: > 0 } && problem.Message.EndsWith("lacks the obligation notify-subject", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_decided_review_ends_the_emergency()
    {
        var subject = await store.AddAsync();
        var first = await store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "givenName");
        await Reviews.DecideAsync(StoreVault.Officer, (await ReviewOfAsync(first.LogIndex)).Id, justified: false, "Nobody was in danger", Guid.NewGuid(), default);
        Assert.Equal("reason-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Rescuer, subject, "emergency", null, null, "givenName"))).Slug);
    }

    [Fact]
    public async Task Several_at_once_each_leave_a_message_and_a_review()
    {
        SubjectId[] people = [await store.AddAsync(), await store.AddAsync()];
        var results = await store.Gate.ReadManyAsync(Rescuer, people, "emergency", StoreVault.Items("givenName"), false, Guid.NewGuid(), default, Reason);
        Assert.All(results, result => Assert.Null(result.Value!.Refused));
        foreach (var (person, result) in people.Zip(results))
        {
            Assert.Equal(1, await CountOfAsync("vault.message", person));
            Assert.Equal(person, (await ReviewOfAsync(result.Value!.LogIndex)).Subject);
        }

        var refused = await store.Gate.ReadManyAsync(Rescuer, people, "emergency", StoreVault.Items("givenName"), false, Guid.NewGuid(), default);
        Assert.All(refused, result => Assert.Equal("reason-required", result.Error!.Slug));
    }

    [Fact]
    public async Task Without_the_message_or_the_review_nothing_is_released_and_nothing_is_logged_as_released()
    {
        var subject = await store.AddAsync();
        foreach (var table in new[] { "vault.message", "vault.review" })
        {
            await store.ExecuteAsync($"revoke insert on {table} from dv_vault");
            try
            {
                await Assert.ThrowsAnyAsync<Exception>(() => store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "givenName"));
            }
            finally
            {
                await store.ExecuteAsync($"grant insert on {table} to dv_vault");
            }

            Assert.DoesNotContain(await store.EntriesAsync(subject), entry => entry.Entry.Type == EntryType.FieldRead);
        }

        Assert.Equal(0, await CountOfAsync("vault.message", subject));
    }

    [Fact]
    public async Task A_list_of_reviews_names_the_account_that_got_the_data_and_goes_on_past_a_row_that_does_not_open()
    {
        var (one, other) = (await store.AddAsync(), await store.AddAsync());
        var sound = await ReviewOfAsync((await store.ReadAsync(Rescuer, one, "emergency", Reason, null, "givenName")).LogIndex);
        var damaged = await ReviewOfAsync((await store.ReadAsync(Rescuer, other, "emergency", Reason, null, "givenName")).LogIndex);
        await store.ExecuteAsync($"update vault.review set subject = set_byte(subject, 20, get_byte(subject, 20) # 1) where review_id = '{damaged.Id}'");
        var listed = (await Reviews.ListAsync(StoreVault.Officer, new ReviewFilter(), 200, null, Guid.NewGuid(), default)).Items.ToDictionary(review => review.Id, review => review.Account);
        Assert.Equal(Rescuer.Id, listed[sound.Id]);
        Assert.Null(listed[damaged.Id]);
    }

    [Fact]
    public async Task A_review_stays_open_until_somebody_else_decides_it_in_words_and_is_overdue_after_its_date()
    {
        var subject = await store.AddAsync();
        var disclosure = await store.ReadAsync(Rescuer, subject, "emergency", Reason, null, "givenName");
        var review = await ReviewOfAsync(disclosure.LogIndex);
        Assert.Equal((Rescuer.Id, subject), (review.Account, review.Subject));
        Assert.False(review.Overdue);
        store.Clock.Advance(TimeSpan.FromDays(3));
        Assert.Contains((await Reviews.ListAsync(StoreVault.Officer, new ReviewFilter(true, Overdue: true), 200, null, Guid.NewGuid(), default)).Items, one => one.Id == review.Id);
        Assert.True((await store.Vault.Get<Alerts>().LookAsync(default)).OverdueReviews > 0);
        Assert.Equal("invalid-fields", (await Assert.ThrowsAsync<VaultException>(() => Reviews.DecideAsync(StoreVault.Officer, review.Id, true, " ", Guid.NewGuid(), default))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Reviews.DecideAsync(Clerk, review.Id, true, "Fine", Guid.NewGuid(), default))).Slug);
        var self = new Recipient(RecipientKind.Staff, Rescuer.Id, "x", ["compliance-officer"], []);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Reviews.DecideAsync(self, review.Id, true, "Fine", Guid.NewGuid(), default))).Slug);

        var decided = await Reviews.DecideAsync(StoreVault.Officer, review.Id, justified: true, "The lot was recalled", Guid.NewGuid(), default);
        Assert.Equal((ReviewStates.Justified, "The lot was recalled", false), (decided.State, decided.Outcome, decided.Overdue));
        var entry = (await store.Vault.Get<AuditReader>().EntryAsync(decided.LogIndex!.Value)).Entry;
        Assert.Equal((EntryType.ReviewChange, disclosure.LogIndex), (entry.Type, entry.Reference));
        Assert.Equal(["justified"], entry.Rules);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Reviews.DecideAsync(StoreVault.Officer, review.Id, false, "No", Guid.NewGuid(), default))).Slug);
    }

    [Fact]
    public async Task A_purpose_may_ask_for_the_number_of_a_ticket()
    {
        var subject = await store.AddAsync();
        Task<Disclosure> ReadAsync(string? reason) => store.ReadAsync(Clerk, subject, "fraud-prevention", reason, null, "email");
        Assert.Equal("reason-required", (await Assert.ThrowsAsync<VaultException>(() => ReadAsync(null))).Slug);
        foreach (var wrong in new[] { "because", "AB-12x", "AB-12\n", "xAB-12" })
        {
            Assert.Equal("reason-mismatch", (await Assert.ThrowsAsync<VaultException>(() => ReadAsync(wrong))).Slug);
            Assert.Equal((EntryType.Denied, EntryResult.Denied), Last(await store.EntriesAsync(subject)));
        }

        Assert.Null((await ReadAsync("AB-12")).Refused);
    }

    [Fact]
    public async Task What_needs_four_eyes_is_released_once_with_another_persons_approval()
    {
        var subject = await store.AddAsync("""{"iban":"DE89370400440532013000"}""");
        Task<Disclosure> ReadAsync(Guid? approval, params string[] items) => store.ReadAsync(Clerk, subject, "billing", null, approval, items);
        Assert.Equal("approval-required", (await Assert.ThrowsAsync<VaultException>(() => ReadAsync(null, "iban"))).Slug);
        var asked = await Approvals.AskAsync(Clerk, subject, "billing", StoreVault.Items("iban"), "A refund went wrong", Guid.NewGuid(), default);
        await RefusedAsync(asked.Id, "iban");
        Assert.Equal("A refund went wrong", (await Approvals.ListAsync(StoreVault.Officer, "requested", 200, null, Guid.NewGuid(), default)).Items.Single(one => one.Id == asked.Id).Reason);
        await Approvals.DecideAsync(StoreVault.Officer, asked.Id, approve: true, Guid.NewGuid(), default);
        await RefusedAsync(asked.Id, "iban", "vatNumber");
        Assert.Equal("approval-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Staff("s7", "billing"), subject, "billing", null, asked.Id, "iban"))).Slug);
        Assert.Equal("approval-required", (await Assert.ThrowsAsync<VaultException>(async () => await store.ReadAsync(Clerk, await store.AddAsync(), "billing", null, asked.Id, "iban"))).Slug);

        var disclosure = await ReadAsync(asked.Id, "iban");
        Assert.NotNull(StoreVault.Value(disclosure, "iban"));
        Assert.Contains($"approval:{asked.Id:D}", (await store.Vault.Get<AuditReader>().EntryAsync(disclosure.LogIndex)).Entry.Rules);
        await RefusedAsync(asked.Id, "iban");

        async Task RefusedAsync(Guid approval, params string[] items)
        {
            Assert.Equal("approval-required", (await Assert.ThrowsAsync<VaultException>(() => ReadAsync(approval, items))).Slug);
            Assert.Equal((EntryType.Denied, EntryResult.Denied), Last(await store.EntriesAsync(subject)));
        }
    }

    [Fact]
    public async Task An_approval_of_one_form_permits_no_wider_one()
    {
        var subject = await store.AddAsync("""{"iban":"DE89370400440532013000"}""");
        var asked = await Approvals.AskAsync(Clerk, subject, "billing", StoreVault.Items("iban.token"), "Is it the same account?", Guid.NewGuid(), default);
        Assert.Equal("token", asked.Forms["iban"]);
        Assert.Equal("token", (await Approvals.DecideAsync(Second, asked.Id, approve: true, Guid.NewGuid(), default)).Forms["iban"]);
        Assert.Equal("approval-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Clerk, subject, "billing", null, asked.Id, "iban"))).Slug);
        Assert.Null((await store.ReadAsync(Clerk, subject, "billing", null, asked.Id, "iban.token")).Refused);

        var wide = await Approvals.AskAsync(Clerk, subject, "billing", StoreVault.Items("iban"), "Which account?", Guid.NewGuid(), default);
        await Approvals.DecideAsync(Second, wide.Id, approve: true, Guid.NewGuid(), default);
        Assert.Null((await store.ReadAsync(Clerk, subject, "billing", null, wide.Id, "iban.token")).Refused);
    }

    [Fact]
    public async Task An_approval_of_before_forms_were_kept_permits_nothing()
    {
        var subject = await store.AddAsync("""{"iban":"DE89370400440532013000"}""");
        var asked = await Approvals.AskAsync(Clerk, subject, "billing", StoreVault.Items("iban"), "A refund", Guid.NewGuid(), default);
        await Approvals.DecideAsync(Second, asked.Id, approve: true, Guid.NewGuid(), default);
        await store.ExecuteAsync($"update vault.approval set forms = default where approval_id = '{asked.Id}'");
        Assert.Equal("approval-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Clerk, subject, "billing", null, asked.Id, "iban"))).Slug);
    }

    [Fact]
    public async Task Nobody_approves_what_they_asked_for_or_what_has_expired_and_an_approval_is_used_once_however_many_try()
    {
        var subject = await store.AddAsync("""{"iban":"DE89370400440532013000"}""");
        var both = new Recipient(RecipientKind.Staff, Clerk.Id, "x", ["compliance-officer"], []);
        var asked = await Approvals.AskAsync(Clerk, subject, "billing", StoreVault.Items("iban"), "A refund", Guid.NewGuid(), default);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Approvals.DecideAsync(both, asked.Id, true, Guid.NewGuid(), default))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Approvals.DecideAsync(Rescuer, asked.Id, true, Guid.NewGuid(), default))).Slug);
        await Approvals.DecideAsync(Second, asked.Id, approve: true, Guid.NewGuid(), default);
        var tries = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ => await Record.ExceptionAsync(() => store.ReadAsync(Clerk, subject, "billing", null, asked.Id, "iban"))));
        Assert.Single(tries, failure => failure is null);

        var late = await Approvals.AskAsync(Clerk, subject, "billing", StoreVault.Items("iban"), "Another", Guid.NewGuid(), default);
        store.Clock.Advance(TimeSpan.FromHours(5));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Approvals.DecideAsync(Second, late.Id, true, Guid.NewGuid(), default))).Slug);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Approvals.AskAsync(Clerk, subject, "fraud-prevention", StoreVault.Items("iban"), "No rule", Guid.NewGuid(), default))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Approvals.AskAsync(Clerk, subject, "billing", StoreVault.Items("dietaryRequirements"), "No right", Guid.NewGuid(), default))).Slug);
    }

    private async Task<ReviewView> ReviewOfAsync(long index)
    {
        var all = await Reviews.ListAsync(StoreVault.Officer, new ReviewFilter(), 200, null, Guid.NewGuid(), default);
        return await Reviews.GetAsync(StoreVault.Officer, all.Items.Single(one => one.Entries.Contains(index)).Id, Guid.NewGuid(), default);
    }

    private Task<long> CountOfAsync(string table, SubjectId subject) => store.CountAsync($"select count(*) from {table} where subject_id = '{subject}'");

    private static (EntryType, EntryResult) Last(IReadOnlyList<AuditRecord> entries) => (entries[^1].Entry.Type, entries[^1].Entry.Result);
}
