using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>The second version of a person's key may be the next one as well as the one before.</summary>
[DbContext(typeof(KeysDbContext))]
[Migration("20261122100011_SubjectKeyRenewal")]
internal sealed class SubjectKeyRenewal : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        alter table keys.subject_key rename column previous to other;
        alter index keys.subject_key_previous rename to subject_key_renewed;
        """);
}
