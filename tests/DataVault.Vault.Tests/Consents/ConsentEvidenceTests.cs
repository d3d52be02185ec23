using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Consents;

/// <summary>What is kept of a consent, and how it is shown to others.</summary>
public sealed class ConsentEvidenceTests(StoreVault store) : IClassFixture<StoreVault>
{
    private static readonly Uri WithdrawAt = new("https://vault.example/console/me/consents");

    private static readonly Purpose Offers = StoreVault.Policy.Purposes.Find("marketing")!;

    private ConsentReceipts Receipts => store.Vault.Get<ConsentReceipts>();

    private NoteVerifier Key => NoteVerifier.Parse(store.Vault.Get<AuditReader>().VerifierKey);

    [Fact]
    [Requirement("R10")]
    public async Task An_act_keeps_the_text_that_was_shown_its_language_and_who_recorded_it()
    {
        var subject = await store.AddAsync();
        await SetAsync(Person(subject), subject, new("marketing", "given") { Language = "de" });
        var act = (await HistoryAsync(subject))[0];
        Assert.Equal(("given", "de", ConsentRecorder.Person, "2026-01"), (act.State, act.Language, act.RecordedBy, act.Notice));
        Assert.Equal(SHA256.HashData(Encoding.UTF8.GetBytes(StoreVault.Policy.Purposes.Notices.Find(Offers, "de")!.Text)), act.NoticeHash.ToArray());
        var texts = await store.Vault.Get<NoticeArchive>().TextsAsync([act.NoticeHash], default);
        Assert.StartsWith("Wir dürfen", texts[Convert.ToHexStringLower(act.NoticeHash.Span)], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_notice_that_is_no_longer_in_force_is_still_shown_and_one_that_never_was_is_not_made_up()
    {
        var earlier = new NoticeText("2024-07", "en", "We wrote to you differently then.");
        var archive = store.Vault.Get<NoticeArchive>();
        await store.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
        {
            await using var batch = new Npgsql.NpgsqlBatch(connection, transaction) { BatchCommands = { NoticeArchive.Keep(Offers.Id, earlier, store.Clock.GetUtcNow()) } };
            return await batch.ExecuteNonQueryAsync();
        }, default);
        var subject = await store.AddAsync();
        await SetAsync(Support, subject, new("marketing", "given", Notice: "2024-07"));
        Assert.Equal("unknown-notice", Assert.Single((await Assert.ThrowsAsync<VaultException>(() => SetAsync(Support, subject, new("marketing", "given", Notice: "1999-01")))).Errors).Code);
        await SetAsync(Support, subject, new("marketing", "given", Notice: "1999-01") { NoticeSha256 = new string('a', 64) });
        var acts = await HistoryAsync(subject);
        Assert.Equal(earlier.Hash.ToArray(), acts[1].NoticeHash.ToArray());
        Assert.Equal(new string('a', 64), Convert.ToHexStringLower(acts[0].NoticeHash.Span));
        var receipt = await Receipts.IssueAsync(Person(subject), subject, "marketing", acts[1].LogIndex, WithdrawAt, Guid.NewGuid(), default);
        Assert.Equal(earlier.Text, receipt.Statement.NoticeText);
        Assert.Null((await Receipts.IssueAsync(Person(subject), subject, "marketing", acts[0].LogIndex, WithdrawAt, Guid.NewGuid(), default)).Statement.NoticeText);
        Assert.Empty(await archive.TextsAsync([new byte[32]], default));
    }

    [Fact]
    [Requirement("R20")]
    public async Task A_consent_that_was_given_elsewhere_says_what_was_shown_and_the_vault_keeps_it()
    {
        var subject = await store.AddAsync();
        var said = new ConsentStatement("marketing", "given", Notice: "2019-03") { Language = "fr", NoticeText = "Nous vous écrivons." };
        await SetAsync(Support, subject, said);
        Assert.Equal("Nous vous écrivons.", (await Receipts.IssueAsync(Person(subject), subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default)).Statement.NoticeText);
        await SetAsync(Person(subject), subject, new("marketing", "given", Notice: "2019-03") { Language = "fr" });
        foreach (var (wrong, code) in new (ConsentStatement, string)[]
        {
            (said with { NoticeText = "Nous ne vous écrivons pas." }, "notice-differs"), (said with { Notice = "2026-01", NoticeText = "Autre" }, "notice-differs"),
            (said with { NoticeText = "" }, "not-a-text"), (said with { NoticeSha256 = new string('a', 64) }, "not-a-text"), (said with { NoticeText = null, NoticeSha256 = "AB" }, "not-a-text"),
            (said with { Notice = "2019-04", NoticeText = null }, "unknown-notice"),
        })
            Assert.Equal(code, Assert.Single((await Assert.ThrowsAsync<VaultException>(() => SetAsync(Support, subject, wrong))).Errors).Code);
        Assert.Equal("not-permitted", Assert.Single((await Assert.ThrowsAsync<VaultException>(() => SetAsync(Person(subject), subject, said))).Errors).Code);
        await SetAsync(Support, subject, new("marketing", "withdrawn", Notice: "1999-01"));
    }

    [Fact]
    public async Task Nobody_is_taken_in_with_a_consent_to_a_notice_that_nobody_knows()
    {
        Task<WriteOutcome> Take(string? notice, string state, ShownNotice? shown = null) => store.Editor.CreateAsync(
            Ingest, store.Customer(consents: new() { ["marketing"] = state }) with { Notice = notice, ConsentNotices = shown is null ? null : new Dictionary<string, ShownNotice> { ["marketing"] = shown } }, null, Guid.NewGuid(), default);
        var error = Assert.Single((await Assert.ThrowsAsync<VaultException>(() => Take("2018-05", "given"))).Errors);
        Assert.Equal(("/consentNotices/marketing/notice", "unknown-notice"), (error.Pointer, error.Code));
        await Take("2018-05", "refused");
        await Take(null, "given");
        var subject = (await Take("2026-01", "given", new ShownNotice("2018-05", "de") { Text = "Wir schreiben Ihnen." })).Id;
        var act = Assert.Single(await HistoryAsync(subject));
        Assert.Equal(("2018-05", "de"), (act.Notice, act.Language));
        Assert.Equal("Wir schreiben Ihnen.", (await Receipts.IssueAsync(Person(subject), subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default)).Statement.NoticeText);
        await Take("2026-01", "given", new ShownNotice("2018-05", "de"));
        var wrong = await Assert.ThrowsAsync<VaultException>(() => Take("2026-01", "given", new ShownNotice("not a version\0", "no language")));
        Assert.Equal(["not-a-language", "not-a-version", "unknown-notice"], wrong.Errors.Select(one => one.Code).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Giving_again_renews_and_asking_takes_nothing_back()
    {
        var subject = await store.AddAsync();
        await SetAsync(Support, subject, new("marketing", "requested"));
        Assert.Equal("requested", await StateAsync(subject));
        await SetAsync(Person(subject), subject, new("marketing", "deferred"));
        Assert.Equal("deferred", await StateAsync(subject));
        Assert.Equal(Reasons.ConsentMissing, (await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused);
        await SetAsync(Person(subject), subject, new("marketing", "given"));
        await SetAsync(Support, subject, new("marketing", "requested"));
        await SetAsync(Person(subject), subject, new("marketing", "deferred"));
        Assert.Null((await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused);
        await SetAsync(Person(subject), subject, new("marketing", "given"));
        Assert.Equal(["renewed", "deferred", "requested", "given", "deferred", "requested"], (await HistoryAsync(subject)).Select(act => act.State));
    }

    [Theory]
    [InlineData("invalidated")]
    [InlineData("revoked")]
    public async Task What_the_controller_ends_counts_no_longer_and_only_the_controller_says_so(string state)
    {
        var subject = await store.AddAsync(consents: new() { ["marketing"] = "given" });
        Assert.Equal("not-listed", Assert.Single((await Assert.ThrowsAsync<VaultException>(() => SetAsync(Person(subject), subject, new("marketing", state)))).Errors).Code);
        await SetAsync(Officer, subject, new("marketing", state));
        Assert.Equal(state, await StateAsync(subject));
        Assert.Equal(Reasons.ConsentMissing, (await store.ReadAsync(Marketing, subject, "marketing", "email")).Refused);
    }

    [Theory]
    [InlineData("/language", "English", null, null)]
    [InlineData("/language", "xx", null, null)]
    [InlineData("/guardian", null, "Mrs Smith", null)]
    [InlineData("/channel", null, null, "gpc")]
    public async Task What_may_not_stand_beside_a_consent_is_refused(string pointer, string? language, string? guardian, string? channel)
    {
        var subject = await store.AddAsync();
        var said = new ConsentStatement("marketing", "given", Channel: channel) { Language = language, Guardian = guardian };
        Assert.Equal(pointer, Assert.Single((await Assert.ThrowsAsync<VaultException>(() => SetAsync(Support, subject, said))).Errors).Pointer);
    }

    [Fact]
    [Requirement("R14")]
    public async Task A_renewal_falls_due_before_the_end()
    {
        var subject = await store.AddAsync();
        await SetAsync(Person(subject), subject, new("marketing", "given", Expires: store.Clock.GetUtcNow().AddDays(31)));
        Assert.False((await ViewAsync(subject)).RenewalDue);
        await SetAsync(Person(subject), subject, new("marketing", "given", Expires: store.Clock.GetUtcNow().AddDays(29)));
        Assert.True((await ViewAsync(subject)).RenewalDue);
    }

    [Fact]
    public async Task Receipts_follow_one_another_verify_offline_and_are_entries()
    {
        var subject = await store.AddAsync(consents: new() { ["marketing"] = "given" });
        await SetAsync(Person(subject), subject, new("marketing", "withdrawn", Channel: "web"));
        var acts = await HistoryAsync(subject);
        var first = await Receipts.IssueAsync(Person(subject), subject, "marketing", acts[1].LogIndex, WithdrawAt, Guid.NewGuid(), default);
        var second = await Receipts.IssueAsync(Person(subject), subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default);
        foreach (var receipt in new[] { first, second })
        {
            Assert.True(ConsentReceipt.TryParse(receipt.ToString(), out var parsed));
            Assert.Null(parsed!.Verify(Key));
        }

        Assert.Equal(first.Statement.Id, Guid.Parse(((string)second.Statement.ToJson()["dct:replaces"]!)["urn:uuid:".Length..]));
        Assert.Equal(first.Statement.Act.Hash(), second.Statement.Before.ToArray());
        Assert.Equal((WithdrawAt.AbsoluteUri, null), (first.Statement.WithdrawAt, second.Statement.WithdrawAt));
        Assert.Contains("pd:EmailAddress", first.Statement.Categories);
        var entries = (await store.EntriesAsync(subject)).Where(entry => entry.Entry.Type == EntryType.ConsentReceipt).ToList();
        Assert.Equal([acts[1].LogIndex, acts[0].LogIndex], entries.Select(entry => entry.Entry.Reference!.Value));
    }

    [Fact]
    public async Task A_receipt_is_for_the_person_and_for_those_who_record_consents()
    {
        var (subject, other) = (await store.AddAsync(consents: new() { ["marketing"] = "given" }), await store.AddAsync());
        Task<ConsentReceipt> Ask(Recipient recipient, long? entry = null) => Receipts.IssueAsync(recipient, subject, "marketing", entry, WithdrawAt, Guid.NewGuid(), default);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => Ask(Person(other)))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Ask(Marketing))).Slug);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => Ask(Support, 0))).Slug);
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => Receipts.IssueAsync(Person(other), other, "marketing", null, WithdrawAt, Guid.NewGuid(), default))).Slug);
        Assert.Equal(subject.Value, (await Ask(Support)).Statement.Act.Subject);
    }

    [Fact]
    [Requirement("R10")]
    public async Task The_officer_proves_how_a_consent_stood_at_any_instant()
    {
        var subject = await store.AddAsync();
        var start = store.Clock.GetUtcNow();
        await SetAsync(Person(subject), subject, new("marketing", "given", Expires: start.AddDays(10)) { Language = "fr" });
        store.Clock.Advance(TimeSpan.FromDays(2));
        await SetAsync(Person(subject), subject, new("marketing", "withdrawn"));
        store.Clock.Advance(TimeSpan.FromDays(1));
        (double Day, string State, bool Valid, int Acts)[] expected = [(-1, "unknown", false, 0), (1, "given", true, 1), (2, "withdrawn", false, 2), (11, "withdrawn", false, 2)];
        foreach (var (day, state, valid, acts) in expected)
        {
            var proof = await Receipts.ProveAsync(Officer, subject, "marketing", start.AddDays(day), WithdrawAt, Guid.NewGuid(), default);
            Assert.Equal((state, valid, acts), (proof.State, proof.Valid, proof.Receipts.Count));
            Assert.All(proof.Receipts, receipt => Assert.Null(receipt.Verify(Key)));
            Assert.True(SignedNote.TryParse(proof.Checkpoint, out var note) && Key.Verify(note!));
        }

        var shown = (await Receipts.ProveAsync(Officer, subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default)).Receipts[0].Statement;
        Assert.StartsWith("Nous pouvons", shown.NoticeText, StringComparison.Ordinal);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => Receipts.ProveAsync(Support, subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default))).Slug);
    }

    [Fact]
    public async Task An_expired_consent_is_proven_to_have_expired()
    {
        var subject = await store.AddAsync();
        var start = store.Clock.GetUtcNow();
        await SetAsync(Person(subject), subject, new("marketing", "given", Expires: start.AddDays(1)));
        Assert.Equal("given", (await Receipts.ProveAsync(Officer, subject, "marketing", start.AddHours(23), WithdrawAt, Guid.NewGuid(), default)).State);
        Assert.Equal("expired", (await Receipts.ProveAsync(Officer, subject, "marketing", start.AddHours(24), WithdrawAt, Guid.NewGuid(), default)).State);
    }

    /// <summary>The fold of the acts and the facts that decisions look at are kept apart; whatever is done, they say the same.</summary>
    [Fact]
    public async Task Acts_come_to_what_the_facts_say_whatever_is_done_in_whatever_order()
    {
        string[] states = ["given", "withdrawn", "refused", "requested", "deferred", "invalidated", "revoked"];
        var random = new Random(20261122);
        var subject = await store.AddAsync();
        for (var step = 0; step < 60; step++)
        {
            var state = states[random.Next(states.Length)];
            DateTimeOffset? ends = state == "given" && random.Next(2) == 0 ? store.Clock.GetUtcNow().AddHours(2) : null;
            await SetAsync(Support, subject, new("marketing", state, Expires: ends));
            if (random.Next(3) == 0) store.Clock.Advance(TimeSpan.FromHours(3));
            store.Clock.Advance(TimeSpan.FromSeconds(1));
            var view = await ViewAsync(subject);
            var folded = ConsentFold.StateAt(view.History.Reverse(), store.Clock.GetUtcNow());
            Assert.True(view.State == (folded == "renewed" ? "given" : folded), $"step {step}, {state}: facts {view.State}, acts {folded}");
        }
    }

    [Fact]
    public async Task Acts_from_before_the_vault_kept_more_stay_verifiable_and_can_be_shown()
    {
        var subject = await store.AddAsync(consents: new() { ["marketing"] = "given" });
        var old = new ConsentAct("given", store.Clock.GetUtcNow(), "2025-01", "application", null, 0);
        await WriteAsync(subject, old);
        var receipt = await Receipts.IssueAsync(Person(subject), subject, "marketing", null, WithdrawAt, Guid.NewGuid(), default);
        Assert.Equal((1, ConsentRecorder.NotKept), (receipt.Statement.Act.Form, receipt.Statement.Act.RecordedBy));
        Assert.Null(receipt.Verify(Key));
        var manifest = new MemoryStream();
        await store.Vault.Get<RecordsManifests>().WriteAsync(manifest);
        Assert.Contains(Convert.ToHexStringLower(receipt.Statement.Act.Hash()), Encoding.ASCII.GetString(manifest.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Figures_count_people_by_state_and_name_those_to_ask_again()
    {
        await using var own = new FreshStore();
        var fresh = await own.StartAsync();
        var people = new List<SubjectId>();
        for (var i = 0; i < 6; i++) people.Add(await fresh.AddAsync());
        var now = fresh.Clock.GetUtcNow();
        Task<ConsentChange> Set(int who, ConsentStatement said) => fresh.Consents.SetAsync(Support, people[who], said, Guid.NewGuid(), default);
        await Set(0, new("marketing", "given"));
        await Set(1, new("marketing", "given", Expires: now.AddDays(20)));
        await fresh.ExecuteAsync($"update vault.consent_event set notice_hash = null where subject_id = '{people[1]}'");
        await Set(2, new("marketing", "given", Expires: now.AddDays(10)));
        await Set(2, new("marketing", "requested"));
        await Set(3, new("marketing", "withdrawn"));
        await Set(4, new("marketing", "given", Expires: now.AddHours(1)));
        await fresh.Vault.Get<PrivacySignals>().HonourAsync(Person(people[5]), Guid.NewGuid(), default);
        fresh.Clock.Advance(TimeSpan.FromHours(2));
        var health = fresh.Vault.Get<ConsentHealth>();
        var figure = (await health.FiguresAsync(Officer, Guid.NewGuid(), default)).Single(one => one.Purpose.Name == "marketing");
        Assert.Equal([("expired", 1L), ("given", 3L), ("withdrawn", 1L)], figure.States.Select(pair => (pair.Key, pair.Value)).Order());
        Assert.Equal((2, 1, 1), (figure.RenewalDue, figure.Objected, figure.WithoutNotice));

        var first = await health.EndingAsync(Support, "marketing", 1, null, Guid.NewGuid(), default);
        var second = await health.EndingAsync(Support, "marketing", 1, first.Next, Guid.NewGuid(), default);
        Assert.Equal((people[2], people[1], null), (first.Items.Single().Subject, second.Items.Single().Subject, second.Next));
        await fresh.Vault.Get<AuditReader>().CatchUpAsync();
        Assert.Contains(await fresh.EntriesAsync(people[2]), entry => entry.Entry.Type == EntryType.Search && entry.Entry.Purpose == "marketing");
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => health.EndingAsync(Marketing, "marketing", 1, null, Guid.NewGuid(), default))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => health.FiguresAsync(Support, Guid.NewGuid(), default))).Slug);
        Assert.Equal("invalid-request", (await Assert.ThrowsAsync<VaultException>(() => health.EndingAsync(Support, "marketing", 1, "nonsense", Guid.NewGuid(), default))).Slug);
    }

    private sealed class FreshStore : IAsyncDisposable
    {
        private readonly StoreVault store = new();

        public async Task<StoreVault> StartAsync()
        {
            await store.InitializeAsync();
            return store;
        }

        public ValueTask DisposeAsync() => store.DisposeAsync();
    }

    private async Task WriteAsync(SubjectId subject, ConsentAct act)
    {
        var (log, owned) = (store.Vault.Get<AuditLog>(), new OwnedAct(subject, Offers.Id, act));
        using var keys = await store.Vault.Get<Vault.Keys.KeyRegistry>().GetAsync(subject);
        await store.Vault.Get<VaultDatabase>().RunAsync(async (connection, transaction) =>
        {
            var index = await log.AppendWithinAsync(connection, transaction, [ConsentLedger.Entry(log, Ingest, keys.Tag, "marketing", owned, Guid.NewGuid())]);
            await ConsentActs.InsertAsync(connection, transaction, [owned with { Act = act with { LogIndex = index } }], default);
            return index;
        }, default);
    }

    private Task<ConsentChange> SetAsync(Recipient recipient, SubjectId subject, ConsentStatement said) => store.Consents.SetAsync(recipient, subject, said, Guid.NewGuid(), default);

    private async Task<ConsentView> ViewAsync(SubjectId subject) =>
        (await store.Consents.GetAsync(Person(subject), subject, Guid.NewGuid(), default)).Items.Single(item => item.Purpose == Offers);

    private async Task<IReadOnlyList<ConsentAct>> HistoryAsync(SubjectId subject) => (await ViewAsync(subject)).History;

    private async Task<string> StateAsync(SubjectId subject) => (await ViewAsync(subject)).State;
}
