using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Letters to people about their requests: messages that also go out.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140020_Letters")]
internal sealed class Letters : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.message
            add column request_id uuid,
            add column letter     text,
            add column way        text,
            add column gone_at    timestamptz,
            add column log_index  bigint;
        create index message_letter on vault.message (message_id) where letter is not null;
        create index message_request on vault.message (request_id) where letter is not null;
        create index message_way on vault.message (way, message_id) where way in ('mail', 'post');
        """);
}

/// <summary>Letters that reach people after they have been erased.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140021_PartingLetters")]
internal sealed class PartingLetterRows : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.parting_letter (
            letter_id  uuid primary key,
            request_id uuid not null,
            letter     text not null,
            way        text not null,
            let_out    boolean not null default false,
            log_index  bigint not null,
            created_at timestamptz not null,
            expires_at timestamptz not null,
            sealed     bytea not null
        );
        create index parting_letter_request on vault.parting_letter (request_id);
        create index parting_letter_expiry on vault.parting_letter (expires_at);
        comment on table vault.parting_letter is 'local: names nobody, each under a key of its own, gone once sent';

        create table vault.digest (
            day       date not null,
            recipient bytea not null,
            primary key (day, recipient)
        );
        comment on table vault.digest is 'local: to which officers the day''s reminder was written, by a digest of the address';
        grant select, insert, update, delete on vault.parting_letter, vault.digest to dv_vault;
        """);
}

/// <summary>In the database <c>keys</c>: the keys of such letters, one each.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122140022_LetterKeys")]
internal sealed class LetterKeys : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table keys.letter_key (
            letter_id uuid primary key,
            wrapped   bytea not null,
            made_at   timestamptz not null
        );
        create index letter_key_age on keys.letter_key (made_at);
        comment on table keys.letter_key is 'local: keys of letters to people who are being erased, gone once sent';
        grant select, insert, delete on keys.letter_key to dv_keys;
        """);
}
