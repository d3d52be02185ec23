using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What was written of a hold, and of whom it is about, under a key of the vault: what somebody else writes there shows.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122120010_HoldSeals")]
internal sealed class HoldSeals : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.hold add column seal bytea;
        alter table vault.hold_subject add column seal bytea;
        grant update (behind, seal) on vault.hold_subject to dv_vault;
        """);
}

/// <summary>That the holds from before there were seals have been sealed as they stood stands where whoever changes holds cannot take it back.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122120010_HoldSealMark")]
internal sealed class HoldSealMark : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table keys.hold_seal_mark (
            id        int primary key check (id = 1),
            sealed_at timestamptz not null
        );
        comment on table keys.hold_seal_mark is 'local: when the holds from before there were seals were sealed as they stood';
        grant select, insert on keys.hold_seal_mark to dv_keys;
        """);
}
