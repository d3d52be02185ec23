using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Index keys are wrapped by the epoch root, as pages are, so that an old copy of the keys database cannot bring a destroyed one back.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122100032_KeysIndexes")]
internal sealed class KeysIndexes : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) =>
        migrationBuilder.Sql("alter table keys.index_epoch add column key_epoch int not null default 0;");
}
