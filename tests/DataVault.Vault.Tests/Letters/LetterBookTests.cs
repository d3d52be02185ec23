using System.Security.Cryptography;
using System.Text;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Tests.Rights;
using Xunit;

namespace DataVault.Vault.Tests.Letters;

/// <summary>Each step brings its letter, in its transaction; each letter reaches its person once, or an officer.</summary>
public sealed class LetterBookTests : IAsyncLifetime
{
    private readonly RecordedPost post = new();
    private RightsWorld world = null!;
    private SubjectId ada;

    private RequestLetters Letters => world.Vault.Get<RequestLetters>();

    private OutboxWorker Worker => world.Vault.Get<OutboxWorker>();

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync(post: post);
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task Every_step_is_told_of_in_its_transaction_and_the_log_commits_to_the_words()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await world.Requests.ExtendAsync(RightsWorld.Officer, request.Id, "complexity", "Three systems.", Guid.NewGuid(), default);
        await world.Requests.RefuseAsync(RightsWorld.Officer, request.Id, "process-unfounded", "Nothing is wrong.", Guid.NewGuid(), default);
        var all = await Letters.ListAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default);
        Assert.Equal(["received", "extended", "refused"], all.Select(one => one.Kind));
        foreach (var one in all)
        {
            var words = await ReadAsync(one.Id);
            Assert.Equal("de", words.Printed.Language);
            var entry = LogEntry.Decode((await world.Vault.Get<LogStore>().EntriesAtAsync([one.LogIndex], default))[one.LogIndex]);
            Assert.Equal((EntryType.LetterWritten, $"letter:{one.Kind}", Repository.Policy.Version), (entry.Type, entry.Rules[0], Convert.ToHexStringLower(entry.Policy.Span)));
            Assert.Equal(SHA256.HashData([.. words.Salt.Span, .. Encoding.UTF8.GetBytes($"{words.Printed.Subject}\n{words.Printed.Text()}")]), entry.Seal.ToArray());
            Assert.Contains("letters-reach-the-person", entry.Rules);
            // The step itself is the next entry, of the same transaction.
            var step = LogEntry.Decode((await world.Vault.Get<LogStore>().EntriesAtAsync([one.LogIndex + 1], default))[one.LogIndex + 1]);
            Assert.Equal(EntryType.RequestChange, step.Type);
        }

        var refusal = (await ReadAsync(all[2].Id)).Printed.Text();
        foreach (var said in new[] { "offensichtlich unbegründet", "vor Gericht", "bfdi.bund.de", "dpo@example.com", request.Id.ToString() }) Assert.Contains(said, refusal, StringComparison.Ordinal);
        Assert.DoesNotContain("HYPERLINK", refusal, StringComparison.Ordinal);
        Assert.DoesNotContain("ada@example.com", refusal, StringComparison.Ordinal);
        var mine = await world.Vault.Get<SubjectMessages>().ListAsync(RightsWorld.Customer(ada), 50, null, Guid.NewGuid(), default);
        Assert.Equal(all.Select(one => one.Id).Order(), mine.Items.Where(message => message.Letter is not null).Select(message => message.Id).Order());
        Assert.Empty((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings.Select(finding => finding.Message));
    }

    [Fact]
    public async Task A_step_that_is_not_taken_is_told_to_nobody()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await Assert.ThrowsAsync<VaultException>(() => world.Requests.CompleteAsync(RightsWorld.Officer, request.Id, null, Guid.NewGuid(), default));
        Assert.Equal(["received"], (await Letters.ListAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default)).Select(one => one.Kind));
    }

    [Theory]
    [InlineData(RequestKinds.Access, "package-ready")]
    [InlineData(RequestKinds.Restriction, "restricted")]
    [InlineData(RequestKinds.Objection, "objected")]
    public async Task What_was_done_is_told_whoever_carried_it_out(string kind, string letter)
    {
        var request = await world.OpenAsync(RightsWorld.Customer(ada), kind, ada);
        if (!RequestKinds.EndInPackage(kind)) await world.ApproveAsync(request.Id);
        Assert.Equal(["received", letter], (await Letters.ListAsync(RightsWorld.Customer(ada), request.Id, Guid.NewGuid(), default)).Select(one => one.Kind));
    }

    [Fact]
    public async Task A_letter_is_sent_once_to_the_address_of_the_moment_and_that_is_a_logged_disclosure()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        await world.Vault.Get<ProfileEditor>().PatchAsync(
            RightsWorld.Ingest, ada, null, new ProfilePatch(StoreVault.Object("""{"email": "new@example.com"}"""), "crm", null, "2026-01", "service-delivery"), Guid.NewGuid(), default);
        Assert.Equal(1, await Worker.RunAsync(default));
        Assert.Equal(0, await Worker.RunAsync(default));
        var sent = Assert.Single(post.Sent);
        var letter = Assert.Single(await Letters.ListAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default));
        Assert.Equal((letter.Id, "new@example.com", "sent", true), (sent.Id, sent.To, letter.Way, letter.GoneAt is not null));
        var read = Assert.Single(await EntriesAsync(EntryType.FieldRead));
        Assert.Equal([Repository.Policy.Letters!.AddressField!.Code], read.Items);
        Assert.Equal(["letters-reach-the-person"], read.Rules);
        var way = Assert.Single(await EntriesAsync(EntryType.LetterWay));
        Assert.Equal((letter.LogIndex, "way:sent"), (way.Reference, way.Rules[0]));
    }

    [Fact]
    public async Task A_process_that_dies_between_the_sending_and_its_note_sends_again_under_the_same_name_and_one_that_dies_before_sends_it()
    {
        await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        await world.RestartAsync();
        world.Vault.Get<LetterMail>().Sent = static () => throw new InvalidOperationException("cut off");
        await Assert.ThrowsAsync<InvalidOperationException>(() => Worker.RunAsync(default));
        await world.RestartAsync();
        world.Clock.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal(1, await Worker.RunAsync(default));
        Assert.Equal(2, post.Sent.Count);
        Assert.Single(post.Sent.Select(one => one.Id).Distinct());
        Assert.Single(await EntriesAsync(EntryType.LetterWay));
    }

    [Fact]
    public async Task What_cannot_be_sent_is_given_up_and_waits_for_an_officer_who_posts_it()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        post.Fails = true;
        for (var attempt = 0; attempt < OutboxStore.DeadAfter; attempt++)
        {
            await Worker.RunAsync(default);
            world.Clock.Advance(TimeSpan.FromHours(7));
        }

        post.Fails = false;
        Assert.Equal(0, await Worker.RunAsync(default));
        Assert.Empty(post.Sent);
        var waiting = Assert.Single((await Letters.ToPostAsync(RightsWorld.Officer, 50, null, Guid.NewGuid(), default)).Items);
        Assert.Equal((request.Id, "post", 1L), (waiting.Request, waiting.Way, (await world.Vault.Get<RightsWatch>().LookAsync(default)).LettersToPost));
        Assert.Equal("posted", (await Letters.PostedAsync(RightsWorld.Officer, waiting.Id, Guid.NewGuid(), default)).Way);
        await RefusedAsync("invalid-state", () => Letters.PostedAsync(RightsWorld.Officer, waiting.Id, Guid.NewGuid(), default));
        Assert.Empty((await Letters.ToPostAsync(RightsWorld.Officer, 50, null, Guid.NewGuid(), default)).Items);
        Assert.Equal(waiting.LogIndex, Assert.Single(await EntriesAsync(EntryType.LetterPosted)).Reference);
    }

    [Fact]
    public async Task A_letter_to_somebody_whose_record_does_not_open_waits_for_an_officer()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        await world.VaultSqlAsync("update vault.subject set record = set_byte(record, length(record) - 5, get_byte(record, length(record) - 5) # 1)");
        await Worker.RunAsync(default);
        Assert.Empty(post.Sent);
        Assert.Equal(request.Id, Assert.Single((await Letters.ToPostAsync(RightsWorld.Officer, 50, null, Guid.NewGuid(), default)).Items).Request);
    }

    [Fact]
    public async Task A_letter_whose_key_does_not_open_now_is_not_lost()
    {
        await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, ada);
        await FlipKeysAsync();
        await Worker.RunAsync(default);
        Assert.Empty(post.Sent);
        await FlipKeysAsync();
        world.Clock.Advance(TimeSpan.FromHours(7));
        await Worker.RunAsync(default);
        Assert.Single(post.Sent);

        Task FlipKeysAsync() => world.KeysSqlAsync("update keys.subject_key set wrapped = set_byte(wrapped, length(wrapped) - 5, get_byte(wrapped, length(wrapped) - 5) # 1)");
    }

    [Fact]
    public async Task A_repeated_request_promises_no_more_time_than_the_first()
    {
        await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        var first = world.Clock.GetUtcNow();
        world.Clock.Advance(TimeSpan.FromDays(20));
        var again = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        var words = (await ReadAsync((await Letters.ListAsync(RightsWorld.Officer, again.Id, Guid.NewGuid(), default))[0].Id)).Printed.Text();
        var (law, german) = (Repository.Policy.Jurisdictions.OrDefault(again.Facts.Jurisdiction), Repository.Policy.Letters!.Choose(["de"]));
        Assert.Contains(german.Day(law.DayOf(law.ExtendedDueAt(first))), words, StringComparison.Ordinal);
        Assert.DoesNotContain(german.Day(law.DayOf(law.ExtendedDueAt(first + TimeSpan.FromDays(20)))), words, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("update vault.message set way = 'posted' where letter is not null")]
    [InlineData("update vault.message set letter = null, way = null where letter is not null")]
    public async Task A_letter_that_somebody_takes_off_the_list_of_the_post_is_missed(string attack)
    {
        var bare = await BareAsync();
        await world.OpenAsync(RightsWorld.Officer, RequestKinds.Erasure, bare);
        await world.VaultSqlAsync(attack);
        Assert.Contains((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings, finding => finding.Message.StartsWith("the letter ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_letter_that_does_not_open_keeps_neither_the_package_nor_the_next_key_from_its_person()
    {
        await world.Requests.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada, "A note", null, Guid.NewGuid(), default);
        await world.VaultSqlAsync("update vault.message set sealed = set_byte(sealed, length(sealed) - 5, get_byte(sealed, length(sealed) - 5) # 1)");
        await world.VaultSqlAsync("update vault.request set notes = set_byte(notes, length(notes) - 5, get_byte(notes, length(notes) - 5) # 1)");
        await world.RotateAsync("subjects");
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        Assert.Equal((RequestStates.Completed, true), (request.State, request.HasPackage));
    }

    [Theory]
    [InlineData(true, "post")]
    [InlineData(false, "inbox")]
    public async Task Somebody_without_an_address_is_reached_by_an_officer_or_where_they_signed_in(bool byOfficer, string way)
    {
        var bare = await BareAsync();
        await world.OpenAsync(byOfficer ? RightsWorld.Officer : RightsWorld.Customer(bare), RequestKinds.Erasure, bare);
        Assert.Equal(1, await Worker.RunAsync(default));
        Assert.Empty(post.Sent);
        var letter = Assert.Single(await world.ListAsync("select way from vault.message where letter is not null"));
        Assert.Equal(way, letter);
        Assert.Equal("way:no-address", Assert.Single(await EntriesAsync(EntryType.LetterWay)).Rules[0]);
    }

    [Fact]
    public async Task Letters_are_read_by_their_person_and_by_officers_and_by_nobody_else()
    {
        var bob = await world.PersonAsync("bob");
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        var letter = Assert.Single(await Letters.ListAsync(RightsWorld.Customer(ada), request.Id, Guid.NewGuid(), default));
        Assert.Equal(letter.Id, (await Letters.ReadAsync(RightsWorld.Customer(ada), letter.Id, Guid.NewGuid(), default)).About.Id);
        await RefusedAsync("not-found", () => Letters.ReadAsync(RightsWorld.Customer(bob), letter.Id, Guid.NewGuid(), default));
        await RefusedAsync("not-found", () => Letters.ListAsync(RightsWorld.Customer(bob), request.Id, Guid.NewGuid(), default));
        await RefusedAsync("not-found", () => Letters.ReadAsync(RightsWorld.Customer(bob), Guid.NewGuid(), Guid.NewGuid(), default));
        await RefusedAsync("not-found", () => Letters.ReadAsync(RightsWorld.Officer, Guid.NewGuid(), Guid.NewGuid(), default));
        await RefusedAsync("forbidden", () => Letters.ReadAsync(RightsWorld.Support, letter.Id, Guid.NewGuid(), default));
        await RefusedAsync("forbidden", () => Letters.ToPostAsync(RightsWorld.Support, 50, null, Guid.NewGuid(), default));
        var before = (await EntriesAsync(EntryType.RequestRead)).Count;
        await ReadAsync(letter.Id);
        Assert.Equal(before + 1, (await EntriesAsync(EntryType.RequestRead)).Count);
    }

    [Fact]
    public async Task Letters_about_one_request_stay_in_the_language_that_was_chosen_for_the_first()
    {
        var request = await world.Requests.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada, null, null, Guid.NewGuid(), default, wish: new RequestWish("fr-CA"));
        await world.Requests.RefuseAsync(RightsWorld.Officer, request.Id, "process-unfounded", "No.", Guid.NewGuid(), default);
        foreach (var letter in await Letters.ListAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default)) Assert.Equal("fr", (await ReadAsync(letter.Id)).Printed.Language);
        var other = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        Assert.Equal("de", (await ReadAsync((await Letters.ListAsync(RightsWorld.Officer, other.Id, Guid.NewGuid(), default))[0].Id)).Printed.Language);
    }

    [Fact]
    public async Task A_letter_that_somebody_changed_or_put_in_anothers_place_is_not_shown_and_not_sent()
    {
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        await world.Requests.RefuseAsync(RightsWorld.Officer, request.Id, "process-unfounded", "No.", Guid.NewGuid(), default);
        await world.VaultSqlAsync("update vault.message m set sealed = o.sealed from vault.message o where m.letter = 'refused' and o.letter = 'received'");
        var refused = (await Letters.ListAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default)).Single(one => one.Kind == "refused");
        await RefusedAsync("record-damaged", () => Letters.ReadAsync(RightsWorld.Officer, refused.Id, Guid.NewGuid(), default));
        await Worker.RunAsync(default);
        Assert.DoesNotContain(post.Sent, one => one.Id == refused.Id);
    }

    [Fact]
    public async Task A_person_is_reminded_once_of_a_package_that_waits()
    {
        var reminders = world.Vault.Get<RequestReminders>();
        var request = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        Assert.Equal(0, await reminders.RunAsync(default));
        world.Clock.Advance(RequestReminders.PackageWaits);
        Assert.Equal(1, await reminders.RunAsync(default));
        Assert.Equal(0, await reminders.RunAsync(default));
        Assert.Equal("package-waiting", (await Letters.ListAsync(RightsWorld.Customer(ada), request.Id, Guid.NewGuid(), default))[^1].Kind);
    }

    [Fact]
    public async Task A_person_is_reminded_once_of_a_question_when_half_of_the_time_for_it_is_over()
    {
        var reminders = world.Vault.Get<RequestReminders>();
        var request = await world.OpenAsync(RightsWorld.Officer, RequestKinds.Access, ada);
        await world.Requests.TakeAsync(RightsWorld.Officer, request.Id, RequestAct.Ask, new StepTerms("identity", "Please show us that it is you."), Guid.NewGuid(), default);
        Assert.Equal(0, await reminders.RunAsync(default));
        var by = DateTimeOffset.Parse(Assert.Single(await world.ListAsync("select to_char(answer_by at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') from vault.request")), System.Globalization.CultureInfo.InvariantCulture);
        world.Clock.Advance(by - TimeSpan.FromDays(1) - world.Clock.GetUtcNow());
        Assert.Equal(1, await reminders.RunAsync(default));
        Assert.Equal(0, await reminders.RunAsync(default));
        Assert.Equal(["received", "verification-needed", "answer-awaited"], (await Letters.ListAsync(RightsWorld.Officer, request.Id, Guid.NewGuid(), default)).Select(one => one.Kind));
    }

    [Fact]
    public async Task Officers_get_one_digest_a_day_with_numbers_alone_and_none_when_nothing_runs_out()
    {
        var digest = world.Vault.Get<DeadlineDigest>();
        await world.OpenAsync(RightsWorld.Officer, RequestKinds.Rectification, ada);
        Assert.Equal(0, await digest.RunAsync(default));
        world.Clock.Advance(TimeSpan.FromDays(30));
        Assert.Equal(1, await digest.RunAsync(default));
        Assert.Equal(0, await digest.RunAsync(default));
        await Worker.RunAsync(default);
        var sent = Assert.Single(post.Sent, one => one.To == "officer@vault.example");
        Assert.Contains("- 1 past 90 % of their time", sent.Printed.Text(), StringComparison.Ordinal);
        Assert.DoesNotContain(ada.ToString(), sent.Printed.Text(), StringComparison.Ordinal);
        world.Clock.Advance(TimeSpan.FromDays(4));
        Assert.Equal(1, await digest.RunAsync(default));
        await Worker.RunAsync(default);
        Assert.Contains("- 1 overdue", post.Sent[^1].Printed.Text(), StringComparison.Ordinal);
    }

    private async Task<SubjectId> BareAsync()
    {
        var customer = new NewCustomer(StoreVault.Object("""{"customerNumber": "N-bare", "givenName": "Bare"}"""), "crm", null, "2026-01", "service-delivery", null);
        return (await world.Vault.Get<ProfileEditor>().CreateAsync(RightsWorld.Ingest, customer, null, Guid.NewGuid(), default)).Id;
    }

    private Task<WrittenWords> ReadAsync(Guid letter) => Letters.ReadAsync(RightsWorld.Officer, letter, Guid.NewGuid(), default);

    private async Task<List<LogEntry>> EntriesAsync(EntryType type)
    {
        var found = new List<LogEntry>();
        var (store, cancellation) = (world.Vault.Get<LogStore>(), TestContext.Current.CancellationToken);
        await foreach (var (_, encoded) in store.EntriesAsync(0, (await store.HeadAsync(cancellation)).Size, cancellation))
        {
            var entry = LogEntry.Decode(encoded);
            if (entry.Type == type) found.Add(entry);
        }

        return found;
    }

    private static async Task RefusedAsync(string slug, Func<Task> call) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(call)).Slug);
}
