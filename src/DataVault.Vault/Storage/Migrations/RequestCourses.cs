using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>
/// What happened to a request besides its state, in codes and times; what was shown of the person's identity, sealed under their key; and by when an answer of
/// theirs is waited for, so that silence is found.
/// </summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122140010_RequestCourses")]
internal sealed class RequestCourses : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table vault.request add column course bytea, add column evidence bytea, add column answer_by timestamptz;
        create index request_answer_by on vault.request (answer_by) where answer_by is not null;
        create index request_evidence on vault.request (completed_at) where evidence is not null;
        """);
}
