using DataVault.Verifier;

using var desk = new Desk(Console.Out, Console.Error, progress: !Console.IsErrorRedirected);
return await VerifyCommand.RunAsync(desk, args);
