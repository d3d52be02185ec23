using Npgsql;

namespace DataVault.Vault.Storage;

/// <summary>A table that breaks a rule.</summary>
internal sealed record SchemaFinding(string Rule, string Table);

/// <summary>
/// Whether the schema could be distributed (Citus) as it stands, read from the catalogue of a plain PostgreSQL. Each table declares its class in its comment:
/// <c>dist:column</c>, <c>ref</c> or <c>local</c>, optionally followed by a colon and a reason.
/// </summary>
internal static class SchemaLint
{
    private const string Sql =
        """
        with s as (
            select oid from pg_namespace where nspname in ('vault', 'audit', 'issuer', 'keys') or nspname like 'analytics\_%'
        ), t as (
            select c.oid, c.oid::regclass::text as tbl, c.relpersistence, c.relkind, c.relispartition,
                   coalesce(rtrim(split_part(obj_description(c.oid, 'pg_class'), ' ', 1), ':'), '') as cls
            from pg_class c join s on s.oid = c.relnamespace
            where c.relkind in ('r', 'p') and not c.relispartition
        ), d as (
            select t.*, split_part(cls, ':', 2) as dcol, a.attnum, a.attnotnull
            from t left join pg_attribute a on a.attrelid = t.oid and a.attname = split_part(cls, ':', 2) and a.attnum > 0 where cls like 'dist:%'
        )
        select 'R0 no class in the comment' as rule, tbl from t where cls !~ '^(dist:[a-z_]+|ref|local)$'
        union all select 'R0 no such distribution column: ' || dcol, tbl from d where attnum is null
        union all select 'R1 unique index lacks the distribution column: ' || i.indexrelid::regclass, d.tbl
            from d join pg_index i on i.indrelid = d.oid where (i.indisunique or i.indisexclusion) and not d.attnum = any(i.indkey::int2[])
        union all select 'R1 primary key does not begin with the distribution column', d.tbl
            from d join pg_index i on i.indrelid = d.oid and i.indisprimary where i.indkey[0] <> d.attnum
        union all select 'R5 distribution column nullable', tbl from d where not attnotnull
        union all select 'R3 foreign key not along the distribution column nor to a reference table: ' || f.conname, d.tbl
            from d join pg_constraint f on f.conrelid = d.oid and f.contype = 'f' and f.conparentid = 0
            left join t rt on rt.oid = f.confrelid left join d rd on rd.oid = f.confrelid
            where not coalesce(rt.cls = 'ref'
                or (rd.oid is not null and rd.dcol = d.dcol and array_position(f.conkey, d.attnum) = array_position(f.confkey, rd.attnum)), false)
        union all select 'R3 foreign key from a reference or local table to a distributed one: ' || f.conname, t.tbl
            from t join pg_constraint f on f.conrelid = t.oid and f.contype = 'f' join d on d.oid = f.confrelid where t.cls in ('ref', 'local')
        union all select 'R4 foreign key action on the distribution column: ' || f.conname, d.tbl
            from d join pg_constraint f on f.conrelid = d.oid and f.contype = 'f' and d.attnum = any(f.conkey)
            where f.confdeltype in ('n', 'd') or f.confupdtype in ('n', 'd', 'c')
        union all select 'R6 trigger: ' || g.tgname, t.tbl from t join pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal where t.cls <> 'local'
        union all select 'R10 narrow identity or serial: ' || a.attname, t.tbl
            from t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
            left join pg_attrdef ad on ad.adrelid = t.oid and ad.adnum = a.attnum
            where t.cls <> 'local' and a.atttypid in (21, 23) and (a.attidentity <> '' or pg_get_expr(ad.adbin, ad.adrelid) like 'nextval%')
        union all select 'R14 view in a schema that analysts reach', v.oid::regclass::text
            from pg_class v join pg_namespace n on n.oid = v.relnamespace where v.relkind in ('v', 'm') and n.nspname like 'analytics\_%'
        union all select 'R16 unlogged', tbl from t where relpersistence <> 'p'
        union all select 'R16 no primary key', t.tbl from t where cls <> 'local' and not exists (select from pg_index i where i.indrelid = t.oid and i.indisprimary)
        union all select 'R18 multi-level partitioning', c.oid::regclass::text from pg_class c join s on s.oid = c.relnamespace where c.relkind = 'p' and c.relispartition
        union all select 'R18 inheritance', i.inhrelid::regclass::text
            from pg_inherits i join pg_class c on c.oid = i.inhrelid join s on s.oid = c.relnamespace where c.relkind = 'r' and not c.relispartition
        order by 1, 2
        """;

    public static async Task<IReadOnlyList<SchemaFinding>> RunAsync(NpgsqlDataSource source, CancellationToken ct = default)
    {
        var found = new List<SchemaFinding>();
        await using var command = source.CreateCommand(Sql);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) found.Add(new SchemaFinding(reader.GetString(0), reader.GetString(1)));
        return found;
    }
}
