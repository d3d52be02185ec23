using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What put each version of the policy in force, under a key of the vault: what somebody else writes there puts nothing in force.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122130030_PolicySeals")]
internal sealed class PolicySeals : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.policy_activation add column replaces bigint, add column seal bytea;
        update vault.policy_activation a set replaces = (select max(b.sequence) from vault.policy_activation b where b.sequence < a.sequence);
        grant update (seal), delete on vault.policy_activation to dv_vault;
        """);
}

/// <summary>The newest version that any process has served by stands where whoever changes activations cannot take it back.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122130030_PolicyMemory")]
internal sealed class PolicyMemoryTable : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table keys.policy_memory (
            id        int primary key check (id = 1),
            sequence  bigint not null,
            version   bytea not null,
            seal      bytea not null,
            log_index bigint,
            at        timestamptz not null
        );
        comment on table keys.policy_memory is 'local: the newest activation of a policy that any process has followed';
        grant select, insert, update on keys.policy_memory to dv_keys;
        """);
}
