using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What recipients are told of rectifications, erasures and restrictions, and how that ended. A notice of an erasure bears the nil id: it names nobody.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140060_RecipientNotices")]
internal sealed class RecipientNotices : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.recipient_notice (
            subject_id uuid not null,
            notice_id  uuid not null,
            request_id uuid,
            kind       text not null,
            state      text not null,
            code       text,
            created_at timestamptz not null,
            changed_at timestamptz not null,
            sealed     bytea not null,
            seal       bytea not null,
            primary key (subject_id, notice_id)
        );
        create index recipient_notice_id on vault.recipient_notice (notice_id);
        create index recipient_notice_request on vault.recipient_notice (request_id);
        create index recipient_notice_newest on vault.recipient_notice (created_at, notice_id);
        comment on table vault.recipient_notice is 'dist:subject_id';

        grant select, insert, update, delete on vault.recipient_notice to dv_vault;
        """);
}
