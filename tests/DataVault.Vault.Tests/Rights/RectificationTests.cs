using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using DataVault.Vault.Keys;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>The person says what is right, an officer decides value by value, and the record, the request and the notices change together or not at all.</summary>
[Requirement("R54")]
public sealed class RectificationTests : IAsyncLifetime
{
    private static readonly Recipient Campaigns = new(RecipientKind.Application, "campaigns", "Campaigns", ["marketing"], ["marketing"]);

    private RightsWorld world = null!;
    private SubjectId ada;

    private Rectification Desk => world.Vault.Get<Rectification>();

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    public async Task What_is_accepted_is_written_with_its_request_the_old_value_is_kept_for_the_person_alone_and_recipients_are_told()
    {
        await ReadAsync(Campaigns, "marketing", "email");
        var id = await AskedAsync("""{ "email": "right@example.com", "familyName": "Right", "language": "fr" }""");
        Assert.Equal("right@example.com", (await Desk.GetAsync(RightsWorld.Customer(ada), id, Guid.NewGuid(), default)).Wanted["email"].GetString());
        var decided = await Desk.DecideAsync(
            RightsWorld.Officer, id,
            new RectificationDecision(
                new Dictionary<string, JsonElement?> { ["email"] = null, ["familyName"] = JsonSerializer.SerializeToElement("Righter") }, new Dictionary<string, string> { ["language"] = "process-unfounded" }, "Checked."),
            Guid.NewGuid(), default);
        Assert.Equal([("email", "accepted", null), ("familyName", "changed", null), ("language", "refused", "process-unfounded")], decided.Decided.Select(one => (one.Field, one.Outcome, one.Reason)));
        Assert.Equal(decided.Decided, (await Desk.GetAsync(RightsWorld.Customer(ada), id, Guid.NewGuid(), default)).Decided);
        var done = await world.GetAsync(id);
        Assert.Equal(("completed", "partly-refused", "process-unfounded"), (done.State, done.Facts.Outcome, done.Reason));
        Assert.Equal(["Checked."], (await world.Requests.NotesAsync(RightsWorld.Customer(ada), id, Guid.NewGuid(), default)).Select(note => note.Text));

        using var shown = await ReadAsync(RightsWorld.Customer(ada), "data-subject-rights", "email", "familyName", "language");
        Assert.Equal(["\"right@example.com\"", "\"Righter\"", "\"de\""], shown.Fields.OrderBy(field => field.Name).Select(field => Encoding.UTF8.GetString(field.Utf8Json.Span)));
        Assert.Equal([$"rectification:{id}", $"rectification:{id}", "crm"], shown.Fields.OrderBy(field => field.Name).Select(field => field.Provenance!.Source));

        // The replaced values are in the history, which no read opens, and in the package that the person gets.
        Assert.Equal(["1"], await world.ListAsync($"select count(*)::text from vault.history where subject_id = '{ada}'"));
        Assert.Empty(await world.TablesNamingAsync("right@example.com"));
        var notice = Assert.Single((await world.Vault.Get<Notices>().ListAsync(RightsWorld.Officer, new RecipientNoticeQuery(id), Guid.NewGuid(), default)).Items);
        Assert.Equal(("person.rectified", "mailing-house", "manual"), (notice.Kind, notice.Recipient, notice.State));
        Assert.Equal(["email"], notice.Items);

        var entries = (await world.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Subject = ada, Purpose = "data-subject-rights", OldestFirst = true, Limit = 100 })).Entries;
        var written = entries.Select(one => one.Entry.Type).ToList();
        var at = written.IndexOf(EntryType.RecordWrite);
        Assert.Equal([EntryType.RecordWrite, EntryType.NoticeChange, EntryType.LetterWritten, EntryType.RequestChange], written.GetRange(at, 4));
        Assert.Equal(entries[at].Index + 3, entries[at + 3].Index);
        Assert.Empty((await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions(Deep: true))).Findings.Select(finding => finding.Message));
    }

    [Fact]
    public async Task The_decision_is_told_by_a_letter_of_the_same_transaction_and_nobody_waits_for_an_answer_any_more()
    {
        var id = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada)).Id;
        await world.Requests.TakeAsync(RightsWorld.Officer, id, RequestAct.Ask, new StepTerms("clarification", "Which name?"), Guid.NewGuid(), default);
        await Desk.AskAsync(RightsWorld.Customer(ada), id, StoreVault.Object("""{ "familyName": "Right", "language": "fr" }"""), Guid.NewGuid(), default);
        await world.ApproveAsync(id);
        await DecideAsync(
            RightsWorld.Officer, id, new(new Dictionary<string, JsonElement?> { ["familyName"] = null }, new Dictionary<string, string> { ["language"] = "process-unfounded" }, null));
        Assert.All((await world.GetAsync(id)).Facts.Questions, question => Assert.NotNull(question.Until));
        var refused = await AskedAsync("""{ "language": "fr" }""");
        await DecideAsync(RightsWorld.Officer, refused, new(new Dictionary<string, JsonElement?>(), new Dictionary<string, string> { ["language"] = "process-unfounded" }, null));

        var told = (await LettersAsync(id))[^1];
        Assert.Equal("rectified", told.Kind);
        Assert.Contains(Repository.Policy.Letters!.Find("de")!.Words("refusals", "process-unfounded"), told.Text);
        Assert.Equal("refused", (await LettersAsync(refused))[^1].Kind);
        var ended = await world.GetAsync(refused);
        Assert.Equal((RequestStates.Refused, "process-unfounded"), (ended.State, ended.Reason));
    }

    [Fact]
    public async Task Nobody_decides_upon_values_that_changed_and_why_it_took_longer_is_no_reason_of_how_it_ended()
    {
        var id = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada)).Id;
        await Desk.AskAsync(RightsWorld.Customer(ada), id, StoreVault.Object("""{ "familyName": "Right" }"""), Guid.NewGuid(), default);
        await world.Requests.ExtendAsync(RightsWorld.Officer, id, "high-volume", "There are many.", Guid.NewGuid(), default);
        await world.ApproveAsync(id);
        var seen = (await world.GetAsync(id)).LogIndex;
        await RefusedAsync("invalid-state", () => Desk.AskAsync(RightsWorld.Customer(ada), id, StoreVault.Object("""{ "familyName": "Other" }"""), Guid.NewGuid(), default));
        await RefusedAsync("invalid-state", () => Desk.AskAsync(RightsWorld.Officer, id, StoreVault.Object("""{ "familyName": "Other" }"""), Guid.NewGuid(), default, seen - 1));
        await Desk.AskAsync(RightsWorld.Officer, id, StoreVault.Object("""{ "familyName": "Other" }"""), Guid.NewGuid(), default, seen);
        var decision = new RectificationDecision(new Dictionary<string, JsonElement?> { ["familyName"] = null }, new Dictionary<string, string>(), null);
        await RefusedAsync("invalid-state", () => DecideAsync(RightsWorld.Officer, id, decision with { Seen = seen }));
        await DecideAsync(RightsWorld.Officer, id, decision with { Seen = (await world.GetAsync(id)).LogIndex });
        var done = await world.GetAsync(id);
        Assert.Equal((RequestStates.Completed, null, null), (done.State, done.Reason, done.Facts.Outcome));
    }

    [Fact]
    public async Task Everything_wanted_is_decided_by_a_person_and_only_what_can_be_written()
    {
        var id = await AskedAsync("""{ "email": "right@example.com", "language": "fr" }""");
        var none = new Dictionary<string, JsonElement?>();
        var both = new Dictionary<string, JsonElement?> { ["email"] = null, ["language"] = null };
        var refuse = new Dictionary<string, string>();
        var bob = await world.PersonAsync("bob");
        await RefusedAsync("invalid-fields", () => DecideAsync(RightsWorld.Officer, id, new(new Dictionary<string, JsonElement?> { ["email"] = null }, refuse, null)));
        await RefusedAsync("invalid-fields", () => DecideAsync(RightsWorld.Officer, id, new(new Dictionary<string, JsonElement?>(both) { ["phone"] = null }, refuse, null)));
        await RefusedAsync("invalid-fields", () => DecideAsync(RightsWorld.Officer, id, new(none, new Dictionary<string, string> { ["email"] = "no", ["language"] = "no" }, null)));
        await RefusedAsync("invalid-fields", () => DecideAsync(RightsWorld.Officer, id, new(new Dictionary<string, JsonElement?>(both) { ["email"] = JsonSerializer.SerializeToElement("no address") }, refuse, null)));
        var tool = new Recipient(RecipientKind.Application, "officer-tools", "Compliance tools", ["compliance-officer"], ["data-subject-rights"]);
        await RefusedAsync("forbidden", () => DecideAsync(tool, id, new(both, refuse, null)));
        await RefusedAsync("forbidden", () => DecideAsync(RightsWorld.Support, id, new(both, refuse, null)));
        await RefusedAsync("not-found", () => DecideAsync(RightsWorld.Customer(bob), id, new(both, refuse, null)));
        await RefusedAsync("forbidden", () => DecideAsync(RightsWorld.Customer(ada), id, new(both, refuse, null)));
        Assert.Equal("approved", (await world.GetAsync(id)).State);

        await DecideAsync(RightsWorld.Officer, id, new(none, new Dictionary<string, string> { ["email"] = "process-unfounded", ["language"] = "process-unfounded" }, null));
        await RefusedAsync("invalid-state", () => DecideAsync(RightsWorld.Officer, id, new(both, refuse, null)));
        using var shown = await ReadAsync(RightsWorld.Customer(ada), "data-subject-rights", "email");
        Assert.Equal("\"ada@example.com\"", Encoding.UTF8.GetString(shown.Fields[0].Utf8Json.Span));
    }

    [Fact]
    public async Task A_value_that_somebody_else_has_changes_neither_record_nor_request()
    {
        await world.PersonAsync("bob");
        var id = await AskedAsync("""{ "email": "bob@example.com" }""");
        await RefusedAsync("conflict", () => DecideAsync(RightsWorld.Officer, id, new(new Dictionary<string, JsonElement?> { ["email"] = null }, new Dictionary<string, string>(), null)));
        Assert.Equal("approved", (await world.GetAsync(id)).State);
        Assert.Empty((await Desk.GetAsync(RightsWorld.Officer, id, Guid.NewGuid(), default)).Decided);
        Assert.Empty(await world.ListAsync("select state from vault.recipient_notice"));
    }

    [Fact]
    public async Task No_value_is_written_that_came_after_the_officer_looked()
    {
        var id = await AskedAsync("""{ "language": "fr" }""");
        var seen = (await world.GetAsync(id)).LogIndex;
        await Desk.AskAsync(RightsWorld.Officer, id, StoreVault.Object("""{ "language": "en" }"""), Guid.NewGuid(), default);
        var decision = new RectificationDecision(new Dictionary<string, JsonElement?> { ["language"] = null }, new Dictionary<string, string>(), null);
        await RefusedAsync("invalid-state", () => DecideAsync(RightsWorld.Officer, id, decision with { Seen = seen }));
        Assert.Equal("approved", (await world.GetAsync(id)).State);
        await DecideAsync(RightsWorld.Officer, id, decision with { Seen = (await world.GetAsync(id)).LogIndex });
        Assert.Equal("completed", (await world.GetAsync(id)).State);
    }

    [Fact]
    public async Task Two_officers_at_once_write_once()
    {
        var id = await AskedAsync("""{ "language": "fr" }""");
        var decision = new RectificationDecision(new Dictionary<string, JsonElement?> { ["language"] = null }, new Dictionary<string, string>(), null);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            try
            {
                await DecideAsync(RightsWorld.Officer, id, decision);
                return "done";
            }
            catch (VaultException e)
            {
                return e.Slug;
            }
        }));
        Assert.Equal(["done", "invalid-state", "invalid-state", "invalid-state"], outcomes.Order(StringComparer.Ordinal));
        Assert.Equal(["1"], await world.ListAsync($"select count(*)::text from vault.history where subject_id = '{ada}'"));
    }

    private async Task<List<(string Kind, string Text)>> LettersAsync(Guid request)
    {
        using var held = await world.Vault.Get<KeyRegistry>().GetFreshAsync(ada, default);
        return (await world.Vault.Get<LetterStore>().OfRequestAsync(request, default)).ConvertAll(letter => (letter.Kind, world.Vault.Get<LetterBook>().Open(held, letter).Printed.Text()));
    }

    private async Task<Guid> AskedAsync(string fields)
    {
        var id = (await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Rectification, ada)).Id;
        await Desk.AskAsync(RightsWorld.Customer(ada), id, StoreVault.Object(fields), Guid.NewGuid(), default);
        Assert.Equal("approved", (await world.ApproveAsync(id)).State);
        return id;
    }

    private Task<RectificationView> DecideAsync(Recipient officer, Guid id, RectificationDecision decision) => Desk.DecideAsync(officer, id, decision, Guid.NewGuid(), default);

    private async Task<Disclosure> ReadAsync(Recipient recipient, string purpose, params string[] fields)
    {
        var items = fields.Select(name => new RequestedItem(Repository.Policy.Catalogue.Find(name)!, null)).ToList();
        return await world.Vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(recipient, ada, purpose, items, true, Guid.NewGuid()), default);
    }

    private static async Task RefusedAsync(string slug, Func<Task> act) => Assert.Equal(slug, (await Assert.ThrowsAsync<VaultException>(act)).Slug);
}
