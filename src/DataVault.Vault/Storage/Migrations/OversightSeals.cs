using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What was agreed to, reviewed and alarmed of, under a key of the vault: what somebody else writes there shows, and agrees to nothing.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122130031_OversightSeals")]
internal sealed class OversightSeals : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.approval add column seal bytea;
        alter table vault.review add column seal bytea;
        alter table vault.alert add column seal bytea;
        """);
}

/// <summary>What must not be undone by putting rows back is kept where whoever writes into the vault database does not reach it.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122130031_OversightMemory")]
internal sealed class OversightMemoryTable : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table keys.kept (
            kind  text not null,
            id    bytea not null,
            number bigint not null default 0,
            value bytea not null default '',
            until timestamptz,
            primary key (kind, id)
        );
        create index kept_until on keys.kept (until) where until is not null;
        comment on table keys.kept is 'local: what oversight relies on and nobody may undo in the vault database, such as approvals that were used';
        grant select, insert, update, delete on keys.kept to dv_keys;
        """);
}
