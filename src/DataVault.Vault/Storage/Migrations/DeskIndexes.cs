using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>By which the officer's desk finds open requests, those closed lately, and the consents that changed lately, however many there are.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140070_DeskIndexes")]
internal sealed class DeskIndexes : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create index request_open on vault.request (due_at) where completed_at is null;
        create index request_closed on vault.request (completed_at) where completed_at is not null;
        create index closed_request_open on vault.closed_request (due_at) where completed_at is null;
        create index closed_request_closed on vault.closed_request (completed_at) where completed_at is not null;
        create index consent_event_at on vault.consent_event using brin (at);
        """);
}
