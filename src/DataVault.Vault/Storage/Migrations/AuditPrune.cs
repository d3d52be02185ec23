using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace DataVault.Vault.Storage.Migrations;

/// <summary>How old entries leave the database (see <see cref="LogPrune"/>): a function that only the owner may call.</summary>
[DbContext(typeof(VaultDbContext))]
[Migration("20261122100082_AuditPrune")]
internal sealed class AuditPrune : Migration
{
    // Hash tiles and checkpoints stay. A segment that is cut gives what is left of it a segment of its own; the index is held meanwhile.
    protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.Sql(
        """
        create function audit.prune(until bigint) returns void language plpgsql as $$
        declare
            s record;
            parent text;
        begin
            if not exists (select from audit.pruned where below = until) then raise exception 'no entry of the log says so'; end if;
            perform 1 from audit.index_state where id = 1 for update;
            for s in select * from audit.span where end_index <= until loop
                foreach parent in array array['batch', 'detail', 'bulk', 'entry_index', 'bulk_member'] loop
                    execute format('drop table if exists audit.%I', parent || '_' || lpad(s.number::text, 6, '0'));
                end loop;
            end loop;
            delete from audit.batch where first_index + count <= until;
            delete from audit.detail where index < until;
            delete from audit.bulk where index < until;
            delete from audit.bulk_member where index < until;
            delete from audit.entry_index where index < until;
            delete from audit.tally t using audit.segment c where c.first_index = t.first_index and c.first_index < until;
            for s in delete from audit.segment where first_index < until returning end_index, day loop
                continue when s.end_index <= until;
                insert into audit.segment (first_index, end_index, first_at, day)
                    select until, s.end_index, e.at, s.day from audit.entry_index e where e.index = until;
                insert into audit.tally (first_index, shape, entries)
                    select until, shape, count(*) from audit.entry_index where index >= until and index < s.end_index group by shape;
            end loop;
            update audit.index_state set segment_first = greatest(segment_first, until) where id = 1;
        end $$;
        revoke all on function audit.prune(bigint) from public;
        """);
}
