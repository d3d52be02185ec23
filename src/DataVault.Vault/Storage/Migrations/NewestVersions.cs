using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>The newest version of each person's record, remembered where whoever rolls the record back cannot reach it.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122100071_NewestVersions")]
internal sealed class NewestVersions : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table keys.subject_key add column newest bigint not null default 0;

        create table keys.newest_mark (
            id         int primary key check (id = 1),
            done_until timestamptz not null,
            log_seen   bigint not null
        );
        comment on table keys.newest_mark is 'local: until when the versions of records have been remembered, and how far the log was searched for restores';
        grant select, insert, update on keys.newest_mark to dv_keys;
        """);
}
