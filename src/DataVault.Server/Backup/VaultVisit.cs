using DataVault.Server.Database;
using DataVault.Vault;

namespace DataVault.Server.Backup;

/// <param name="Logins">How the server logs in.</param>
/// <param name="Administrator">Whoever may read, make and drop a database; asked for only by the commands that need them.</param>
internal sealed record VisitedDatabases(DatabaseConnections Logins, Func<BackupPart, string> Administrator)
{
    public static VisitedDatabases Embedded(Func<string, string, string> connection) => new(
        DatabaseConnections.Embedded(connection), part => connection(part == BackupPart.Data ? "vault" : "keys", EmbeddedPostgres.Administrator));
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
        else if (!settings.RunsOwnDatabase)
            await work(Configured());
        else
            await QuietAsync(work, stop);
    }

    /// <summary>For what reads everything and writes nothing: servers may work on meanwhile.</summary>
    /// <exception cref="StartupException">There is no vault.</exception>
    public Task LookAsync(Func<VisitedDatabases, Task> work, CancellationToken stop) =>
        settings.RunsOwnDatabase && EmbeddedPostgres.FindRunning(settings.Home) is { } running ? work(VisitedDatabases.Embedded(running)) : QuietAsync(work, stop);

    private async Task QuietAsync(Func<VisitedDatabases, Task> work, CancellationToken stop)
    {
        if (settings.RunsOwnDatabase)
        {
            if (!EmbeddedPostgres.IsIn(settings.Home)) throw new StartupException($"There is no vault in {settings.Home}.");
            await AloneAsync(work, stop);
            return;
        }

        using var home = VaultHome.Join(settings.Home);
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
        new(DatabaseConnections.Configured(settings), part => settings.RequiredConnection(part == BackupPart.Data ? "VaultMigrator" : "KeysMigrator"));
}
