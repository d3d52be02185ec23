using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Messages that are to be sent, and changes of an account's address: asked for, made, and for a while to be undone.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130100_EmailChanges")]
internal sealed class EmailChanges : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        CREATE TABLE issuer.letter (
            id         uuid PRIMARY KEY,
            account_id uuid NOT NULL REFERENCES issuer.account (id) ON DELETE CASCADE,
            sealed     bytea NOT NULL,
            attempts   integer NOT NULL DEFAULT 0,
            due_at     timestamptz NOT NULL,
            dead       boolean NOT NULL DEFAULT false
        );
        CREATE INDEX letter_due ON issuer.letter (due_at) WHERE NOT dead;
        CREATE INDEX letter_account ON issuer.letter (account_id);
        COMMENT ON TABLE issuer.letter IS 'local';
        CREATE TABLE issuer.email_change (
            id            uuid PRIMARY KEY,
            account_id    uuid NOT NULL REFERENCES issuer.account (id) ON DELETE CASCADE,
            next_sealed   bytea NOT NULL,
            former_sealed bytea NOT NULL,
            code_mac      bytea NOT NULL,
            stop_hash     bytea NOT NULL UNIQUE,
            code_until    timestamptz NOT NULL,
            stop_until    timestamptz NOT NULL,
            is_made       boolean NOT NULL DEFAULT false,
            tries         integer NOT NULL DEFAULT 0,
            seal          bytea NOT NULL
        );
        CREATE UNIQUE INDEX email_change_asked ON issuer.email_change (account_id) WHERE NOT is_made;
        CREATE INDEX email_change_account ON issuer.email_change (account_id);
        COMMENT ON TABLE issuer.email_change IS 'local';
        GRANT SELECT, INSERT, UPDATE, DELETE ON issuer.letter, issuer.email_change TO dv_issuer;
        """);
}
