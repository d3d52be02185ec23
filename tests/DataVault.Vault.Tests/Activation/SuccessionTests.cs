using DataVault.Policy;
using DataVault.Testing;
using DataVault.Transparency;
using Xunit;
using static DataVault.Vault.Tests.Activation.ActivationTests;

namespace DataVault.Vault.Tests.Activation;

/// <summary>What a version may not change of what is sealed, and what it changes of people's agreement only when that is named.</summary>
public sealed class SuccessionTests
{
    private const string Raffle =
        "\n  raffle:\n    id: 900\n    title: A raffle\n    basis: consent\n    dpv: dpv:PublicRelations\n    notice: You take part.\n    noticeVersion: 2026-01\n";

    [Theory]
    [InlineData("class: interest, type: integer, minimum: 15, maximum: 60", null)]
    [InlineData("class: interest, type: text", "was Integer and cannot become Text")]
    [InlineData("class: relationship, type: integer, minimum: 15, maximum: 60", "was sealed as interest and cannot become relationship")]
    public async Task A_field_that_left_comes_back_as_what_it_was_or_not_at_all(string terms, string? said)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        await ActivatedAsync(vault, WithField("class: interest, type: integer, minimum: 15, maximum: 60"));
        await ActivatedAsync(vault, Repository.ChangedFiles());
        var back = await ActivateAsync(vault, WithField(terms));
        if (said is null) Assert.NotNull(back.Activation);
        else Assert.Contains(back.Problems, problem => problem is { File: "catalogue.yaml", Line: > 0 } && problem.Message.Contains(said, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_purpose_that_somebody_agreed_to_goes_only_when_that_is_named_and_the_log_says_so()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        await ActivatedAsync(vault, WithRaffle());
        Assert.Contains(await NotesAsync(vault, Repository.ChangedFiles()), note => note.StartsWith("purpose-gone:raffle: nobody", StringComparison.Ordinal));
        await vault.Get<ProfileEditor>().CreateAsync(StoreVault.Ingest, Customer("{}", new() { ["raffle"] = "given" }), null, Guid.NewGuid(), default);

        var refused = await ActivateAsync(vault, Repository.ChangedFiles());
        Assert.Equal(["purpose-gone:raffle"], refused.ToAcknowledge);
        Assert.Contains("acknowledge purpose-gone:raffle", Assert.Single(refused.Problems).Message, StringComparison.Ordinal);
        var beside = await ActivateAsync(vault, Repository.ChangedFiles(), "purpose-gone:raffle", "basis-changed:billing");
        Assert.Contains("basis-changed:billing is acknowledged, and is not a change", Assert.Single(beside.Problems).Message, StringComparison.Ordinal);
        var gone = await ActivateAsync(vault, Repository.ChangedFiles(), "purpose-gone:raffle");
        Assert.Contains("purpose-gone:900", (await vault.Get<AuditReader>().EntryAsync(gone.Activation!.LogIndex!.Value)).Entry.Rules);
    }

    [Fact]
    public async Task Another_legal_basis_comes_only_when_that_is_named_also_of_a_purpose_that_was_away()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        await vault.Get<ProfileEditor>().CreateAsync(StoreVault.Ingest, Customer("{}"), null, Guid.NewGuid(), default);
        var changed = Repository.ChangedFiles(("purposes.yaml", "    basis: contract\n    dpv: dpv:CustomerOrderManagement\n", "    basis: legitimate-interests\n    dpv: dpv:CustomerOrderManagement\n"));
        var refused = await ActivateAsync(vault, changed);
        Assert.Equal(["basis-changed:service-delivery"], refused.ToAcknowledge);
        Assert.Contains("rested on contract and would rest on legitimate-interests", Assert.Single(refused.Problems).Message, StringComparison.Ordinal);
        var named = await ActivateAsync(vault, changed, "basis-changed:service-delivery");
        Assert.Contains("basis-changed:1", (await vault.Get<AuditReader>().EntryAsync(named.Activation!.LogIndex!.Value)).Entry.Rules);
        Assert.Equal(["basis-changed:service-delivery"], (await ActivateAsync(vault, Repository.ChangedFiles())).ToAcknowledge);

        await ActivatedAsync(vault, WithRaffle(changed));
        await vault.Get<ProfileEditor>().CreateAsync(StoreVault.Ingest, Customer("{}", new() { ["raffle"] = "given" }, "other@example.com"), null, Guid.NewGuid(), default);
        await ActivatedAsync(vault, changed, "purpose-gone:raffle");
        var returned = WithRaffle(changed);
        returned["purposes.yaml"] = returned["purposes.yaml"].Replace("title: A raffle\n    basis: consent", "title: A raffle\n    basis: contract", StringComparison.Ordinal);
        Assert.Equal(["basis-changed:raffle"], (await ActivateAsync(vault, returned)).ToAcknowledge);
    }

