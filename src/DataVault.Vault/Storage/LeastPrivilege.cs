using Npgsql;

namespace DataVault.Vault.Storage;

/// <summary>Whether a login can do more than the vault needs. Outside Development the vault does not start on such a login.</summary>
internal static class LeastPrivilege
{
    private const string RoleFindings =
        """
        select 'is a superuser' from pg_roles where rolname = current_user and rolsuper
        union all select 'may create roles' from pg_roles where rolname = current_user and rolcreaterole
        union all select 'may create databases' from pg_roles where rolname = current_user and rolcreatedb
        union all select 'bypasses row security' from pg_roles where rolname = current_user and rolbypassrls
        union all select 'owns ' || c.oid::regclass from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname in ('vault', 'audit', 'keys') and c.relkind in ('r', 'p') and pg_has_role(current_user, c.relowner, 'usage')
        """;

    private const string LogFindings =
        """
        union all select 'may ' || p || ' on ' || t
            from unnest(array['audit.batch', 'audit.checkpoint', 'audit.head']) as t, unnest(array['delete', 'truncate']) as p
            where has_table_privilege(t, p)
        union all select 'may update ' || t from unnest(array['audit.batch', 'audit.checkpoint']) as t where has_table_privilege(t, 'update')
        """;

    /// <summary>What the login of <paramref name="database"/> can do and should not; empty when all is well.</summary>
    public static async Task<IReadOnlyList<string>> FindAsync(DatabaseConnections database, CancellationToken ct)
    {
        var found = new List<string>();
        await using var command = database.Source.CreateCommand(database is VaultDatabase ? RoleFindings + LogFindings : RoleFindings);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) found.Add(reader.GetString(0));
        return found;
    }

    /// <exception cref="VaultStartException">The login can do more than it should.</exception>
    public static async Task EnsureAsync(DatabaseConnections database, CancellationToken ct)
    {
        var found = await FindAsync(database, ct);
        if (found.Count > 0)
            throw new VaultStartException($"The login of the database {database.Name} can do more than it should: it {string.Join(", it ", found)}.");
    }

    /// <summary>A server that may lose or corrupt what it acknowledged.</summary>
    public static async Task EnsureDurableAsync(DatabaseConnections database, CancellationToken ct)
    {
        await using var command = database.Source.CreateCommand(
            "select name from pg_settings where (name in ('fsync', 'full_page_writes') and setting = 'off') or (name = 'synchronous_commit' and setting = 'off')");
        if (await command.ExecuteScalarAsync(ct) is string setting)
            throw new VaultStartException($"The server of the database {database.Name} runs with {setting} off: it may lose what it acknowledged.");
    }
}
