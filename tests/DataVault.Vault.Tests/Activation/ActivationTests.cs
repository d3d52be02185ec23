using System.Collections.Concurrent;
using System.Diagnostics;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Activation;

/// <summary>A version of the policy comes into force in every process, whole, or not at all.</summary>
public sealed class ActivationTests
{
    private static readonly (string, string, string) Renamed = ("access/customer-support.yaml", "- id: support-", "- id: desk-");

    internal static Recipient Officer { get; } = new(RecipientKind.Staff, "o1", "Officer", ["compliance-officer"], []);

    [Fact]
    public async Task Under_load_no_process_decides_by_a_mix_of_two_versions_nor_by_an_earlier_one_after_the_answer()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await StartAsync(databases);
        await using var other = await StartAsync(databases);
        var subject = await one.Get<ProfileEditor>().CreateAsync(StoreVault.Ingest, Customer("""{"familyName":"Hopper"}"""), null, Guid.NewGuid(), default);
        var names = new[] { Repository.Policy.Version, PolicySet.Load(Repository.ChangedFiles(Renamed)).Version };
        var (inForce, over) = (0, false);
        var seen = new ConcurrentBag<(int Least, long Index)>();

        async Task ReadAsync(RunningVault vault)
        {
            while (!Volatile.Read(ref over))
            {
                var least = Volatile.Read(ref inForce);
                var active = vault.Get<ActivePolicy>();
                await active.EnsureNewestAsync(default);
                using var taken = active.Take();
                var items = new[] { new RequestedItem(active.Current.Catalogue.Find("email")!, null) };
                var read = await vault.Get<DisclosureGate>().ReadAsync(new ReadQuery(StoreVault.Support, subject.Id, "customer-support", items, false, Guid.NewGuid()), default);
                seen.Add((least, read.LogIndex));
            }
        }

        var readers = new[] { one, other, one, other }.Select(vault => Task.Run(() => ReadAsync(vault))).ToList();
        for (var turn = 1; turn <= 6; turn++)
        {
            var from = turn % 3 == 0 ? other : one;
            var outcome = await from.Get<PolicyActivations>().ActivateAsync(
                Officer, new PolicyProposal(turn % 2 == 0 ? Repository.ChangedFiles() : Repository.ChangedFiles(Renamed), []), Guid.NewGuid(), default);
            Assert.True(outcome.Problems.Count == 0, string.Join('\n', outcome.Problems));
            Assert.Equal((turn + 1L, 2), (outcome.Activation!.Sequence, outcome.Processes));
            Volatile.Write(ref inForce, turn);
            var count = seen.Count;
            await UntilAsync("reads go on", () => Task.FromResult(seen.Count > count + 8));
        }

