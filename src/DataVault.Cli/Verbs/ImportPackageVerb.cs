using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DataVault.Cli.Import;
using DataVault.Client;
using DataVault.Transparency;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault import package FILE --key KEY</c></summary>
internal static class ImportPackageVerb
{
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(5);

    public static Verb Build(VerbContext context)
    {
        var file = new Argument<FileInfo>("file") { Description = "The package of a person, as another vault made it (zip)." };
        var key = new Option<string>("--key") { Description = "Verifier key of the other vault's log, or a file with it or with the list of its keys. Get it from somebody you trust, not with the package.", Required = true };
        var purpose = new Option<string?>("--purpose") { Description = "What it is written for (left out by credentials with one purpose)." };
        var rejects = new Option<FileInfo?>("--rejects") { Description = "Where events go that this vault does not take (default: FILE.rejects.jsonl)." };
        var returning = new Option<string?>("--returning") { Description = "The person was erased here and came back themselves: account-opened, consent-given, contract or person-asked. An entry of the log." };
        return new Verb(
            "package", "Bring the package of a person from another vault in, as a new customer: fields and events by the names of the catalogue, each with where it came from and when. Consents are told of, not taken.",
            "datavault import package my-data.zip --key other-vault.vkey",
            "datavault import package my-data.zip --key other-vault.vkey --purpose service-delivery --json")
            .With(file, key, purpose, rejects, returning)
            .Does(context, async (session, cancellation) =>
            {
                var p = session.Parsed;
                var given = p.GetRequiredValue(file);
                if (!given.Exists) throw new UsageException($"{given.FullName} does not exist.");
                var account = await RunAsync(session, given.FullName, Key(p.GetRequiredValue(key)), (p.GetValue(purpose), p.GetValue(returning)), p.GetValue(rejects)?.FullName ?? given.FullName + ".rejects.jsonl", cancellation);
                Show(session, account);
                return ExitCode.Ok;
            });
    }

    private static NoteVerifier Key(string given)
    {
        var text = File.Exists(given) ? File.ReadAllText(given) : given;
        return NoteVerifier.TryParseFile(text, out var key) ? key! : throw new UsageException("--key is neither a verifier key, nor a file with one or with the list of a log's keys.");
    }

    private static async Task<PackageAccount> RunAsync(Session session, string file, NoteVerifier key, (string? Purpose, string? Returning) how, string rejects, CancellationToken cancellation)
    {
        var host = session.Host;
        var client = session.Open(["ingest"], how.Purpose, new VaultClientOptions { Time = host.Time, Patience = TimeSpan.FromMinutes(2) });
        await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read);
        using var bag = PackageImport.Open(stream, key, cancellation);
        StreamWriter? refused = null;
        var last = host.Time.GetTimestamp();
        try
        {
            return await new PackageImport(client, new ImportWire(client, host.Time, run: 0), bag, key, how).RunAsync(
                line => (refused ??= new StreamWriter(OwnFile.Create(rejects))).WriteLine(line),
                sent =>
                {
                    if (host.Time.GetElapsedTime(last) < s_every) return;
                    last = host.Time.GetTimestamp();
                    host.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sent:N0} events sent"));
                },
                cancellation);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new InvalidDataException("The package is signed, and something in it is not as its format says.");
        }
        finally
        {
            if (refused is not null) await refused.DisposeAsync();
        }
    }

    private static void Show(Session session, PackageAccount account) => session.Report.Show(account, () =>
    {
        var table = Report.Table("item", "what became of it");
        foreach (var name in account.FieldsTaken) table.Row(name, "taken");
        foreach (var left in account.FieldsNotTaken) table.Row(left.Item, $"not taken: {left.Reason}");
        table.Row("events", string.Create(CultureInfo.InvariantCulture, $"{account.EventsStored:N0} stored, {account.EventsAlreadyHeld:N0} held already"));
        foreach (var left in account.EventsNotTaken) table.Row($"events {left.Item}", string.Create(CultureInfo.InvariantCulture, $"{left.Count:N0} not taken: {left.Reason}"));
        foreach (var consent in account.ConsentsElsewhere) table.Row($"consent {consent.Purpose}", $"{consent.State} there on {consent.At:yyyy-MM-dd}, receipt {(consent.ReceiptHolds ? "holds" : "does not hold")}: ask anew");
        return new Rows(table, new Text($"Customer {account.Customer}, from {account.From}, case {account.Case}.\n"));
    });
}
