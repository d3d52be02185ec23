using System.Runtime.InteropServices;
using DataVault.Server;
using DataVault.Server.Database;
using DataVault.Vault;
using Npgsql;

using var stop = new CancellationTokenSource();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    var isMigration = args is ["migrate", ..];
    var arguments = isMigration ? args[1..] : args;
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = arguments, ContentRootPath = AppContext.BaseDirectory });
    var settings = new ServerSettings(builder.Configuration, builder.Environment);
    var startup = new Startup(builder, settings, Startup.LoadPolicy(settings), Console.WriteLine);
    await (isMigration ? startup.MigrateAsync(stop.Token) : startup.ServeAsync(stop.Token));
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 0;
}
catch (Exception e) when (e is StartupException or VaultStartException)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 2;
}
catch (NpgsqlException e)
{
    // The message of a database may quote values; its code does not.
    await Console.Error.WriteLineAsync($"The database cannot be used ({(e as PostgresException)?.SqlState ?? e.InnerException?.GetType().Name ?? "no connection"}).");
    return 2;
}
