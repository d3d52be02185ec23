using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>The tables of the database <c>keys</c>. It stays small and is never distributed, so every table is local.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122000001_KeysInitial")]
internal sealed class KeysInitial : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(Tables);
        migrationBuilder.Sql(Grants);
    }

    private const string Tables =
        """
        do $$
        begin
            if not exists (select from pg_roles where rolname = 'dv_keys') then create role dv_keys nologin; end if;
        exception when duplicate_object or unique_violation then null;
        end $$;
        create schema if not exists keys;
        revoke all on schema public from public;
        comment on table keys.migration is 'local';

        create table keys.vault_key (
            version    int primary key,
            vault_id   uuid not null,
            wrapped    bytea not null,
            created_at timestamptz not null
        );
        comment on table keys.vault_key is 'local';

        create table keys.epoch (
            epoch_id     int primary key,
            wrapped      bytea,
            commitment   bytea not null,
            created_at   timestamptz not null,
            destroyed_at timestamptz
        );
        comment on table keys.epoch is 'local';

        create table keys.page (
            page_id    bigint primary key,
            generation int not null,
            epoch_id   int not null,
            wrapped    bytea not null,
            count      int not null
        );
        create index page_room on keys.page (page_id) where count < 256;
        comment on table keys.page is 'local';

        create table keys.subject_key (
            subject_id  uuid primary key,
            page_id     bigint not null,
            key_version int not null,
            wrapped     bytea not null
        );
        create index subject_key_page on keys.subject_key (page_id);
        comment on table keys.subject_key is 'local';

        create table keys.tombstone (
            subject_hash bytea primary key,
            commitment   bytea not null,
            page_id      bigint not null,
            generation   int not null,
            epoch_id     int not null,
            at           timestamptz not null
        );
        comment on table keys.tombstone is 'local';
        """;

    private const string Grants =
        """
        grant usage on schema keys to dv_keys;
        grant select, insert on keys.vault_key, keys.tombstone to dv_keys;
        grant select, insert, update on keys.epoch, keys.page to dv_keys;
        grant select, insert, update, delete on keys.subject_key to dv_keys;
        grant select on keys.migration to dv_keys;
        """;
}
