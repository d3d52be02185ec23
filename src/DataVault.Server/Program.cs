using System.Runtime.InteropServices;
using DataVault.Server;
using DataVault.Server.Database;
using DataVault.Vault;
using Npgsql;

using var stop = new CancellationTokenSource();
var unsound = false;
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    // What is not a command of ours is configuration (--Vault:Home=…).
    string[] command = args.TakeWhile(argument => !argument.StartsWith('-')).ToArray();
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args[command.Length..], ContentRootPath = AppContext.BaseDirectory });
    var settings = new ServerSettings(builder.Configuration, builder.Environment);
    var startup = new Startup(builder, settings, Startup.LoadPolicy(settings), Console.WriteLine);
    await (command switch
    {
        [] => startup.ServeAsync(stop.Token),
        ["migrate"] => startup.MigrateAsync(stop.Token),
        ["administrator", var email] => startup.CreateAdministratorAsync(email, stop.Token),
        ["check"] => CheckAsync(deep: false),
        ["check", "deep"] => CheckAsync(deep: true),
        _ => throw new StartupException("Commands: none to serve; migrate; administrator EMAIL; check [deep]."),
    });
    return unsound ? 1 : 0;

    async Task CheckAsync(bool deep) => unsound = !await startup.CheckAsync(deep, stop.Token);
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
