using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Changes that wait to be confirmed say what the changed row has reached, under a seal. Those that are there are sealed at the next start (<see cref="FirstSealing"/>).</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130012_ChangeSeals")]
internal sealed class ChangeSeals : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        ALTER TABLE issuer.change ADD COLUMN version bigint NOT NULL DEFAULT 0, ADD COLUMN seal bytea;
        GRANT UPDATE ON issuer.change TO dv_issuer;
        """);
}
