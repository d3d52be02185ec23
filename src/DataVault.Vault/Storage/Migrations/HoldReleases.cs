using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Why a hold was released, sealed like the case that it was placed for.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122110041_HoldReleases")]
internal sealed class HoldReleases : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("alter table vault.hold add column release_ref bytea;");
}
