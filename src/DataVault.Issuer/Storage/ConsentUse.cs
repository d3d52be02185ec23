using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>When an application last got tokens by what somebody allowed it: shown to that person, and nothing is decided by it, so that no seal holds it.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122150061_ConsentUse")]
internal sealed class ConsentUse : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("ALTER TABLE issuer.client_consent ADD COLUMN used_at timestamptz;");
}
