using DataVault.Cli;

#pragma warning disable RS0030 // This is the composition root: the environment is read here and nowhere else.
var host = new CliHost(Console.In, Console.Out, Console.Error, Environment.CurrentDirectory, TimeProvider.System)
{
    Variable = Environment.GetEnvironmentVariable,
    Terminal = !Console.IsErrorRedirected,
    Colours = !Console.IsOutputRedirected,
    ReadHidden = Console.IsInputRedirected ? null : HiddenLine.Read,
    Width = Console.IsOutputRedirected ? 160 : Math.Max(60, Console.WindowWidth),
};
#pragma warning restore RS0030
return await DataVaultCommand.RunAsync(host, args);
