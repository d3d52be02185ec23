using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Roots of their own beside the vault key, so that it can be replaced; keys of blind indexes by epoch; rotations as jobs.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122100010_KeyHierarchy")]
internal sealed class KeyHierarchy : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(Levels);
        migrationBuilder.Sql(Jobs);
        migrationBuilder.Sql(Grants);
    }

    // A vault made before has no roots yet: has_roots stays false until the first start makes them (docs/formats/keys.md §8.2).
    private const string Levels =
        """
        alter table keys.vault_key alter column wrapped drop not null;
        alter table keys.vault_key add column destroyed_at timestamptz, add column has_roots boolean not null default false, add column root_key text;

        alter table keys.epoch add column vault_key_version int not null default 1, add column complete_at timestamptz;

        alter table keys.subject_key add column previous bytea;
        create index subject_key_previous on keys.subject_key (subject_id) where previous is not null;

        create table keys.root (
            name              text not null,
            version           int not null,
            wrapped           bytea,
            vault_key_version int not null,
            created_at        timestamptz not null,
            destroyed_at      timestamptz,
            primary key (name, version)
        );
        comment on table keys.root is 'local';

        create table keys.index_epoch (
            index_id     int not null,
            epoch        int not null,
            state        text not null,
            wrapped      bytea,
            created_at   timestamptz not null,
            destroyed_at timestamptz,
            primary key (index_id, epoch)
        );
        comment on table keys.index_epoch is 'local';
        """;

    private const string Jobs =
        """
        create table keys.rotation (
            rotation_id uuid primary key,
            level       text not null,
            state       text not null,
            target      text not null,
            done        bigint not null,
            total       bigint not null,
            cursor      bytea,
            started_at  timestamptz not null,
            updated_at  timestamptz not null,
            finished_at timestamptz,
            error       text
        );
        create unique index rotation_open on keys.rotation (level, target) where finished_at is null;
        create index rotation_age on keys.rotation (started_at);
        comment on table keys.rotation is 'local';
        """;

    private const string Grants =
        """
        grant select, insert, update on keys.vault_key, keys.root, keys.index_epoch, keys.rotation to dv_keys;
        """;
}
