using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Who reset what of an account, under its seal: two people for the two.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130120_ResetColumns")]
internal sealed class ResetColumns : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        ALTER TABLE issuer.account ADD COLUMN password_reset_by text[] NOT NULL DEFAULT '{}';
        ALTER TABLE issuer.account ADD COLUMN factor_reset_by text[] NOT NULL DEFAULT '{}';
        """);
}
