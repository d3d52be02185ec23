using System.Text;
using DataVault.Policy;
using DataVault.Vault.Storage;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace DataVault.Vault;

/// <summary>
/// Brings both databases to the shape of this version: schema and grants by migrations, forward only, then what depends on the policy
/// (one schema and role per analytics domain) and what belongs to the database itself (who may connect). Safe to run again and from several processes.
/// </summary>
public static class VaultMigrator
{
    /// <summary>Migrations run one at a time per database; the number is this program's own.</summary>
    private const long LockKey = 0x4441_5441_5641;

    // PostgreSQL lets everybody who may connect take any advisory lock, and so keep a migration waiting for ever, make large objects until the disk
    // is full, and send notifications. An analyst's login connects; only the server's logins need the first and the last.
    private const string NarrowFunctions = """
        do $$ declare f regprocedure;
        begin
            for f in select oid::regprocedure from pg_proc where pronamespace = 'pg_catalog'::regnamespace
                and proname ~ '^(pg_(try_)?advisory_|pg_notify$|lo_|lowrite$|loread$|lo_?creat$)' and has_function_privilege('public', oid, 'execute')
            loop
                execute format('revoke execute on function %s from public', f);
                if f::text !~ '^lo' then execute format('grant execute on function %s to dv_vault, dv_issuer', f); end if;
            end loop;
        end $$;
        """;

    /// <param name="vaultAdmin">Connection to the database <c>vault</c> as a role that may create roles and schemas.</param>
    /// <param name="keysAdmin">The same for the database <c>keys</c>.</param>
    /// <param name="policy">Its analytics domains get their schemas.</param>
    public static async Task MigrateAsync(string vaultAdmin, string keysAdmin, PolicySet policy, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(policy);
        await MigrateVaultAsync(vaultAdmin, policy.Analytics, ct);
        await MigrateKeysAsync(keysAdmin, ct);
    }

    /// <summary>Makes what is missing of the schemas of these domains.</summary>
    public static async Task ProvideDomainsAsync(string vaultAdmin, IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(domains);
        await using var source = Source(vaultAdmin, "vault-migrator");
        await using var held = await LockAsync(source, ct);
        foreach (var domain in domains) await ExecuteAsync(held, AnalyticsSchema.Sql(domain), ct);
        await ExecuteAsync(held, ConnectGrants(["dv_vault", "dv_issuer", "dv_analytics", .. domains.Select(AnalyticsSchema.Role)]), ct);
    }

    internal static async Task MigrateVaultAsync(string admin, IReadOnlyList<AnalyticsDomain> domains, CancellationToken ct)
    {
        await using var source = Source(admin, "vault-migrator");
        await using var held = await LockAsync(source, ct);
        await using (var context = Contexts.Vault(source)) await context.Database.MigrateAsync(ct);
        await LogReindex.ClearIfOutdatedAsync(held, ct);
        foreach (var domain in domains) await ExecuteAsync(held, AnalyticsSchema.Sql(domain), ct);
        await ExecuteAsync(held, NarrowFunctions, ct);
        await ExecuteAsync(held, ConnectGrants(["dv_vault", "dv_issuer", "dv_analytics", .. domains.Select(AnalyticsSchema.Role)]), ct);
    }

    internal static async Task MigrateKeysAsync(string admin, CancellationToken ct)
    {
        await using var source = Source(admin, "keys-migrator");
        await using var held = await LockAsync(source, ct);
        await using (var context = Contexts.Keys(source)) await context.Database.MigrateAsync(ct);
        await ExecuteAsync(held, ConnectGrants(["dv_keys"]), ct);
    }

    // On a distributed PostgreSQL these settings let DDL and data changes share a transaction; elsewhere they mean nothing.
    private static NpgsqlDataSource Source(string admin, string name)
    {
        var settings = new NpgsqlConnectionStringBuilder(admin)
        {
            Options = "-c citus.multi_shard_modify_mode=sequential -c citus.enable_local_reference_table_foreign_keys=off",
            Pooling = false,
        };
        return new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = name }.Build();
    }

    private static async Task<NpgsqlConnection> LockAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        var connection = await source.OpenConnectionAsync(ct);
        await ExecuteAsync(connection, $"select pg_advisory_lock({LockKey})", ct);
        return connection;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static string ConnectGrants(IEnumerable<string> roles)
    {
        var sql = new StringBuilder("do $$ begin execute format('revoke all on database %I from public', current_database());\n");
        foreach (var role in roles) sql.Append("execute format('grant connect on database %I to ").Append(role).Append("', current_database());\n");
        return sql.Append("end $$;").ToString();
    }
}

/// <summary>
/// The schema of one analytics domain: tables, not views, since on a distributed PostgreSQL a view reads its shards as the caller and hides nothing.
/// The vault writes, <c>dv_analytics</c> reads every domain, the domain's own role reads its own and nothing else.
/// </summary>
internal static class AnalyticsSchema
{
    public static string Role(AnalyticsDomain domain) => "dv_analytics_" + domain.Name;

    public static IEnumerable<string> Tables(AnalyticsDomain domain) => new[] { "customer", "purchase", "interaction" }.Select(table => $"{Quote(domain.Schema)}.{table}");

    public static string Sql(AnalyticsDomain domain)
    {
        var (schema, role) = (Quote(domain.Schema), Quote(Role(domain)));
        return $"""
            do $$ begin
                if not exists (select from pg_roles where rolname = '{Role(domain)}') then create role {role} nologin; end if;
            exception when duplicate_object or unique_violation then null;
            end $$;
            create schema if not exists {schema};
            create table if not exists {schema}.customer (pseudonym text primary key, updated_on date not null);
            {string.Join('\n', domain.CustomerColumns.Select(c => $"alter table {schema}.customer add column if not exists {Quote(c.Column)} text;"))}
            create table if not exists {schema}.purchase (
                pseudonym text not null, event_key text not null, month date not null, event_type text not null, amount numeric, currency text,
                channel text, country text, primary key (pseudonym, event_key));
            create table if not exists {schema}.interaction (
                pseudonym text not null, event_key text not null, month date not null, event_type text not null, channel text,
                primary key (pseudonym, event_key));
            comment on table {schema}.customer is 'dist:pseudonym';
            comment on table {schema}.purchase is 'dist:pseudonym';
            comment on table {schema}.interaction is 'dist:pseudonym';
            revoke all on schema {schema} from public;
            revoke all on all tables in schema {schema} from public;
            grant usage on schema {schema} to dv_vault, dv_analytics, {role};
            grant select, insert, update, delete on all tables in schema {schema} to dv_vault;
            grant select on all tables in schema {schema} to dv_analytics, {role};
            """;
    }

    /// <summary>Names of domains and columns are checked by the policy; quoting keeps this statement safe by itself.</summary>
    public static string Quote(string identifier) => $"\"{identifier.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
