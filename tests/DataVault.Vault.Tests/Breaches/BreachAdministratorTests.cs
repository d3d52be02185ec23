using Npgsql;
using Xunit;
using static DataVault.Vault.Tests.StoreVault;

namespace DataVault.Vault.Tests.Breaches;

/// <summary>Somebody with every right over the vault database who would like a breach never to have been.</summary>
public sealed class BreachAdministratorTests(BreachVault store) : IClassFixture<BreachVault>
{
    [Theory]
    [InlineData("kind = 'closed'")]
    [InlineData("at = at - interval '1 day'")]
    [InlineData("by_account = 'o2'")]
    [InlineData("log_index = log_index + 1")]
    [InlineData("sealed = set_byte(sealed, 40, get_byte(sealed, 40) # 1)")]
    [InlineData("seal = sha256(seal)")]
    public async Task A_step_that_they_change_is_believed_no_more_and_named(string change)
    {
        var id = await TwoStepsAsync();
        await store.ExecuteAsync($"update vault.breach_step set {change} where breach_id = '{id}' and step = 2");
        var found = await store.Register.GetAsync(Officer, id, Guid.NewGuid(), default);
        Assert.Equal(["step 2 is not as the vault wrote it"], found.Damage);
        Assert.Single(found.Steps);
        Assert.Null(found.Findings.Risk);
        Assert.Contains($"step 2 of the breach {id} is not what the vault wrote", await store.FindingsAsync());
    }

    [Fact]
    [Requirement("R77")]
    public async Task A_step_that_they_delete_is_missed_the_newest_too()
    {
        var id = await TwoStepsAsync();
        await store.ExecuteAsync($"delete from vault.breach_step where breach_id = '{id}' and step = 2");
        Assert.Equal(["step 2 is gone"], (await store.Register.GetAsync(Officer, id, Guid.NewGuid(), default)).Damage);
        Assert.Contains(await store.FindingsAsync(), finding => finding.StartsWith($"step 2 of the breach {id}, of which entry ", StringComparison.Ordinal));
        // The case goes on, and the gap stays.
        var next = await store.AssessAsync(id, BreachWords.NoRisk);
        Assert.Equal([1, 3], next.Steps.Select(step => step.Number));
        Assert.Equal(["step 2 is gone"], next.Damage);
    }

    [Fact]
    public async Task A_case_that_they_delete_is_still_in_the_list_and_in_the_watch()
    {
        var id = await TwoStepsAsync();
        await store.ExecuteAsync($"delete from vault.breach_step where breach_id = '{id}'");
        var gone = (await store.Register.ListAsync(Officer, true, 200, null, Guid.NewGuid(), default)).Items.Single(one => one.Id == id);
        Assert.Equal(["step 1 is gone", "step 2 is gone"], gone.Damage);
        Assert.True((await store.Register.WatchAsync(default)).Damaged > 0);
        Assert.Equal(2, (await store.FindingsAsync()).Count(finding => finding.Contains(id.ToString(), StringComparison.Ordinal)));
        Assert.Equal("invalid-state", (await Assert.ThrowsAsync<VaultException>(() => store.AssessAsync(id, BreachWords.NoRisk))).Slug);
    }

    [Fact]
    public async Task A_step_of_one_case_that_they_put_into_another_says_nothing()
    {
        var (one, other) = (await TwoStepsAsync(), (await store.OpenAsync()).Id);
        await store.ExecuteAsync($"insert into vault.breach_step select '{other}', step, kind, at, by_account, log_index, sealed, seal from vault.breach_step where breach_id = '{one}' and step = 2");
        Assert.Equal(["step 2 is not as the vault wrote it"], (await store.Register.GetAsync(Officer, other, Guid.NewGuid(), default)).Damage);
        // Nor does it keep the next step away.
        Assert.Equal([1, 3], (await store.AssessAsync(other, BreachWords.NoRisk)).Steps.Select(step => step.Number));
        Assert.Contains($"step 2 of the breach {other} is not what the vault wrote", await store.FindingsAsync());
    }

    [Fact]
    public async Task A_row_that_they_put_back_with_all_its_seals_is_held_against_the_log()
    {
        var id = await TwoStepsAsync();
        await store.ExecuteAsync($"drop table if exists public.kept_step; create table public.kept_step as select * from vault.breach_step where breach_id = '{id}'");
        await store.AssessAsync(id, BreachWords.HighRisk);
        await store.ExecuteAsync($"delete from vault.breach_step where breach_id = '{id}'; insert into vault.breach_step select * from public.kept_step; drop table public.kept_step");
        Assert.Equal(["step 3 is gone"], (await store.Register.GetAsync(Officer, id, Guid.NewGuid(), default)).Damage);
        Assert.Contains(await store.FindingsAsync(), finding => finding.StartsWith($"step 3 of the breach {id}, of which entry ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_number_without_end_costs_no_time()
    {
        var id = await TwoStepsAsync();
        await store.ExecuteAsync($"insert into vault.breach_step select breach_id, 2147483647, kind, at, by_account, log_index, sealed, seal from vault.breach_step where breach_id = '{id}' and step = 2");
        Assert.Equal(["step 2147483647 is not as the vault wrote it"], (await store.Register.GetAsync(Officer, id, Guid.NewGuid(), default)).Damage);
        Assert.Equal(3, (await store.AssessAsync(id, BreachWords.NoRisk)).Steps[^1].Number);
    }

    /// <summary>GDPR 33(5): there is nobody who may delete.</summary>
    [Theory]
    [InlineData("delete from vault.breach_step")]
    [InlineData("update vault.breach_step set kind = 'closed'")]
    [InlineData("truncate vault.breach_step")]
    [Requirement("R77")]
    public async Task The_vaults_own_login_cannot_change_what_stands_there(string sql)
    {
        await using var command = store.Vault.Get<VaultDatabase>().Source.CreateCommand(sql);
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync())).SqlState);
    }

    [Fact]
    public async Task What_a_process_that_died_after_its_commit_did_not_keep_is_kept_with_the_next_step()
    {
        var id = await TwoStepsAsync();
        await using (var forget = store.Vault.Get<KeysDatabase>().Source.CreateCommand("update keys.kept set number = 1 where kind = 'breach' and id = $1"))
        {
            forget.Parameters.Add(new() { Value = id.ToByteArray(bigEndian: true) });
            Assert.Equal(1, await forget.ExecuteNonQueryAsync());
        }

        Assert.Empty((await store.AssessAsync(id, BreachWords.NoRisk)).Damage);
        await store.ExecuteAsync($"delete from vault.breach_step where breach_id = '{id}' and step > 1");
        Assert.Equal(["step 2 is gone", "step 3 is gone"], (await store.Register.GetAsync(Officer, id, Guid.NewGuid(), default)).Damage);
    }

    private async Task<Guid> TwoStepsAsync()
    {
        var id = (await store.OpenAsync()).Id;
        await store.AssessAsync(id, BreachWords.LowRisk);
        return id;
    }
}
