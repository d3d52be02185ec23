using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>What makes an act evidence, and every notice that was ever in force.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122110070_ConsentEvidenceColumns")]
internal sealed class ConsentEvidenceColumns : Migration
{
    // Acts from before have none of it: null there is "was not kept", and their hash is that of then.
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.consent_event
            add column recorded_by     smallint,
            add column notice_hash     bytea check (length(notice_hash) = 32),
            add column language        text,
            add column guardian        text,
            add column lifts_objection boolean not null default false;
        create index consent_event_purpose on vault.consent_event (purpose_id, subject_id, sequence desc);

        create table vault.notice (
            purpose_id int not null,
            version    text not null,
            language   text not null,
            hash       bytea not null check (length(hash) = 32),
            text       text not null,
            kept_at    timestamptz not null,
            primary key (purpose_id, version, language, hash)
        );
        create index notice_hash on vault.notice (hash);
        comment on table vault.notice is 'ref';
        grant select, insert on vault.notice to dv_vault;
        """);
}
