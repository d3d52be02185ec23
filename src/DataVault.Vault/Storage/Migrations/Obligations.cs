using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What releases are bound to: messages to people, reviews, approvals, budgets, and the alarms of those who touch what they should not.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122110080_Obligations")]
internal sealed class Obligations : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder)
    {
        migrationBuilder.Sql(OfPeople);
        migrationBuilder.Sql(OfOfficers);
        migrationBuilder.Sql(Budgets);
        migrationBuilder.Sql(Grants);
    }

    private const string OfPeople =
        """
        create table vault.message (
            subject_id uuid not null,
            message_id uuid not null,
            created_at timestamptz not null,
            sealed     bytea not null,
            primary key (subject_id, message_id)
        );
        comment on table vault.message is 'dist:subject_id';

        create table vault.approval (
            subject_id  uuid not null,
            approval_id uuid not null,
            actor_tag   uuid not null,
            purpose     text not null,
            items       int[] not null,
            state       text not null,
            asked_by    text not null,
            asked_at    timestamptz not null,
            expires_at  timestamptz not null,
            decided_by  text,
            decided_at  timestamptz,
            used_at     timestamptz,
            log_index   bigint not null,
            primary key (subject_id, approval_id)
        );
        create index approval_id on vault.approval (approval_id);
        create index approval_queue on vault.approval (state, expires_at);
        comment on table vault.approval is 'dist:subject_id';
        """;

    private const string OfOfficers =
        """
        create table vault.review (
            review_id    uuid primary key,
            actor_tag    uuid not null,
            subject_tag  uuid not null,
            purpose      text not null,
            entries      bigint[] not null,
            opened_at    timestamptz not null,
            due_at       timestamptz not null,
            covers_until timestamptz,
            state        text not null,
            decided_by   text,
            decided_at   timestamptz,
            log_index    bigint,
            subject      bytea not null
        );
        create index review_open on vault.review (due_at) where state = 'open';
        create index review_window on vault.review (actor_tag, subject_tag, purpose) where state = 'open' and covers_until is not null;
        comment on table vault.review is 'local: names entries of the log; whom they are about is sealed under a key of the vault';

        create table vault.alert (
            alert_id        uuid primary key,
            kind            text not null,
            at              timestamptz not null,
            actor_tag       uuid not null,
            purpose         text not null,
            about           bigint,
            log_index       bigint not null,
            acknowledged_by text,
            acknowledged_at timestamptz
        );
        create index alert_open on vault.alert (at) where acknowledged_at is null;
        create unique index alert_about on vault.alert (kind, about) where about is not null;
        comment on table vault.alert is 'local';

        create table vault.brake (
            actor_tag uuid not null,
            purpose   text not null,
            alert_id  uuid not null,
            until     timestamptz not null,
            primary key (actor_tag, purpose)
        );
        comment on table vault.brake is 'local: credentials that are stopped for a purpose';

        create table vault.honey (
            honey_id   uuid primary key,
            planted_at timestamptz not null,
            sealed     bytea not null
        );
        comment on table vault.honey is 'local: who they are is sealed under a key of the vault';

        create table vault.watch (
            task     text primary key,
            position bigint not null
        );
        comment on table vault.watch is 'local: how far the log has been looked at';
        insert into vault.watch select 'honey', size from audit.head;
        """;

    private const string Budgets =
        """
        create table vault.budget (
            actor_tag uuid not null,
            purpose   text not null,
            span      text not null,
            starts_at timestamptz not null,
            taken     bigint not null,
            primary key (actor_tag, purpose, span, starts_at)
        );
        comment on table vault.budget is 'local: how much of a budget the processes have taken for themselves';

        create table vault.budget_mark (
            actor_tag uuid not null,
            purpose   text not null,
            span      text not null,
            starts_at timestamptz not null,
            mark      uuid not null,
            primary key (actor_tag, purpose, span, starts_at, mark)
        );
        comment on table vault.budget_mark is 'local: what was counted, as keyed hashes that name nobody';

        create table vault.budget_limit (
            actor_tag uuid not null,
            purpose   text not null,
            client    text not null,
            per_hour  int,
            per_day   int,
            primary key (actor_tag, purpose)
        );
        comment on table vault.budget_limit is 'local: tighter budgets of single applications';
        """;

    private const string Grants =
        """
        grant select, insert, update, delete on vault.message, vault.approval, vault.brake, vault.honey, vault.budget, vault.budget_mark, vault.budget_limit to dv_vault;
        grant select, insert, update on vault.review, vault.alert, vault.watch to dv_vault;
        """;
}
