using DataVault.Policy;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.BreachWords;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Breaches;

/// <summary>What GDPR 33 and 34 want of a breach, step by step.</summary>
public sealed class BreachRegisterTests(BreachVault store) : IClassFixture<BreachVault>
{
    [Fact]
    [Requirement("R74")]
    public async Task A_breach_goes_from_the_first_word_to_the_last_and_every_step_is_an_entry()
    {
        var id = (await store.OpenAsync()).Id;
        var opened = await store.ReportAsync(id, Initial);
        Assert.Equal(["people", "records", "categories", "consequences", "measures"], opened.Reports[0].Missing);
        await store.FindAsync(id, BreachVault.Everything);
        await store.ReportAsync(id, Further);
        await store.DecideAsync(id, AboutPeople, Tell);
        await store.ReportAsync(id, Final);
        var closed = await store.Register.CloseAsync(Officer, id, new BreachClosing("Keys are rotated each month"), Guid.NewGuid(), default);

        string[] kinds = ["opened", "reported:initial", "found", "reported:further", "decided:people:tell", "reported:final", "closed"];
        Assert.Equal(kinds, closed.Steps.Select(step => step.Kind));
        Assert.Equal(Enumerable.Range(1, kinds.Length), closed.Steps.Select(step => step.Number));
        Assert.Empty(closed.Reports[^1].Missing);
        var entries = await store.Vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.BreachChange, Limit = 100 });
        foreach (var step in closed.Steps)
        {
            var entry = entries.Entries.Single(one => one.Index == step.LogIndex).Entry;
            Assert.Equal([$"breach:{id}", $"step:{step.Number}", step.Kind], entry.Rules.Take(3));
            Assert.Equal(Officer.Id, step.By);
        }

        Assert.Equal("invalid-state", await RefusalAsync(() => store.FindAsync(id, BreachVault.Everything)));
    }

    /// <summary>Across both changes of the clock; the hours are those that pass.</summary>
    [Theory]
    [InlineData("eu", "2026-10-23T12:00:00+02:00", "2026-10-26T11:00:00+01:00")]
    [InlineData("uk", "2026-03-28T12:00:00+00:00", "2026-03-31T13:00:00+01:00")]
    [InlineData("us-ca", "2026-03-28T12:00:00+00:00", null)]
    [InlineData("cn", "2026-03-28T12:00:00+00:00", null)]
    [Requirement("R74")]
    public void The_clock_runs_for_seventy_two_hours_that_pass(string regime, string aware, string? due)
    {
        var made = new BreachCase(Guid.NewGuid());
        var at = DateTimeOffset.Parse(aware, System.Globalization.CultureInfo.InvariantCulture);
        var content = new BreachContent { Opened = new BreachOpening("A", [Integrity], at, "Europe/Brussels"), Hours = StoreVault.Policy.Jurisdictions.Find(regime)!.Breach.Hours };
        made.Take(new BreachRow(made.Id, 1, content.Kind, at, "o1", 0, [], []), content);
        Assert.Equal(due is null ? null : DateTimeOffset.Parse(due, System.Globalization.CultureInfo.InvariantCulture), made.DueAt);
        Assert.True(made.ClockRuns);
    }

    [Fact]
    [Requirement("R74")]
    public async Task A_report_after_the_hours_says_why_it_is_late_and_one_before_need_not()
    {
        var aware = store.Clock.GetUtcNow().AddHours(-73);
        var late = await store.Register.OpenAsync(Officer, store.Opening() with { AwareAt = aware }, Guid.NewGuid(), default);
        Assert.Equal(aware.AddHours(72), late.DueAt);
        var refused = await Assert.ThrowsAsync<VaultException>(() => store.ReportAsync(late.Id, Initial));
        Assert.Equal(("invalid-fields", "/lateReason", "late-without-reason"), (refused.Slug, refused.Errors[0].Pointer, refused.Errors[0].Code));
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.ReportAsync(late.Id, Initial, late: "  ")));
        // What went out in time and is noted down later was in time.
        var inTime = await store.Register.OpenAsync(Officer, store.Opening() with { AwareAt = aware }, Guid.NewGuid(), default);
        Assert.Null((await store.ReportAsync(inTime.Id, Initial, at: aware.AddHours(72))).Reports[0].LateReason);

        Assert.Equal("A holiday of everybody", (await store.ReportAsync(late.Id, Initial, late: "A holiday of everybody")).Reports[0].LateReason);
        Assert.Single((await store.ReportAsync(late.Id, Further)).Reports, report => report.LateReason is null);
        var unhurried = await store.Register.OpenAsync(Officer, store.Opening("cn") with { AwareAt = aware }, Guid.NewGuid(), default);
        Assert.Single((await store.ReportAsync(unhurried.Id, Initial)).Reports);
    }

    [Fact]
    [Requirement("R74", "R75")]
    public async Task The_phases_keep_their_order_and_the_last_one_lacks_nothing()
    {
        var id = (await store.OpenAsync()).Id;
        Assert.Equal("invalid-state", await RefusalAsync(() => store.ReportAsync(id, Further)));
        var lacking = await Assert.ThrowsAsync<VaultException>(() => store.ReportAsync(id, Final));
        Assert.Equal(["/people", "/records", "/categories", "/consequences", "/measures", "/risk"], lacking.Errors.Select(error => error.Pointer));
        await store.ReportAsync(id, Initial);
        Assert.Equal("invalid-state", await RefusalAsync(() => store.ReportAsync(id, Initial)));
        await store.FindAsync(id, BreachVault.Everything);
        await store.ReportAsync(id, Final);
        Assert.Equal("invalid-state", await RefusalAsync(() => store.ReportAsync(id, Further)));
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.ReportAsync((store.OpenAsync().Result).Id, "draft")));
    }

    [Fact]
    public async Task Whether_the_authority_is_told_follows_the_risk_and_the_regime()
    {
        var id = (await store.OpenAsync()).Id;
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutAuthority, DoNotTell)));
        await store.AssessAsync(id, LowRisk);
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutAuthority, DoNotTell)));
        await store.AssessAsync(id, NoRisk);
        var silent = await store.DecideAsync(id, AboutAuthority, DoNotTell);
        Assert.Equal((RiskUnlikely, false), (silent.AuthorityDecision!.Code, silent.ClockRuns));
        // Documented all the same, and taken back by a report when something else turns up.
        Assert.Single((await store.ReportAsync(id, Initial)).Reports);
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutAuthority, DoNotTell)));

        var strict = (await store.OpenAsync("us-ca")).Id;
        await store.AssessAsync(strict, NoRisk);
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(strict, AboutAuthority, DoNotTell)));
    }

    [Fact]
    [Requirement("R76")]
    public async Task People_are_not_told_for_the_reasons_of_the_law_alone()
    {
        var id = (await store.OpenAsync()).Id;
        await store.AssessAsync(id, HighRisk);
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell)));
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, "inconvenient")));
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, RiskNotHigh)));
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, RiskMitigated)));
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, DisproportionateEffort)));
        // Nothing shows that it cannot be read.
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, DataIneffective)));
        Assert.Equal(DisproportionateEffort, (await store.DecideAsync(id, AboutPeople, DoNotTell, DisproportionateEffort, "In the papers of Friday")).PeopleDecision!.Code);
        Assert.Equal(Tell, (await store.DecideAsync(id, AboutPeople, Tell)).PeopleDecision!.Outcome);
    }

    [Theory]
    [InlineData(true, false, Pseudonymous, false)]
    [InlineData(true, true, Readable, false)]
    [InlineData(false, true, Unintelligible, true)]
    [Requirement("R76")]
    public async Task That_nobody_can_read_it_is_shown_by_the_keys(bool rows, bool root, string state, bool exempt)
    {
        await store.AddAsync();
        var id = (await store.OpenAsync()).Id;
        await store.AssessAsync(id, HighRisk);
        var copy = new StolenCopy { Databases = rows ? ["vault", "keys"] : ["keys"], RootKey = root };
        var attached = await store.Register.AttachAsync(Officer, id, new ImpactQuery(), copy, Guid.NewGuid(), default);
        Assert.Equal((state, rows, true, root), (attached.Impact!.KeyState, attached.Impact.Evidence!.HasRows, attached.Impact.Evidence.HasKeys, attached.Impact.Evidence.HasRootKey));
        Assert.Equal(rows ? await store.CountAsync("select count(*) from vault.subject") : 0, attached.Findings.People);
        if (exempt)
        {
            Assert.Equal(attached.Impacts[^1].Step, (await store.DecideAsync(id, AboutPeople, DoNotTell, DataIneffective)).PeopleDecision!.Evidence);
            return;
        }

        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, DataIneffective)));
    }

    [Fact]
    [Requirement("R76")]
    public async Task A_dump_that_does_not_open_is_unintelligible_until_its_keys_turn_up_elsewhere()
    {
        await store.AddAsync();
        var id = (await store.OpenAsync()).Id;
        await store.AssessAsync(id, HighRisk);
        Assert.Equal(Unintelligible, (await CopiedAsync(id, new StolenCopy { Backups = ["data", "keys"] })).Impact!.KeyState);
        Assert.Equal(DoNotTell, (await store.DecideAsync(id, AboutPeople, DoNotTell, DataIneffective)).PeopleDecision!.Outcome);
        // By itself it opens nothing; with what was taken first it opens all of it.
        var worse = await CopiedAsync(id, new StolenCopy { Databases = ["keys"], Passphrases = true, RootKey = true });
        Assert.Equal((Unintelligible, null), (worse.Impact!.KeyState, worse.PeopleDecision));
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, DataIneffective)));
        Assert.Equal("invalid-state", await RefusalAsync(() => store.Register.CloseAsync(Officer, id, new BreachClosing("None"), Guid.NewGuid(), default)));
    }

    [Fact]
    [Requirement("R76")]
    public async Task What_was_found_to_be_readable_exempts_nobody_whatever_an_impact_said_before()
    {
        await store.AddAsync();
        var id = (await store.OpenAsync()).Id;
        await store.AssessAsync(id, HighRisk);
        await CopiedAsync(id, new StolenCopy { Databases = ["keys"] });
        await store.FindAsync(id, new BreachFindings { KeyState = Readable });
        Assert.Equal("invalid-state", await RefusalAsync(() => store.DecideAsync(id, AboutPeople, DoNotTell, DataIneffective)));
    }

    [Fact]
    [Requirement("R74", "R76")]
    public async Task A_decision_to_stay_silent_lapses_when_the_risk_turns_out_higher()
    {
        var id = (await store.OpenAsync()).Id;
        await store.AssessAsync(id, NoRisk);
        await store.DecideAsync(id, AboutAuthority, DoNotTell);
        await store.DecideAsync(id, AboutPeople, DoNotTell, RiskNotHigh);
        Assert.False((await store.AssessAsync(id, NoRisk)).ClockRuns);
        var worse = await store.AssessAsync(id, HighRisk);
        Assert.Equal((null, null, true), (worse.AuthorityDecision, worse.PeopleDecision, worse.ClockRuns));
        Assert.Equal("invalid-state", await RefusalAsync(() => store.Register.CloseAsync(Officer, id, new BreachClosing("None"), Guid.NewGuid(), default)));
    }

    private Task<BreachCase> CopiedAsync(Guid id, StolenCopy copy) => store.Register.AttachAsync(Officer, id, new ImpactQuery(), copy, Guid.NewGuid(), default);

    [Fact]
    [Requirement("R74")]
    public async Task A_processor_tells_every_controller_before_it_closes()
    {
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.Register.OpenAsync(Officer, store.Opening() with { Side = Processor }, Guid.NewGuid(), default)));
        var opened = await store.Register.OpenAsync(Officer, store.Opening() with { Side = Processor, Controllers = ["Aurelia Ltd", "Borealis plc"] }, Guid.NewGuid(), default);
        await store.AssessAsync(opened.Id, NoRisk);
        await store.DecideAsync(opened.Id, AboutAuthority, DoNotTell);
        await store.DecideAsync(opened.Id, AboutPeople, DoNotTell, RiskNotHigh);
        var told = new BreachControllerNotice("Aurelia Ltd", store.Clock.GetUtcNow(), "en", "Dear Aurelia");
        Assert.Equal("invalid-fields", await RefusalAsync(() => store.Register.TellControllerAsync(Officer, opened.Id, told with { Controller = "Somebody" }, Guid.NewGuid(), default)));
        await store.Register.TellControllerAsync(Officer, opened.Id, told, Guid.NewGuid(), default);
        var early = await Assert.ThrowsAsync<VaultException>(() => store.Register.CloseAsync(Officer, opened.Id, new BreachClosing("None"), Guid.NewGuid(), default));
        Assert.Contains("Borealis plc", early.Message, StringComparison.Ordinal);
        await store.Register.TellControllerAsync(Officer, opened.Id, told with { Controller = "Borealis plc" }, Guid.NewGuid(), default);
        Assert.NotNull((await store.Register.CloseAsync(Officer, opened.Id, new BreachClosing("None"), Guid.NewGuid(), default)).ClosedAt);
    }

    [Fact]
    public async Task Of_two_officers_who_submit_at_once_one_does()
    {
        var id = (await store.OpenAsync()).Id;
        var both = await Task.WhenAll(new[] { Officer, BreachVault.Second }.Select(async officer =>
        {
            try
            {
                await store.Register.ReportAsync(officer, id, new BreachReport(Initial, store.Clock.GetUtcNow(), "en", "As it is"), Guid.NewGuid(), default);
                return "";
            }
            catch (VaultException e)
            {
                return e.Slug;
            }
        }));
        Assert.Equal(["", "invalid-state"], both.Order(StringComparer.Ordinal));
        var found = await store.Register.GetAsync(Officer, id, Guid.NewGuid(), default);
        Assert.Single(found.Reports);
        Assert.Empty(found.Damage);
    }

    [Fact]
    public async Task Only_officers_come_in_and_no_application_and_every_refusal_is_an_entry()
    {
        var id = (await store.OpenAsync()).Id;
        var program = new Recipient(RecipientKind.Application, "siem", "SIEM", ["compliance-officer"], ["data-subject-rights"]);
        foreach (var somebody in new[] { Support, program, new Recipient(RecipientKind.Staff, "a1", "Analyst", ["analyst"], []) })
        {
            var before = await DeniedAsync();
            Assert.Equal("forbidden", await RefusalAsync(() => store.Register.GetAsync(somebody, id, Guid.NewGuid(), default)));
            Assert.Equal("forbidden", await RefusalAsync(() => store.Register.ListAsync(somebody, false, 10, null, Guid.NewGuid(), default)));
            Assert.Equal("forbidden", await RefusalAsync(() => store.Register.OpenAsync(somebody, store.Opening(), Guid.NewGuid(), default)));
            Assert.Equal(before + 3, await DeniedAsync());
        }

        Assert.Equal("not-found", await RefusalAsync(() => store.Register.GetAsync(Officer, Guid.NewGuid(), Guid.NewGuid(), default)));
    }

    [Fact]
    public async Task What_is_written_down_is_in_no_row_that_can_be_read()
    {
        const string Words = "Xanthippe of the third floor left her laptop in the tram";
        await store.Register.OpenAsync(Officer, store.Opening() with { Title = Words, Description = Words }, Guid.NewGuid(), default);
        Assert.Equal(0, await store.CountAsync("select count(*) from vault.breach_step b where position('Xanthippe'::bytea in b.sealed) > 0 or b::text like '%Xanthippe%'"));
    }

    [Fact]
    public async Task What_a_case_must_say_at_first_is_asked_for()
    {
        var bad = store.Opening() with { Title = "", Natures = ["curiosity"], Zone = "Europe/Atlantis", AwareAt = store.Clock.GetUtcNow().AddMinutes(1), Jurisdiction = "moon", Side = "bystander" };
        var refused = await Assert.ThrowsAsync<VaultException>(() => store.Register.OpenAsync(Officer, bad, Guid.NewGuid(), default));
        Assert.Equal(["/title", "/natures", "/side", "/zone", "/awareAt", "/jurisdiction"], refused.Errors.Select(error => error.Pointer));
        Assert.Equal("invalid-fields", await RefusalAsync(async () => await store.FindAsync((await store.OpenAsync()).Id, new BreachFindings())));
        Assert.Equal("invalid-fields", await RefusalAsync(async () => await store.FindAsync((await store.OpenAsync()).Id, new BreachFindings { Risk = HighRisk })));
    }

    private async Task<long> DeniedAsync() => (await store.Vault.Get<AuditReader>().CountAsync(new AuditQuery { Type = EntryType.Denied }, default)).Entries;

    private static async Task<string> RefusalAsync(Func<Task> act) => (await Assert.ThrowsAsync<VaultException>(act)).Slug;
}
