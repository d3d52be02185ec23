using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>How new rows have been that bear a seal, remembered where whoever puts an older one back cannot reach it.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122130010_NewestRows")]
internal sealed class NewestRows : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table keys.newest_row (
            name    bytea primary key,
            version bigint not null,
            pending bigint not null
        );
        comment on table keys.newest_row is 'local: of each sealed row of another database the version that it has reached, and the one that was last begun';
        grant select, insert, update on keys.newest_row to dv_keys;
        """);
}
