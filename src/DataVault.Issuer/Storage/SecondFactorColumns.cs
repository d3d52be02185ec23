using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Codes of authenticator apps and what stands in for them, in the account's row and under its seal..</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130061_SecondFactorColumns")]
internal sealed class SecondFactorColumns : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        ALTER TABLE issuer.account ADD COLUMN code_secret_sealed bytea;
        ALTER TABLE issuer.account ADD COLUMN code_step bigint;
        ALTER TABLE issuer.account ADD COLUMN recovery_hashes bytea;
        """);
}
