using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>
/// The tables of the database <c>vault</c>. They obey what a distributed PostgreSQL asks (see <see cref="SchemaLint"/>): each names its class in its
/// comment; a subject's tables are keyed by the subject first; no triggers, sequences or foreign keys; values are computed by the application.
/// </summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122000001_VaultInitial")]
internal sealed class VaultInitial : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(Roles);
        migrationBuilder.Sql(Subjects);
        migrationBuilder.Sql(Rights);
        migrationBuilder.Sql(Bookkeeping);
        migrationBuilder.Sql(Audit);
        migrationBuilder.Sql(Grants);
    }

    private const string Roles =
        """
        do $$
        declare r text;
        begin
            foreach r in array array['dv_vault', 'dv_issuer', 'dv_analytics'] loop
                begin
                    if not exists (select from pg_roles where rolname = r) then execute format('create role %I nologin', r); end if;
                exception when duplicate_object or unique_violation then null;
                end;
            end loop;
        end $$;
        create schema if not exists vault;
        create schema if not exists audit;
        revoke all on schema public from public;
        comment on table vault.migration is 'local';
        """;

    private const string Subjects =
        """
        create table vault.subject (
            subject_id   uuid primary key,
            row_version  bigint not null,
            key_version  int not null,
            record       bytea not null,
            record_seal  bytea not null,
            facts        bytea not null,
            jurisdiction text not null,
            created_at   timestamptz not null,
            updated_at   timestamptz not null
        );
        comment on table vault.subject is 'dist:subject_id';
        alter table vault.subject alter column record set storage external, alter column facts set storage external;

        create table vault.history (
            subject_id  uuid not null,
            row_version bigint not null,
            changed_at  timestamptz not null,
            key_version int not null,
            sealed      bytea not null,
            primary key (subject_id, row_version)
        );
        comment on table vault.history is 'dist:subject_id';

        create table vault.identifier (
            lookup     bytea primary key,
            index_id   int not null,
            subject_id uuid not null
        );
        create index identifier_subject on vault.identifier (subject_id);
        comment on table vault.identifier is 'dist:lookup';

        create table vault.search_term (
            subject_id uuid not null,
            index_id   int not null,
            term       bytea not null,
            primary key (subject_id, index_id, term)
        );
        create index search_term_term on vault.search_term (term, index_id);
        comment on table vault.search_term is 'dist:subject_id';

        create table vault.event (
            subject_id  uuid not null,
            event_id    uuid not null,
            event_type  int not null,
            occurred_at timestamptz not null,
            recorded_at timestamptz not null,
            key_version int not null,
            sealed      bytea not null,
            primary key (subject_id, event_id)
        );
        create index event_time on vault.event (subject_id, occurred_at);
        comment on table vault.event is 'dist:subject_id';

        create table vault.consent_event (
            subject_id     uuid not null,
            sequence       bigint not null,
            purpose_id     int not null,
            state          smallint not null,
            at             timestamptz not null,
            notice_version text,
            channel        text,
            expires        timestamptz,
            log_index      bigint not null,
            primary key (subject_id, sequence)
        );
        create index consent_event_expiry on vault.consent_event (expires) where expires is not null;
        comment on table vault.consent_event is 'dist:subject_id';
        """;

    private const string Rights =
        """
        create table vault.request (
            subject_id         uuid not null,
            request_id         uuid not null,
            kind               text not null,
            state              text not null,
            jurisdiction       text not null,
            opened_at          timestamptz not null,
            due_at             timestamptz not null,
            extended_at        timestamptz,
            completed_at       timestamptz,
            reason             text,
            opened_by          text not null,
            log_index          bigint not null,
            notes              bytea,
            package_key        bytea,
            package_expires_at timestamptz,
            work               bytea,
            primary key (subject_id, request_id)
        );
        create index request_id on vault.request (request_id);
        create index request_queue on vault.request (state, due_at);
        comment on table vault.request is 'dist:subject_id';

        create table vault.closed_request (
            request_id   uuid primary key,
            kind         text not null,
            state        text not null,
            jurisdiction text not null,
            opened_at    timestamptz not null,
            due_at       timestamptz not null,
            extended_at  timestamptz,
            completed_at timestamptz,
            reason       text,
            opened_by    text not null,
            log_index    bigint not null,
            work         bytea,
            certificate  text
        );
        comment on table vault.closed_request is 'local: what is left of the requests of an erased person, who is not named, and the certificate';

        create table vault.tombstone (
            subject_hash bytea primary key,
            at           timestamptz not null
        );
        comment on table vault.tombstone is 'local: erasures of the journal that this database has carried out';
        """;

    private const string Bookkeeping =
        """
        create table vault.idempotency (
            key          bytea primary key,
            request_hash bytea not null,
            status       int not null,
            body         bytea not null,
            created_at   timestamptz not null
        );
        create index idempotency_age on vault.idempotency (created_at);
        comment on table vault.idempotency is 'dist:key';

        create table vault.feed_queue (
            subject_id  uuid primary key,
            enqueued_at timestamptz not null,
            attempt     int not null default 0
        );
        create index feed_queue_age on vault.feed_queue (enqueued_at);
        comment on table vault.feed_queue is 'local: claimed with skip locked, which a distributed table cannot';

        create table vault.upkeep (
            task       text primary key,
            done_until timestamptz not null
        );
        comment on table vault.upkeep is 'local';
        """;

    private const string Audit =
        """
        create table audit.head (
            log_id   int primary key,
            size     bigint not null,
            root     bytea not null,
            frontier bytea not null,
            t_last   bigint not null
        ) with (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
        comment on table audit.head is 'local';
        insert into audit.head values (1, 0, sha256(''), '', 0);

        create table audit.batch (
            first_index bigint primary key,
            count       int not null check (count > 0),
            entries     bytea not null,
            leaf_hashes bytea not null
        );
        alter table audit.batch alter column entries set storage external, alter column leaf_hashes set storage external;
        comment on table audit.batch is 'local';

        create table audit.detail (
            index      bigint primary key,
            subject_id uuid,
            sealed     bytea not null
        );
        create index detail_subject on audit.detail (subject_id) where subject_id is not null;
        comment on table audit.detail is 'local';

        create table audit.entry_index (
            index       bigint primary key,
            at          timestamptz not null,
            type        int not null,
            actor_tag   bytea not null,
            subject_tag bytea,
            purpose     text not null,
            result      smallint not null,
            items       int[] not null
        );
        create index entry_index_subject on audit.entry_index (subject_tag, index) where subject_tag is not null;
        create index entry_index_actor on audit.entry_index (actor_tag, index);
        create index entry_index_type on audit.entry_index (type, index);
        create index entry_index_at on audit.entry_index using brin (at);
        comment on table audit.entry_index is 'local: a lookup aid, made again from audit.batch at will';

        create table audit.tile (
            level  int not null,
            n      bigint not null,
            hashes bytea not null,
            primary key (level, n)
        );
        alter table audit.tile alter column hashes set storage external;
        comment on table audit.tile is 'local: full tiles, made again from audit.batch at will';

        create table audit.checkpoint (
            size bigint primary key,
            note text not null,
            at   timestamptz not null
        );
        comment on table audit.checkpoint is 'local';

        create table audit.actor (
            tag  bytea primary key,
            name text not null,
            kind text not null
        );
        comment on table audit.actor is 'local: names of applications and roles, of no person';
        """;

    private const string Grants =
        """
        grant usage on schema vault, audit to dv_vault;
        grant select, insert, update, delete on vault.subject, vault.identifier, vault.search_term, vault.request, vault.idempotency, vault.feed_queue to dv_vault;
        grant select, insert, update on vault.upkeep to dv_vault;
        grant select, insert, delete on vault.history, vault.event, vault.consent_event to dv_vault;
        grant select, insert, update on vault.closed_request to dv_vault;
        grant select, insert on vault.tombstone to dv_vault;
        grant select on vault.migration to dv_vault;
        grant select, update on audit.head to dv_vault;
        grant select, insert on audit.batch, audit.checkpoint, audit.tile, audit.entry_index, audit.actor to dv_vault;
        grant select, insert, delete on audit.detail to dv_vault;
        """;
}
