using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>By what the vault knows a request again that it wrote itself.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122120060_RequestSealColumn")]
internal sealed class RequestSealColumn : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("alter table vault.request add column seal bytea;");
}
