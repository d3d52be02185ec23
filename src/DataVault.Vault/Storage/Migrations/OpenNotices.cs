using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>By which the officer's desk finds whom somebody has still to tell, however many were told.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140080_OpenNotices")]
internal sealed class OpenNotices : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        "create index recipient_notice_open on vault.recipient_notice (created_at) where state in ('queued', 'manual');");
}
