using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>By which the officer's desk lists consents in one state, and those that nobody can show the notice of, a page at a time, however many there are.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122150040_DeskConsentIndexes")]
internal sealed class DeskConsentIndexes : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create index consent_event_state on vault.consent_event (purpose_id, (case when state = 6 then 1 else state end), at, log_index);
        create index consent_event_unproven on vault.consent_event (purpose_id, at, log_index) where notice_hash is null and state in (1, 6);
        """);
}
