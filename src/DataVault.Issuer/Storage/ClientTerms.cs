using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>From where, until when, and whom to ask. No row that stands has any of it, and so keeps its seal.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130081_ClientTerms")]
internal sealed class ClientTerms : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        ALTER TABLE issuer.client
            ADD COLUMN allowed_networks text[] NOT NULL DEFAULT '{}',
            ADD COLUMN expires_at       timestamptz,
            ADD COLUMN contact_sealed   bytea;
        """);
}
