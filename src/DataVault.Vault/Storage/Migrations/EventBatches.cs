using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Which events were written together, so that the log can say of all of them at once what they were; and what is left of erased ones.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122100070_EventBatches")]
internal sealed class EventBatches : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.event add column batch uuid;

        create table vault.event_gone (
            leaf       bytea primary key,
            batch      uuid not null,
            commitment bytea not null
        );
        create index event_gone_commitment on vault.event_gone (commitment);
        comment on table vault.event_gone is 'dist:leaf: hashes of sealed events that were erased, by the commitment of the key that went with them; they name nobody';
        grant select, insert on vault.event_gone to dv_vault;
        """);
}
