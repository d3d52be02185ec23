using DataVault.Server.Database;
using DataVault.Vault;

namespace DataVault.Server.Backup;

/// <param name="Logins">How the server logs in.</param>
/// <param name="VaultAdministrator">Whoever may read, make and drop the database of data.</param>
/// <param name="KeysAdministrator">The same for the database of keys.</param>
internal sealed record VisitedDatabases(DatabaseConnections Logins, string VaultAdministrator, string KeysAdministrator)
{
    public static VisitedDatabases Embedded(Func<string, string, string> connection) => new(
        DatabaseConnections.Embedded(connection), connection("vault", EmbeddedPostgres.Administrator), connection("keys", EmbeddedPostgres.Administrator));

    public string Administrator(BackupPart part) => part == BackupPart.Data ? VaultAdministrator : KeysAdministrator;
}

/// <summary>The databases of a vault, for a command that works on them and goes: those configured, or the embedded ones, whoever runs them at the moment.</summary>
internal sealed class VaultVisit(ServerSettings settings, Func<CancellationToken, Task<EmbeddedPostgres>> start, Func<DatabaseConnections, WebApplication> assemble)
{
    /// <summary>The parts of a server on these databases, none of them started.</summary>
    public WebApplication Assemble(DatabaseConnections connections) => assemble(connections);

    /// <summary>Servers may work on meanwhile.</summary>
    public async Task BesideServersAsync(Func<VisitedDatabases, Task> work, CancellationToken stop)
    {
        if (settings.RunsOwnDatabase && EmbeddedPostgres.FindRunning(settings.Home) is { } running)
            await work(VisitedDatabases.Embedded(running));
        else if (settings.RunsOwnDatabase)
            await AloneAsync(work, stop);
        else
            await work(Configured());
    }

    /// <summary>No server may work meanwhile.</summary>
    /// <exception cref="StartupException">One does.</exception>
    public async Task AloneAsync(Func<VisitedDatabases, Task> work, CancellationToken stop)
    {
        using var home = VaultHome.Claim(settings.Home);
        await using var postgres = settings.RunsOwnDatabase ? await start(stop) : null;
        await work(postgres is null ? Configured() : VisitedDatabases.Embedded(postgres.ConnectionString));
    }

    private VisitedDatabases Configured() =>
        new(DatabaseConnections.Configured(settings), settings.RequiredConnection("VaultMigrator"), settings.RequiredConnection("KeysMigrator"));
}
