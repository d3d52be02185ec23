using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>The register of breaches. The vault's own login adds steps and changes none.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140050_BreachRegister")]
internal sealed class BreachRegister : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.breach_step (
            breach_id  uuid not null,
            step       integer not null check (step > 0),
            kind       text not null,
            at         timestamptz not null,
            by_account text not null,
            log_index  bigint not null,
            sealed     bytea not null,
            seal       bytea not null,
            primary key (breach_id, step)
        );
        comment on table vault.breach_step is 'local: a breach is not of one person; what a step says is sealed under a key of the vault';

        grant select, insert on vault.breach_step to dv_vault;
        """);
}
