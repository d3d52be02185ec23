using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;

namespace DataVault.Vault.Tests.Rights;

/// <summary>What models decided about people: recorded by whoever may decide, seen and contested by the person, looked at by somebody else.</summary>
public sealed class AutomatedDecisionTests : IAsyncLifetime
{
    private static readonly Recipient Desk = new(RecipientKind.Application, "credit-check", "Credit check", ["customer-support"], ["billing"]);
    private static readonly Recipient Profiler = new(RecipientKind.Application, "profiler", "Profiler", ["marketing"], ["personalisation"]);

    private RightsWorld world = null!;
    private SubjectId ada;

    private AutomatedDecisions Decisions => world.Vault.Get<AutomatedDecisions>();

    private static NewDecision Declined => new("order-771", "invoice-limit", "2026-2", "billing", "declined", ["paymentPreference", "event:payment"])
    {
        Score = 431.5m, Factors = ["late-payments", "few-orders"], Explanation = "Zwei Rechnungen vom Mai",
        Values = new Dictionary<string, JsonElement> { ["paymentPreference"] = JsonSerializer.SerializeToElement("invoice-canary-771") },
    };

    public async ValueTask InitializeAsync()
    {
        world = await RightsWorld.CreateAsync();
        ada = await world.PersonAsync("ada");
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();

    [Fact]
    [Requirement("R65")]
    public async Task A_person_sees_what_was_decided_about_them_by_what_and_contests_it_and_somebody_else_decides_anew()
    {
        var made = await RecordAsync(Declined);
        Assert.True(made is { IsNew: true, State: "recorded" });
        var entry = (await world.Vault.Get<AuditReader>().EntryAsync(made.LogIndex)).Entry;
        Assert.Equal((EntryType.DecisionRecord, "billing"), (entry.Type, entry.Purpose));
        Assert.Equal([$"decision:{made.Id:D}", "model:invoice-limit", "version:2026-2"], entry.Rules.Take(3));

        var seen = Assert.Single((await Decisions.ListAsync(RightsWorld.Customer(ada), new DecisionQuery(), Guid.NewGuid(), default)).Items);
        Assert.True(seen is { Outcome: "declined", Score: 431.5m, State: "recorded", Human: false, Reference: "order-771", IsDamaged: false });
        Assert.Equal(["late-payments", "few-orders"], seen.Factors);
        Assert.Equal("Limit für den Kauf auf Rechnung", seen.Declared!.Title.In("de-AT").Text);

        var contest = await ContestAsync(made.Id);
        Assert.Equal(made.Id, contest.Facts.Decision);
        var contested = await Decisions.GetAsync(RightsWorld.Officer, made.Id, Guid.NewGuid(), default);
        Assert.True(contested is { State: "contested", IsOverdue: false } && contested.Request == contest.Id);
        Assert.Equal(RightsWorld.Start.AddDays(14).Date, contested.ReviewBy!.Value.Date);
        await RefusedAsync("invalid-state", () => ContestAsync(made.Id));

        // No application looks at it, nobody who operates the model, and nobody without words or without saying what it comes to.
        var operating = new Recipient(RecipientKind.Staff, "officer-2", "officer", ["compliance-officer", "customer-support"], ["data-subject-rights"]);
        await RefusedAsync("forbidden", () => ReviewAsync(operating, contest.Id, "decision-changed", "approved"));
        await RefusedAsync("forbidden", () => ReviewAsync(new Recipient(RecipientKind.Application, "bot", "bot", ["compliance-officer"], ["data-subject-rights"]), contest.Id, "decision-changed", "approved"));
        await RefusedAsync("invalid-fields", () => ReviewAsync(RightsWorld.Officer, contest.Id, "decision-changed", null));
        await RefusedAsync("invalid-fields", () => ReviewAsync(RightsWorld.Officer, contest.Id, "decision-changed", "perhaps"));
        await RefusedAsync("invalid-fields", () => ReviewAsync(RightsWorld.Officer, contest.Id, "decision-upheld", "approved"));
        await RefusedAsync("invalid-fields", () => ReviewAsync(RightsWorld.Officer, contest.Id, "decision-upheld", null, note: null));
        Assert.Equal("completed", (await ReviewAsync(RightsWorld.Officer, contest.Id, "decision-changed", "approved")).State);

        var after = await Decisions.GetAsync(RightsWorld.Customer(ada), made.Id, Guid.NewGuid(), default);
        Assert.True(after is { State: "changed", Outcome: "declined", Standing: "approved", ReviewBy: null, Review: { Result: "decision-changed", Words: "The bills were paid in time." } });
        // The application learns of it, and of no other's.
        var news = await Decisions.ChangesAsync(Desk, 10, null, Guid.NewGuid(), default);
        Assert.Equal(("changed", "approved"), (Assert.Single(news.Items).State, news.Items[0].Standing));
        Assert.Empty((await Decisions.ChangesAsync(Desk, 10, news.Next, Guid.NewGuid(), default)).Items);
        Assert.Empty((await Decisions.ChangesAsync(Profiler, 10, null, Guid.NewGuid(), default)).Items);
        await RefusedAsync("not-found", () => Decisions.GetAsync(Profiler, made.Id, Guid.NewGuid(), default));
        Assert.Contains((await world.Vault.Get<SubjectMessages>().ListAsync(RightsWorld.Customer(ada), 10, null, Guid.NewGuid(), default)).Items, message => message.Kind == "letter.contest-decided");
    }

    [Fact]
    [Requirement("R65")]
    public async Task Nothing_is_decided_about_whom_it_may_not_be_decided_about()
    {
        var segment = new NewDecision("s-1", "interest-profile", "2026-1", "personalisation", "regular", ["interests"]);
        Assert.Equal("recorded", (await RecordAsync(segment, Profiler)).State);
        await world.Vault.Get<ConsentLedger>().SetAsync(RightsWorld.Customer(ada), ada, new ConsentStatement("personalisation", "withdrawn"), Guid.NewGuid(), default);
        Assert.Equal("This is refused: consent-withdrawn.", (await RefusedAsync("forbidden", () => RecordAsync(segment with { Reference = "s-2" }, Profiler))).Message);
        // What was on record before is what it was.
        Assert.False((await RecordAsync(segment, Profiler)).IsNew);

        await RefusedAsync("forbidden", () => RecordAsync(Declined, Profiler));
        await RefusedAsync("forbidden", () => RecordAsync(Declined, new Recipient(RecipientKind.Application, "credit-check", "Credit check", ["customer-support"], ["customer-support"])));
        await RefusedAsync("forbidden", () => RecordAsync(Declined, new Recipient(RecipientKind.Staff, "agent", "agent", ["customer-support"], ["billing"])));
        await RefusedAsync("not-found", () => world.Vault.Get<DecisionRecorder>().RecordAsync(Desk, new SubjectId(Guid.NewGuid()), Declined, Guid.NewGuid(), default));
        (NewDecision Wrong, string Pointer)[] wrong =
        [
            (Declined with { Model = "oracle" }, "/model"), (Declined with { Version = "2025-9" }, "/version"), (Declined with { Outcome = "maybe" }, "/outcome"), (Declined with { Inputs = ["email"] }, "/inputs/0"),
            (Declined with { Inputs = [] }, "/inputs"), (Declined with { Factors = ["stars"] }, "/factors/0"), (Declined with { Factors = [] }, "/factors"), (Declined with { Reference = "" }, "/reference"),
            (Declined with { Purpose = "refunds" }, "/purpose"), (Declined with { DecidedAt = RightsWorld.Start.AddDays(1) }, "/decidedAt"),
        ];
        foreach (var (given, pointer) in wrong) Assert.Equal(pointer, (await RefusedAsync("invalid-fields", () => RecordAsync(given))).Errors[0].Pointer);
        await RefusedAsync("unknown-purpose", () => RecordAsync(Declined with { Purpose = "moon" }));

        var restriction = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Restriction, ada);
        await world.ApproveAsync(restriction.Id);
        Assert.Equal("This is refused: restricted.", (await RefusedAsync("forbidden", () => RecordAsync(Declined))).Message);
    }

