using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Which acts outside this database were confirmed in the log: a row comes with the entry, in one transaction, so that no act is confirmed twice.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122110031_ConfirmedActs")]
internal sealed class ConfirmedActs : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table audit.confirmed (
            id uuid primary key
        );
        comment on table audit.confirmed is 'local';
        grant select, insert on audit.confirmed to dv_vault;
        """);
}
