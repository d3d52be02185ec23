using System.Runtime.InteropServices;
using DataVault.Server;
using DataVault.Server.Database;

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, c => { c.Cancel = true; stop.Cancel(); });
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => { c.Cancel = true; stop.Cancel(); });
try
{
    using var home = VaultHome.Claim(".vault");
    await using var postgres = await EmbeddedPostgres.StartAsync(
        new EmbeddedPostgresOptions(home.Folder, ["dv_vault_app"], "/usr/bin:/bin") { Progress = Console.WriteLine }, stop.Token);
    Console.WriteLine(postgres.ConnectionString("postgres", EmbeddedPostgres.Administrator));
    await postgres.SuperviseAsync(Console.WriteLine, stop.Token);
}
catch (OperationCanceledException)
{
    Console.WriteLine("stopped");
}
catch (StartupException e)
{
    await Console.Error.WriteLineAsync(e.Message);
    return 2;
}
return 0;
