using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>In which form each item of an approval was agreed to. An approval of before has none, and is asked for again.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122130050_ApprovalForms")]
internal sealed class ApprovalForms : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("alter table vault.approval add column forms smallint[] not null default '{}';");
}
