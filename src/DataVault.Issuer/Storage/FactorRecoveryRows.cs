using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Second factors of customers that are to be taken away, after a time in which their owner can stop it.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122150062_FactorRecoveryRows")]
internal sealed class FactorRecoveryRows : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        CREATE TABLE issuer.factor_recovery (
            account_id   uuid PRIMARY KEY REFERENCES issuer.account (id) ON DELETE CASCADE,
            id           uuid NOT NULL UNIQUE,
            method       text NOT NULL,
            officer_id   text NOT NULL,
            officer_name text NOT NULL,
            asked_at     timestamptz NOT NULL,
            due_at       timestamptz NOT NULL,
            stop_hash    bytea NOT NULL UNIQUE,
            seal         bytea NOT NULL
        );
        COMMENT ON TABLE issuer.factor_recovery IS 'local';
        GRANT SELECT, INSERT, UPDATE, DELETE ON issuer.factor_recovery TO dv_issuer;
        """);
}
