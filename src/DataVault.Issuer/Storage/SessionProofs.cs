using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>
/// What a session was signed in to with (RFC 8176), and on what kind of device. Sign-ins that were under way say neither and end here: people sign in again.
/// </summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130060_SessionProofs")]
internal sealed class SessionProofs : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        DELETE FROM issuer.session;
        DELETE FROM issuer.authorisation;
        ALTER TABLE issuer.session ADD COLUMN amr text[] NOT NULL;
        ALTER TABLE issuer.session ADD COLUMN device text NOT NULL;
        """);
}
