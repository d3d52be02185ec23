using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Versions of the policy, which of them was in force when, and which processes serve by which.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122110060_PolicyVersions")]
internal sealed class PolicyVersions : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.policy_version (
            version  bytea primary key,
            files    bytea not null,
            added_at timestamptz not null
        );
        alter table vault.policy_version alter column files set storage external;
        comment on table vault.policy_version is 'local: the files of every version that was ever in force';

        create table vault.policy_activation (
            sequence  bigint primary key,
            version   bytea not null,
            at        timestamptz not null,
            actor     text not null,
            log_index bigint
        );
        comment on table vault.policy_activation is 'local: which version was put in force when; the last one is';

        create table vault.policy_id (
            kind text not null,
            id   int not null,
            name text not null,
            primary key (kind, id)
        );
        comment on table vault.policy_id is 'local: what each number of any version stood for; it never stands for anything else';

        create table vault.policy_process (
            process    uuid primary key,
            sequence   bigint not null,
            renewed_at timestamptz not null
        );
        comment on table vault.policy_process is 'local: by which activation each process serves, and since when it has not looked for another';

        grant select, insert, update on vault.policy_version to dv_vault;
        grant select, insert on vault.policy_activation, vault.policy_id to dv_vault;
        grant select, insert, update, delete on vault.policy_process to dv_vault;
        """);
}
