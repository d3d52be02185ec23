using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Changes that were made and are not confirmed in the log yet: see <see cref="ChangeLedger"/>.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122110030_IssuerChanges")]
internal sealed class IssuerChanges : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        CREATE TABLE issuer.change (
            id           uuid PRIMARY KEY,
            intent       bigint NOT NULL,
            actor_realm  text,
            actor_id     text NOT NULL,
            actor_name   text NOT NULL,
            object_realm text,
            object_id    text NOT NULL,
            object_name  text NOT NULL,
            what         text NOT NULL,
            subject_id   uuid
        );
        COMMENT ON TABLE issuer.change IS 'local';
        GRANT SELECT, INSERT, DELETE ON issuer.change TO dv_issuer;
        """);
}