    [Fact]
    public async Task A_decision_that_is_sent_again_is_recorded_once_and_a_reference_means_one_decision()
    {
        var first = await RecordAsync(Declined);
        var again = await RecordAsync(Declined);
        Assert.Equal((first.Id, first.LogIndex, false), (again.Id, again.LogIndex, again.IsNew));
        await RefusedAsync("idempotency-mismatch", () => RecordAsync(Declined with { Outcome = "approved" }));
        Assert.True((await RecordAsync(Declined, new Recipient(RecipientKind.Application, "other-check", "Other", ["customer-support"], ["billing"]))).IsNew);
        Assert.Equal(2, (await Decisions.ListAsync(RightsWorld.Officer, new DecisionQuery { Subject = ada }, Guid.NewGuid(), default)).Items.Count);
    }

    [Fact]
    [Requirement("R53", "R65")]
    public async Task A_contest_that_comes_to_nothing_leaves_the_decision_as_it_was_and_an_erasure_leaves_none()
    {
        var made = await RecordAsync(Declined);
        var contest = await ContestAsync(made.Id);
        await world.Requests.TakeAsync(RightsWorld.Customer(ada), contest.Id, RequestAct.Withdraw, new StepTerms(), Guid.NewGuid(), default);
        Assert.Equal("recorded", (await Decisions.GetAsync(RightsWorld.Officer, made.Id, Guid.NewGuid(), default)).State);
        await ContestAsync(made.Id);
        world.Clock.Advance(TimeSpan.FromDays(20));
        Assert.True(Assert.Single((await Decisions.ListAsync(RightsWorld.Officer, new DecisionQuery { Overdue = true, Model = "invoice-limit" }, Guid.NewGuid(), default)).Items).IsOverdue);
        Assert.Empty((await Decisions.ListAsync(RightsWorld.Officer, new DecisionQuery { Outcome = "approved" }, Guid.NewGuid(), default)).Items);
        await RefusedAsync("forbidden", () => Decisions.ListAsync(RightsWorld.Support, new DecisionQuery(), Guid.NewGuid(), default));

        Assert.Empty(await world.TablesNamingAsync("invoice-canary-771"));
        Assert.Empty(await world.TablesNamingAsync("late-payments"));
        await world.RotateAsync("subjects");
        Assert.Equal("declined", (await Decisions.GetAsync(RightsWorld.Officer, made.Id, Guid.NewGuid(), default)).Outcome);
        var erasure = await world.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Erasure, ada);
        await world.ApproveAsync(erasure.Id);
        Assert.Empty(await world.ListAsync("select decision_id::text from vault.automated_decision"));
        await RefusedAsync("not-found", () => Decisions.GetAsync(RightsWorld.Officer, made.Id, Guid.NewGuid(), default));
        await RefusedAsync("not-found", () => RecordAsync(Declined with { Reference = "later" }));
    }

    [Fact]
    [Requirement("R50", "R65")]
    public async Task The_package_tells_what_was_decided_how_it_came_about_and_by_which_model_something_was_concluded()
    {
        var made = await RecordAsync(Declined);
        var contest = await ContestAsync(made.Id);
        await ReviewAsync(RightsWorld.Officer, contest.Id, "decision-changed", "approved");
        var package = await OpenedPackage.OfAsync(world, ada, RequestKinds.Access);
        var told = JsonSerializer.Deserialize<JsonElement>(package["data/json/automated-decisions.json"]);
        using var schema = JsonDocument.Parse(package["meta/schema/automated-decisions.json"]);
        Assert.Empty(JsonSchema.Problems(told, schema.RootElement, "automated-decisions"));
        var decision = Assert.Single(told.GetProperty("decisions").EnumerateArray());
        Assert.Equal(("declined", "approved", "changed"), (Said(decision, "outcome"), Said(decision, "standing"), Said(decision, "state")));
        Assert.Equal("invoice-canary-771", Said(decision.GetProperty("values"), "paymentPreference"));
        Assert.Equal("The bills were paid in time.", Said(decision.GetProperty("review"), "words"));

        // The entry of the log commits to what the person reads.
        var commitment = decision.GetProperty("commitment");
        var committed = SHA256.HashData([.. Convert.FromHexString(Said(commitment, "salt")), .. Encoding.UTF8.GetBytes(Said(commitment, "content"))]);
        Assert.Equal(Said(commitment, "sha256"), Convert.ToHexStringLower(committed));
        Assert.Equal(committed, (await world.Vault.Get<AuditReader>().EntryAsync(made.LogIndex)).Entry.Seal.ToArray());

        Assert.Equal(["interest-profile", "invoice-limit"], told.GetProperty("models").EnumerateArray().Select(model => Said(model, "name")).Order());
        var models = told.GetProperty("profiling").EnumerateArray().Where(one => one.TryGetProperty("model", out _)).ToDictionary(one => Said(one, "field"), one => Said(one, "model"));
        Assert.Equal(("interest-profile", "interest-profile", "invoice-limit"), (models["churnRisk"], models["segment"], models["creditLimit"]));
        var page = System.Net.WebUtility.HtmlDecode(Encoding.UTF8.GetString(package["data/readable/decisions.html"]));
        foreach (var words in new[] { "Limit für den Kauf auf Rechnung", "Sie können nicht auf Rechnung kaufen", "Verspätete Zahlungen", "geprüft und geändert: Sie können auf Rechnung kaufen", "DSGVO Artikel 22", made.Id.ToString("D") })
            Assert.Contains(words, page, StringComparison.Ordinal);
        Assert.StartsWith("id,decidedAt,model,version,outcome", Encoding.UTF8.GetString(package["data/csv/automated-decisions.csv"]).TrimStart('\ufeff'), StringComparison.Ordinal);

        static string Said(JsonElement one, string name) => one.GetProperty(name).GetString()!;
    }

    [Theory]
    [InlineData("update vault.automated_decision set state = 'upheld'", "is not what the vault wrote")]
    [InlineData("update vault.automated_decision set model = 'interest-profile'", "is not what the vault wrote")]
    [InlineData("update vault.automated_decision set sealed = sealed || '\\x00'", "is not what the vault wrote")]
    [InlineData("delete from vault.automated_decision", "is gone")]
    [InlineData("delete from vault.automated_decision; insert into vault.automated_decision select * from kept.decision", "says changed")]
    public async Task An_administrator_of_the_database_who_touches_a_decision_is_found_and_what_they_wrote_is_shown_to_nobody(string attack, string found)
    {
        var made = await RecordAsync(Declined);
        await world.VaultSqlAsync("create schema kept; create table kept.decision as select * from vault.automated_decision");
        var contest = await ContestAsync(made.Id);
        await ReviewAsync(RightsWorld.Officer, contest.Id, "decision-changed", "approved");
        Assert.Empty(await FindingsAsync());
        await world.VaultSqlAsync(attack);
        Assert.Contains(await FindingsAsync(), finding => finding.EndsWith(found, StringComparison.Ordinal) && finding.Contains(made.Id.ToString("D"), StringComparison.Ordinal));
        var shown = (await Decisions.ListAsync(RightsWorld.Customer(ada), new DecisionQuery(), Guid.NewGuid(), default)).Items;
        Assert.All(shown, one => Assert.True(one.IsDamaged ? one.Outcome is null : found == "says changed"));
        await world.VaultSqlAsync("drop schema kept cascade");
    }

    [Fact]
    [Requirement("R65")]
    public async Task A_decision_is_forgotten_when_its_model_says_so_unless_something_keeps_it_and_nobody_misses_it()
    {
        var segment = new NewDecision("s-1", "interest-profile", "2026-1", "personalisation", "regular", ["interests"]);
        var made = await RecordAsync(segment, Profiler);
        var contest = await ContestAsync(made.Id);
        world.Clock.Advance(TimeSpan.FromDays(740));
        await SweepAsync();
        Assert.Equal("contested", (await Decisions.GetAsync(RightsWorld.Officer, made.Id, Guid.NewGuid(), default)).State);
        await world.Requests.TakeAsync(RightsWorld.Customer(ada), contest.Id, RequestAct.Withdraw, new StepTerms(), Guid.NewGuid(), default);
        world.Clock.Advance(TimeSpan.FromDays(2));
        await SweepAsync();
        Assert.Empty(await world.ListAsync("select decision_id::text from vault.automated_decision"));
        Assert.Empty(await FindingsAsync());
    }

    private async Task SweepAsync()
    {
        var retention = world.Vault.Get<Retention>();
        if ((await retention.StateAsync(RightsWorld.Officer, default)).NextAt > world.Clock.GetUtcNow()) await retention.StartAsync(RightsWorld.Officer, dry: false, Guid.NewGuid(), default);
        Assert.True(await world.Vault.Get<RetentionSweep>().RoundAsync(default));
    }

    private async Task<IReadOnlyList<string>> FindingsAsync()
    {
        await world.Vault.Get<AuditReader>().SignAsync();
        return [.. (await world.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Where(finding => finding.Check == "decisions").Select(finding => finding.Message)];
    }

    private Task<RecordedDecision> RecordAsync(NewDecision given, Recipient? by = null)
    {
        world.Clock.Advance(TimeSpan.FromMilliseconds(1));
        return world.Vault.Get<DecisionRecorder>().RecordAsync(by ?? Desk, ada, given, Guid.NewGuid(), default);
    }

    private Task<RequestView> ContestAsync(Guid decision)
    {
        world.Clock.Advance(TimeSpan.FromMilliseconds(1));
        return world.Requests.OpenAsync(RightsWorld.Customer(ada), RequestKinds.Contest, ada, "I paid both bills in time.", null, Guid.NewGuid(), default, wish: new RequestWish { Decision = decision });
    }

    private Task<RequestView> ReviewAsync(Recipient officer, Guid request, string result, string? outcome, string? note = "The bills were paid in time.") =>
        world.Requests.TakeAsync(officer, request, RequestAct.Complete, new StepTerms(result, note) { Outcome = outcome }, Guid.NewGuid(), default);

    private static async Task<VaultException> RefusedAsync(string slug, Func<Task> act)
    {
        var refused = await Assert.ThrowsAsync<VaultException>(act);
        Assert.Equal(slug, refused.Slug);
        return refused;
    }
}
