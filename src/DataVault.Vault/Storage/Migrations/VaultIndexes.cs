using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Terms by epoch, and which epochs of each index are searched, written, and on their way out.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122100031_VaultIndexes")]
internal sealed class VaultIndexes : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(Terms);
        migrationBuilder.Sql(Plans);
        migrationBuilder.Sql(Grants);
    }

    // Epoch 0 is what a vault had before there were epochs.
    private const string Terms =
        """
        alter table vault.identifier add column epoch int not null default 0;
        alter table vault.search_term add column epoch int not null default 0;
        alter table vault.search_term drop constraint search_term_pkey;
        alter table vault.search_term add primary key (subject_id, index_id, epoch, term);
        drop index vault.search_term_term;
        create index search_term_bucket on vault.search_term (index_id, epoch, term);
        """;

    private const string Plans =
        """
        create table vault.index_plan (
            index_id        int primary key,
            signature       text not null,
            state           text not null,
            epoch           int,
            bits            int,
            partitions      int,
            epoch_at        timestamptz,
            next_epoch      int,
            next_bits       int,
            next_partitions int,
            old_epoch       int,
            done            bigint not null default 0,
            cursor          uuid,
            survey          bytea,
            surveyed_at     timestamptz,
            reason          text
        );
        comment on table vault.index_plan is 'ref';

        create table vault.index_head (
            head       smallint primary key,
            generation bigint not null
        );
        comment on table vault.index_head is 'ref';
        insert into vault.index_head values (1, 1);

        insert into vault.index_plan (index_id, signature, state, epoch, bits, partitions)
        select index_id, '', 'ready', 0, 128, 1 from (select index_id from vault.identifier union select index_id from vault.search_term) as had;
        """;

    private const string Grants =
        """
        grant select, insert, update, delete on vault.index_plan to dv_vault;
        grant select, update on vault.index_head to dv_vault;
        """;
}
