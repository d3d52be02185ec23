using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Legal holds, what must happen after a commit, and what an erasure needs until it is final.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122100040_HoldsAndOutbox")]
internal sealed class HoldsAndOutbox : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(Holds);
        migrationBuilder.Sql(Outbox);
        migrationBuilder.Sql(Finality);
        migrationBuilder.Sql(Grants);
    }

    private const string Holds =
        """
        create table vault.hold (
            hold_id     uuid primary key,
            authority   text not null,
            items       int[] not null,
            classes     int[] not null,
            purposes    int[] not null,
            case_ref    bytea,
            people      int not null,
            placed_by   text not null,
            placed_at   timestamptz not null,
            review_at   timestamptz not null,
            expires_at  timestamptz,
            released_by text,
            released_at timestamptz,
            log_index   bigint not null
        );
        create index hold_open on vault.hold (review_at) where released_at is null;
        comment on table vault.hold is 'local: legal holds; whom they are about stands in vault.hold_subject';

        create table vault.hold_subject (
            subject_id uuid not null,
            hold_id    uuid not null,
            primary key (subject_id, hold_id)
        );
        create index hold_subject_hold on vault.hold_subject (hold_id);
        comment on table vault.hold_subject is 'dist:subject_id';
        """;

    private const string Outbox =
        """
        create table vault.outbox (
            message_id uuid primary key,
            kind       text not null,
            recipient  text not null,
            sealed     bytea not null,
            created_at timestamptz not null,
            due_at     timestamptz not null,
            attempts   int not null default 0,
            failure    text
        );
        create index outbox_due on vault.outbox (due_at);
        comment on table vault.outbox is 'local: claimed with skip locked, which a distributed table cannot';
        """;

    private const string Finality =
        """
        alter table vault.closed_request add column epoch_id int, add column final_due timestamptz, add column final_index bigint, add column final_at timestamptz;
        create index closed_request_awaiting on vault.closed_request (epoch_id) where certificate is not null and final_at is null;

        create table vault.epoch_entry (
            epoch_id  int not null,
            type      int not null,
            log_index bigint not null,
            primary key (epoch_id, type)
        );
        comment on table vault.epoch_entry is 'local: which begun and destroyed key epochs stand in the log, and where';
        """;

    private const string Grants =
        """
        grant select, insert, update on vault.hold to dv_vault;
        grant select, insert, delete on vault.hold_subject to dv_vault;
        grant select, insert, update, delete on vault.outbox to dv_vault;
        grant select, insert on vault.epoch_entry to dv_vault;
        """;
}

/// <summary>In the database <c>keys</c>: a key that is made before the one that it takes the place of is destroyed.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122100040_SubjectSuccessor")]
internal sealed class SubjectSuccessor : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table keys.subject_key add column successor bytea;
        create index tombstone_commitment on keys.tombstone (commitment);
        """);
}
