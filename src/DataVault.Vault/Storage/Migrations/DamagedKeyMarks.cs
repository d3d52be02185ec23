using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Keys that do not open are set aside, and rotations that failed are tried again by themselves.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122110020_DamagedKeyMarks")]
internal sealed class DamagedKeyMarks : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table keys.page add column damaged_at timestamptz, add column damage_told boolean not null default false;
        create index page_damaged on keys.page (page_id) where damaged_at is not null;
        alter table keys.index_epoch add column damaged_at timestamptz, add column damage_told boolean not null default false;
        alter table keys.rotation add column failures int not null default 0, add column retry_at timestamptz;
        """);
}

/// <summary>People whose record still names a hold that has ended: their records did not open when it did.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122110021_HoldsBehind")]
internal sealed class HoldsBehind : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.hold_subject add column behind boolean not null default false;
        create index hold_subject_behind on vault.hold_subject (subject_id) where behind;
        grant update (behind) on vault.hold_subject to dv_vault;
        """);
}
