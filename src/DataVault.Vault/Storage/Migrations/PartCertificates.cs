using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>The certificate of a part that was erased while holds keep the rest: it stands with the request, and names nobody.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122150031_PartCertificates")]
internal sealed class PartCertificates : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql("alter table vault.request add column part_index bigint, add column part_certificate text;");
}
