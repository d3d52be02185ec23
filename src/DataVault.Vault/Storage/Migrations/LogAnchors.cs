using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What others say of the log's checkpoints: cosignatures of witnesses, and timestamps. Added to, never changed.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122100060_LogAnchors")]
internal sealed class LogAnchors : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table audit.cosignature (
            size    bigint not null,
            witness text not null,
            line    text not null,
            at      timestamptz not null,
            primary key (size, witness)
        );
        comment on table audit.cosignature is 'local';

        create table audit.timestamp (
            size  bigint primary key,
            note  text not null,
            token bytea not null,
            at    timestamptz not null
        );
        comment on table audit.timestamp is 'local';

        grant select, insert on audit.cosignature, audit.timestamp to dv_vault;
        """);
}
