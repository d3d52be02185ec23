using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Issuer.Storage;

/// <summary>
/// First schema. Every secret stands hashed (codes, tokens, sessions, client secrets) or sealed (addresses, signing keys, key ring); nothing
/// here says who a person is. Tables are local: none grows with the number of customers beyond one small row for each that signs in.
/// </summary>
[DbContext(typeof(IssuerDbContext))]
[Migration("20261122000000_CreateIssuer")]
internal sealed class CreateIssuer : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(Role);
        migrationBuilder.Sql(Accounts);
        migrationBuilder.Sql(Protocol);
        migrationBuilder.Sql(Keys);
        migrationBuilder.Sql(Grants);
    }

    // Roles belong to the whole cluster; another database's migration may be making the same one at this moment.
    private const string Role = """
        DO $$ BEGIN
            CREATE ROLE dv_issuer NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$;
        """;

    private const string Accounts = """
        CREATE TABLE issuer.account (
            id                   uuid PRIMARY KEY,
            user_name            text NOT NULL,
            handle               text NOT NULL UNIQUE,
            realm                text NOT NULL CHECK (realm IN ('staff', 'customer')),
            roles                text[] NOT NULL,
            subject_id           uuid UNIQUE,
            email_sealed         bytea NOT NULL,
            password_hash        text,
            one_time_until       timestamptz,
            security_stamp       text,
            concurrency_stamp    text,
            two_factor_enabled   boolean NOT NULL,
            lockout_end          timestamptz,
            lockout_enabled      boolean NOT NULL,
            access_failed_count  int NOT NULL,
            created_at           timestamptz NOT NULL,
            CHECK ((realm = 'customer') = (subject_id IS NOT NULL))
        );
        CREATE TABLE issuer.account_token (
            user_id        uuid NOT NULL REFERENCES issuer.account ON DELETE CASCADE,
            login_provider text NOT NULL,
            name           text NOT NULL,
            value          text,
            PRIMARY KEY (user_id, login_provider, name)
        );
        CREATE TABLE issuer.account_passkey (
            credential_id bytea PRIMARY KEY,
            user_id       uuid NOT NULL REFERENCES issuer.account ON DELETE CASCADE,
            data          jsonb NOT NULL
        );
        CREATE INDEX account_passkey_user ON issuer.account_passkey (user_id);
        CREATE TABLE issuer.sign_in_attempt (
            handle   text PRIMARY KEY,
            failures int NOT NULL,
            until    timestamptz NOT NULL
        );
        CREATE TABLE issuer.session (
            id             uuid PRIMARY KEY,
            token_hash     bytea NOT NULL UNIQUE,
            account_id     uuid NOT NULL REFERENCES issuer.account ON DELETE CASCADE,
            security_stamp text NOT NULL,
            assurance      int NOT NULL,
            auth_time      timestamptz NOT NULL,
            seen_at        timestamptz NOT NULL,
            expires_at     timestamptz NOT NULL
        );
        CREATE INDEX session_account ON issuer.session (account_id);
        """;

    private const string Protocol = """
        CREATE TABLE issuer.client (
            client_id             text PRIMARY KEY,
            name                  text NOT NULL,
            roles                 text[] NOT NULL,
            purposes              text[] NOT NULL,
            grant_types           text[] NOT NULL,
            redirect_uris         text[] NOT NULL,
            sign_out_uris         text[] NOT NULL,
            secret_hash           bytea NOT NULL,
            former_secret_hash    bytea,
            former_secret_until   timestamptz,
            created_at            timestamptz NOT NULL
        );
        CREATE TABLE issuer.authorisation (
            id             uuid PRIMARY KEY,
            client_id      text NOT NULL REFERENCES issuer.client ON DELETE CASCADE,
            account_id     uuid NOT NULL REFERENCES issuer.account ON DELETE CASCADE,
            session_id     uuid NOT NULL,
            security_stamp text NOT NULL,
            scope          text NOT NULL,
            assurance      int NOT NULL,
            auth_time      timestamptz NOT NULL,
            expires_at     timestamptz NOT NULL,
            revoked_at     timestamptz
        );
        CREATE INDEX authorisation_account ON issuer.authorisation (account_id);
        CREATE INDEX authorisation_session ON issuer.authorisation (session_id);
        CREATE INDEX authorisation_client ON issuer.authorisation (client_id);
        CREATE TABLE issuer.code (
            hash             bytea PRIMARY KEY,
            authorisation_id uuid NOT NULL REFERENCES issuer.authorisation ON DELETE CASCADE,
            redirect_uri     text NOT NULL,
            challenge        text NOT NULL,
            nonce            text,
            expires_at       timestamptz NOT NULL,
            used_at          timestamptz
        );
        CREATE INDEX code_authorisation ON issuer.code (authorisation_id);
        CREATE TABLE issuer.refresh_token (
            hash             bytea PRIMARY KEY,
            authorisation_id uuid NOT NULL REFERENCES issuer.authorisation ON DELETE CASCADE,
            expires_at       timestamptz NOT NULL,
            used_at          timestamptz
        );
        CREATE INDEX refresh_token_authorisation ON issuer.refresh_token (authorisation_id);
        CREATE TABLE issuer.revocation (
            key   text PRIMARY KEY,
            until timestamptz NOT NULL
        );
        """;

    private const string Keys = """
        CREATE TABLE issuer.signing_key (
            kid            text PRIMARY KEY,
            public_key     bytea NOT NULL,
            private_sealed bytea NOT NULL,
            active_from    timestamptz NOT NULL,
            retires_at     timestamptz NOT NULL,
            expires_at     timestamptz NOT NULL
        );
        CREATE TABLE issuer.data_protection_key (
            name text PRIMARY KEY,
            xml  text NOT NULL
        );
        """;

    private const string Grants = """
        DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'issuer' LOOP
                EXECUTE format('COMMENT ON TABLE issuer.%I IS ''local''', name);
            END LOOP;
        END $$;
        REVOKE ALL ON SCHEMA issuer FROM PUBLIC;
        GRANT USAGE ON SCHEMA issuer TO dv_issuer;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA issuer TO dv_issuer;
        REVOKE INSERT, UPDATE, DELETE ON issuer.migration FROM dv_issuer;
        """;
}
