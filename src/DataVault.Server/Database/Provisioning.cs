using DataVault.Issuer;
using DataVault.Policy;
using DataVault.Vault;
using Npgsql;

namespace DataVault.Server.Database;

/// <param name="Connection">Connection string of a login of the server.</param>
/// <param name="Groups">Roles whose rights it gets, and no others.</param>
internal sealed record ServerLogin(string Connection, params IReadOnlyList<string> Groups);

/// <summary>A login for analysts' tools: one domain's schema, nothing else.</summary>
internal sealed record AnalystLogin(string Domain, string Host, int Port, string Database, string User, string Password);

/// <summary>Databases, schema and login roles, made by an administrator of the database; safe to repeat.</summary>
internal sealed class Provisioning(string vaultAdministrator, string keysAdministrator)
{
    private const string RoleQuery = "SELECT 1 FROM pg_roles WHERE rolname = $1";

    /// <summary>Creates the two databases where they are absent.</summary>
    public async Task CreateDatabasesAsync(CancellationToken cancellation)
    {
        foreach (var administrator in new[] { vaultAdministrator, keysAdministrator })
        {
            var settings = new NpgsqlConnectionStringBuilder(administrator);
            var name = settings.Database!;
            settings.Database = "postgres";
            settings.Pooling = false;
            await using var connection = await OpenAsync(settings.ConnectionString, cancellation);
            if (!await ExistsAsync(connection, "SELECT 1 FROM pg_database WHERE datname = $1", name, cancellation))
                await RunAsync(connection, $"CREATE DATABASE {Identifier(name)} ENCODING 'UTF8' TEMPLATE template0", cancellation);
        }
    }

    public async Task MigrateAsync(PolicySet policy, CancellationToken cancellation)
    {
        await VaultMigrator.MigrateAsync(vaultAdministrator, keysAdministrator, policy, cancellation);
        await IssuerMigrator.MigrateAsync(vaultAdministrator, cancellation);
    }

    /// <summary>Makes the server's own logins members of their groups. A login that exists already keeps its password.</summary>
    public async Task CreateLoginsAsync(IEnumerable<ServerLogin> logins, CancellationToken cancellation)
    {
        foreach (var login in logins)
        {
            var settings = new NpgsqlConnectionStringBuilder(login.Connection);
            var administrator = login.Groups.Contains("dv_keys") ? keysAdministrator : vaultAdministrator;
            await using var connection = await OpenAsync(administrator, cancellation);
            await CreateLoginAsync(connection, settings.Username!, settings.Password, keepPassword: true, cancellation);
            foreach (var group in login.Groups)
                await RunAsync(connection, $"GRANT {Identifier(group)} TO {Identifier(settings.Username!)}", cancellation);
        }
    }

    /// <summary>Makes a login for a domain's consumers, or gives the existing one a new password.</summary>
    public async Task CreateAnalystAsync(AnalystLogin login, CancellationToken cancellation)
    {
        await using var connection = await OpenAsync(vaultAdministrator, cancellation);
        if (!await ExistsAsync(connection, RoleQuery, EmbeddedPostgres.AnalystGroup, cancellation))
            await RunAsync(connection, $"CREATE ROLE {EmbeddedPostgres.AnalystGroup} NOLOGIN", cancellation);
        await CreateLoginAsync(connection, login.User, login.Password, keepPassword: false, cancellation);
        var user = Identifier(login.User);
        await RunAsync(connection, $"GRANT {Identifier("dv_analytics_" + login.Domain)}, {EmbeddedPostgres.AnalystGroup} TO {user}", cancellation);
        await RunAsync(connection, $"ALTER ROLE {user} SET search_path = {Identifier("analytics_" + login.Domain)}", cancellation);
        await RunAsync(connection, $"ALTER ROLE {user} SET default_transaction_read_only = on", cancellation);
        await RunAsync(connection, $"ALTER ROLE {user} CONNECTION LIMIT 10", cancellation);
    }

    private static async Task CreateLoginAsync(
        NpgsqlConnection connection, string name, string? password, bool keepPassword, CancellationToken cancellation)
    {
        var exists = await ExistsAsync(connection, RoleQuery, name, cancellation);
        if (exists && keepPassword)
            return;
        var secret = password is null ? "" : $" PASSWORD {Literal(password)}";
        await RunAsync(connection, $"{(exists ? "ALTER" : "CREATE")} ROLE {Identifier(name)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE{secret}", cancellation);
    }

    private static async Task<NpgsqlConnection> OpenAsync(string connectionString, CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(cancellation);
        return connection;
    }

    private static async Task<bool> ExistsAsync(NpgsqlConnection connection, string query, string name, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(query, connection) { Parameters = { new() { Value = name } } };
        return await command.ExecuteScalarAsync(cancellation) is not null;
    }

    private static async Task RunAsync(NpgsqlConnection connection, string statement, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(statement, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    internal static string Identifier(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    internal static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}

/// <summary>The server's logins must not be able to do more than their groups allow.</summary>
internal static class LoginCheck
{
    private const string Powers = """
        SELECT r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls OR r.rolreplication
            OR pg_has_role(current_user, d.datdba, 'MEMBER')
            OR EXISTS (SELECT FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')
                       AND pg_has_role(current_user, c.relowner, 'MEMBER'))
        FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()
        """;

    /// <exception cref="StartupException">The login is a superuser, an owner, or cannot connect.</exception>
    public static async Task RefusePowerfulAsync(string name, string connectionString, CancellationToken cancellation)
    {
        try
        {
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync(cancellation);
            await using var command = new NpgsqlCommand(Powers, connection);
            if (await command.ExecuteScalarAsync(cancellation) is not false)
                throw new StartupException($"The login of ConnectionStrings__{name} is a superuser or owns what it uses: give it a role of its own (DataVault.Server migrate makes it).");
        }
        catch (NpgsqlException e)
        {
            var cause = e is PostgresException postgres ? $"SQLSTATE {postgres.SqlState}" : e.InnerException?.GetType().Name ?? e.GetType().Name;
            throw new StartupException($"The database of ConnectionStrings__{name} cannot be reached ({cause}).");
        }
    }
}
