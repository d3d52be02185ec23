using System.CommandLine;
using DataVault.Client;
using DataVault.Client.Wire;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault evidence …</c></summary>
internal static class EvidenceVerbs
{
    private static readonly string[] s_officer = ["compliance-officer"];

    public static Verb Build(VerbContext context) => new Verb("evidence", "Evidence for an authority, verifiable without the vault.").With(Pack(context));

    private static Verb Pack(VerbContext context)
    {
        var output = new Option<FileInfo>("--output", "-o") { Description = "Where the zip goes; a file that is there is kept.", Required = true };
        var days = new Option<int?>("--days") { Description = "Days of the log that the record of processing is compared with." };
        var purpose = new Option<string?>("--purpose", "-p") { Description = "Add the figures of consents for it; with --customer, that person's proof." };
        var customer = new Option<Guid?>("--customer") { Description = "Add the proof of this person's consent to --purpose." };
        var entries = new Option<long[]>("--entry") { Description = "Prove this entry too. May be given several times." };
        return new Verb(
            "pack", "Record of processing, measures, requests, breaches, consents and log proofs in one signed zip. Sign in as a person.",
            "datavault evidence pack -o evidence.zip", "datavault-verify package evidence.zip --key log.vkey")
            .With(output, days, purpose, customer, entries).Does(context, async (session, cancellation) =>
            {
                var parsed = session.Parsed;
                var file = parsed.GetRequiredValue(output);
                if (file.Exists) throw new UsageException($"{file.Name} is there already.");
                // The file is made first: nothing is entered in the log for a folder that cannot be written to.
                await using var target = OwnFile.Create(file.FullName);
                var ask = new AskEvidence { Days = parsed.GetValue(days), Purpose = parsed.GetValue(purpose), Customer = parsed.GetValue(customer), Entries = parsed.GetValue(entries) };
                try
                {
                    await using var pack = await session.OpenAsPerson(s_officer).EvidencePackAsync(ask, cancellation);
                    await pack.CopyToAsync(target, cancellation);
                    return ExitCode.Ok;
                }
                catch (VaultProblemException)
                {
                    file.Delete();
                    throw;
                }
            });
    }
}
