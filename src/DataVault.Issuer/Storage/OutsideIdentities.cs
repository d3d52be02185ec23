using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Customers who sign in at a provider of somebody else: a keyed hash of issuer and subject, and the customer.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130080_OutsideIdentities")]
internal sealed class OutsideIdentities : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        CREATE TABLE issuer.outside_link (
            id         uuid PRIMARY KEY,
            subject_id uuid NOT NULL,
            created_at timestamptz NOT NULL,
            seal       bytea NOT NULL
        );
        CREATE INDEX outside_link_subject ON issuer.outside_link (subject_id);
        COMMENT ON TABLE issuer.outside_link IS 'local';
        GRANT SELECT, INSERT, UPDATE, DELETE ON issuer.outside_link TO dv_issuer;
        """);
}
