using System.CommandLine;
using DataVault.Cli.Witnessing;
using DataVault.Cryptography;
using DataVault.Transparency;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault witness …</c>: a witness of logs, run by somebody else than the logs' keeper.</summary>
internal static class WitnessVerbs
{
    public static Verb Build(VerbContext context) =>
        new Verb("witness", "Watch the logs of others: cosign their checkpoints while they only grow.").With(KeyGen(context), Serve(context));

    private static Verb KeyGen(VerbContext context)
    {
        var folder = Folder();
        var name = new Argument<string>("name") { Description = "Name of the witness, by custom an address without its scheme: witness.example.org/w1." };
        return new Verb("keygen", "Make a witness's key in a folder, and show the verifier key to give to logs and to verifiers.", "datavault witness keygen witness.example.org/w1 --folder ./witness")
            .With(name, folder)
            .Does(context, (session, _) =>
            {
                var key = WitnessFolder.Create(session.Parsed.GetRequiredValue(folder), session.Parsed.GetRequiredValue(name), new SystemRandomBytes());
                session.Report.Show(new { key }, () => new Spectre.Console.Text(key + "\n"));
                return Task.FromResult(ExitCode.Ok);
            });
    }

    private static Verb Serve(VerbContext context)
    {
        var folder = Folder();
        var listen = new Option<string>("--listen") { Description = "Where to listen; put a proxy that ends TLS before it.", DefaultValueFactory = _ => "http://127.0.0.1:8090/" };
        return new Verb(
            "serve", "Answer POST …/add-checkpoint (c2sp.org/tlog-witness) for the logs whose keys lie in logs/*.vkey of the folder.",
            "datavault witness serve --folder ./witness", "datavault witness serve --folder ./witness --listen http://127.0.0.1:9000/")
            .With(folder, listen)
            .Does(context, async (session, cancellation) =>
            {
                using var opened = WitnessFolder.Open(session.Parsed.GetRequiredValue(folder));
                using var key = opened.Key();
                var logs = opened.Logs();
                var witness = new Witness(logs, key, opened, session.Host.Time);
                var prefix = session.Parsed.GetRequiredValue(listen).TrimEnd('/') + "/";
                await new WitnessServer(witness, session.Host.Error).RunAsync(prefix, () => session.Report.Line($"{key.Name} listens on {prefix} for {string.Join(", ", logs.Select(log => log.Name).Distinct())}"), cancellation);
                return ExitCode.Ok;
            });
    }

    private static Option<string> Folder() => new("--folder") { Description = "The witness's own folder.", DefaultValueFactory = _ => "witness" };
}
