using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>A client without a secret is a program on people's own machines (RFC 6749 §2.1: a public client).</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122110040_Programs")]
internal sealed class Programs : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("ALTER TABLE issuer.client ALTER COLUMN secret_hash DROP NOT NULL;");
}
