using System.CommandLine;
using System.Globalization;
using DataVault.Cli.Import;
using DataVault.Client;
using Spectre.Console;

namespace DataVault.Cli.Verbs;

/// <summary><c>datavault import FILE --mapping MAPPING</c></summary>
internal static class ImportVerb
{
    public static Verb Build(VerbContext context)
    {
        var file = new Argument<FileInfo>("file") { Description = "CSV or JSON Lines, plain or .gz." };
        var mapping = new Option<FileInfo>("--mapping", "-m") { Description = "Mapping file (docs/formats/import-mapping.md).", Required = true };
        var checkpoint = new Option<FileInfo?>("--checkpoint") { Description = "Where progress is kept (default: FILE.checkpoint)." };
        var rejects = new Option<FileInfo?>("--rejects") { Description = "Where rejected lines go (default: FILE.rejects.csv or .jsonl)." };
        var restart = new Option<bool>("--restart") { Description = "Begin anew instead of going on after the last run." };
        var parallel = new Option<int>("--parallel") { Description = "Batches at a time.", DefaultValueFactory = _ => 4 };
        var batch = new Option<int>("--batch") { Description = "Lines a batch, 1 to 1000.", DefaultValueFactory = _ => 1000 };
        var patience = new Option<int>("--patience") { Description = "Seconds to wait for a vault that is away.", DefaultValueFactory = _ => 120 };
        parallel.Validators.Add(r => Between(r, 1, 64));
        batch.Validators.Add(r => Between(r, 1, ImportWire.LargestBatch));
        patience.Validators.Add(r => Between(r, 0, 86_400));
        return new Verb(
            "import", "Load a file of customers, events or both. Interrupted, the same command goes on where it stopped; run twice, it stores nothing twice.",
            "datavault import customers.csv --mapping customers.yaml",
            "datavault import orders.csv.gz -m docs/examples/import/online-retail.yaml --parallel 8",
            "datavault import events.jsonl -m events.yaml --rejects bad.jsonl --json")
            .With(file, mapping, checkpoint, rejects, restart, parallel, batch, patience, ImportPackageVerb.Build(context))
            .Does(context, async (session, cancellation) =>
            {
                var p = session.Parsed;
                var job = new ImportJob(
                    Existing(p.GetRequiredValue(file)), Mapping.Load(Existing(p.GetRequiredValue(mapping))), p.GetValue(checkpoint)?.FullName,
                    p.GetValue(rejects)?.FullName, p.GetValue(restart), new ImportSize(p.GetValue(batch), p.GetValue(parallel)), TimeSpan.FromSeconds(p.GetValue(patience)));
                return await RunAsync(session, job, cancellation);
            });
    }

    private static async Task<int> RunAsync(Session session, ImportJob job, CancellationToken cancellation)
    {
        var (host, mapping) = (session.Host, job.Mapping);
        var format = mapping.FormatOf(job.Input);
        var paths = ImportPaths.For(job.Input, format, job.Checkpoint, job.Rejects, host.WorkingDirectory);
        var started = host.Time.GetTimestamp();
        var client = session.Open(["ingest"], mapping.Purpose, new VaultClientOptions { Time = host.Time, Patience = job.Patience });
        using var input = SourceFile.Open(job.Input, format);
        using var journal = ImportJournal.Open(paths, input, mapping, session.Address.AbsoluteUri, host.Time.GetUtcNow().ToUnixTimeMilliseconds(), job.Restart);
        var before = journal.Account.Read;
        if (journal.Resumed) host.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Going on after line {before:N0} ({paths.Checkpoint})."));
        var run = new ImportRun(new LineMapper(mapping), new ImportWire(client, host.Time, journal.Run), journal, job.Size);
        var progress = new ImportProgress(host.Error, host.Terminal, host.Time);
        var account = await progress.ShowAsync(input, before, committed => run.RunAsync(input, committed, cancellation));
        journal.Close();
        Show(session, account, account.Rejected > 0 ? paths.Rejects : null, account.Read - before, host.Time.GetElapsedTime(started));
        return ExitCode.Ok;
    }

    private static void Show(Session session, Account account, string? rejects, long now, TimeSpan took)
    {
        var answer = new
        {
            account.Read, account.Accepted, account.Rejected, account.Duplicates, account.CustomersCreated, account.EventsStored, account.Reasons,
            rejects, seconds = Math.Round(took.TotalSeconds, 1), linesPerSecond = Math.Round(now / Math.Max(took.TotalSeconds, 0.001)),
        };
        session.Report.Show(answer, () =>
        {
            var table = Report.Table("account", "lines");
            table.Columns[1].RightAligned();
            table.Row("read", Number(account.Read));
            table.Row("= accepted", Number(account.Accepted));
            table.Row("+ rejected", Number(account.Rejected));
            foreach (var (reason, count) in account.Reasons) table.Row($"    {reason}", Number(count));
            table.Row("+ duplicates", Number(account.Duplicates));
            var words = string.Create(
                CultureInfo.InvariantCulture,
                $"{account.CustomersCreated:N0} customers created, {account.EventsStored:N0} events stored; {now:N0} lines in {took.TotalSeconds:N1} s, {answer.linesPerSecond:N0} a second.\n");
            return new Rows(table, new Text(words), new Text(rejects is null ? "" : $"Rejected lines: {rejects}\n"));
        });
    }

    private static string Number(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Existing(FileInfo file) => file.Exists ? file.FullName : throw new UsageException($"{file.FullName} does not exist.");

    private static void Between(System.CommandLine.Parsing.OptionResult result, int low, int high)
    {
        if (result.GetValueOrDefault<int>() is var value && (value < low || value > high)) result.AddError($"{result.IdentifierToken} takes {low} to {high}.");
    }

    private sealed record ImportJob(
        string Input, Mapping Mapping, string? Checkpoint, string? Rejects, bool Restart, ImportSize Size, TimeSpan Patience);
}
