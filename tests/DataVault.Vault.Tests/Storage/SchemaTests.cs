using DataVault.Vault.Storage;
using Npgsql;
using Xunit;

namespace DataVault.Vault.Tests.Storage;

public sealed class SchemaTests(VaultDatabases databases) : IClassFixture<VaultDatabases>
{
    [Fact]
    public async Task Every_table_can_be_distributed_as_it_stands()
    {
        await using var vault = NpgsqlDataSource.Create(databases.VaultAdmin);
        await using var keys = NpgsqlDataSource.Create(databases.KeysAdmin);
        Assert.Empty(await SchemaLint.RunAsync(vault));
        Assert.Empty(await SchemaLint.RunAsync(keys));
    }

    [Theory]
    [InlineData("R0 no class", "create table vault.planted (id uuid primary key)")]
    [InlineData("R0 no such distribution column", "create table vault.planted (id uuid primary key); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R1 unique index", "create table vault.planted (subject_id uuid primary key, x int unique); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R1 primary key does not begin", "create table vault.planted (subject_id uuid, x int, primary key (x, subject_id)); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R3 foreign key not along", "create table vault.planted (subject_id uuid primary key, r uuid references vault.feed_queue); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R3 foreign key from a reference", "create table vault.planted (s uuid primary key references vault.subject); comment on table vault.planted is 'local'")]
    [InlineData("R4 foreign key action", "create table vault.planted (subject_id uuid primary key references vault.subject on update cascade); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R5 distribution column nullable", "create table vault.planted (subject_id uuid); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R6 trigger", "create function vault.planted_f() returns trigger language plpgsql as 'begin return new; end'; create trigger planted before insert on vault.subject for each row execute function vault.planted_f()")]
    [InlineData("R10 narrow identity", "create table vault.planted (subject_id uuid primary key, n serial); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R14 view", "create view analytics_insight.planted as select 1 as one")]
    [InlineData("R16 unlogged", "create unlogged table vault.planted (subject_id uuid primary key); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R16 no primary key", "create table vault.planted (subject_id uuid not null); comment on table vault.planted is 'dist:subject_id'")]
    [InlineData("R18 multi-level", "create table vault.planted (subject_id uuid, d date) partition by range (d); comment on table vault.planted is 'local'; create table vault.planted_1 partition of vault.planted for values from ('2026-01-01') to ('2027-01-01') partition by range (d)")]
    [InlineData("R18 inheritance", "create table vault.planted () inherits (vault.subject); comment on table vault.planted is 'local'")]
    public async Task The_lint_sees(string rule, string planted)
    {
        await using var vault = NpgsqlDataSource.Create(databases.VaultAdmin);
        await using (var plant = vault.CreateCommand(planted)) await plant.ExecuteNonQueryAsync();
        try
        {
            Assert.Contains(await SchemaLint.RunAsync(vault), finding => finding.Rule.StartsWith(rule, StringComparison.Ordinal));
        }
        finally
        {
            await using var weed = vault.CreateCommand(
                "drop view if exists analytics_insight.planted; drop table if exists vault.planted cascade; drop function if exists vault.planted_f cascade");
            await weed.ExecuteNonQueryAsync();
        }
    }

    [Fact]
    public async Task Migrating_again_changes_nothing()
    {
        await VaultMigrator.MigrateAsync(databases.VaultAdmin, databases.KeysAdmin, DataVault.Testing.Repository.Policy);
        await using var vault = NpgsqlDataSource.Create(databases.VaultAdmin);
        Assert.Empty(await SchemaLint.RunAsync(vault));
    }
}
