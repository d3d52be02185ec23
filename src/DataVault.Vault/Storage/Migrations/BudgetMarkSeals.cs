using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What was counted in a window of a budget is bound to that window.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122130032_BudgetMarkSeals")]
internal sealed class BudgetMarkSeals : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("alter table vault.budget_mark add column seal bytea;");
}