        Volatile.Write(ref over, true);
        await Task.WhenAll(readers);
        foreach (var (least, index) in seen)
        {
            var entry = (await one.Get<AuditReader>().EntryAsync(index)).Entry;
            var version = Array.IndexOf(names, Convert.ToHexStringLower(entry.Policy.Span));
            Assert.All(entry.Rules, rule => Assert.StartsWith(version == 0 ? "support-" : "desk-", rule, StringComparison.Ordinal));
            // Whoever began after the answer of turn n decides by it or a later one, which is known by the log's order.
            var changes = await ChangesBeforeAsync(one, index);
            Assert.True(changes >= least || version == least % 2, $"entry {index} was decided by {names[version]} after turn {least}");
        }
    }

    [Fact]
    public async Task A_process_that_missed_the_news_decides_by_the_old_version_no_longer_than_it_may_without_looking()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await StartAsync(databases, workers: false);
        var clock = new ManualClock(new DateTimeOffset(2026, 6, 15, 12, 0, 0, TimeSpan.Zero));
        await using var deaf = await databases.StartVaultAsync(clock: clock);
        await deaf.Get<PolicyWatch>().LookAsync(default);
        var next = await CommitAsync(one);

        await deaf.Get<ActivePolicy>().EnsureNewestAsync(default);
        Assert.Equal(Repository.Policy.Version, deaf.Get<ActivePolicy>().Current.Version);
        clock.Advance(PolicyProcesses.Lease);
        using (deaf.Get<ActivePolicy>().Take())
        {
            await deaf.Get<ActivePolicy>().EnsureNewestAsync(default);
            Assert.Equal(Repository.Policy.Version, deaf.Get<ActivePolicy>().Current.Version);
        }

        Assert.Equal(next, deaf.Get<ActivePolicy>().Current.Version);
    }

    [Fact]
    public async Task The_answer_waits_for_a_process_that_may_still_decide_by_the_old_version()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await StartAsync(databases, workers: false);
        await using var slow = await databases.StartVaultAsync();
        await slow.Get<PolicyWatch>().LookAsync(default);
        var answer = one.Get<PolicyActivations>().ActivateAsync(Officer, new PolicyProposal(Repository.ChangedFiles(Renamed), []), Guid.NewGuid(), default);
        await UntilAsync("the version is in force", async () => (await one.Get<PolicyStore>().InForceAsync(default))!.Sequence == 2);
        Assert.False(answer.IsCompleted);
        await slow.Get<PolicyWatch>().LookAsync(default);
        Assert.Equal(2, (await answer).Processes);
    }

    [Fact]
    public async Task A_process_that_cannot_load_the_version_in_force_decides_nothing()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await StartAsync(databases, workers: false);
        await using var other = await databases.StartVaultAsync();
        await other.Get<PolicyWatch>().LookAsync(default);
        await CommitAsync(one);
        // Nobody changes a decision by changing what is stored: it is not the version any more that it is filed under.
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update vault.policy_version set files = convert_to(replace(convert_from(files, 'UTF8'), 'support', 'anybody'), 'UTF8') where version = (select version from vault.policy_activation order by sequence desc limit 1)");
        await other.Get<PolicyWatch>().LookAsync(default);
        Assert.True(other.Get<ActivePolicy>().IsRefusing);
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(async () => await other.Get<ActivePolicy>().EnsureNewestAsync(default))).Slug);
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
    }

    [Fact]
    public async Task A_death_right_after_the_commit_leaves_the_new_version_in_force_and_one_before_it_leaves_nothing()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        string next;
        await using (var dying = await StartAsync(databases, workers: false))
        {
            await databases.Cluster.ExecuteAsync(databases.VaultName, "alter table audit.head add constraint no_more check (size < 0) not valid");
            await Assert.ThrowsAnyAsync<Exception>(() => CommitAsync(dying));
            Assert.Equal(1, (await dying.Get<PolicyStore>().InForceAsync(default))!.Sequence);
            Assert.Null(await dying.Get<PolicyStore>().FilesAsync(PolicySet.Load(Repository.ChangedFiles(Renamed)).Version, default));
            await databases.Cluster.ExecuteAsync(databases.VaultName, "alter table audit.head drop constraint no_more");
            next = await CommitAsync(dying);
        }

        await using var after = await databases.StartVaultAsync();
        Assert.Equal(next, after.Get<ActivePolicy>().Current.Version);
        var change = await after.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.PolicyChange });
        Assert.Equal([next], change.Entries.Select(entry => Convert.ToHexStringLower(entry.Entry.Policy.Span)));
        Assert.Equal(["replaces:" + Repository.Policy.Version], change.Entries[0].Entry.Rules);
    }

    public static TheoryData<string, string, string, string, string> BadVersions => new()
    {
        { "a file that is no YAML", "access/marketing.yaml", "rules:", "rules: [", "access/marketing.yaml:" },
        { "an unknown role", "access/marketing.yaml", "roles: [marketing]", "roles: [marketeers]", "access/marketing.yaml:" },
        { "an id that means something else", "catalogue.yaml", "RENAME preferredName", "calledName", "calledName has the id" },
        { "a class that what is held was not sealed in", "catalogue.yaml", "class: contact, type: email", "class: identity, type: email", "email was sealed as contact" },
        { "a field that is written to", "catalogue.yaml", "REMOVE familyName", "", "familyName" },
    };

    [Theory]
    [MemberData(nameof(BadVersions))]
    public async Task A_bad_version_is_refused_and_logged_with_file_and_line_and_the_old_one_stays(string what, string file, string text, string with, string said)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        await vault.Get<ProfileEditor>().CreateAsync(StoreVault.Ingest, Customer("""{"familyName":"Hopper"}"""), null, Guid.NewGuid(), default);
        var files = text.Split(' ') switch
        {
            ["REMOVE", var field] => Repository.ChangedFiles().ToDictionary(one => one.Key, one => one.Key == file ? Without(one.Value, field) : one.Value),
            ["RENAME", var field] => Repository.ChangedFiles().ToDictionary(one => one.Key, one => one.Value.Replace(field, with, StringComparison.Ordinal)),
            _ => Repository.ChangedFiles((file, text, with)),
        };
        var outcome = await vault.Get<PolicyActivations>().ActivateAsync(Officer, new PolicyProposal(files, []), Guid.NewGuid(), default);
        Assert.True(outcome.Problems.Any(problem => problem.ToString().Contains(said, StringComparison.Ordinal)), what + ":\n" + string.Join('\n', outcome.Problems));
        Assert.Null(outcome.Activation);
        Assert.Equal(Repository.Policy.Version, vault.Get<ActivePolicy>().Current.Version);
        var refused = Assert.Single((await vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.PolicyRefused })).Entries);
        Assert.Contains(said.Split(':')[0].Split(' ')[0], System.Text.Encoding.UTF8.GetString((await vault.Get<AuditReader>().DetailAsync(refused))!), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rule_without_a_case_and_a_case_that_fails_are_refused()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        var uncovered = Repository.ChangedFiles();
        uncovered["access/more.yaml"] = "rules:\n  - id: nobody-tests-this\n    why: None\n    effect: forbid\n    roles: [analyst]\n    purposes: [all]\n    fields: [email]\n    actions: [update]\n";
        var failing = Repository.ChangedFiles();
        failing["cases/more.yaml"] = "cases:\n  - name: Nobody reads this\n    recipient: application\n    roles: [customer-support]\n    purpose: customer-support\n    expect: { email: plain, iban: plain }\n";
        foreach (var files in new[] { uncovered, failing })
            Assert.NotEmpty((await vault.Get<PolicyActivations>().TryAsync(Officer, new PolicyProposal(files, []), Guid.NewGuid(), default)).Problems);
    }

    [Fact]
    public async Task An_id_once_given_is_never_given_again_even_when_nothing_was_held_and_an_earlier_version_comes_back()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        var activations = vault.Get<PolicyActivations>();
        async Task<ActivationOutcome> WithFieldAsync(string name) => await activations.ActivateAsync(Officer, new PolicyProposal(Repository.ChangedFiles(
            ("catalogue.yaml", "\nfields:\n", $"\nfields:\n  {name}:\n    {{ id: 900, label: A number, class: interest, type: integer, minimum: 15, maximum: 60, category: \"pd:Preference\", retention: interest }}\n")), []), Guid.NewGuid(), default);
        var added = await WithFieldAsync("shoeSize");
        Assert.True(added.Activation is not null, string.Join('\n', added.Problems));
        var (files, _) = await activations.ShowAsync(Repository.Policy.Version, default);
        var back = await activations.ActivateAsync(Officer, new PolicyProposal(files, []), Guid.NewGuid(), default);
        Assert.Equal((3L, Repository.Policy.Version), (back.Activation!.Sequence, back.Activation.Version));
        Assert.Contains("shoeSize is gone; nothing was ever written to it.", back.Notes);
        var reused = await WithFieldAsync("hatSize");
        Assert.Contains(reused.Problems, problem => problem is { File: "catalogue.yaml", Line: > 0 } && problem.Message.Contains("which is shoeSize for ever", StringComparison.Ordinal));
        Assert.Equal([3L, 2L, 1L], (await activations.ListAsync(10, null, default)).Items.Select(item => item.Sequence));
    }

    [Fact]
    public async Task What_analytics_does_not_declare_any_more_is_emptied_and_everybody_is_fed_anew()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        await vault.Get<ProfileEditor>().CreateAsync(
            StoreVault.Ingest, Customer("""{"birthDate":"1906-12-09","country":"GB"}""", new() { ["analytics"] = "given" }), null, Guid.NewGuid(), default);
        await vault.Get<AnalyticsFeed>().DrainAsync(default);
        var domain = Repository.Policy.Analytics[0];
        var next = Repository.ChangedFiles();
        next["analytics.yaml"] = next["analytics.yaml"].Replace("\n  " + domain.Name + ":", "\n  another:", StringComparison.Ordinal);
        var outcome = await vault.Get<PolicyActivations>().TryAsync(Officer, new PolicyProposal(next, []), Guid.NewGuid(), default);
        Assert.Contains(outcome.Problems, problem => problem.File == "analytics.yaml" && problem.Message.Contains("run DataVault.Server migrate", StringComparison.Ordinal));

        await VaultMigrator.ProvideDomainsAsync(databases.VaultAdmin, PolicySet.Load(next).Analytics);
        Assert.NotNull((await vault.Get<PolicyActivations>().ActivateAsync(Officer, new PolicyProposal(next, []), Guid.NewGuid(), default)).Activation);
        await vault.Get<PolicyAftermath>().ClearAsync(vault.Get<ActivePolicy>().Current, default);
        Assert.Equal(0L, await CountAsync(databases, $"{domain.Schema}.customer"));
        Assert.Equal(1, await vault.Get<AnalyticsFeed>().DrainAsync(default));
        Assert.Equal(1L, await CountAsync(databases, "analytics_another.customer"));
    }

    internal static async Task<RunningVault> StartAsync(DatabasePerClass databases, bool workers = true)
    {
        var vault = await databases.StartVaultAsync(workers);
        await vault.Get<PolicyActivations>().AdoptAsync(Repository.ChangedFiles(), default);
        return vault;
    }

    internal static NewCustomer Customer(string fields, Dictionary<string, string>? consents = null, string email = "person@example.com")
    {
        var all = StoreVault.Object(fields);
        all["email"] = StoreVault.Json($"\"{email}\"");
        return new NewCustomer(all, "crm", null, "2026-01", "service-delivery", consents);
    }

    private static async Task UntilAsync(string what, Func<Task<bool>> holds)
    {
        var clock = Stopwatch.StartNew();
        while (!await holds())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(2), $"Waited in vain: {what}");
            await Task.Delay(10);
        }
    }

    private static async Task<string> CommitAsync(RunningVault vault)
    {
        var files = Repository.ChangedFiles(Renamed);
        return (await vault.Get<PolicyActivations>().CommitAsync(Officer, new PolicyVerdict(PolicySet.Load(files), [], []), files, Repository.Policy, Guid.NewGuid())).Version;
    }

    private static async Task<int> ChangesBeforeAsync(RunningVault vault, long index)
    {
        var changes = (await vault.Get<PolicyStore>().ListAsync(long.MaxValue, 100, default)).Where(one => one.LogIndex < index);
        return changes.Count();
    }

    private static async Task<long> CountAsync(DatabasePerClass databases, string table)
    {
        await using var connection = new NpgsqlConnection(databases.VaultAdmin);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"select count(*) from {table}", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static string Without(string yaml, string field)
    {
        var lines = yaml.Split('\n').ToList();
        var at = lines.FindIndex(line => line.StartsWith($"  {field}:", StringComparison.Ordinal));
        lines.RemoveAt(at);
        while (lines[at].StartsWith("    ", StringComparison.Ordinal)) lines.RemoveAt(at);
        return string.Join('\n', lines);
    }
}
