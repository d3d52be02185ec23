using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What an upgrade does once, remembered where whoever writes into the vault database cannot make it be done again.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122110200_OnceMarks")]
internal sealed class OnceMarks : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table keys.once (
            what text primary key,
            at   timestamptz not null
        );
        comment on table keys.once is 'local: what an upgrade has done and must not do again';
        grant select, insert on keys.once to dv_keys;
        """);
}
