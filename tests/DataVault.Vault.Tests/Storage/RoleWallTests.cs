using DataVault.Testing;
using DataVault.Vault.Storage;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Storage;

public sealed class RoleWallTests(VaultDatabases databases) : IClassFixture<VaultDatabases>
{
    public static TheoryData<string> Forbidden_to_the_vault() =>
    [
        "update audit.batch set count = 1", "delete from audit.batch", "truncate audit.batch", "update audit.checkpoint set note = ''", "delete from audit.checkpoint",
        "delete from audit.head", "truncate audit.head", "insert into audit.head values (2, 0, '', '', 0)", "update vault.history set sealed = ''", "truncate vault.history",
        "update vault.consent_event set state = 1", "delete from vault.tombstone", "update audit.detail set sealed = ''",
        "create table vault.mine (x int)", "drop table vault.subject", "alter table audit.batch add column x int", "create schema mine", "create role mine", "set role postgres",
        "create table public.mine (x int)", "create temporary table mine (x int)",
    ];

    [Theory]
    [Requirement("R10")]
    [MemberData(nameof(Forbidden_to_the_vault))]
    public async Task The_vaults_login_may_not(string sql) => await AssertRefusedAsync(databases.VaultName, DatabasePerClass.VaultLogin, sql);

    [Theory]
    [InlineData("delete from keys.tombstone")]
    [InlineData("update keys.tombstone set at = now()")]
    [InlineData("delete from keys.vault_key")]
    [InlineData("delete from keys.root")]
    [InlineData("delete from keys.rotation")]
    [InlineData("delete from keys.epoch")]
    [InlineData("create table keys.mine (x int)")]
    public async Task The_keys_login_may_not(string sql) => await AssertRefusedAsync(databases.KeysName, DatabasePerClass.KeysLogin, sql);

    [Theory]
    [Requirement("R90")]
    [InlineData("select * from vault.subject")]
    [InlineData("select * from vault.identifier")]
    [InlineData("select * from audit.batch")]
    [InlineData("select * from audit.actor")]
    [InlineData("insert into {own}.customer (pseudonym, updated_on) values ('x', '2026-01-01')")]
    [InlineData("delete from {own}.purchase")]
    [InlineData("select * from {other}.customer")]
    [InlineData("create table {own}.mine (x int)")]
    [InlineData("create temporary table mine (x int)")]
    [InlineData("select pg_advisory_lock(1)")]
    [InlineData("select pg_try_advisory_xact_lock(1, 2)")]
    [InlineData("select lo_create(0)")]
    [InlineData("select lo_from_bytea(0, 'x')")]
    [InlineData("select pg_notify('anything', '')")]
    public async Task An_analysts_login_may_not(string sql)
    {
        var (own, other) = (Repository.Policy.Analytics[0], Repository.Policy.Analytics[1]);
        await AssertRefusedAsync(
            databases.VaultName, DatabasePerClass.AnalyticsLoginOf(own),
            sql.Replace("{own}", own.Schema, StringComparison.Ordinal).Replace("{other}", other.Schema, StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_analyst_reads_the_own_domain()
    {
        foreach (var domain in Repository.Policy.Analytics)
        {
            await using var source = NpgsqlDataSource.Create(databases.Cluster.ConnectionString(databases.VaultName, DatabasePerClass.AnalyticsLoginOf(domain)));
            await using var command = source.CreateCommand($"select (select count(*) from {domain.Schema}.customer) + (select count(*) from {domain.Schema}.purchase) + (select count(*) from {domain.Schema}.interaction)");
            Assert.Equal(0L, await command.ExecuteScalarAsync());
        }
    }

    [Fact]
    [Requirement("R90")]
    public async Task Each_login_stays_in_its_database()
    {
        await AssertNoConnectionAsync(databases.KeysName, DatabasePerClass.VaultLogin);
        await AssertNoConnectionAsync(databases.VaultName, DatabasePerClass.KeysLogin);
        await AssertNoConnectionAsync(databases.KeysName, DatabasePerClass.AnalyticsLogin);
    }

    [Fact]
    public async Task A_login_that_can_do_more_than_it_should_is_refused()
    {
        await using var small = new VaultDatabase(databases.Cluster.ConnectionString(databases.VaultName, DatabasePerClass.VaultLogin));
        await LeastPrivilege.EnsureAsync(small, CancellationToken.None);
        await using var super = new VaultDatabase(databases.VaultAdmin);
        var refusal = await Assert.ThrowsAsync<VaultStartException>(() => LeastPrivilege.EnsureAsync(super, CancellationToken.None));
        Assert.Contains("superuser", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("audit.batch", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_does_not_flush_is_refused()
    {
        await using var database = new VaultDatabase(databases.Cluster.ConnectionString(databases.VaultName, DatabasePerClass.VaultLogin));
        await Assert.ThrowsAsync<VaultStartException>(() => LeastPrivilege.EnsureDurableAsync(database, CancellationToken.None));
    }

    private async Task AssertRefusedAsync(string database, string login, string sql)
    {
        await using var source = NpgsqlDataSource.Create(databases.Cluster.ConnectionString(database, login));
        await using var command = source.CreateCommand(sql);
        var refusal = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync());
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refusal.SqlState);
    }

    private async Task AssertNoConnectionAsync(string database, string login)
    {
        await using var source = NpgsqlDataSource.Create(databases.Cluster.ConnectionString(database, login));
        var refusal = await Assert.ThrowsAsync<PostgresException>(async () => await source.OpenConnectionAsync());
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, refusal.SqlState);
    }
}
