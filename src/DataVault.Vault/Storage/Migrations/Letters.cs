using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Letters to people about their requests: messages that also go out.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140020_Letters")]
internal sealed class Letters : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.message
            add column request_id uuid,
            add column letter     text,
            add column way        text,
            add column gone_at    timestamptz,
            add column log_index  bigint;
        create index message_letter on vault.message (message_id) where letter is not null;
        create index message_request on vault.message (request_id) where letter is not null;
        create index message_way on vault.message (way, message_id) where way in ('mail', 'post');
        """);
}
