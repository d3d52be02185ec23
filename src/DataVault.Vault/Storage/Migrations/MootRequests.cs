using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Requests that were open when their person was erased were counted as refused, which nobody had done.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122150030_MootRequests")]
internal sealed class MootRequests : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) =>
        migrationBuilder.Sql("update vault.closed_request set state = 'moot' where state = 'refused' and reason = 'subject-erased';");
}
