using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Controllers whose processor the vault is, and what they asked for by OpenDSR. Nobody is named: a row leads to a request, which leads to the person while there is one.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140040_OpenDsrTables")]
internal sealed class OpenDsrTables : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.opendsr_controller (
            client_id      text primary key,
            callback_hosts text[] not null,
            registered_at  timestamptz not null,
            seal           bytea not null
        );
        comment on table vault.opendsr_controller is 'ref';

        create table vault.opendsr_request (
            controller  text not null,
            dsr_id      uuid not null,
            request_id  uuid,
            kind        text not null,
            received_at timestamptz not null,
            expected_at timestamptz not null,
            began_at    timestamptz,
            ended_at    timestamptz,
            cancelled   boolean not null default false,
            outcome     text,
            told        text not null,
            body_mac    bytea not null,
            callbacks   bytea not null,
            seal        bytea not null,
            primary key (controller, dsr_id)
        );
        create index opendsr_request_open on vault.opendsr_request (received_at) where told in ('pending', 'in_progress');
        create index opendsr_request_ended on vault.opendsr_request (kind, ended_at) where request_id is not null;
        comment on table vault.opendsr_request is 'local: numbers of requests, nobody is named';

        grant select, insert, update, delete on vault.opendsr_controller, vault.opendsr_request to dv_vault;
        """);
}