    [Fact]
    public async Task A_notice_keeps_its_text_while_it_keeps_its_version_however_long_ago_that_was_in_force()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        await ActivatedAsync(vault, WithRaffle());
        await vault.Get<NoticeArchive>().KeepNewestAsync(default);
        var otherText = Edited("notice: You take part.", "notice: You take part for ever.");
        var refused = Assert.Single((await ActivateAsync(vault, otherText)).Problems);
        Assert.Contains("the notice of raffle has another text (en) under the same version 2026-01", refused.Message, StringComparison.Ordinal);
        Assert.True(refused.Line > 0);
        await ActivatedAsync(vault, Edited("notice: You take part.\n    noticeVersion: 2026-01", "notice: You take part for a year.\n    noticeVersion: 2026-02"));
        Assert.Contains("under the same version 2026-01", Assert.Single((await ActivateAsync(vault, otherText)).Problems).Message, StringComparison.Ordinal);
        await ActivatedAsync(vault, WithRaffle());

        static Dictionary<string, string> Edited(string text, string with)
        {
            var files = WithRaffle();
            files["purposes.yaml"] = files["purposes.yaml"].Replace(text, with, StringComparison.Ordinal);
            return files;
        }
    }

    [Fact]
    public async Task A_dry_run_is_in_the_log_and_changes_nothing()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases, workers: false);
        var asked = Guid.NewGuid();
        var outcome = await vault.Get<PolicyActivations>().TryAsync(Officer, new PolicyProposal(WithRaffle(), []), asked, default);
        Assert.Empty(outcome.Problems);
        Assert.Equal(1, (await vault.Get<PolicyStore>().InForceAsync(default))!.Sequence);
        var entry = Assert.Single((await vault.Get<AuditReader>().SearchAsync(new AuditQuery { Type = EntryType.PolicyQuestion })).Entries);
        Assert.Equal(["dry-run", "proposed:" + outcome.Version], entry.Entry.Rules);
    }

    [Fact]
    public async Task Whatever_is_wrong_with_a_version_a_process_decides_nothing_meanwhile_and_follows_once_it_can()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var one = await StartAsync(databases, workers: false);
        await using var other = await databases.StartVaultAsync();
        await other.Get<PolicyWatch>().LookAsync(default);
        var next = PolicySet.Load(WithRaffle());
        await one.Get<PolicyActivations>().CommitAsync(Officer, new PolicyVerdict(next, [], []), WithRaffle(), Repository.Policy, Guid.NewGuid());
        const string newest = "where version = (select version from vault.policy_activation order by sequence desc limit 1)";
        await databases.Cluster.ExecuteAsync(databases.VaultName, "create table kept as select * from vault.policy_version; update vault.policy_version set files = 'no longer JSON' " + newest);
        await other.Get<PolicyWatch>().LookAsync(default);
        Assert.True(other.Get<ActivePolicy>().IsRefusing);
        Assert.Equal("unavailable", (await Assert.ThrowsAsync<VaultException>(async () => await other.Get<ActivePolicy>().EnsureNewestAsync(default))).Slug);
        await databases.Cluster.ExecuteAsync(databases.VaultName, "update vault.policy_version v set files = k.files from kept k where k.version = v.version");
        await other.Get<PolicyWatch>().LookAsync(default);
        Assert.Equal(next.Version, other.Get<ActivePolicy>().Newest.Version);
        Assert.False(other.Get<ActivePolicy>().IsRefusing);
    }

    private static Dictionary<string, string> WithField(string terms) => Repository.ChangedFiles(
        ("catalogue.yaml", "\nfields:\n", $"\nfields:\n  shoeSize:\n    {{ id: 900, label: A number, {terms}, category: \"pd:Preference\", retention: interest }}\n"));

    private static Dictionary<string, string> WithRaffle(Dictionary<string, string>? to = null)
    {
        var files = new Dictionary<string, string>(to ?? Repository.ChangedFiles());
        files["purposes.yaml"] += Raffle;
        files["access/raffle.yaml"] = "rules:\n  - id: raffle-writes\n    why: The prize is sent\n    roles: [marketing]\n    purposes: [raffle]\n    fields: [givenName]\n    actions: [read]\n    form: plain\n";
        files["cases/raffle.yaml"] = "cases:\n  - name: The prize is sent\n    roles: [marketing]\n    purpose: raffle\n    facts: { consents: { raffle: given } }\n    expect: { givenName: plain }\n";
        return files;
    }

    private static Task<ActivationOutcome> ActivateAsync(RunningVault vault, Dictionary<string, string> files, params string[] acknowledged) =>
        vault.Get<PolicyActivations>().ActivateAsync(Officer, new PolicyProposal(files, []) { Acknowledge = acknowledged }, Guid.NewGuid(), default);

    private static async Task ActivatedAsync(RunningVault vault, Dictionary<string, string> files, params string[] acknowledged)
    {
        var outcome = await ActivateAsync(vault, files, acknowledged);
        Assert.True(outcome.Activation is not null, string.Join('\n', outcome.Problems));
    }

    private static async Task<IReadOnlyList<string>> NotesAsync(RunningVault vault, Dictionary<string, string> files) =>
        (await vault.Get<PolicyActivations>().TryAsync(Officer, new PolicyProposal(files, []), Guid.NewGuid(), default)).Notes;
}
