using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>When somebody is to be looked at for what has been kept long enough, and what the sweeps did.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122130090_RetentionSweeps")]
internal sealed class RetentionSweeps : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.retention_look (
            subject_id uuid primary key,
            look_at    timestamptz not null,
            active_at  timestamptz not null,
            rules      bytea not null,
            seal       bytea not null
        );
        create index retention_look_at on vault.retention_look (look_at);
        comment on table vault.retention_look is 'dist:subject_id';

        create table vault.retention_run (
            run_id      uuid primary key,
            dry         boolean not null,
            asked_by    text,
            started_at  timestamptz not null,
            updated_at  timestamptz not null,
            finished_at timestamptz,
            position    uuid not null,
            looked      bigint not null default 0,
            people      bigint not null default 0,
            field_values bigint not null default 0,
            events      bigint not null default 0,
            erasures    bigint not null default 0,
            frozen      bigint not null default 0,
            failed      bigint not null default 0,
            by_rule     jsonb not null default '{}'
        );
        create index retention_run_open on vault.retention_run (started_at) where finished_at is null;
        comment on table vault.retention_run is 'local: counts, nobody is named';

        grant select, insert, update, delete on vault.retention_look, vault.retention_run to dv_vault;
        """);
}
