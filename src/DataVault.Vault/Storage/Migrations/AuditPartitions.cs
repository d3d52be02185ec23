using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>
/// Cuts the log's tables into partitions by index, which is by time, and gives officers a search that is made of them: each distinct combination of type,
/// actor, purpose, result and items is a <em>shape</em>, an entry refers to its shape, and a <em>segment</em> (65,536 entries of one day at most) counts
/// its entries by shape. What the log itself holds is attached as the first partition, not copied; what is made from it is made again.
/// </summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122100081_AuditPartitions")]
internal sealed class AuditPartitions : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(Parents);
        migrationBuilder.Sql(Search);
        migrationBuilder.Sql(Partitions);
        migrationBuilder.Sql(Grants);
    }

    // A running server waits at the lock for the length of this transaction; nothing is rewritten.
    private const string Parents =
        """
        lock table audit.head, audit.batch, audit.detail, audit.checkpoint in access exclusive mode;

        alter table audit.batch rename to batch_000000;
        alter index audit.batch_pkey rename to batch_000000_pkey;
        create table audit.batch (like audit.batch_000000 including defaults including constraints including storage, primary key (first_index))
            partition by range (first_index);
        comment on table audit.batch is 'local';

        alter table audit.detail rename to detail_000000;
        alter index audit.detail_pkey rename to detail_000000_pkey;
        alter index audit.detail_subject rename to detail_000000_subject;
        create table audit.detail (like audit.detail_000000 including defaults, primary key (index)) partition by range (index);
        create index detail_subject on audit.detail (subject_id) where subject_id is not null;
        comment on table audit.detail is 'local';

        alter table audit.checkpoint rename to checkpoint_000000;
        alter index audit.checkpoint_pkey rename to checkpoint_000000_pkey;
        create table audit.checkpoint (like audit.checkpoint_000000 including defaults, primary key (size)) partition by range (size);
        comment on table audit.checkpoint is 'local';

        create table audit.bulk (
            index bigint primary key,
            tags  bytea not null check (length(tags) > 0 and length(tags) % 16 = 0)
        ) partition by range (index);
        alter table audit.bulk alter column tags set storage external;
        comment on table audit.bulk is 'local: whom an entry about several persons is about; their tags lead to the root in the entry';
        comment on table audit.tile is 'local: full tiles; those over entries that were pruned are all that is left of them';
        """;

    private const string Search =
        """
        drop table audit.entry_index;
        create table audit.entry_index (
            index   bigint primary key,
            at      timestamptz not null,
            shape   int not null,
            subject uuid
        ) partition by range (index);
        create index entry_index_subject on audit.entry_index (subject, index) where subject is not null;
        create index entry_index_shape on audit.entry_index (shape, index);
        comment on table audit.entry_index is 'local: a lookup aid, made again from audit.batch at will';

        create table audit.bulk_member (
            subject uuid not null,
            index   bigint not null,
            primary key (subject, index)
        ) partition by range (index);
        comment on table audit.bulk_member is 'local: a lookup aid, made again from audit.bulk at will';

        create table audit.shape (
            code    int primary key,
            digest  uuid not null unique,
            type    int not null,
            actor   uuid not null,
            purpose text not null,
            result  smallint not null,
            items   int[] not null
        );
        create index shape_actor on audit.shape (actor);
        comment on table audit.shape is 'local: a lookup aid: what entries have in common';

        create table audit.segment (
            first_index bigint primary key,
            end_index   bigint not null,
            first_at    timestamptz not null,
            day         date not null
        );
        comment on table audit.segment is 'local: a lookup aid';

        create table audit.tally (
            first_index bigint not null,
            shape       int not null,
            entries     int not null,
            primary key (first_index, shape)
        );
        create index tally_shape on audit.tally (shape, first_index);
        comment on table audit.tally is 'local: a lookup aid: entries of a segment by shape';

        create table audit.index_state (
            id            int primary key check (id = 1),
            version       int not null,
            generation    int not null,
            next_index    bigint not null,
            next_shape    int not null,
            segment_first bigint not null
        );
        insert into audit.index_state values (1, 1, 1, 0, 0, 0);
        comment on table audit.index_state is 'local';

        create table audit.pruned (
            below     bigint primary key,
            root      bytea not null,
            log_index bigint not null,
            at        timestamptz not null
        );
        comment on table audit.pruned is 'local: entries below that are no longer in the database, by the entry of the log that says so';
        """;

    // The server may not change the schema, yet the log must not stop at the end of a partition: a function of the owner that takes no argument and can do
    // nothing but make the next ones. A table is made first and then attached, which unlike "partition of" does not wait for those who read.
    private const string Partitions =
        """
        create table audit.span (
            number      int primary key,
            first_index bigint not null,
            end_index   bigint not null
        );
        comment on table audit.span is 'local: the partitions that the log''s tables have in common';

        create function audit.add_span(first bigint, until bigint) returns void language plpgsql as $$
        declare
            next int := coalesce((select max(number) + 1 from audit.span), 0);
            parent text;
            part text;
        begin
            foreach parent in array array['batch', 'detail', 'checkpoint', 'bulk', 'entry_index', 'bulk_member'] loop
                part := parent || '_' || lpad(next::text, 6, '0');
                if to_regclass('audit.' || part) is null then execute format('create table audit.%I (like audit.%I including all)', part, parent); end if;
                execute format('alter table audit.%I attach partition audit.%I for values from (%s) to (%s)', parent, part, first, until);
            end loop;
            insert into audit.span (number, first_index, end_index) values (next, first, until);
        end $$;
        revoke all on function audit.add_span(bigint, bigint) from public;

        create function audit.add_partitions() returns int language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '2s' as $$
        declare
            width constant bigint := 4194304;
            made int := 0;
            reached bigint;
        begin
            if (select max(end_index) from audit.span) >= (select size from audit.head where log_id = 1) + width then return 0; end if;
            lock table audit.span in exclusive mode;
            loop
                select max(end_index) into reached from audit.span;
                exit when reached >= (select size from audit.head where log_id = 1) + width;
                perform audit.add_span(reached, reached + width);
                made := made + 1;
            end loop;
            return made;
        end $$;
        revoke all on function audit.add_partitions() from public;

        do $$ declare width constant bigint := 4194304;
        begin
            perform audit.add_span(0, ((select size from audit.head where log_id = 1) / width + 1) * width);
            perform audit.add_partitions();
        end $$;
        """;

    private const string Grants =
        """
        grant execute on function audit.add_partitions() to dv_vault;
        grant select, insert on audit.batch, audit.checkpoint, audit.bulk, audit.bulk_member, audit.entry_index, audit.shape, audit.segment, audit.tally to dv_vault;
        grant select, insert, delete on audit.detail to dv_vault;
        grant select, update on audit.index_state to dv_vault;
        grant select on audit.pruned, audit.span to dv_vault;
        """;
}
