using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>
/// What clients, sign-ins and codes carry for keys of clients (RFC 7523, RFC 9449), resources (RFC 8707) and consent. No row that stands has any of it, and so
/// keeps its seal. A <c>used_assertion</c> is what may be shown once: client assertions and proofs, by their hash, until they are too old anyway.
/// </summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122130070_ProtocolColumns")]
internal sealed class ProtocolColumns : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        ALTER TABLE issuer.client
            ADD COLUMN token_endpoint_auth_method text,
            ADD COLUMN jwks                       text,
            ADD COLUMN dpop_bound                 boolean NOT NULL DEFAULT false,
            ADD COLUMN resources                  text[] NOT NULL DEFAULT '{}',
            ADD COLUMN third_party                boolean NOT NULL DEFAULT false;
        ALTER TABLE issuer.authorisation
            ADD COLUMN amr            text[] NOT NULL DEFAULT '{}',
            ADD COLUMN key_thumbprint text,
            ADD COLUMN resource       text;
        ALTER TABLE issuer.code ADD COLUMN key_thumbprint text;
        CREATE TABLE issuer.used_assertion (
            hash  bytea PRIMARY KEY,
            until timestamptz NOT NULL
        );
        COMMENT ON TABLE issuer.used_assertion IS 'local';
        GRANT SELECT, INSERT, DELETE ON issuer.used_assertion TO dv_issuer;
        CREATE TABLE issuer.client_consent (
            account_id uuid NOT NULL REFERENCES issuer.account ON DELETE CASCADE,
            client_id  text NOT NULL REFERENCES issuer.client ON DELETE CASCADE,
            scope      text NOT NULL,
            given_at   timestamptz NOT NULL,
            seal       bytea NOT NULL,
            PRIMARY KEY (account_id, client_id)
        );
        COMMENT ON TABLE issuer.client_consent IS 'local';
        GRANT SELECT, INSERT, UPDATE, DELETE ON issuer.client_consent TO dv_issuer;
        """);
}
