using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>Who was given what of a person, by the log; and that each of them is told, once, of what changed.</summary>
public sealed class RecipientNoticesTests : IAsyncLifetime
{
    private static readonly Recipient Campaigns = new(RecipientKind.Application, "campaigns", "Campaigns", ["marketing"], ["marketing"]);
    private static readonly Recipient Complaints = new(RecipientKind.Application, "refund-desk", "Refunds and complaints", ["customer-support"], ["complaints"]);

    private readonly Endpoint endpoint = new();
    private RightsWorld world = null!;
    private SubjectId ada;

    private Notices Notices => world.Vault.Get<Notices>();

    private OutboxWorker Worker => new(
        world.Vault.Get<OutboxStore>(), world.Vault.Get<LetterMail>(), world.Vault.Get<VaultClock>(), Microsoft.Extensions.Logging.Abstractions.NullLogger<OutboxWorker>.Instance, [endpoint], world.Vault.Get<RecipientNotices>());

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        world.Recipients = [new ErasureRecipient("mailing-house"), new ErasureRecipient("payment-service")];
        await world.RestartAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R24", "R50")]
    public async Task The_ledger_names_each_recipient_with_what_it_was_given_and_where_the_log_says_so()
    {
        await ReadAsync(Campaigns, "marketing", "email");
        await ReadAsync(Campaigns, "marketing", "givenName", "email");
        await ReadAsync(RightsWorld.Support, "customer-support", "givenName");
        await ReadAsync(Complaints, "complaints", "language", justification: "CASE-123");
        await world.FeedAsync();
        await ReadAsync(RightsWorld.Customer(ada), "data-subject-rights", "email");
        await world.PersonAsync("bob");

        var lines = await LedgerAsync(RightsWorld.Customer(ada));
        var mailing = Assert.Single(lines, line => line.Recipient == "mailing-house");
        Assert.Equal(("Courrier Clair SAS", "Campaigns", "field.read", "marketing", 2), (mailing.Title, mailing.Through, mailing.Kind, mailing.Purpose, mailing.Times));
        Assert.Equal(["email", "givenName"], mailing.Items);
        Assert.Equal("FR", mailing.Declared!.Country);
        foreach (var index in mailing.Entries)
        {
            var entry = await world.Vault.Get<AuditReader>().EntryAsync(index);
            Assert.Equal((EntryType.FieldRead, "marketing"), (entry.Entry.Type, entry.Entry.Purpose));
        }

        Assert.Equal(["language"], Assert.Single(lines, line => line.Recipient == "payment-service").Items);
        // They cannot tell who it is, and are named all the same.
        var research = Assert.Single(lines, line => line.Recipient == "market-research");
        Assert.Equal(("Customer insight", "analytics.feed"), (research.Through, research.Kind));
        Assert.Contains("gender", research.Items);
        Assert.DoesNotContain("email", research.Items);
        Assert.Equal(["Commerce planning", "Support desk"], lines.Where(line => line.Recipient is null).Select(line => line.Through).Order());
        Assert.All(lines.Where(line => line.Recipient is null), line => Assert.Equal("Example Trading Company", line.Title));
        Assert.Equal(lines.Select(line => line.Times), (await LedgerAsync(RightsWorld.Officer)).Select(line => line.Times));

        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => LedgerAsync(RightsWorld.Customer(new SubjectId(Guid.NewGuid()))))).Slug);
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<VaultException>(() => LedgerAsync(Campaigns))).Slug);
        await EraseAsync();
        Assert.Equal("not-found", (await Assert.ThrowsAsync<VaultException>(() => LedgerAsync(RightsWorld.Officer))).Slug);
    }

    [Fact]
    [Requirement("R60")]
    public async Task Each_recipient_of_an_erased_person_is_told_once_tried_again_acknowledges_or_is_given_up_for_a_reason()
    {
        await ReadAsync(Campaigns, "marketing", "email");
        await ReadAsync(Complaints, "complaints", "language", justification: "CASE-123");
        await world.FeedAsync();
        var request = await EraseAsync();

        var told = await ListAsync(request);
        Assert.Equal([("mailing-house", "queued"), ("market-research", "manual"), ("payment-service", "queued")], States(told));
        Assert.All(told, notice => Assert.True(notice is { IsOpen: true, Subject: null, Kind: "person.erased", Reference: not null }));
        Assert.DoesNotContain(ada.ToString(), told.Single(notice => notice.Recipient == "market-research").Reference, StringComparison.Ordinal);
        Assert.Equal("completed", (await world.GetAsync(request)).State);
        Assert.Equal(1, (await world.Vault.Get<RightsWatch>().LookAsync(default)).Outbox.Waiting - 1);

        endpoint.Refuses = "mailing-house";
        Assert.Equal(1, await Worker.RunAsync(default));
        for (var attempt = 1; attempt < OutboxStore.DeadAfter; attempt++)
        {
            world.Clock.Advance(TimeSpan.FromHours(6));
            await Worker.RunAsync(default);
        }

        told = await ListAsync(request);
        var dead = told.Single(notice => notice.Recipient == "mailing-house");
        Assert.True(dead is { State: "queued", IsDead: true, IsOpen: true, Failure: "unreachable" });
        Assert.Equal([("payment-service", "delivered")], States(told.Where(notice => !notice.IsOpen)));
        Assert.Equal([request], endpoint.Received.Where(call => call.Recipient == "payment-service").Select(call => call.Data.GetProperty("request").GetGuid()));
        Assert.Equal([ada.ToString()], endpoint.Received.Select(call => call.Data.GetProperty("reference").GetString()));

        var payment = told.Single(notice => notice.Recipient == "payment-service").Id;
        await RefusedAsync("not-found", () => Notices.AcknowledgeAsync(Campaigns, payment, Guid.NewGuid(), default));
        var known = await Notices.AcknowledgeAsync(Complaints, payment, Guid.NewGuid(), default);
        // The answer names the person by nothing that the recipient may not know.
        Assert.Equal(("acknowledged", null, null), (known.State, known.Subject, known.Reference));
        await RefusedAsync("invalid-fields", () => Notices.WaiveAsync(RightsWorld.Officer, dead.Id, "too-much-work", Guid.NewGuid(), default));
        await RefusedAsync("forbidden", () => Notices.WaiveAsync(RightsWorld.Support, dead.Id, "impossible", Guid.NewGuid(), default));
        Assert.True((await Notices.WaiveAsync(RightsWorld.Officer, dead.Id, "disproportionate-effort", Guid.NewGuid(), default)) is { State: "waived", Reason: "disproportionate-effort", IsOpen: false });
        var manual = told.Single(notice => notice.Recipient == "market-research").Id;
        Assert.Equal("done", (await Notices.DoneAsync(RightsWorld.Officer, manual, Guid.NewGuid(), default)).State);
        await RefusedAsync("invalid-state", () => Notices.DoneAsync(RightsWorld.Officer, manual, Guid.NewGuid(), default));

        told = await ListAsync(request);
        Assert.All(told, notice => Assert.True(notice is { IsOpen: false, Reference: null }));
        Assert.Equal(0, (await world.Vault.Get<OutboxStore>().StateAsync(default)).Waiting);
        Assert.Equal(3, (await EntriesAsync()).Count(rules => rules[0] == "notice:made"));
        Assert.Equal(
            ["notice:acknowledged", "notice:delivered", "notice:done", "notice:made", "notice:waived"], (await EntriesAsync()).Where(rules => rules.Contains($"request:{request:D}")).Select(rules => rules[0]).Distinct().Order());
        Assert.Contains((await EntriesAsync()), rules => rules.SequenceEqual(["notice:waived", $"notice:{dead.Id}", "person.erased", "recipient:mailing-house", $"request:{request:D}", "reason:disproportionate-effort"]));
        Assert.DoesNotContain("vault.recipient_notice", (await world.TablesNamingAsync(ada.ToString())).Keys);
    }

    [Fact]
    public async Task Nobody_is_told_who_was_given_nothing()
    {
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Access, ada);
        Assert.Empty(await ListAsync(await EraseAsync()));
    }

    [Fact]
    public async Task A_process_that_dies_after_the_delivery_delivers_again_under_the_same_id_and_notes_it_once()
    {
        await ReadAsync(Campaigns, "marketing", "email");
        var request = await EraseAsync();
        var dying = Worker;
        dying.Delivered = () => throw new InvalidOperationException("cut off");
        await Assert.ThrowsAsync<InvalidOperationException>(() => dying.RunAsync(default));
        Assert.True(Assert.Single(await ListAsync(request)).IsOpen);
        world.Clock.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal(1, await Worker.RunAsync(default));
        var notice = Assert.Single(await ListAsync(request));
        Assert.Equal("delivered", notice.State);
        Assert.Equal([notice.Id, notice.Id], endpoint.Received.Select(call => call.Id));
        Assert.Single(await EntriesAsync(), rules => rules[0] == "notice:delivered");
    }

    [Fact]
    public async Task A_restriction_and_its_end_are_told_and_the_person_sees_whom_until_they_are_erased()
    {
        await ReadAsync(Campaigns, "marketing", "email");
        var request = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Restriction, ada)).Id;
        await world.ApproveAsync(request);
        Assert.True(Assert.Single(await ListAsync(request)) is { Kind: "person.restricted", Recipient: "mailing-house", State: "queued", Subject: not null });
        await world.Vault.Get<LimitLifting>().LiftRestrictionAsync(RightsWorld.Officer, ada, "accuracy-settled", Guid.NewGuid(), default);
        await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Objection, ada);

        await world.RotateAsync("subjects");
        var seen = await Notices.ListAsync(RightsWorld.Customer(ada), new RecipientNoticeQuery(), Guid.NewGuid(), default);
        Assert.Equal(["person.restricted", "person.restriction-lifted"], seen.Items.Select(notice => notice.Kind).Order());
        Assert.All(seen.Items, notice => Assert.Equal(("Courrier Clair SAS", false), (notice.Declared!.Title, notice.IsChanged)));
        var bob = await world.PersonAsync("bob");
        Assert.Empty((await Notices.ListAsync(RightsWorld.Customer(bob), new RecipientNoticeQuery(Subject: ada), Guid.NewGuid(), default)).Items);
        Assert.Empty(await world.TablesNamingAsync("mailing-house: Courrier"));
        Assert.Equal(["person.restricted", "person.restriction-lifted"], await world.ListAsync("select kind from vault.recipient_notice where position('mailing-house'::bytea in sealed) = 0 order by kind"));

        var erased = await EraseAsync();
        Assert.Equal([erased.ToString()], await world.ListAsync("select request_id::text from vault.recipient_notice"));
    }

    [Theory]
    [InlineData("update vault.recipient_notice set state = 'done'")]
    [InlineData("update vault.recipient_notice set state = 'waived', code = 'impossible'")]
    [InlineData("update vault.recipient_notice set sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)")]
    [InlineData("update vault.recipient_notice set request_id = request_id, kind = 'person.rectified'")]
    public async Task What_somebody_writes_into_a_notice_closes_nothing(string attack)
    {
        await ReadAsync(Campaigns, "marketing", "email");
        var request = await EraseAsync();
        await world.ExecuteAsync(attack);
        var notice = Assert.Single(await ListAsync(request));
        Assert.True(notice is { IsOpen: true, IsChanged: true });
        Assert.Equal(1, (await world.Vault.Get<RightsWatch>().LookAsync(default)).ChangedNotices);
        // An officer who told the recipient puts it right.
        Assert.Equal("done", (await Notices.DoneAsync(RightsWorld.Officer, notice.Id, Guid.NewGuid(), default)).State);
    }

    private async Task<Guid> EraseAsync()
    {
        var request = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada)).Id;
        Assert.Equal("completed", (await world.ApproveAsync(request)).State);
        return request;
    }

    private async Task<IReadOnlyList<NoticeView>> ListAsync(Guid request) =>
        [.. (await Notices.ListAsync(RightsWorld.Officer, new RecipientNoticeQuery(request), Guid.NewGuid(), default)).Items.OrderBy(notice => notice.Recipient, StringComparer.Ordinal)];

    private static IEnumerable<(string?, string)> States(IEnumerable<NoticeView> notices) => notices.Select(notice => (notice.Recipient, notice.State));

    private Task<IReadOnlyList<DisclosureLine>> LedgerAsync(Recipient recipient) => world.Vault.Get<AccessHistory>().DisclosuresAsync(recipient, ada, Guid.NewGuid(), default);

    private async Task<List<IReadOnlyList<string>>> EntriesAsync()
    {
        var page = await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.NoticeChange, OldestFirst = true });
        return [.. page.Entries.Select(one => one.Entry.Rules)];
    }

    private async Task ReadAsync(Recipient recipient, string purpose, string field, string? second = null, string? justification = null)
    {
        string[] fields = second is null ? [field] : [field, second];
        var items = fields.Select(name => new RequestedItem(Repository.Policy.Catalogue.Find(name)!, null)).ToList();
        var release = await world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(recipient, ada, purpose, items, false, Guid.NewGuid(), justification), default);
        Assert.Equal(fields.Length, release.Fields.Count);
    }

    private static async Task RefusedAsync(string slug, Func<Task> act) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);

    private sealed record Received(Guid Id, string Recipient, JsonElement Data);

    private sealed class Endpoint : IRecipientCalls
    {
        public string? Refuses { get; set; }

        public List<Received> Received { get; } = [];

        public Task CallAsync(RecipientCall call, CancellationToken cancellation)
        {
            if (Refuses == call.Recipient) throw new RecipientCallException("unreachable");
            using var body = JsonDocument.Parse(Encoding.UTF8.GetString(call.Body.Span));
            Received.Add(new Received(call.Id, call.Recipient, body.RootElement.GetProperty("data").Clone()));
            return Task.CompletedTask;
        }
    }
}
