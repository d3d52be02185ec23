using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>A passkey decides who somebody is, so its row bears a seal. There was no way to register one before.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130062_SealedPasskeys")]
internal sealed class SealedPasskeys : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        DELETE FROM issuer.account_passkey;
        ALTER TABLE issuer.account_passkey ADD COLUMN seal bytea NOT NULL;
        """);
}
