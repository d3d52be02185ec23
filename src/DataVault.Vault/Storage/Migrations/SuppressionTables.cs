using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Marks of identifiers of those who were erased, so that nobody takes them in again from an old file.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122150020_SuppressionList")]
internal sealed class SuppressionTable : Migration
{
    // What was lifted stays as a row without a token until its day: a journal that is a moment behind does not bring it back.
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.suppression (
            group_id   uuid not null,
            number     int not null,
            epoch      int,
            token      bytea,
            expires_on date not null,
            seal       bytea not null,
            primary key (group_id, number)
        );
        create index suppression_token on vault.suppression (token) where token is not null;
        create index suppression_epoch on vault.suppression (epoch) where token is not null;
        create index suppression_expiry on vault.suppression (expires_on);
        comment on table vault.suppression is 'local: keyed slow hashes of identifiers of the erased, names nobody';
        grant select, insert, update, delete on vault.suppression to dv_vault;
        """);
}
