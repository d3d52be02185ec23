using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Tests.Gate;
using Xunit;
using static DataVault.Vault.Tests.Gate.ObligationVault;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Check;

/// <summary>Somebody with every right over the vault database, and none over keys and home folder, who would like to be looked at by nobody.</summary>
public sealed class OversightAdministratorTests(ObligationVault store) : IClassFixture<ObligationVault>
{
    private Approvals Approvals => store.Vault.Get<Approvals>();

    private Reviews Reviews => store.Vault.Get<Reviews>();

    [Theory]
    [InlineData("state = 'approved', decided_by = 'o2', decided_at = now()")]
    [InlineData("state = 'approved', decided_by = 'o2', decided_at = now(), seal = null")]
    [InlineData("asked_by = 'somebody'")]
    public async Task What_they_agree_to_releases_nothing_and_is_agreed_to_by_nobody(string change)
    {
        var (subject, asked) = await AskAsync();
        await store.ExecuteAsync($"update vault.approval set {change} where approval_id = '{asked.Id}'");
        Assert.Equal("approval-required", await RefusalAsync(subject, asked.Id));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Approvals.DecideAsync(Second, asked.Id, true, Guid.NewGuid(), default))).Slug);
        Assert.Equal("changed", (await Approvals.ListAsync(Second, null, 50, null, Guid.NewGuid(), default)).Items.Single(one => one.Id == asked.Id).State);
        Assert.Contains(await FindingsAsync(), finding => finding == $"the approval {asked.Id} is not what the vault wrote");
    }

    [Theory]
    [InlineData("items = items || 7::int, forms = forms || 9::smallint")]
    [InlineData("expires_at = expires_at + interval '1 day'")]
    [InlineData("purpose = 'customer-support'")]
    public async Task What_was_agreed_to_is_not_widened_by_them(string change)
    {
        var (subject, asked) = await AskAsync();
        await Approvals.DecideAsync(Second, asked.Id, true, Guid.NewGuid(), default);
        await store.ExecuteAsync($"update vault.approval set {change} where approval_id = '{asked.Id}'");
        Assert.Equal("approval-required", await RefusalAsync(subject, asked.Id));
    }

    [Fact]
    public async Task An_approval_that_was_used_and_whose_row_they_put_back_is_used_no_second_time()
    {
        var (subject, asked) = await AskAsync();
        await Approvals.DecideAsync(Second, asked.Id, true, Guid.NewGuid(), default);
        await store.ExecuteAsync($"drop table if exists public.kept_approval; create table public.kept_approval as select * from vault.approval where approval_id = '{asked.Id}'");
        var used = await store.ReadAsync(Clerk, subject, "billing", null, asked.Id, "iban");
        await store.ExecuteAsync($"delete from vault.approval where approval_id = '{asked.Id}'; insert into vault.approval select * from public.kept_approval; drop table public.kept_approval");
        Assert.Equal("approval-required", await RefusalAsync(subject, asked.Id));
        Assert.Contains(await FindingsAsync(), finding => finding == $"the approval {asked.Id} was used by entry {used.LogIndex}, and its row says approved");
    }

    [Fact]
    public async Task A_review_that_they_close_is_open_until_an_officer_decides_it()
    {
        var (_, entry) = await EmergencyAsync();
        var review = (await Reviews.ListAsync(Officer, new ReviewFilter(), 50, null, Guid.NewGuid(), default)).Items.Single(one => one.Entries.Contains(entry));
        await store.ExecuteAsync($"update vault.review set state = 'justified', decided_by = 'o2', decided_at = now(), log_index = 1 where review_id = '{review.Id}'");
        Assert.Equal("changed", (await Reviews.GetAsync(Officer, review.Id, Guid.NewGuid(), default)).State);
        Assert.Contains(await FindingsAsync(), finding => finding == $"the review {review.Id} is not what the vault wrote");

        Assert.Equal("unjustified", (await Reviews.DecideAsync(Officer, review.Id, false, "Nobody was ill", Guid.NewGuid(), default)).State);
        Assert.DoesNotContain(await FindingsAsync(), finding => finding.Contains(review.Id.ToString(), StringComparison.Ordinal));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => Reviews.DecideAsync(Officer, review.Id, true, "After all", Guid.NewGuid(), default))).Slug);
    }

    [Fact]
    public async Task A_review_that_they_delete_is_missed_and_an_emergency_that_they_prolong_is_over()
    {
        var (subject, entry) = await EmergencyAsync();
        await store.ReadAsync(Rescuer, subject, "emergency", null, null, "givenName");
        await store.ExecuteAsync($"update vault.review set covers_until = covers_until + interval '1 year' where {entry} = any(entries)");
        Assert.Equal("reason-required", (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Rescuer, subject, "emergency", null, null, "givenName"))).Slug);
        await store.ExecuteAsync($"delete from vault.review where {entry} = any(entries)");
        Assert.Contains(await FindingsAsync(), finding => finding == $"entry {entry} releases under a review, and no review is about it");
    }

    [Fact]
    public async Task An_alert_that_they_acknowledge_waits_for_an_officer_and_one_that_they_delete_is_missed()
    {
        var planted = await store.AddAsync();
        await store.Vault.Get<HoneySubjects>().PlantAsync(Officer, planted, brake: false, null, Guid.NewGuid(), default);
        await store.ReadAsync(Support, planted, "customer-support", null, null, "givenName");
        await store.Vault.Get<HoneyWatch>().FollowAsync(store.Vault.Get<VaultClock>(), default);
        var alerts = store.Vault.Get<Alerts>();
        var alert = (await alerts.ListAsync(Officer, true, 50, null, Guid.NewGuid(), default)).Items[0];
        await store.ExecuteAsync($"update vault.alert set acknowledged_by = 'o1', acknowledged_at = now() where alert_id = '{alert.Id}'");
        Assert.Null((await alerts.ListAsync(Officer, null, 50, null, Guid.NewGuid(), default)).Items.Single(one => one.Id == alert.Id).AcknowledgedAt);
        Assert.Contains(await FindingsAsync(), finding => finding == $"the alert {alert.Id} is not what the vault wrote");

        Assert.NotNull((await alerts.AcknowledgeAsync(Officer, alert.Id, Guid.NewGuid(), default)).AcknowledgedAt);
        Assert.DoesNotContain(await FindingsAsync(), finding => finding.Contains(alert.Id.ToString(), StringComparison.Ordinal));
        await store.ExecuteAsync($"delete from vault.alert where alert_id = '{alert.Id}'");
        Assert.Contains(await FindingsAsync(), finding => finding == $"the alert that entry {alert.LogIndex} raised is gone");
    }

    [Fact]
    public async Task A_message_to_a_person_that_they_delete_is_missed()
    {
        var (subject, entry) = await EmergencyAsync();
        Assert.DoesNotContain(await FindingsAsync(), finding => finding.Contains($"tells a person of entry {entry} ", StringComparison.Ordinal));
        await store.ExecuteAsync($"delete from vault.message where subject_id = '{subject}'");
        Assert.Contains(await FindingsAsync(), finding => finding.StartsWith("the message ", StringComparison.Ordinal) && finding.EndsWith($" that tells a person of entry {entry} is gone", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("update vault.budget set taken = 0")]
    [InlineData("delete from vault.budget")]
    public async Task A_budget_that_they_make_whole_is_no_larger_in_the_next_process(string attack)
    {
        var desk = Desk("reset-" + Guid.NewGuid().ToString("N"));
        Assert.Equal(PerHour, await ReadUntilStoppedAsync(store.Vault, desk));
        await store.ExecuteAsync($"{attack}; delete from vault.budget_mark; delete from vault.brake");
        await using var next = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        Assert.Equal(0, await ReadUntilStoppedAsync(next, desk));
        store.Clock.Advance(TimeSpan.FromHours(1));
        Assert.InRange(await ReadUntilStoppedAsync(next, desk), PerDay - PerHour - PerDay / DisclosureBudgets.Blocks, PerDay - PerHour);
    }

    [Theory]
    [InlineData("delete from vault.budget_limit")]
    [InlineData("update vault.budget_limit set per_hour = 1000, per_day = null")]
    public async Task A_tighter_budget_that_they_loosen_holds_as_it_was_set(string attack)
    {
        var desk = Desk("held-" + Guid.NewGuid().ToString("N"));
        var administrator = new Recipient(RecipientKind.Staff, "administrator-1", "administrator", ["administrator"], ["customer-support"]);
        var budgets = store.Vault.Get<ClientBudgets>();
        await budgets.SetAsync(administrator, new ClientBudget(desk.Id, "wellbeing", 4, 8), Guid.NewGuid(), default);
        await store.ExecuteAsync($"{attack} where client = '{desk.Id}'");
        await using var next = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        Assert.Equal(4, await ReadUntilStoppedAsync(next, desk));
        Assert.Contains(await FindingsAsync(), finding => finding == $"the budget of the application {desk.Id} for wellbeing is gone or larger than it was set; it holds as it was set");
        Assert.Contains(new ClientBudget(desk.Id, "wellbeing", 4, 8), await budgets.ListAsync(administrator, Guid.NewGuid(), default));

        await budgets.SetAsync(administrator, new ClientBudget(desk.Id, "wellbeing", null, null), Guid.NewGuid(), default);
        Assert.DoesNotContain(await budgets.ListAsync(administrator, Guid.NewGuid(), default), budget => budget.Client == desk.Id);
        Assert.DoesNotContain(await FindingsAsync(), finding => finding.Contains(desk.Id, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_was_counted_on_another_day_is_counted_again_whatever_they_copy()
    {
        var desk = Desk("copied-" + Guid.NewGuid().ToString("N"));
        var people = new List<SubjectId>();
        Assert.Equal(PerHour, await ReadUntilStoppedAsync(store.Vault, desk, people));
        store.Clock.Advance(TimeSpan.FromDays(1));
        await store.ExecuteAsync("insert into vault.budget_mark (actor_tag, purpose, span, starts_at, mark, seal) select actor_tag, purpose, span, starts_at + interval '1 day', mark, seal from vault.budget_mark where span = 'day'");
        await using var next = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        var others = new List<SubjectId>();
        while (others.Count < 2) others.Add(await store.AddAllergicAsync());
        var read = 0;
        foreach (var person in people.Concat(others))
        {
            if (await TryReadAsync(next, desk, person)) read++;
        }

        Assert.Equal(PerHour, read);
    }

    [Fact]
    public async Task A_brake_that_they_lift_holds_until_an_officer_lifts_it()
    {
        var desk = Desk("braked-" + Guid.NewGuid().ToString("N"));
        var other = await store.AddAllergicAsync();
        var alert = await TouchAsync(desk, brake: true);
        Assert.NotNull(alert.StoppedUntil);
        await store.ExecuteAsync($"delete from vault.brake where alert_id = '{alert.Id}'");
        await store.Vault.Get<WatchKeeper>().RoundAsync(default);
        await using var next = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        await next.Get<WatchKeeper>().RoundAsync(default);
        foreach (var vault in new[] { store.Vault, next }) Assert.False(await TryReadAsync(vault, desk, other));
        Assert.Contains(await FindingsAsync(), finding => finding == $"the brake of the alert {alert.Id} is gone; it holds");

        await next.Get<Alerts>().ReleaseAsync(Officer, alert.Id, Guid.NewGuid(), default);
        foreach (var vault in new[] { store.Vault, next })
        {
            await vault.Get<WatchKeeper>().RoundAsync(default);
            Assert.True(await TryReadAsync(vault, desk, other));
        }

        Assert.DoesNotContain(await FindingsAsync(), finding => finding.StartsWith($"the brake of the alert {alert.Id}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("delete from vault.honey")]
    [InlineData("update vault.honey set sealed = '\\x00'")]
    [InlineData("insert into vault.honey values (gen_random_uuid(), now(), '\\x0102')")]
    [InlineData("update vault.watch set position = position + 1000000")]
    public async Task Whoever_touches_somebody_planted_is_found_whatever_they_do_to_marks_and_watch(string attack)
    {
        await TouchAsync(Support, brake: false, attack);
        var honey = store.Vault.Get<HoneySubjects>();
        foreach (var planted in await honey.ListAsync(Officer, Guid.NewGuid(), default)) await honey.WithdrawAsync(Officer, planted.Id, Guid.NewGuid(), default);
        Assert.Empty(await honey.ListAsync(Officer, Guid.NewGuid(), default));
        await store.ExecuteAsync("delete from vault.honey");
    }

    [Fact]
    public async Task What_stands_there_at_the_upgrade_to_seals_is_sealed_once()
    {
        var (_, before) = await AskAsync();
        await store.ExecuteAsync($"update vault.approval set seal = null where approval_id = '{before.Id}'");
        await store.Cluster.ExecuteAsync(store.KeysName, "delete from keys.once where what = 'oversight-sealed'");
        await using (var upgraded = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure))
            Assert.Equal("approved", (await upgraded.Get<Approvals>().DecideAsync(Second, before.Id, true, Guid.NewGuid(), default)).State);

        var (_, after) = await AskAsync();
        await store.ExecuteAsync($"update vault.approval set seal = null where approval_id = '{after.Id}'");
        await using var next = await store.StartVaultAsync(clock: store.Clock, configure: store.Configure);
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => next.Get<Approvals>().DecideAsync(Second, after.Id, true, Guid.NewGuid(), default))).Slug);
    }

    private async Task<(SubjectId Subject, ApprovalView Asked)> AskAsync()
    {
        var subject = await store.AddAsync("""{"iban":"DE89370400440532013000"}""");
        return (subject, await Approvals.AskAsync(Clerk, subject, "billing", Items("iban"), "Bank asks", Guid.NewGuid(), default));
    }

    private async Task<AlertView> TouchAsync(Recipient recipient, bool brake, string attack = "select 1")
    {
        var planted = await store.AddAsync();
        await store.Vault.Get<HoneySubjects>().PlantAsync(Officer, planted, brake, null, Guid.NewGuid(), default);
        await store.Vault.Get<HoneyWatch>().FollowAsync(store.Vault.Get<VaultClock>(), default);
        await store.ExecuteAsync(attack);
        var read = await store.ReadAsync(recipient, planted, recipient.Purposes.Contains("wellbeing") ? "wellbeing" : "customer-support", null, null, "preferredName");
        await store.Vault.Get<HoneyWatch>().FollowAsync(store.Vault.Get<VaultClock>(), default);
        return (await store.Vault.Get<Alerts>().ListAsync(Officer, null, 50, null, Guid.NewGuid(), default)).Items.Single(one => one.About == read.LogIndex);
    }

    private async Task<int> ReadUntilStoppedAsync(RunningVault vault, Recipient desk, List<SubjectId>? people = null)
    {
        var read = 0;
        for (var person = await store.AddAllergicAsync(); await TryReadAsync(vault, desk, person); person = await store.AddAllergicAsync(), read++) people?.Add(person);
        return read;
    }

    private static async Task<bool> TryReadAsync(RunningVault vault, Recipient desk, SubjectId person)
    {
        try
        {
            await vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(desk, person, "wellbeing", Items("dietaryRequirements"), false, Guid.NewGuid()), default);
            return true;
        }
        catch (VaultException e) when (e.Slug == "budget-exhausted")
        {
            return false;
        }
    }

    private async Task<string> RefusalAsync(SubjectId subject, Guid approval) =>
        (await Assert.ThrowsAsync<VaultException>(() => store.ReadAsync(Clerk, subject, "billing", null, approval, "iban"))).Slug;

    private async Task<(SubjectId Subject, long Entry)> EmergencyAsync()
    {
        var subject = await store.AddAsync("""{"phone":"+442079460000"}""");
        return (subject, (await store.ReadAsync(Rescuer, subject, "emergency", "Recall of a dangerous product", null, "givenName")).LogIndex);
    }

    private async Task<string[]> FindingsAsync()
    {
        await store.Vault.Get<AuditReader>().SignAsync();
        return [.. (await store.Vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Where(finding => finding.Check == "oversight").Select(finding => finding.Message)];
    }
}
