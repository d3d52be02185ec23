using System.Text.Json;
using DataVault.Policy;
using DataVault.Testing;
using DataVault.Vault.Tests.Rights;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Check;

/// <summary>Somebody with every right over the vault database, and none over keys and home folder, who would like another policy to be in force.</summary>
public sealed class PolicyAdministratorTests
{
    private static readonly Dictionary<string, string> Files = Repository.ChangedFiles(("access/customer-support.yaml", "- id: support-", "- id: desk-"));

    private static readonly PolicySet Other = PolicySet.Load(Files);

    private static string Own => Repository.Policy.Version;

    [Theory]
    [InlineData("null")]
    [InlineData("'\\x00'")]
    [InlineData("(select seal from vault.policy_activation where sequence = 1)")]
    public async Task A_version_that_they_put_in_force_is_followed_by_no_process_and_no_start_and_an_officer_removes_it(string seal)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases);
        await WriteAsync(databases, Other, $"insert into vault.policy_activation (sequence, version, at, actor, log_index, replaces, seal) select 2, $1, now(), actor, null, 1, {seal} from vault.policy_activation where sequence = 1");

        await vault.Get<PolicyWatch>().LookAsync(default);
        await vault.Get<ActivePolicy>().EnsureNewestAsync(default);
        Assert.Equal((Own, true), (vault.Get<ActivePolicy>().Current.Version, vault.Get<ActivePolicy>().IsDisputed));
        await using (var next = await databases.StartVaultAsync(configure: Begun(Other)))
        {
            Assert.Equal(Own, next.Get<ActivePolicy>().Current.Version);
            Assert.Equal((1L, Own, true, false), Assert.Single(await MarkedAsync(next)));
            Assert.Equal([1L], (await next.Get<PolicyActivations>().ListAsync(10, null, default)).Items.Select(item => item.Sequence));
        }

        Assert.Contains(await FindingsAsync(vault), finding => finding.StartsWith("the activation 2 of", StringComparison.Ordinal));
        var again = await vault.Get<PolicyActivations>().ActivateAsync(StoreVault.Officer, new PolicyProposal(Repository.ChangedFiles(), []), Guid.NewGuid(), default);
        Assert.Equal((2L, Own), (again.Activation!.Sequence, again.Activation.Version));
        Assert.Empty(await FindingsAsync(vault));
        Assert.False(vault.Get<ActivePolicy>().IsDisputed);
    }

    [Theory]
    [InlineData("delete from vault.policy_activation where sequence = 2")]
    [InlineData("delete from vault.policy_activation")]
    [InlineData("update vault.policy_activation set version = (select version from vault.policy_activation where sequence = 1) where sequence = 2")]
    [InlineData("delete from vault.policy_activation where sequence = 2; update vault.policy_activation set sequence = 3")]
    public async Task A_version_that_they_take_back_stays_in_force_in_every_process_and_the_next(string attack)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases);
        await ActivateAsync(vault);
        await databases.Cluster.ExecuteAsync(databases.VaultName, attack);

        await vault.Get<PolicyWatch>().LookAsync(default);
        await vault.Get<ActivePolicy>().EnsureNewestAsync(default);
        Assert.Equal((Other.Version, true), (vault.Get<ActivePolicy>().Current.Version, vault.Get<ActivePolicy>().IsDisputed));
        await ToldAsync(vault);
        await using (var next = await databases.StartVaultAsync())
        {
            Assert.Equal(Other.Version, next.Get<ActivePolicy>().Current.Version);
            await ToldAsync(next);
            Assert.False(await next.Get<PolicyActivations>().AdoptAsync(Repository.ChangedFiles(), default));
        }

        Assert.Contains(await FindingsAsync(vault), finding => finding.Contains("no activation that the vault wrote says so", StringComparison.Ordinal));
        Assert.Contains(await FindingsAsync(vault), finding => finding.EndsWith("and processes have followed 2", StringComparison.Ordinal));
        Assert.Equal(3, (await ActivateAsync(vault)).Activation!.Sequence);
        Assert.False(vault.Get<ActivePolicy>().IsDisputed);
        Assert.Equal((3L, Other.Version, true, false), Assert.Single(await MarkedAsync(vault)));
        await using var after = await databases.StartVaultAsync();
        Assert.Equal(Other.Version, after.Get<ActivePolicy>().Current.Version);
    }

    [Fact]
    public async Task A_version_that_they_take_back_with_its_files_keeps_a_start_from_serving_an_older_one_until_a_folder_brings_it_again()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var vault = await StartAsync(databases)) await ActivateAsync(vault);
        await databases.Cluster.ExecuteAsync(
            databases.VaultName, "delete from vault.policy_version v using vault.policy_activation a where a.sequence = 2 and v.version = a.version; delete from vault.policy_activation where sequence = 2");
        var refused = await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync());
        Assert.Contains(Other.Version, refused.Message, StringComparison.Ordinal);

        await using var brought = await databases.StartVaultAsync(configure: Begun(Other));
        Assert.Equal(Other.Version, brought.Get<ActivePolicy>().Current.Version);
        Assert.Equal(3, (await ActivateAsync(brought)).Activation!.Sequence);
        await using var after = await databases.StartVaultAsync();
        Assert.Equal(Other.Version, after.Get<ActivePolicy>().Current.Version);
    }

    [Fact]
    public async Task A_restore_to_before_an_activation_goes_on_with_the_older_version_once_somebody_stands_behind_it()
    {
        await using var world = await RightsWorld.CreateAsync();
        await world.Vault.Get<PolicyActivations>().AdoptAsync(Repository.ChangedFiles(), default);
        await world.BackUpDataAsync();
        await ActivateAsync(world.Vault);
        await world.Vault.Get<AuditReader>().SignAsync();
        await world.ShortenDataAsync();
        await Assert.ThrowsAsync<VaultStartException>(() => world.RestartAsync());

        await using (var brought = await world.Databases.StartVaultAsync(clock: world.Clock, configure: Begun(Other)))
        {
            var acceptance = brought.Get<RestoreAcceptance>();
            await acceptance.AcceptAsync(Assert.Single(await acceptance.ListAsync()).Index);
        }

        await world.RestartAsync();
        Assert.Equal(Own, world.Vault.Get<ActivePolicy>().Current.Version);
        Assert.Equal(2, (await ActivateAsync(world.Vault)).Activation!.Sequence);
        await world.Vault.AssertSoundAsync();
    }

    [Fact]
    public async Task What_a_vault_of_before_there_were_seals_has_activated_is_sealed_once_as_far_as_the_log_says_the_same()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (var vault = await StartAsync(databases)) await ActivateAsync(vault);
        await databases.Cluster.ExecuteAsync(databases.KeysName, "delete from keys.policy_memory; delete from keys.once where what like 'policy%'");
        await databases.Cluster.ExecuteAsync(
            databases.VaultName,
            "update vault.policy_activation set seal = null; insert into vault.policy_activation (sequence, version, at, actor, log_index) select 3, version, now(), actor, (select log_index from vault.policy_activation where sequence = 2) from vault.policy_activation where sequence = 1");
        await using (var upgraded = await databases.StartVaultAsync())
        {
            Assert.Equal(Other.Version, upgraded.Get<ActivePolicy>().Current.Version);
            Assert.Equal([2L, 1L], (await upgraded.Get<PolicyActivations>().ListAsync(10, null, default)).Items.Select(item => item.Sequence));
        }

        await databases.Cluster.ExecuteAsync(databases.VaultName, "update vault.policy_activation set seal = null where sequence = 3");
        await using var next = await databases.StartVaultAsync();
        Assert.Equal(Other.Version, next.Get<ActivePolicy>().Current.Version);
    }

    [Fact]
    public async Task What_stands_there_before_a_vault_has_begun_is_not_taken_for_its_first_version()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await WriteAsync(databases, Other, "insert into vault.policy_activation (sequence, version, at, actor) values (1, $1, now(), 'somebody')");
        await Assert.ThrowsAsync<VaultStartException>(() => databases.StartVaultAsync(configure: Begun(Other)));
        await using var vault = await databases.StartVaultAsync();
        Assert.True(await vault.Get<PolicyActivations>().AdoptAsync(Repository.ChangedFiles(), default));
        Assert.Equal(Own, vault.Get<ActivePolicy>().Current.Version);
        Assert.Equal(Own, Assert.Single((await vault.Get<PolicyActivations>().ListAsync(10, null, default)).Items).Version);
    }

    [Fact]
    public async Task Files_that_they_file_under_another_version_are_shown_to_nobody_as_that_version()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases);
        await ActivateAsync(vault);
        Assert.Equal(Files, (await vault.Get<PolicyActivations>().ShowAsync(Other.Version, default)).Files);
        await databases.Cluster.ExecuteAsync(
            databases.VaultName,
            "update vault.policy_version set files = (select v.files from vault.policy_version v join vault.policy_activation a on a.version = v.version where a.sequence = 1)");
        var refused = await Assert.ThrowsAsync<VaultException>(() => vault.Get<PolicyActivations>().ShowAsync(Other.Version, default));
        Assert.Contains("not those of the version", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("update vault.policy_id set name = 'somethingElse' where kind = 'field' and id = 1", true)]
    [InlineData("delete from vault.policy_id", false)]
    public async Task What_a_number_meant_is_known_whatever_they_write_of_it(string attack, bool found)
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using var vault = await StartAsync(databases);
        var numbers = vault.Get<PolicyNumbers>();
        var known = (await numbers.KnownAsync(default)).ToHashSet();
        await databases.Cluster.ExecuteAsync(databases.VaultName, attack);
        Assert.Equal(known, (await numbers.KnownAsync(default)).ToHashSet());
        Assert.Equal(found, (await FindingsAsync(vault)).Any(finding => finding.StartsWith("the field 1 is said to have been somethingElse, and was ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Numbers_and_budgets_of_a_vault_from_before_they_were_kept_are_kept_at_its_next_start()
    {
        await using var databases = await DatabasePerClass.CreateAsync();
        await using (await StartAsync(databases)) await databases.Cluster.ExecuteAsync(databases.KeysName, "delete from keys.kept; delete from keys.once");
        await databases.Cluster.ExecuteAsync(databases.VaultName, "insert into vault.budget_limit (actor_tag, purpose, client, per_hour, per_day) values (gen_random_uuid(), 'wellbeing', 'desk', 4, null)");
        await using var vault = await databases.StartVaultAsync();
        await databases.Cluster.ExecuteAsync(databases.VaultName, "delete from vault.policy_id; delete from vault.budget_limit");
        Assert.Contains(new PolicyMeaning("field", 1, Repository.Policy.Catalogue.Fields.Single(field => field.Id == 1).Name), await vault.Get<PolicyNumbers>().KnownAsync(default));
        Assert.Equal(new ClientBudget("desk", "wellbeing", 4, null), Assert.Single(await vault.Get<BudgetBook>().ListAsync(default)));
    }

    /// <summary>Lists say what decides, whatever the rows say, and that the rows say it no more.</summary>
    private static async Task ToldAsync(RunningVault vault)
    {
        Assert.Equal((2L, Other.Version, true, true), Assert.Single(await MarkedAsync(vault)));
        var (_, activations) = await vault.Get<PolicyActivations>().ShowAsync(Other.Version, default);
        Assert.True(Assert.Single(activations).InForce);
    }

    private static async Task<(long, string, bool, bool)[]> MarkedAsync(RunningVault vault) =>
    [
        .. (await vault.Get<PolicyActivations>().ListAsync(10, null, default)).Items.Where(one => one.InForce || one.IsGone).Select(one => (one.Sequence, one.Version, one.InForce, one.IsGone)),
    ];

    private static Action<IServiceCollection> Begun(PolicySet policy) => services => services.AddSingleton(new ActivePolicy(policy));

    private static async Task<RunningVault> StartAsync(DatabasePerClass databases)
    {
        var vault = await databases.StartVaultAsync();
        await vault.Get<LogBeginning>().EnterAsync(default);
        await vault.Get<PolicyActivations>().AdoptAsync(Repository.ChangedFiles(), default);
        return vault;
    }

    private static async Task<ActivationOutcome> ActivateAsync(RunningVault vault)
    {
        var outcome = await vault.Get<PolicyActivations>().ActivateAsync(StoreVault.Officer, new PolicyProposal(Files, []), Guid.NewGuid(), default);
        Assert.Empty(outcome.Problems);
        return outcome;
    }

    private static async Task<string[]> FindingsAsync(RunningVault vault)
    {
        await vault.Get<AuditReader>().SignAsync();
        return [.. (await vault.Get<VaultCheck>().RunAsync(new CheckOptions())).Findings.Where(finding => finding.Check == "policy").Select(finding => finding.Message)];
    }

    private static async Task WriteAsync(DatabasePerClass databases, PolicySet policy, string activation)
    {
        await using var admin = NpgsqlDataSource.Create(databases.VaultAdmin);
        await using var file = admin.CreateCommand("insert into vault.policy_version (version, files, added_at) values ($1, $2, now())");
        file.Parameters.Add(new() { Value = policy.VersionBytes.ToArray() });
        file.Parameters.Add(new() { Value = JsonSerializer.SerializeToUtf8Bytes(Files) });
        await file.ExecuteNonQueryAsync();
        await using var activate = admin.CreateCommand(activation);
        activate.Parameters.Add(new() { Value = policy.VersionBytes.ToArray() });
        await activate.ExecuteNonQueryAsync();
    }
}
