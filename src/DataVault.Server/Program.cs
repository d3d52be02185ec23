using System.Runtime.InteropServices;
using DataVault.Server;
using DataVault.Server.Backup;
using DataVault.Server.Database;
using DataVault.Server.Operations;
using DataVault.Vault;
using Npgsql;

using var stop = new CancellationTokenSource();
var (unsound, aside) = (false, false);
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Cancel();
}

using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
try
{
    if (Help.IsAsked(args))
    {
        Console.WriteLine(Help.Text());
        return 0;
    }

    // What is not a command of ours is configuration (--Vault:Home=…).
    string[] command = args.TakeWhile(argument => argument == "-" || !argument.StartsWith('-')).ToArray();
    // Their streams may pass through standard output, and what was cut off is a failure.
    aside = command is ["backup" or "restore", ..];
    var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args[command.Length..], ContentRootPath = AppContext.BaseDirectory });
    var settings = new ServerSettings(builder.Configuration, builder.Environment);
    var startup = new Startup(builder, settings, PolicyFolder.Read(settings), aside ? Console.Error.WriteLine : Console.WriteLine) { LogsAside = aside };
    await (command switch
    {
        [] => startup.ServeAsync(stop.Token),
        ["migrate"] => startup.MigrateAsync(stop.Token),
        ["signer", .. var words] => startup.CareForSignerAsync(words, stop.Token),
        ["administrator", var email] => startup.CreateAdministratorAsync(email, stop.Token),
        ["prune-log", "before", var day] => new LogCommands(startup.Visit(), Console.WriteLine).PruneAsync(day, dryRun: false, stop.Token),
        ["prune-log", "before", var day, "dry-run"] => new LogCommands(startup.Visit(), Console.WriteLine).PruneAsync(day, dryRun: true, stop.Token),
        ["reindex-log"] => new LogCommands(startup.Visit(), Console.WriteLine).ReindexAsync(stop.Token),
        ["check"] => CheckAsync(deep: false),
        ["check", "deep"] => CheckAsync(deep: true),
        ["backup", "verify", var file] => Backups().VerifyAsync(file, stop.Token),
        ["backup", "drilled"] => Backups().DrilledAsync(stop.Token),
        ["backup", "list", var folder] => Task.Run(() => Backups().List(folder)),
        ["backup", var part, var to] => Backups().BackUpAsync(PartOf(part), to, stop.Token),
        ["restore", "status"] => startup.GoThroughSignInsAsync([], stop.Token),
        ["restore", "lift", _, ..] => startup.GoThroughSignInsAsync(command[2..], stop.Token),
        ["restore", "accepted"] => Restores().ListAsync(stop.Token),
        ["restore", "accept", "losses"] => Task.Run(Restores().AcceptLosses),
        ["restore", "accept", "versions", _, ..] => Restores().ForgetAsync(command[3..], stop.Token),
        ["restore", "accept", var entry] => Restores().AcceptAsync(entry, stop.Token),
        ["restore", "discard", var part] => Restores().DiscardAsync(PartOf(part), stop.Token),
        ["restore", var part, var from] => RestoreAsync(PartOf(part), from, null, OtherPart.Stays),
        ["restore", var part, var from, "replacing", var name] => RestoreAsync(PartOf(part), from, name, OtherPart.Stays),
        ["restore", "data", var from, "replacing", var name, "keys-follow"] => RestoreAsync(BackupPart.Data, from, name, OtherPart.Follows),
        _ => throw new StartupException($"There is no such command. These there are; --help says which settings.\n{Help.Commands()}"),
    });
    return unsound ? 1 : 0;

    BackupCommands Backups() => new(startup.Visit(), settings, TimeProvider.System, Console.Error.WriteLine);

    RestoreCommand Restores() => new(startup.Visit(), settings, TimeProvider.System, Console.Error.WriteLine);

    Task RestoreAsync(BackupPart part, string from, string? replacing, OtherPart other) => Restores().RestoreAsync(part, from, replacing, other, stop.Token);

    static BackupPart PartOf(string word) => word switch
    {
        "data" => BackupPart.Data,
        "keys" => BackupPart.Keys,
        _ => throw new StartupException("A vault has two parts: data and keys."),
    };

    async Task CheckAsync(bool deep) => unsound = !await startup.CheckAsync(deep, stop.Token);
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return aside ? 2 : 0;
}
catch (IOException e) when (aside)
{
    await Console.Error.WriteLineAsync($"A file cannot be read or written: {e.Message}");
    return 2;
}
catch (Exception e) when (e is StartupException or VaultStartException or BackupException)
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
