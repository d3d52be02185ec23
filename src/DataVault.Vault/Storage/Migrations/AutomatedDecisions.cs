using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What models and rules decided about people, and how a person's look at it ended. What it came to and by what is sealed under the key of whom it is about.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122150010_AutomatedDecisions")]
internal sealed class AutomatedDecisionRows : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create table vault.automated_decision (
            subject_id   uuid not null,
            decision_id  uuid not null,
            sender       bytea not null,
            model        text not null,
            version      text not null,
            client       text not null,
            decided_at   timestamptz not null,
            recorded_at  timestamptz not null,
            state        text not null,
            request_id   uuid,
            review_by    timestamptz,
            changed_at   timestamptz not null,
            log_index    bigint not null,
            change_index bigint not null,
            sealed       bytea not null,
            review       bytea,
            seal         bytea not null,
            primary key (subject_id, decision_id),
            unique (subject_id, sender)
        );
        create index automated_decision_id on vault.automated_decision (decision_id);
        create index automated_decision_model on vault.automated_decision (model, decision_id);
        create index automated_decision_changes on vault.automated_decision (client, change_index);
        create index automated_decision_reviews on vault.automated_decision (review_by) where state = 'contested';
        comment on table vault.automated_decision is 'dist:subject_id';

        grant select, insert, update, delete on vault.automated_decision to dv_vault;
        """);
}
