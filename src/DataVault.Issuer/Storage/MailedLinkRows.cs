using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>Wishes that are granted to whoever reads a mailbox: a customer's first account, another password. Messages about them go when they do.</summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122150060_MailedLinks")]
internal sealed class MailedLinkRows : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        CREATE TABLE issuer.mailed_link (
            id             uuid PRIMARY KEY,
            kind           text NOT NULL CHECK (kind IN ('join', 'password', 'made')),
            address_sealed bytea,
            account_id     uuid REFERENCES issuer.account (id) ON DELETE CASCADE,
            subject_id     uuid,
            value_hash     bytea UNIQUE,
            due_at         timestamptz NOT NULL,
            until          timestamptz NOT NULL,
            seal           bytea NOT NULL
        );
        CREATE INDEX mailed_link_due ON issuer.mailed_link (due_at) WHERE value_hash IS NULL;
        CREATE INDEX mailed_link_account ON issuer.mailed_link (account_id);
        CREATE INDEX mailed_link_subject ON issuer.mailed_link (subject_id);
        COMMENT ON TABLE issuer.mailed_link IS 'local';
        ALTER TABLE issuer.letter ALTER COLUMN account_id DROP NOT NULL;
        ALTER TABLE issuer.letter ADD COLUMN link_id uuid REFERENCES issuer.mailed_link (id) ON DELETE CASCADE;
        ALTER TABLE issuer.letter ADD CHECK (account_id IS NOT NULL OR link_id IS NOT NULL);
        CREATE INDEX letter_link ON issuer.letter (link_id);
        GRANT SELECT, INSERT, UPDATE, DELETE ON issuer.mailed_link TO dv_issuer;
        """);
}
