using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>Tiles of entries that are not there any more, or were never the log's, are made again from those that are. What was pruned has its tiles alone, and keeps them.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122150080_ForgottenTiles")]
internal sealed class ForgottenTiles : Migration
{
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create function audit.forget_tiles(entries bigint) returns void language sql security definer set search_path = pg_catalog, pg_temp as $$
            delete from audit.tile t using (select greatest(entries, coalesce(max(below), 0)) as kept, coalesce(max(below), 0) as pruned from audit.pruned) p
            where (t.n + 1) * 256::numeric ^ (t.level + 1) > p.kept and (t.level > 0 or t.n * 256 >= p.pruned);
        $$;
        revoke all on function audit.forget_tiles(bigint) from public;
        grant execute on function audit.forget_tiles(bigint) to dv_vault;
        """);
}
